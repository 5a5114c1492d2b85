"""The scheme that comes with the package is found, copied to be edited, and used without asking."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.errors import BadInputError, ConfigError
from evaluation.neutral_scheme import neutral_scheme
from evaluation.options import read_wanted_scheme
from evaluation.scheme_file import read_scheme
from evaluation.verbs import cli


def evaluation(*arguments, **environment):
    done = CliRunner().invoke(cli, list(map(str, arguments)), env=environment)
    if isinstance(done.exception, BadInputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_a_copy_is_the_same_scheme_and_never_replaces_one(tmp_path):
    copy = tmp_path / "scheme.yaml"
    assert "name or version" in evaluation("scheme", "write", copy)
    assert read_scheme(copy) == read_wanted_scheme(None)
    assert "$schema" not in copy.read_text("utf-8")  # there is no such file beside it
    copy.write_text("mine", "utf-8")
    with pytest.raises(BadInputError, match="stays as it is"):
        evaluation("scheme", "write", copy)
    assert copy.read_text("utf-8") == "mine"
    with pytest.raises(BadInputError, match="cannot be written"):
        evaluation("scheme", "write", tmp_path / "none" / "scheme.yaml")


def test_a_scheme_is_checked_by_argument_by_environment_or_as_it_comes(tmp_path):
    own = tmp_path / "own.yaml"
    text = neutral_scheme().read_text("utf-8").replace("name: neutral-2026", "name: street-1")
    own.write_text(text, "utf-8")
    assert "street-1 1: 8 indicators" in evaluation("scheme", "check", own)
    assert "street-1 1" in evaluation("scheme", "check", EVALUATION_SCHEME=str(own))
    assert "neutral-2026 1" in evaluation("scheme", "check", EVALUATION_SCHEME="")
    own.write_text(text.replace("fewest_to_rank: 3", "fewest_to_rank: 1"), "utf-8")
    with pytest.raises(ConfigError, match=r"own.yaml:\d+: composite.fewest_to_rank"):
        evaluation("scheme", "check", own)


def test_the_wheel_has_it_where_it_is_looked_for():
    build = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]
    assert included["config/schemes/neutral-2026.yaml"] == "evaluation/_schemes/neutral-2026.yaml"
