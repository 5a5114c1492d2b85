"""Drawings are written into the installer's file; every other character stays."""

from difflib import unified_diff
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from edge.config import Config
from edge.config_edit import with_drawings
from edge.config_text import parse
from edge.errors import ConfigError

EXAMPLE = Path("config/lobby.example.yaml")
ACROSS = [[0.2, 0.6], [0.8, 0.6]]
HEAD = """\
# ours
device: {tenant: a, id: "b"}   # who
camera:
    source: /dev/video0   # where
mqtt: {host: x, insecure_lab: true}
"""
LISTED = (
    HEAD
    + """\
lines:
# the front
- id: door  # the big one
  # feet pass here
  points: [[0.20, 0.60], [0.80, 0.60]]  # drawn by Wang
  in: down

# for parcels,
# since May
- name: '侧门'
  id: side
  points:
  - [0.1, 0.2]
  - - 0.9
    - 0.2
  in: up  # up

# at the very back
- {id: back, points: [[0.1, 0.9], [0.9, 0.9]], in: up}  # flow
  # still the back's
# the end
counting:
    hold_s: 0.3
"""
)


def said(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def changed(before: str, after: str) -> list[str]:
    lines = unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:3] not in {"---", "+++"} and line[0] in "+-"]


def drawn(text: str) -> dict[str, Any]:
    document = said(text)
    return {
        "lines": document["lines"],
        "zones": document.get("zones", []),
        "masks": document["camera"].get("masks", []),
    }


@pytest.mark.parametrize("text", [EXAMPLE.read_text(encoding="utf-8"), LISTED])
def test_what_is_not_changed_stays_byte_for_byte(text: str) -> None:
    assert with_drawings(text, drawn(text)) == text


def test_a_moved_line_changes_its_points_only() -> None:
    lines = drawn(LISTED)["lines"]
    lines[0]["points"] = [[0.2, 0.61234567], [0.8, 0.3]]
    after = with_drawings(LISTED, {"lines": lines})
    assert changed(LISTED, after) == [
        "-  points: [[0.20, 0.60], [0.80, 0.60]]  # drawn by Wang",
        "+  points: [[0.2, 0.6123], [0.8, 0.3]]  # drawn by Wang",
    ]


def test_a_deleted_line_takes_its_own_comments_along() -> None:
    door, _, back = drawn(LISTED)["lines"]
    assert changed(LISTED, with_drawings(LISTED, {"lines": [door, back]})) == [
        "-# for parcels,",
        "-# since May",
        "-- name: '侧门'",
        "-  id: side",
        "-  points:",
        "-  - [0.1, 0.2]",
        "-  - - 0.9",
        "-    - 0.2",
        "-  in: up  # up",
        "-",
    ]
    after = with_drawings(LISTED, {"lines": [door]})
    assert "# the end" in after
    assert "back" not in after


def test_a_new_line_and_a_new_setting_are_written_as_the_others() -> None:
    lines = drawn(LISTED)["lines"]
    lines[0]["name"] = "no: 大门"
    lines.append({"id": "on", "name": "", "points": ACROSS, "in": "down"})
    assert changed(LISTED, with_drawings(LISTED, {"lines": lines})) == [
        '+  name: "no: 大门"',
        '+- id: "on"',
        "+  points: [[0.2, 0.6], [0.8, 0.6]]",
        "+  in: down",
    ]


def test_lists_that_were_empty_or_missing_are_filled_and_emptied_again() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    zone = {"id": "hall", "kind": "activity", "polygon": [[0, 0], [1, 0], [1, 1]], "windows": []}
    new = {"zones": [zone], "masks": [[[0, 0], [0.2, 0], [0.2, 0.3]]]}
    for before in (text, HEAD + "lines: [{id: d, points: [[0.2, 0.6], [0.8, 0.6]], in: down}]"):
        full = with_drawings(before, new)
        assert said(full)["camera"]["masks"] == new["masks"]
        assert "windows" not in said(full)["zones"][0]
        assert len(changed(before, full)) < 10
    assert with_drawings(with_drawings(text, new), {"zones": [], "masks": []}) == text


def test_windows_line_ends_and_a_file_without_a_last_one() -> None:
    text = LISTED.replace("\n", "\r\n").rsplit("counting", 1)[0].rstrip("\r\n")
    lines = [*drawn(LISTED)["lines"], {"id": "new", "points": ACROSS, "in": "down"}]
    after = with_drawings(text, {"lines": lines})
    assert said(after)["lines"][3]["id"] == "new"
    assert after.count("\n") == after.count("\r\n")


def test_a_moved_mask_keeps_its_comment() -> None:
    text = LISTED.replace(
        "camera:\n",
        "camera:\n    masks:\n    - [[0, 0], [1, 0], [0, 1]]  # A\n"
        "    - [[0, 0], [0.5, 0], [0, 0.5]]  # B\n",
    )
    masks = [[[0, 0], [1, 0], [0, 1]], [[0, 0], [0.4, 0], [0, 0.5]]]
    assert changed(text, with_drawings(text, {"masks": masks})) == [
        "-    - [[0, 0], [0.5, 0], [0, 0.5]]  # B",
        "+    - [[0, 0], [0.4, 0], [0, 0.5]]  # B",
    ]
    assert "# A" not in with_drawings(text, {"masks": masks[1:]})


@pytest.mark.parametrize(
    ("text", "drawings", "said_so"),
    [
        (LISTED, {"lines": []}, "lines: "),
        (LISTED, {"lines": [{"id": "door", "points": [[0, 2], [1, 2]]}]}, "lines[0].points[0][1]"),
        (LISTED, {"lines": [{"id": "door", "points": ACROSS, "in": "left"}]}, "walk along"),
        (LISTED, {"zones": [{"id": "door", "polygon": [[0, 0], [1, 0], [1, 1]]}]}, "twice"),
        (LISTED + "frist: 1\n", {"masks": []}, "frist: unknown"),
        (LISTED.replace("in: down", "in: ["), {"masks": []}, "lobby.yaml:"),
        (
            HEAD + "lines:\n- &a {id: a, points: &p [[0, 1], [1, 0.5]], in: up}\n"
            "- {id: b, points: *p, in: up}\n",
            {"lines": [{"id": "b", "points": ACROSS}]},
            "anchors",
        ),
    ],
)
def test_what_cannot_be_done_is_said(text: str, drawings: dict[str, Any], said_so: str) -> None:
    with pytest.raises(ConfigError, match=said_so.replace("[", r"\[")):
        with_drawings(text, drawings)


COORDINATE = st.floats(0, 1).map(lambda x: round(x, 5))
LINE = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["door", "side", "back", "on", "x1", "1e3"]),
        "points": st.tuples(COORDINATE, COORDINATE).map(lambda y: [[0.1, y[0]], [0.9, y[1]]]),
        "in": st.just("up"),
    },
    optional={"name": st.text(max_size=8)},
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(LINE, min_size=1, max_size=4, unique_by=lambda i: i["id"]), max_size=3))
def test_any_drawings_one_after_the_other_are_what_the_file_says(edits: list[Any]) -> None:
    text = LISTED
    for lines in edits:
        names = {line["id"]: line.get("name", "") for line in said(text)["lines"]}
        text = with_drawings(text, {"lines": lines})
        config = Config.model_validate(parse(Path("f"), text))
        assert [line.id for line in config.lines] == [line["id"] for line in lines]
        for got, want in zip(config.lines, lines, strict=True):
            assert got.points == tuple((x, round(y, 4)) for x, y in want["points"])
            assert got.name == want.get("name", names.get(got.id, ""))
        assert {"# ours", "# who", "# where", "# the end"} <= {
            "# " + part.strip() for line in text.splitlines() for part in line.split("#")[1:]
        }


def laid_out(document: Any, indent: int, offset: int, flow: str | None) -> str:
    """Write a config the way somebody else's editor would."""
    yaml = YAML(typ="rt", pure=True)
    yaml.indent(mapping=indent, sequence=indent, offset=offset)
    yaml.default_flow_style = {"all": True, "leaves": None}.get(flow or "", False)
    out = StringIO()
    yaml.dump(document, out)
    return out.getvalue()


ZONE = st.builds(
    lambda x: {"id": f"z{int(x * 9)}", "polygon": [[0, 0], [x, 0.1], [x, 0.9]]},
    st.floats(0.1, 1).map(lambda x: round(x, 3)),
)
MASK = st.floats(0.1, 1).map(lambda x: [[0, 0], [round(x, 3), 0], [0, 0.5]])
DRAWINGS = st.fixed_dictionaries(
    {"lines": st.lists(LINE, min_size=1, max_size=4, unique_by=lambda i: i["id"])},
    optional={
        "zones": st.lists(ZONE, max_size=3, unique_by=lambda i: i["id"]),
        "masks": st.lists(MASK, max_size=3),
    },
)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([(2, 0), (4, 2), (6, 4)]),
    st.sampled_from([None, "all", "leaves"]),
    DRAWINGS,
    st.lists(DRAWINGS, min_size=1, max_size=3),
)
def test_any_layout_takes_any_drawings(
    dents: tuple[int, int], flow: str | None, first: Any, edits: list[Any]
) -> None:
    camera = {"source": "/dev/video0"} | ({"masks": first["masks"]} if "masks" in first else {})
    document = {
        "device": {"tenant": "a", "id": "b", "name": "大厅 # no comment"},
        "camera": camera,
        **{key: first[key] for key in ("lines", "zones") if key in first},
        "mqtt": {"host": "x", "insecure_lab": True},
    }
    text = laid_out(document, *dents, flow)
    for drawings in edits:
        text = with_drawings(text, drawings)
        after = Config.model_validate(said(text))
        assert [line.id for line in after.lines] == [line["id"] for line in drawings["lines"]]
        for key, got in (("zones", after.zones), ("masks", after.camera.masks)):
            if key in drawings:
                assert len(got) == len(drawings[key])
        assert after.device.name == "大厅 # no comment"
        assert after.mqtt.host == "x"
