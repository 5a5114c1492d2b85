"""Registers over MQTT: what the schemas allow is taken, by the checks of the tables."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edge.errors import BadInputError
from evaluation.register_messages import COLUMNS, IDS, KINDS, is_register, read_register
from evaluation.register_rows import READERS

SCHEMAS = {
    kind: json.loads(Path(f"config/schemas/register-{kind}.schema.json").read_text("utf-8"))
    for kind in KINDS
}
EXAMPLES = {kind: schema["examples"][0] for kind, schema in SCHEMAS.items()}


def topic(kind, site="site-001", tenant="t"):
    return f"reg/v1/{tenant}/{site}/{kind}"


def payload(kind, **changes):
    """The example of a register with another first row."""
    example = EXAMPLES[kind]
    return json.dumps(example | {"rows": [example["rows"][0] | changes]}).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_has_the_columns_of_the_table_and_an_example_that_is_taken(kind):
    schema = SCHEMAS[kind]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(EXAMPLES[kind])
    rows = schema["properties"]["rows"]["items"]
    needed = {each.name for each in COLUMNS[kind] if each.is_needed} | {IDS[kind]}
    assert set(rows["properties"]) | {"site"} == {each.name for each in COLUMNS[kind]}
    assert set(rows["required"]) | {"site"} == needed
    found = read_register(topic(kind), json.dumps(EXAMPLES[kind]).encode())
    assert (found.tenant, found.site, found.kind) == ("t", "site-001", kind)
    assert [row[IDS[kind]] for row in found.rows] == [EXAMPLES[kind]["rows"][0][IDS[kind]]]
    assert found.complete_for is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_says_what_the_same_table_says(kind):
    [row] = EXAMPLES[kind]["rows"]
    cells = {
        name: ";".join(v) if isinstance(v, list) else "是" if v is True else str(v)
        for name, v in row.items()
    }
    text = ",".join(["site", *cells]) + "\n" + ",".join(["site-001", *cells.values()]) + "\n"
    assert read_register(topic(kind), payload(kind)).rows == READERS[kind](text.encode(), "x.csv")


def test_a_register_without_an_entry_can_be_complete():
    found = read_register(topic("cases"), b'{"v":"1.0","rows":[],"complete_for":"2026-01"}')
    assert (list(found.rows), found.complete_for) == ([], "2026-01")


RATINGS = topic("ratings")


@pytest.mark.parametrize(
    ("of", "sent", "said"),
    [
        (RATINGS, b"{", "not JSON in UTF-8"),
        (RATINGS, b"\xff", "not JSON in UTF-8"),
        (RATINGS, b"[" * 100_000, "reg/v1/t/site-001/ratings"),
        (RATINGS, b"[]", "not a JSON object"),
        (RATINGS, b'{"rows":[]}', "version None"),
        (RATINGS, b'{"v":"2.0","rows":[]}', "version '2.0'"),
        (RATINGS, b'{"v":"1.0"}', "no list 'rows'"),
        (RATINGS, b'{"v":"1.0","rows":[]}', "says nothing"),
        (RATINGS, b'{"v":"1.0","rows":[1]}', "row 1 is not a JSON object"),
        (RATINGS, b'{"v":"1.0","rows":[],"complete_for":1}', "complete_for: 1 is not a month"),
        (RATINGS, payload("ratings", rating=None), "row 1 has no id 'rating'"),
        (RATINGS, payload("ratings", site="site-002"), "row 1 is of 'site-002'"),
        (RATINGS, payload("ratings", level={"a": 1}), "row 1: level is neither"),
        (RATINGS, payload("ratings", level=6), "'6' is no level: 1 to 5"),
        (RATINGS, payload("ratings", level=None), "level (评价): is empty"),
        (RATINGS, payload("ratings", at="2026-01-15T10:20:00Z"), "at (时间)"),
        (RATINGS, payload("ratings", rating="a\nb"), "rating (评价编号)"),
        (RATINGS, payload("ratings", rating="\ud800"), "reg/v1/t/site-001/ratings"),
        (topic("activities"), payload("activities", end="2026-01-15 09:00"), "not after the begin"),
        (topic("staff"), payload("ratings"), "the topic is not"),
        (topic("ratings", site="Site 1"), payload("ratings"), "site 'Site 1' must be"),
        ("reg/v1/t/ratings", payload("ratings"), "the topic is not"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(of, sent, said):
    with pytest.raises(BadInputError) as caught:
        read_register(of, sent)
    assert said in str(caught.value)
    assert of in str(caught.value)


def test_of_an_id_that_is_there_twice_nothing_is_taken():
    rows = EXAMPLES["ratings"]["rows"] * 2
    with pytest.raises(BadInputError, match="r-0001"):
        read_register(RATINGS, json.dumps({"v": "1.0", "rows": rows}).encode())


def test_topics_of_devices_are_none_of_registers():
    assert is_register("reg/v1/t/site-001/ratings")
    assert not is_register("pc/v1/t/d1/status")
