"""The schema that editors use knows what the service knows."""

import copy
import json

import config_schema
import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from edge.config import Config

EXAMPLE = config_schema.ROOT / "config" / "lobby.example.yaml"
SCHEMA = json.loads(config_schema.SCHEMA.read_text("utf-8"))


def example():
    document = YAML(typ="safe", pure=True).load(EXAMPLE.read_text("utf-8"))
    document["hours"] = {"weekly": {"mon": ["09:00-17:00"]}, "closed": ["2026-10-01"]}
    return document


def errors(document):
    return [list(e.absolute_path) for e in Draft202012Validator(SCHEMA).iter_errors(document)]


def test_it_is_not_stale():
    assert config_schema.SCHEMA.read_text("utf-8") == config_schema.text(), (
        "run scripts/config_schema.py"
    )


def test_the_example_obeys_it_and_names_it_in_its_first_line():
    Draft202012Validator.check_schema(SCHEMA)
    assert errors(example()) == []
    Config.model_validate(example())
    first = EXAMPLE.read_text("utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (EXAMPLE.parent / named).resolve() == config_schema.SCHEMA


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["lines", 0, "in"], "north"),
        (["lines", 0, "points", 0, 0], 1.5),
        (["lines", 0, "audience"], "guests"),
        (["camera", "sauce"], "x"),
        (["records", "interval_min"], 7),
        (["hours", "weekly", "monday"], ["09:00-17:00"]),
        (["mqtt", "port"], "many"),
    ],
)
def test_it_finds_what_an_editor_can_find(path, value):
    document = copy.deepcopy(example())
    node = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    assert errors(document)


def test_every_section_has_words_in_both_languages():
    for name, model in {"Config": SCHEMA, **SCHEMA["$defs"]}.items():
        if "properties" in model:
            words = model["description"]
            assert words.isascii() is False, name
            assert any(c.isascii() and c.isalpha() for c in words), name


def test_the_examples_in_the_manual_work():
    text = (config_schema.ROOT / "docs" / "config.md").read_text("utf-8")
    blocks = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    assert len(blocks) == 2
    for block in blocks:
        document = {**example(), **YAML(typ="safe", pure=True).load(block)}
        Config.model_validate(document)
