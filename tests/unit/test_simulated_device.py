"""A simulated device before anything is sent: its public, its records, and what a seed decides."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge.config import broker_section
from edge.messages import counts_message
from scripts.simulation.clocks import Pace
from scripts.simulation.device import Device, DeviceFacts, World
from scripts.simulation.driver import Driver
from scripts.simulation.link import Handed
from scripts.simulation.options import FAULTS, Options
from scripts.simulation.plan import plan_of
from scripts.simulation.report import digest_of
from scripts.simulation.sockets import Sockets

START_S = 1_772_409_600.0  # Monday, 2026-03-02 08:00 in Shanghai
BROKER = broker_section("mqtt://127.0.0.1:1")
COUNTS = Path("config/schemas/counts.schema.json")

Make = Callable[..., list[Device]]


@pytest.fixture
def made() -> Iterator[Make]:
    """Devices whose time has passed; nobody connects them."""
    opened: list[Sockets] = []

    def make(count: int, *, days: float = 1.0, **more: Any) -> list[Device]:
        options = Options(devices=count, days=days, start_s=START_S, **more)
        opened.append(Sockets(pytest.fail))
        world = World(options, BROKER, opened[-1], Driver(pytest.fail, 0), Pace(None), Handed())
        devices = [Device(world, plan_of(options, index)) for index in range(count)]
        for device in devices:
            while not device.is_finished:
                device.produce()
        return devices

    yield make
    for sockets in opened:
        sockets.close()


def records(device: Device) -> list[dict[str, Any]]:
    """Every record, by stream and number."""
    return [
        json.loads(each.body)
        for stream in device.outbox.streams()
        for each in device.outbox.pending(10**6, stream=stream)
    ]


def sums(found: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    kinds = ("in", "out", "uturn", "ambiguous", "born_past_line", "arrivals", "departures")
    return Counter({
        (subject, kind): total
        for subject in {_subject(r) for r in found}
        for kind in kinds
        if (total := sum(r.get(kind) or 0 for r in found if _subject(r) == subject))
    })  # fmt: skip


def _subject(record: dict[str, Any]) -> str:
    return record.get("line") or record["zone"]


def test_every_interval_of_every_line_is_there_and_sums_to_what_the_crowd_did(made: Make) -> None:
    for device in made(12):
        found = records(device)
        by_subject = Counter(_subject(record) for record in found)
        assert set(by_subject.values()) == {96}
        for subject in by_subject:
            own = [record for record in found if _subject(record) == subject]
            assert all(a["t1"] == b["t0"] for a, b in pairwise(own))
        assert sums(found) == +device.counted


def test_the_last_interval_ends_where_time_ends(made: Make) -> None:
    for device in made(5, days=0.3):
        last = records(device)[-1]
        assert _ms(last["t1"]) == round((START_S + 0.3 * 86_400) * 1000)
        assert sums(records(device)) == +device.counted


def test_it_is_a_believable_day(made: Make) -> None:
    devices = made(60)
    found = [record for device in devices for record in records(device)]
    lines = [record for record in found if "line" in record]
    entered, left = (sum(r[kind] or 0 for r in lines) for kind in ("in", "out"))
    assert 100 < entered / len(devices) < 600
    assert abs(entered - left) < 0.03 * entered  # whoever comes in goes home
    at_night = [r for r in lines if "16:00" <= r["t0"][11:16] < "22:00"]  # from midnight on there
    assert {r["in"] for r in at_night} <= {0, None}
    assert sum(r["uturn"] or 0 for r in lines) > 0
    assert sum(r["ambiguous"] or 0 for r in lines) > 0
    assert any((r["in_low"], r["in_high"]) != (r["in"], r["in"]) for r in lines)
    blind = [r for r in found if r["cov"] < 1]
    assert 0 < len(blind) < 0.1 * len(found)
    assert {r["cov_reason"] for r in blind} >= {"no_camera", "overload"}
    assert any(r["in"] is None for r in lines)
    zones = [r for r in found if "zone" in r]
    assert {r["kind"] for r in zones} == {"queue"}
    assert any(r["wait_s"] for r in zones)


def test_its_messages_are_those_of_the_contract(made: Make) -> None:
    schema = jsonschema.Draft202012Validator(json.loads(COUNTS.read_text(encoding="utf-8")))
    for device in made(6, days=0.25):
        batch = device.outbox.pending(100)
        message = counts_message("sim", device.plan.dev, device.plan.stream, batch)
        schema.validate(json.loads(message.payload))


def facts(devices: list[Device]) -> list[DeviceFacts]:
    return [device.facts() for device in devices]


def test_a_seed_decides_every_byte(made: Make) -> None:
    more = {"days": 0.3, "faults": frozenset(FAULTS)}
    first = digest_of(facts(made(10, seed=7, **more)))
    assert digest_of(facts(made(10, seed=7, **more))) == first
    assert digest_of(facts(made(10, seed=8, **more))) != first


def test_a_device_is_the_same_in_a_larger_fleet(made: Make) -> None:
    assert facts(made(3, days=0.2)) == facts(made(9, days=0.2))[:3]


def test_clocks_that_are_set_cost_no_passage_and_no_interval_twice(made: Make) -> None:
    devices = made(5, faults=frozenset({"clock"}))
    for device in devices:
        found = records(device)
        assert device.unsaved() == 0
        assert sums(found) == +device.counted
        spans = [(r["stream"], _subject(r), _ms(r["t0"]), _ms(r["t1"])) for r in found]
        for a, b in pairwise(sorted(spans)):
            assert a[:2] != b[:2] or a[3] <= b[2], "two intervals of a stream overlap"
    qualities = [{r["tq"] for r in records(device)} for device in devices]
    assert "redated" in qualities[1]
    assert [len(device.facts().streams) for device in devices] == [1, 1, 1, 1, 2]


def test_late_devices_begin_within_an_interval_and_are_away_until_then(made: Make) -> None:
    early, _, late = made(3, faults=frozenset({"late"}))
    assert early.plan.network_at == 0
    assert late.plan.network_at == late.plan.begins_at > 0
    first = records(late)[0]
    assert _ms(first["t0"]) == round((START_S + late.plan.begins_at) * 1000)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
