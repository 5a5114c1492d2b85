"""The import contracts hold, and breaking the house breaks them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINT = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def house(tmp_path):
    for package in ("edge", "evaluation", "model_export"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, tmp_path / package, ignore=ignored)
    shutil.copy("pyproject.toml", tmp_path)
    return tmp_path


def lint(folder):
    return subprocess.run(
        [str(LINT), "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_contracts_hold(house):
    done = lint(house)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("helpers.py", '"""A module with no place."""\n', "helpers"),
        ("counting.py", "import edge.tracking\n", "edge.counting -> edge.tracking"),
        ("delivery.py", "import edge.config\n", "edge.delivery -> edge.config"),
        ("tracking.py", "import cv2\n", "edge.tracking -> cv2"),
        ("monitor.py", "import edge.config\n", "edge.monitor -> edge.config"),
        ("delivery.py", "import evaluation\n", "edge.delivery -> evaluation"),
        ("app.py", "import ultralytics\n", "edge.app -> ultralytics"),
        (
            "service.py",
            "import edge.adapters.model_download\n",
            "edge.service -> edge.adapters.model",
        ),
        ("models_export.py", "import model_export\n", "edge.models_export -> model_export"),
    ],
)
def test_a_breach_is_named(house, file, text, said):
    path = house / "edge" / file
    path.write_text(text + (path.read_text("utf-8") if path.exists() else ""), "utf-8")
    done = lint(house)
    assert done.returncode == 1
    assert said in done.stdout


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("ingest.py", "import evaluation.store\n", "evaluation.ingest -> evaluation.store"),
        ("watermark.py", "import sqlalchemy\n", "evaluation.watermark -> sqlalchemy"),
        ("misc.py", '"""A module with no place."""\n', "misc"),
    ],
)
def test_a_breach_in_the_backend_is_named(house, file, text, said):
    path = house / "evaluation" / file
    path.write_text(text + (path.read_text("utf-8") if path.exists() else ""), "utf-8")
    done = lint(house)
    assert done.returncode == 1
    assert said in done.stdout
