"""The config file is replaced whole, with its owner, its mode and its links."""

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from edge.adapters.config_file import write_config
from edge.errors import ConfigError


def test_mode_and_links_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "lobby.yaml", tmp_path / "lobby.yaml"
    real.parent.mkdir()
    real.write_text("old", encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to(real)
    write_config(link, "新 new")
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "新 new"
    assert real.stat().st_mode & 0o7777 == 0o640
    assert [file.name for file in real.parent.iterdir()] == ["lobby.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to somebody else")
def test_the_owner_stays(tmp_path: Path) -> None:
    path = tmp_path / "lobby.yaml"
    path.write_text("old", encoding="utf-8")
    os.chown(path, 12345, 12346)
    write_config(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that is ours while we are not root."""
    folder, me = Path(mkdtemp()), os.geteuid()
    if me == 0:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    os.seteuid(me)
    folder.chmod(0o755)
    rmtree(folder)


@pytest.mark.parametrize(("of", "mode"), [("lobby.yaml", 0o444), ("", 0o555)])
def test_what_may_not_be_written_stays_and_is_said(nobody: Path, of: str, mode: int) -> None:
    path = nobody / "lobby.yaml"
    path.write_text("old", encoding="utf-8")
    (nobody / of).chmod(mode)
    with pytest.raises(ConfigError, match=r"lobby\.yaml: cannot be written \(Permission denied\)"):
        write_config(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in nobody.iterdir()] == ["lobby.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to a group of others")
def test_a_group_that_cannot_be_given_gets_nothing(nobody: Path) -> None:
    path = nobody / "lobby.yaml"
    path.write_text("old", encoding="utf-8")
    os.seteuid(0)
    os.chown(path, 65534, 12346)
    path.chmod(0o640)
    os.seteuid(65534)
    write_config(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_gid != 12346
    assert path.stat().st_mode & 0o7777 == 0o600


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        write_config(tmp_path / "lobby.yaml", "new")
