"""What Home Assistant is told, against its documentation, and what its templates make of it.

Fields: home-assistant.io, integrations `mqtt` (device discovery payload) and `sensor.mqtt`.
The templates are rendered by the real jinja2 where it is installed; it is no dependency.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.home_assistant import discovery_message, discovery_topic, removal_message
from edge.messages import Health, counts_message, health_message, status_message
from edge.readings import Totals
from edge.sealing import chain_of, genesis, seal
from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    Line,
    Outcome,
    Provenance,
    StoredRecord,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
)  # fmt: skip

GOLDEN = Path(__file__).parent / "home-assistant.json"
TENANT, DEV, STREAM = "pudong-01", "lobby-0a1b", "00112233445566aa"
T0 = datetime(2026, 1, 1, tzinfo=UTC)
INTERVAL = timedelta(minutes=15)
LINES = [Line("door", ((0, 0), (1, 1)), 1, "正门"), Line("side", ((0, 0), (1, 1)), -1)]
MESSAGE = discovery_message(
    TENANT, DEV, name="幸福里 大厅", lines=LINES, interval_s=900, software="0.1.0"
)
PAYLOAD = json.loads(MESSAGE.payload)
COMPONENTS = PAYLOAD["components"]
SENSOR_OPTIONS = {
    "platform", "unique_id", "name", "state_topic", "value_template", "state_class",
    "unit_of_measurement", "device_class", "entity_category", "icon",
}  # fmt: skip
DEVICE_OPTIONS = {"identifiers", "name", "manufacturer", "model", "sw_version"}
SHARED_OPTIONS = {
    "device", "origin", "components", "availability_topic", "availability_template", "qos",
}  # fmt: skip


def test_the_message_is_retained_on_the_topic_of_the_device():
    assert MESSAGE.topic == f"homeassistant/device/{DEV}/config"
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", MESSAGE.topic)
    assert (MESSAGE.qos, MESSAGE.retain, MESSAGE.expiry_s) == (1, True, None)


def test_the_message_is_byte_equal_to_the_golden_one():
    assert MESSAGE.payload == GOLDEN.read_bytes()


def test_only_documented_options_are_used_and_the_required_ones_are_there():
    assert PAYLOAD.keys() == SHARED_OPTIONS
    assert PAYLOAD["device"].keys() == DEVICE_OPTIONS
    assert PAYLOAD["origin"] == {"name": "lobbycount", "sw_version": "0.1.0"}
    for component in COMPONENTS.values():
        assert component.keys() <= SENSOR_OPTIONS
        assert component["platform"] == "sensor"
        assert component["unique_id"]
        assert component.get("entity_category", "diagnostic") == "diagnostic"
    ids = [component["unique_id"] for component in COMPONENTS.values()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", key) for key in COMPONENTS)


def test_every_line_has_two_meters_that_only_rise():
    totals = {key: c for key, c in COMPONENTS.items() if c["state_topic"].endswith("/counts")}
    assert totals.keys() == {"door-in", "door-out", "side-in", "side-out"}
    assert {c["state_class"] for c in totals.values()} == {"total_increasing"}
    assert COMPONENTS["door-in"]["name"] == "正门 进 in"
    assert COMPONENTS["side-out"]["name"] == "side 出 out"


def test_a_device_without_a_name_has_its_id():
    message = discovery_message(TENANT, DEV, name="", lines=LINES, interval_s=900, software="1")
    assert json.loads(message.payload)["device"]["name"] == DEV


def test_an_id_that_would_break_out_of_a_template_is_refused():
    line = Line("x')}}", ((0, 0), (1, 1)), 1)
    with pytest.raises(ValueError, match="line "):
        discovery_message(TENANT, DEV, name="", lines=[line], interval_s=900, software="1")


def test_an_empty_retained_message_takes_it_back():
    message = removal_message(DEV)
    assert (message.topic, message.payload, message.retain) == (discovery_topic(DEV), b"", True)


# --- The templates ---------------------------------------------------------------------------


class Outbox:
    """Seals records as the device does, one after the other."""

    def __init__(self, stream=STREAM):
        self.stream, self._chain, self._totals, self._records = stream, genesis(DEV, stream), {}, []

    def line(self, line, entered, left, interval):
        end_ms = round((T0 + interval * INTERVAL).timestamp() * 1000)
        bucket = CountBucket(
            line, end_ms - 900_000, end_ms, {Outcome.IN: entered, Outcome.OUT: left}, 1.0, None,
            TimeQuality.NTP, Provenance("c", "m"),
        )  # fmt: skip
        return self._seal(line, bucket)

    def zone(self, interval):
        end_ms = round((T0 + interval * INTERVAL).timestamp() * 1000)
        bucket = ZoneBucket(
            "hall", ZoneKind.PLAIN, end_ms - 900_000, end_ms, None, 0.0, CoverageReason.DARK,
            TimeQuality.NTP, Provenance("c", "m"),
        )  # fmt: skip
        return self._seal("hall", bucket)

    def _seal(self, subject, bucket):
        total = self._totals.get(subject, Totals()).plus(bucket)
        seq = len(self._records) + 1
        body = seal(bucket, DEV, self.stream, seq, totals=total, previous_chain=self._chain)
        self._totals[subject], self._chain = total, chain_of(body)
        self._records.append(StoredRecord(self.stream, seq, body))
        return self._records[-1]

    def batch(self, *records):
        return counts_message(TENANT, DEV, self.stream, records).payload


@pytest.fixture
def render():
    """Render as Home Assistant does: JSON as value_json, its functions, the present state."""
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 renders Home Assistant's templates")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)

    def as_timestamp(text):
        return datetime.fromisoformat(text).timestamp()

    def render_(template, payload, *, state="unknown", intervals=0.0):
        value = json.loads(payload)
        return environment.from_string(template).render(
            value_json=value,
            this=SimpleNamespace(state=state),
            now=lambda: T0 + intervals * INTERVAL,
            as_timestamp=as_timestamp,
        )

    return render_


def template(component):
    return COMPONENTS[component]["value_template"]


def test_a_total_is_the_last_one_of_its_line_in_the_batch(render):
    outbox = Outbox()
    batch = outbox.batch(
        outbox.line("door", 3, 1, 1), outbox.zone(1), outbox.line("side", 7, 7, 1),
        outbox.line("door", 2, 4, 2),
    )  # fmt: skip
    found = {c: render(template(c), batch, intervals=2) for c in COMPONENTS if c[:4] != "heal"}
    assert found == {"door-in": "5", "door-out": "5", "side-in": "7", "side-out": "7"}


def test_a_batch_without_the_line_renders_to_nothing_which_is_ignored(render):
    outbox = Outbox()
    batch = outbox.batch(outbox.zone(1), outbox.line("side", 1, 0, 1))
    assert render(template("door-in"), batch, state="5", intervals=1) == ""


def test_an_old_batch_that_is_sent_again_is_not_a_new_meter(render):
    """A total that falls by a tenth is a reset for Home Assistant, and all is counted again."""
    outbox = Outbox()
    old, new = outbox.line("door", 5, 0, 1), outbox.line("door", 95, 0, 10)
    assert render(template("door-in"), outbox.batch(old), state="100", intervals=10) == ""
    assert render(template("door-in"), outbox.batch(new), state="100", intervals=10) == "100"
    # Coming back after a day, the old ones are before the new ones and rise.
    assert render(template("door-in"), outbox.batch(old), state="2", intervals=99) == "5"


def test_a_stream_that_begins_anew_is_a_new_meter(render):
    outbox = Outbox("ffeeddccbbaa9988")
    fresh = outbox.batch(outbox.line("door", 2, 0, 10))
    assert render(template("door-in"), fresh, state="100", intervals=10.2) == "2"


def test_nothing_is_known_at_first(render):
    outbox = Outbox()
    batch = outbox.batch(outbox.line("door", 0, 2, 1))
    for state in ("unknown", "unavailable"):
        assert render(template("door-in"), batch, state=state, intervals=99) == "0"
        assert render(template("door-out"), batch, state=state, intervals=99) == "2"


def test_health_is_shown_and_what_is_not_known_is_unknown(render):
    gauges = Health(
        uptime_s=1, queue=3, fps=7.5, temperature_c=55.1, memory_mb=225.0, disk_free_mb=2.0,
        last_accepted_ms=round(T0.timestamp() * 1000), last_error="x" * 300,
        video=CoverageReason.DARK,
    )  # fmt: skip
    payloads = [
        health_message(TENANT, DEV, 0, health, interval_s=60).payload
        for health in (gauges, Health(uptime_s=1, queue=0))
    ]
    known, unknown = (
        {c[7:]: render(template(c), payload) for c in COMPONENTS if c.startswith("health-")}
        for payload in payloads
    )
    assert known == {
        "queue": "3", "video": "dark", "fps": "7.5", "temperature": "55.1", "memory": "225.0",
        "disk-free": "2.0", "last-accepted": "2026-01-01T00:00:00Z", "problem": "x" * 255,
    }  # fmt: skip
    assert unknown == {
        "queue": "0", "video": "ok", "fps": "None", "temperature": "None", "memory": "None",
        "disk-free": "None", "last-accepted": "None", "problem": "ok",
    }  # fmt: skip


def test_who_is_not_online_is_not_available(render):
    shown = [
        render(PAYLOAD["availability_template"], status_message(TENANT, DEV, 0, state).payload)
        for state in ("online", "offline", "lost")
    ]
    assert shown == ["online", "offline", "offline"]


FIELDS = re.compile(r"(?:value_json|r)\.([a-z0-9_]+)|selectattr\('([a-z]+)'")


def test_every_field_a_template_names_is_in_what_the_device_sends():
    """Holds without jinja2 too: a field that is renamed leaves no sensor that is never set."""
    outbox = Outbox()
    counts = json.loads(outbox.batch(outbox.line("door", 1, 1, 1)))
    health = json.loads(health_message(TENANT, DEV, 0, Health(1, 0), interval_s=60).payload)
    for component in COMPONENTS.values():
        names = {a or b for a, b in FIELDS.findall(component["value_template"])}
        sent = health if component["state_topic"].endswith("/health") else (
            {"records": 0} | counts["records"][0]
        )  # fmt: skip
        assert names
        assert names <= sent.keys()
