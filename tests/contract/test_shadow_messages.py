"""The config shadow on the wire: schemas, payloads kept for ever, and what never travels."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from edge.config import Config, load
from edge.config_drawings import LineSection, ZoneSection
from edge.config_in_force import ConfigInForce
from edge.config_remote import base_of, merged, remote_part
from edge.errors import ConfigError, MessageError
from edge.shadow import Desired, Report
from edge.shadow_messages import (
    LARGEST_BYTES,
    MOST_ERRORS,
    desired_message,
    parse_desired,
    reported_message,
)

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
T0 = 1_767_225_600_000
DESIRED = Desired(
    "2026-03-02-1",
    {
        "device": {"name": "幸福里党群服务中心"},
        "lines": [{"id": "door", "name": "大门", "points": [[0.2, 0.5], [0.8, 0.5]], "in": "down"}],
        "zones": [
            {
                "id": "hall",
                "kind": "activity",
                "windows": ["09:00-11:30"],
                "polygon": [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]],
            }
        ],
        "counting": {"uturn_s": 3},
    },
)
GOOD = Path(__file__).parent / "configs" / "00-good.yaml"
FILE = load(GOOD)
IN_FORCE = merged(FILE, DESIRED.config)
MESSAGES = {
    "desired": desired_message("pudong-01", "lobby-0a1b", DESIRED),
    "reported": reported_message(
        "pudong-01",
        "lobby-0a1b",
        T0,
        report=Report(
            "rejected", "2026-03-02-2", ("config.lines[0].in: is missing; e.g. in: down",)
        ),
        in_force="2026-03-02-1",
        cfg=IN_FORCE.hash(),
        config=remote_part(IN_FORCE),
    ),
}
WHICH = sorted(MESSAGES)


def validator(which):
    path = ROOT / "config/schemas" / f"config-{which}.schema.json"
    schema = json.loads(path.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def payload(which):
    return json.loads(MESSAGES[which].payload)


@pytest.mark.parametrize("which", WHICH)
def test_a_message_obeys_its_schema_and_is_the_golden_one(which):
    validator(which).validate(payload(which))
    assert MESSAGES[which].payload == (GOLDEN / f"config-{which}-1.0.json").read_bytes()


@pytest.mark.parametrize("which", WHICH)
def test_the_schema_forbids_unknown_fields_and_asks_for_all_others(which):
    with pytest.raises(ValidationError):
        validator(which).validate({**payload(which), "password": "x"})
    for section in ("mqtt", "camera", "records", "model"):
        fields = payload(which)
        fields["config"][section] = {}
        with pytest.raises(ValidationError):
            validator(which).validate(fields)
    for field in payload(which):
        with pytest.raises(ValidationError):
            validator(which).validate({k: v for k, v in payload(which).items() if k != field})


def test_the_schemas_know_every_setting_of_the_models():
    for which in WHICH:
        schema = validator(which).schema
        of = schema["properties"]["config"]["properties"]
        assert set(of) == set(remote_part(IN_FORCE))
        assert set(of["counting"]["properties"]) == set(
            Config.model_fields["counting"].default.model_dump()
        )
        for part, model in (("line", LineSection), ("zone", ZoneSection)):
            known = {field.alias or name for name, field in model.model_fields.items()}
            assert set(schema["$defs"][part]["properties"]) == known


def test_topics_quality_of_service_and_retain():
    for which, message in MESSAGES.items():
        assert message.topic == f"pc/v1/pudong-01/lobby-0a1b/config/{which}"
        assert (message.qos, message.retain, message.expiry_s) == (1, True, None)
        assert message.properties[0] == ("schema", f"config/{which}/1.0")
    assert desired_message("t", "d", None).payload == b""


def test_a_document_reads_back_and_what_is_reported_changes_nothing():
    assert parse_desired((GOLDEN / "config-desired-1.0.json").read_bytes()) == DESIRED
    again = merged(IN_FORCE, remote_part(IN_FORCE))
    assert (again.hash(), again.device.name) == (IN_FORCE.hash(), IN_FORCE.device.name)
    validator("desired").validate({**payload("desired"), "config": remote_part(IN_FORCE)})


def test_the_digest_is_of_rev_and_config_alone():
    spaced = json.dumps({"config": DESIRED.config, "by": "王芳", "rev": DESIRED.rev, "v": "1.7"})
    assert parse_desired(spaced.encode()).digest == DESIRED.digest
    assert Desired("other", DESIRED.config).digest != DESIRED.digest
    assert Desired(DESIRED.rev, {}).digest != DESIRED.digest


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b"\xff", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"{", "not JSON"),
        (b'{"v":"1.0","rev":"a","config":{"counting":{"hold_s":1e999}}}', "not JSON"),
        (b'{"v":"1.0","rev":"\\ud800","config":{}}', "not JSON"),
        (b"[]", '"v"'),
        ({"v": "2.0"}, '"v"'),
        ({"v": None}, '"v"'),
        ({"rev": ""}, '"rev"'),
        ({"rev": 7}, '"rev"'),
        ({"rev": "a\nb"}, '"rev"'),
        ({"rev": "a" * 65}, '"rev"'),
        ({"config": None}, '"config"'),
        ({"config": [1]}, '"config"'),
        (b" " * (LARGEST_BYTES + 1), "more than 65536 bytes"),
    ],
)
def test_what_is_no_document_is_refused_in_one_sentence(broken, said):
    text = broken
    if isinstance(broken, dict):
        text = json.dumps(payload("desired") | broken).encode()
    with pytest.raises(MessageError) as caught:
        parse_desired(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def refused(desired):
    with pytest.raises(ConfigError) as caught:
        merged(FILE, desired)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("desired", "path"),
    [
        ({"mqtt": {"password_file": "s3cret"}}, "mqtt"),
        ({"camera": {"source": "rtsp://a:s3cret@b/"}}, "camera"),
        ({"camera": {"masks": []}}, "camera"),
        ({"records": {"data_dir": "/s3cret"}}, "records"),
        ({"model": {"name": "s3cret"}}, "model"),
        ({"device": {"id": "s3cret"}}, "device.id"),
        ({"device": {"tenant": "s3cret"}}, "device.tenant"),
        ({"device": {"time_zone": "s3cret"}}, "device.time_zone"),
        ({"device": {"clock": "rtc"}}, "device.clock"),
    ],
)
def test_what_does_not_travel_is_refused_by_name_and_not_shown(desired, path):
    (sentence,) = refused(desired)
    assert sentence == (
        f"config.{path}: cannot be changed over MQTT;"
        " only device.name, lines, zones and counting can; edit the file on the device"
    )


@pytest.mark.parametrize(
    ("desired", "sentence"),
    [
        (
            {"password": "s3cret"},
            "config.password: unknown setting; allowed here: device, lines, zones, counting",
        ),
        ({"line": []}, "config.line: unknown setting; did you mean 'lines'?"),
        ({"device": {"nmae": "x"}}, "config.device.nmae: unknown setting; did you mean 'name'?"),
        ({"device": 5}, 'config.device: must be an object, e.g. device: {"name": "幸福里'),
        (
            {"counting": {"uturn_s": "long"}},
            "config.counting.uturn_s: must be a valid number, unable to parse string as a number,"
            ' not "long"; e.g. uturn_s: 5',
        ),
        (
            {"lines": [{"id": "door", "points": [[0.2, 0.6], [0.8, 0.6]], "in": "sideways"}]},
            "config.lines[0].in: must be 'up', 'down', 'left' or 'right',"
            ' not "sideways"; e.g. in: down',
        ),
        (
            {"zones": [{"id": "door", "polygon": [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}]},
            "config.zones: the id 'door' is used twice; every line and zone needs its own,"
            " e.g. id: door-zone",
        ),
        ({"lines": None}, "config.lines: must be a valid tuple, not null; e.g. lines:"),
        ({"lines": []}, "config.lines: tuple should have at least 1 item after validation, not 0"),
    ],
)  # fmt: skip
def test_the_rest_is_explained_as_in_the_file(desired, sentence):
    (said,) = refused(desired)
    assert said.startswith(sentence)


def test_all_problems_are_told_at_once():
    assert len(refused({"mqtt": {}, "zones": 1, "device": {"id": "x", "name": 7}})) == 4


def test_objects_are_merged_and_lists_replaced(tmp_path):
    file = tmp_path / "lobby.yaml"
    text = GOOD.read_text("utf-8")
    file.write_text(f"{text}counting: {{hold_s: 0.5, uturn_s: 9}}\n", "utf-8")
    config = merged(load(file), {"counting": {"uturn_s": 3}})
    assert (config.counting.hold_s, config.counting.uturn_s) == (0.5, 3)
    assert config.lines == load(file).lines
    assert config.mqtt == load(file).mqtt
    new = [{"id": "side", "points": [[0.2, 0.6], [0.8, 0.6]], "in": "up"}]
    assert [line.id for line in merged(load(file), {"lines": new}).lines] == ["side"]


def test_an_outline_nobody_can_have_drawn_is_refused_at_once():
    many = [[0.5, k / 4000] for k in range(4000)]
    (sentence,) = refused({"zones": [{"id": "a", "polygon": many}]})
    assert sentence.startswith("config.zones[0].polygon: tuple should have at most 100 items")
    (sentence,) = refused({"lines": [{"id": "a", "points": many, "in": "left"}]})
    assert sentence.startswith("config.lines[0].points: tuple should have at most 100 items")


def test_a_setting_written_down_counts_as_an_edit_and_a_default_of_the_program_does_not(tmp_path):
    file = tmp_path / "lobby.yaml"
    texts = [
        GOOD.read_text("utf-8") + more for more in ("", "# 备注\n", "counting: {hold_s: 0.3}\n")
    ]
    bases = []
    for text in texts:
        file.write_text(text, "utf-8")
        bases.append(base_of(load(file)))
    assert bases[0] == bases[1] != bases[2]


def test_an_answer_is_never_much_longer_than_the_question():
    report = Report("rejected", "r", tuple(f"{n}" * 1000 for n in range(500)))
    message = reported_message(
        "t", "d", T0, report=report, in_force=None, cfg="0" * 12, config=remote_part(IN_FORCE)
    )
    errors = json.loads(message.payload)["errors"]
    validator("reported").validate(json.loads(message.payload))
    assert (len(errors), errors[-1]) == (MOST_ERRORS + 1, "and 480 more")
    assert len(message.payload) < 20_000


SECRET = "sentinel-s3cret"


def test_no_secret_of_the_file_is_in_what_is_reported_or_kept(tmp_path):
    (tmp_path / SECRET).write_text(SECRET, "utf-8")
    file = tmp_path / "lobby.yaml"
    file.write_text(
        f"""
device: {{tenant: t, id: d}}
camera: {{source: "rtsp://{SECRET}:{SECRET}@10.0.0.1/{SECRET}"}}
model: {{folder: {SECRET}}}
lines: [{{id: door, points: [[0.2, 0.6], [0.8, 0.6]], in: down}}]
records: {{data_dir: {tmp_path}}}
mqtt: {{host: h, username: {SECRET}, password_file: {SECRET}, insecure_lab: true,
  tls: {{ca: {SECRET}, cert: {SECRET}, key: {SECRET}}}}}
""",
        "utf-8",
    )
    running = ConfigInForce(load(file), lambda _: None)
    heard = [
        {"lines": [{"id": "door", "points": [[0.2, 0.5], [0.8, 0.5]], "in": "down"}]},
        {"mqtt": {"password": "wrong"}, "camera": {}, "lines": {}},
        {"device": 3},
    ]
    said = [running.reported(T0).payload]
    for n, config in enumerate(heard):
        running.hear(desired_message("t", "d", Desired(str(n), config)).payload, float(n))
        said.append(running.reported(T0).payload)
    running.fail("counting with it failed (ValueError)", 9.0)
    said += [running.reported(T0).payload, (tmp_path / "shadow.json").read_bytes()]
    states = [json.loads(each).get("state") for each in said[:-1]]
    assert states == ["file", "probation", "rejected", "rejected", "rolled_back"]
    assert not [each for each in said if SECRET.encode() in each or b"wrong" in each]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["id", "points", "in", "name"]), inner)
    ),
    max_leaves=8,
)
SETTINGS = st.dictionaries(
    st.sampled_from(["device", "lines", "zones", "counting"]) | st.text(), JSON
)


@settings(deadline=None)
@given(SETTINGS)
def test_hostile_settings_are_a_config_or_a_sentence(desired):
    said, config = [], FILE
    try:
        config = merged(FILE, desired)
    except ConfigError as error:
        said = str(error).splitlines()
    assert all(line.startswith("config.") for line in said)
    part = json.loads(json.dumps(remote_part(config)))
    validator("reported").validate(payload("reported") | {"config": part})
