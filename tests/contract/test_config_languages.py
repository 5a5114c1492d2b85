"""Every mistake in a config file is told in English and in Chinese."""

import ast
import copy
import re
from datetime import date, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from edge.config import Config, load
from edge.config_errors import sentences
from edge.config_words import FINDINGS
from edge.errors import ConfigError

CHINESE = re.compile("[\u4e00-\u9fff]")
MODULES = [
    *sorted(Path("edge").glob("config*.py")),
    Path("edge/answered_for.py"),
    Path("edge/adapters/config_file.py"),
    Path("edge/adapters/data_folder.py"),
]
GOLDEN = Path("tests/contract/golden/check.txt").read_text("utf-8")
OTHERWISE = {"extra_forbidden", "missing", "value_error"}
"""Told by `config_errors` itself, or by the check that raises it."""
FULL = """\
device: {tenant: t, id: d, name: 大厅, time_zone: Asia/Shanghai, clock: ntp}
camera: {source: /dev/video0, fps: 8, person_height: 0.4, masks: [[[0, 0], [0.2, 0], [0.2, 0.3]]],
  watch: true}
model: {name: m, folder: f, threads: 2, provider: cpu, gate: true}
lines: [{id: door, name: 门, points: [[0.2, 0.6], [0.8, 0.6]], in: down, audience: staff}]
zones: [{id: hall, kind: activity, windows: ["09:00-11:30"],
  polygon: [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}]
counting: {anchor: centre, dead_band_heights: 0.1, hold_s: 0.3, uturn_s: 3}
records: {interval_min: 15, data_dir: data}
mqtt: {host: h, port: 8883, tls: {ca: a, cert: b, key: c}, username: u, password_file: p,
  insecure_lab: false, metered: false, home_assistant: true}
health: {prometheus_port: 9464}
setup_page: {enabled: true, network: lan, port: 8090, auto_off_min: 60, still: false}
privacy: {mode: production, unit: a, purpose: b, contact: c}
updates: {over_mqtt: true, hours: ["02:00-05:00"], max_mb: 32, kb_per_s: 32, folder: update}
hours: {weekly: {mon: ["09:00-17:00"]}, closed: [2026-10-01],
  special: {2026-10-10: ["09:00-12:00"]}}
"""
ODD = [
    None, True, -1, 0, 7, 10**30, 0.5, 2.5, float("nan"), float("inf"), "", "x", "ABC", "x" * 500,
    "9" * 5000, "http://x", "09:00", b"x", b"\xff", date(2026, 1, 1), datetime(2026, 1, 1, 1),
    [], {}, [1], [[0.1, 0.1]], [[1, 2, 3]], ["a"] * 500, {"a": 1}, {1: 2}, {None: []},
    {"2026-13-01": []}, {"mon": 1}, {"mon": ["9"] * 20}, set(), object(), -(10**9), "2026-13-99",
    "1e400", 1e300,
]  # fmt: skip


def places(node, above=()):
    """Every place of a document: where a value can be replaced."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


GOOD = YAML(typ="safe").load(FULL)
PLACES = sorted(places(GOOD), key=str)


def with_value(place, value):
    document = copy.deepcopy(GOOD)
    node = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return document


def found_in(document):
    try:
        Config.model_validate(document, context={"folder": Path()})
    except ValidationError as error:
        return error
    return None


def test_the_full_document_is_good_and_has_every_section():
    assert found_in(GOOD) is None
    assert set(GOOD) == {f.alias or name for name, f in Config.model_fields.items()}


def test_whatever_stands_in_a_setting_is_told_in_chinese_too():
    kinds: dict[str, ValidationError] = {}
    for place in PLACES:
        for value in ODD:
            error = found_in(with_value(place, value))
            if error is not None:
                kinds |= {problem["type"]: error for problem in error.errors()}
    assert set(kinds) - OTHERWISE == set(FINDINGS)
    for kind, error in kinds.items():
        for mistake in sentences(error, Config):
            assert CHINESE.search(mistake.zh), (kind, mistake)
            assert mistake.setting


def said_by(call):
    """The two texts of `SettingError(en, zh)` or `Mistake(en, zh, …)`, where they are literals."""
    words = call.args[:2]
    if all(isinstance(each, ast.Constant | ast.JoinedStr) for each in words):
        return [ast.unparse(each) for each in words]
    return None


def test_every_check_of_the_config_speaks_both_languages():
    told = 0
    for path in MODULES:
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            assert call.func.id != "ValueError", f"{path}:{call.lineno}: raise a SettingError"
            if call.func.id in {"SettingError", "Mistake"} and (words := said_by(call)):
                assert CHINESE.search(words[1]) or ".zh}" in words[1], f"{path}:{call.lineno}"
                told += 1
    assert told > 35


BLOCKS = re.findall(r"^[\w.-]+\.yaml:\d+: .*\n    .*$", GOLDEN, re.MULTILINE)


def test_each_mistake_of_the_golden_file_is_told_in_english_and_below_it_in_chinese():
    mistakes = [line for line in GOLDEN.splitlines() if line and not line.startswith("$")]
    assert len(mistakes) == 2 * len(BLOCKS) > 40
    for english, chinese in zip(mistakes[::2], mistakes[1::2], strict=True):
        line = re.match(r"[\w.-]+:(\d+): ", english)
        assert line is not None
        assert chinese.startswith(f"    第 {line[1]} 行")
        assert CHINESE.search(chinese.partition("：")[2]), chinese


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("camera: {fps: 8\nmqtt: {}\n", 2, "括号没有配对"),
        ("camera:\n  fps: 8\n   source: x\n", 3, "冒号的位置不对，或缩进没有对齐"),
        ("camera:\n  fps\n  source: x\n", 3, "冒号"),
        ("camera:\n\tfps: 8\n", 2, "制表符"),
        ("camera: @x\n", 1, "引号"),
        ("camera: {}\ncamera: {}\n", 2, "写了两次"),
        ("camera: 'x\nlines: []\n", 1, "引号没有配对"),
        ("camera: *x\n", 1, "没有对应的锚点"),
        ("camera: [1]]\n", 1, "缩进没有对齐，或括号"),
        ("a: \x00\n", 1, "特殊字符"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_kind(tmp_path, text, line, said):
    path = tmp_path / "lobby.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.file) == (line, str(path))
    assert said in mistake.zh, mistake
    assert "请检查" in mistake.zh


def test_a_file_that_is_not_there_is_told_in_chinese(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "lobby.yaml")
    assert caught.value.told.splitlines()[1].endswith(
        "lobby.yaml：无法读取：文件不存在；请从 config/lobby.example.yaml 开始"
    )
