"""Every shipped scheme loads, and a broken one is explained by line, in both languages."""

import copy
import json
import re
from pathlib import Path

import pytest
import scheme_schema
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from edge.errors import ConfigError
from evaluation.assessment.scheme import Kind, Section
from evaluation.scheme_file import read_scheme

SCHEMES = sorted(Path("config/schemes").glob("*.yaml"))
NEUTRAL = Path("config/schemes/neutral-2026.yaml")
TEXT = NEUTRAL.read_text("utf-8")
SCHEMA = json.loads(scheme_schema.SCHEMA.read_text("utf-8"))
COMMENTED = "# plan:\n#   closes_days_after_begin: 3"
HAN = re.compile("[\u4e00-\u9fff]")


@pytest.mark.parametrize("path", SCHEMES, ids=lambda path: path.stem)
def test_a_shipped_scheme_loads_under_its_name(path):
    scheme = read_scheme(path)
    assert scheme.name == path.stem
    assert {each.section for each in scheme.indicators} == set(Section)
    for each in scheme.indicators:
        assert each.goals.keys() == {size.id for size in scheme.size_classes}
        assert HAN.search(each.name.zh)


def test_the_neutral_scheme_is_the_eight_indicators_and_weighs_its_sections_alike():
    scheme = read_scheme(NEUTRAL)
    assert sorted(each.kind for each in scheme.indicators) == sorted(Kind)
    weights = {
        section: sum(each.weight for each in scheme.indicators if each.section is section)
        for section in Section
    }
    assert len(set(weights.values())) == 1
    named = {each.id for each in scheme.indicators if each.source == "named"}
    assert named == {"F1", "F3", "S1", "S2"}


def test_the_plan_closes_where_the_comment_is_taken_away(tmp_path):
    assert read_scheme(NEUTRAL).plan_closes_days is None
    assert TEXT.count(COMMENTED) == 1
    path = tmp_path / "scheme.yaml"
    path.write_text(TEXT.replace(COMMENTED, COMMENTED.replace("# ", "")), "utf-8")
    assert read_scheme(path).plan_closes_days == 3
    # And the page shows the same lines.
    assert COMMENTED.replace("# ", "") in Path("docs/evaluation.md").read_text("utf-8")


@pytest.mark.parametrize("days", ["-1", "28", "1.5", "soon", "null"])
def test_a_plan_that_never_closes_is_told(days, tmp_path):
    path = tmp_path / "scheme.yaml"
    plan = COMMENTED.replace("# ", "").replace(": 3", f": {days}")
    path.write_text(TEXT.replace(COMMENTED, plan), "utf-8")
    with pytest.raises(ConfigError, match=r"plan\.closes_days_after_begin") as caught:
        read_scheme(path)
    assert HAN.search(caught.value.mistakes[0].zh)


BROKEN = [
    ("estimated_from: 0.70 ", "estimated_from: 0 ", "grades.estimated_from"),
    ("estimated_from: 0.70 ", "estimated_from: 0.97 ", "grades"),
    ("fewest_to_rank: 3 ", "fewest_to_rank: 1 ", "composite.fewest_to_rank"),
    ("residents_below: 15000", "residents_below: 4000", "size_classes[1]"),
    ("{zh: 大型, en: large}}", "{zh: 大型, en: large}, residents_below: 90000}", "size_classes[2]"),
    ("{id: medium, name", "{id: small, name", "size_classes[1]"),
    ("[elderly, children", "[children, children", "audiences[1]"),
    ("kind: visit_rate", "kind: visits", "indicators[0].kind"),
    ("id: F2", "id: F1", "indicators[1]"),
    ("large:  {floor: 0, target: 8}", "huge:  {floor: 0, target: 8}", "indicators[0].goals"),
    ("{floor: 0.1, target: 0.7}", "{floor: 0.7, target: 0.1}", "indicators[1].goals.all"),
    ("{floor: 0.05, target: 0.4}", "{floor: 5, target: 40}", "indicators[2]"),
    ("used_min: 5}", "used_min: 20}", "indicators[2]"),
    ("wait_min: 15}", "wait_min: 0}", "indicators[7]"),
    ("few: 30}", "many: 30}", "indicators[6]"),
    ("weight: 1\n    source: named\n    goals:\n      small", "weight: 0\n    source: named\n"
     "    goals:\n      small", "indicators[0].weight"),
    ("section: service\n    name: {zh: 好评率", "section: services\n    name: {zh: 好评率",
     "indicators[6].section"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "broken", "setting"), BROKEN)
def test_a_broken_scheme_is_explained_by_line_in_both_languages(right, broken, setting, tmp_path):
    assert TEXT.count(right) == 1, right
    path = tmp_path / "scheme.yaml"
    path.write_text(TEXT.replace(right, broken), "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_scheme(path)
    (mistake,) = [each for each in caught.value.mistakes if each.setting.startswith(setting)]
    item = YAML().load(TEXT)
    node, line = item, 0
    for part in re.findall(r"\w+", setting):
        key = int(part) if part.isdigit() else part
        if key not in node and not isinstance(key, int):
            break
        line = (node.lc.item(key) if isinstance(key, int) else node.lc.key(key))[0]
        node = node[key]
    assert mistake.line == line + 1
    assert str(mistake).startswith(f"{path}:{line + 1}: {setting}")
    assert re.search(r"e\.g\. |see `evaluation scheme write|must be '", mistake.en), mistake.en
    assert HAN.search(mistake.zh)


def test_everything_that_does_not_fit_is_said_at_once(tmp_path):
    path = tmp_path / "scheme.yaml"
    path.write_text(TEXT.replace("id: F2", "id: F1").replace("section: flow", "section: project"))
    with pytest.raises(ConfigError) as caught:
        read_scheme(path)
    assert [each.setting for each in caught.value.mistakes] == ["indicators[1]", "indicators"]


def test_the_schema_for_editors_is_not_stale_and_knows_the_shipped_schemes():
    assert scheme_schema.SCHEMA.read_text("utf-8") == scheme_schema.text(), (
        "run scripts/scheme_schema.py"
    )
    Draft202012Validator.check_schema(SCHEMA)
    for path in SCHEMES:
        document = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        Draft202012Validator(SCHEMA).validate(document)
        named = path.read_text("utf-8").splitlines()[0].split("$schema=")[1]
        assert (path.parent / named).resolve() == scheme_schema.SCHEMA


@pytest.mark.parametrize(
    ("where", "value"),
    [("name", "Neutral!"), ("weights", 1), ("size_classes", []), ("indicators", [{"id": "F1"}])],
)
def test_the_schema_finds_what_an_editor_can_find(where, value):
    document = copy.deepcopy(YAML(typ="safe", pure=True).load(TEXT))
    document[where] = value
    assert list(Draft202012Validator(SCHEMA).iter_errors(document))
