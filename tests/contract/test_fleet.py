"""The fleet and its alerts in the database, on SQLite and on PostgreSQL."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from edge.errors import BadInputError, MessageError
from edge.messages import (
    Health,
    counts_message,
    health_message,
    info_message,
    status_message,
)
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Line, Outcome, Provenance, TimeQuality
from evaluation import registers, registry
from evaluation.alert_store import alerts_of, as_dict, keep_alerts, mark_told, to_tell
from evaluation.assessment.scheme import Scheme
from evaluation.closing import BY_ITSELF, revisions
from evaluation.database import Database
from evaluation.device_states import keep_states, read_state
from evaluation.fleet_facts import all_tenants, fleet_rows, placed
from evaluation.fleet_tables import ALERTS
from evaluation.fleet_words import Clock, Code, Presence, Registration
from evaluation.freeze import freeze_due
from evaluation.ingest import read
from evaluation.registry_rows import device_rows, site_rows
from evaluation.rollup import RollUp
from evaluation.scheme_file import read_scheme
from evaluation.store import Store

MINUTE = 60_000
QUARTER = 15 * MINUTE
DAY = 96 * QUARTER
# A Monday, 10:00 in Shanghai.
T0 = 1_767_578_400_000
SITES = (
    "site,name,area,residents,hours\n"
    "site-001,幸福里,和平街道,8200,Mon-Fri 09:00-17:00\n"
    "site-002,阳光,和平街道,5000,Mon-Fri 09:00-17:00\n"
)
DEVICES = "dev,site,place\nd1,site-001,north\nd2,site-002,north\nd3,site-002,south\n"


@pytest.fixture
def database(database_url):
    with closing(Database(database_url)) as db:
        db.prepare()
        yield db


@pytest.fixture
def city(database):
    take_over(database, SITES, DEVICES)
    return database


def take_over(database, sites, devices, tenant="t"):
    registry.take_over(database, tenant, site_rows(sites.encode(), "sites.csv", tenant))
    registry.take_over(database, tenant, device_rows(devices.encode(), "devices.csv", tenant))


def say(database, *messages, at_ms=T0, is_live=True):
    states = [
        read_state(m.topic, m.payload, at_ms, is_live=is_live, expiry_s=m.expiry_s)
        for m in messages
    ]
    return keep_states(database, states)


def status(dev, state="online", at_ms=T0, tenant="t"):
    return status_message(tenant, dev, at_ms, state)


def health(dev, at_ms=T0, video=None, queue=0):
    return health_message("t", dev, at_ms, Health(0, queue, video=video), interval_s=300)


def info(dev, at_ms=T0, software="1.0"):
    return info_message(
        "t", dev, at_ms, software=software, stream="0" * 16, provenance=Provenance("c", "m"),
        lines=[Line("door", ((0, 0), (1, 1)), 1)], interval_s=900,
    )  # fmt: skip


def count(database, dev, *, ends_ms=T0, n=3, at_ms=None, cal="abc", leave_out=(), tenant="t"):
    box = MemoryOutbox(dev, (dev * 16)[:16])
    box.append(
        [
            CountBucket(
                "door", ends_ms - (n - k) * QUARTER, ends_ms - (n - k - 1) * QUARTER,
                {Outcome.IN: 1, Outcome.OUT: 0}, 1.0, None, TimeQuality.NTP,
                Provenance("c", "m", cal),
            )
            for k in range(n)
        ]
    )  # fmt: skip
    records = [record for record in box.pending(999) if record.seq not in leave_out]
    message = counts_message(tenant, dev, box.stream, records)
    Store(database).commit([read(message.topic, message.payload)], at_ms or ends_ms)


def rows(database, now_ms=T0, tenant="t"):
    with database.reading() as connection:
        return {row.dev: row for row in fleet_rows(connection, tenant, now_ms)}


def opened(database, tenant="t", *, only_open=True):
    with database.reading() as connection:
        found = alerts_of(connection, tenant, only_open=only_open)
    return sorted((alert.dev, alert.code.value) for alert in found)


def well(database, dev, at_ms=T0, **options):
    say(database, status(dev), info(dev), health(dev, at_ms, **options), at_ms=at_ms)


def test_a_fleet_is_told_from_what_is_stored(city):
    well(city, "d1")
    count(city, "d1", cal=None, leave_out={2})
    say(city, status("d2", "lost"), info("d2"), health("d2"))
    count(city, "d2")
    say(city, status("d9"))
    found = rows(city, T0 + MINUTE)
    assert {dev: row.presence for dev, row in found.items()} == {
        "d1": Presence.ONLINE, "d2": Presence.LOST, "d3": Presence.NEVER_SEEN,
        "d9": Presence.ONLINE,
    }  # fmt: skip
    d1, d2, d3, d9 = found.values()
    assert (d1.site, d1.name, d1.place, d1.is_open) == ("site-001", "幸福里", "north", True)
    assert (d1.unaudited, d1.missing, d1.backlog, d1.video) == (("door",), 1, 0, "ok")
    assert (d1.last_record_ms, d1.heard_ms, d1.version) == (T0, T0, "1.0")
    assert (d2.video, d2.clock, d2.unaudited, d2.missing) == (None, Clock.UNKNOWN, (), 0)
    assert (d3.last_record_ms, d3.missing, d3.registration) == (None, None, Registration.PLACED)
    assert (d9.registration, d9.site, d9.is_open) == (Registration.NONE, None, None)
    assert not rows(city, T0 + 11 * 60 * MINUTE)["d1"].is_open


def test_a_device_belongs_to_whom_the_registry_says(city):
    """A broker cannot tell tenants apart: a device may write under another one."""
    say(city, status("d1", tenant="evil"), status("x1", tenant="evil"))
    count(city, "d1", tenant="evil")
    assert "d1" in rows(city)
    assert rows(city)["d1"].presence is Presence.ONLINE
    assert set(rows(city, tenant="evil")) == {"x1"}
    with city.reading() as connection:
        assert all_tenants(connection) == ["evil", "t"]


def test_what_the_broker_had_kept_does_not_make_a_state_younger(city):
    assert say(city, status("d1", "lost"), at_ms=T0) == 1
    assert say(city, status("d1", "lost"), at_ms=T0 + DAY, is_live=False) == 0
    assert rows(city, T0 + DAY)["d1"].since_ms == T0
    assert say(city, status("d1", "online"), at_ms=T0 + DAY, is_live=False) == 1
    assert rows(city, T0 + DAY)["d1"].presence is Presence.ONLINE


def test_a_state_that_is_taken_back_is_unknown(city):
    well(city, "d1")
    cleared = read_state("pc/v1/t/d1/health", b"", T0)
    assert keep_states(city, [cleared]) == 1
    assert rows(city)["d1"].video is None


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        ("pc/v1/t/d1/counts", b"{}", "no topic of a device's state"),
        ("pc/v1/T!/d1/status", b"{}", "must be"),
        ("pc/v1/t/d1/status", b"{", "Expecting"),
        ("pc/v1/t/d1/status", b"[" * 100_000, "status"),
        ("pc/v1/t/d1/status", b"[]", "not a JSON object"),
        ("pc/v1/t/d1/status", b'{"v":"2.0","dev":"d1"}', "version '2.0'"),
        ("pc/v1/t/d1/status", b'{"v":"1.0","dev":"d2"}', "the payload is of 'd2'"),
        ("pc/v1/t/d1/status", b'{"v":"1.0","x":"' + b"x" * 200_000 + b'"}', "more than 200000"),
    ],
)
def test_what_is_no_state_is_not_taken(topic, payload, said):
    with pytest.raises(MessageError, match=said):
        read_state(topic, payload, T0)


def test_two_devices_at_one_place_and_one_that_was_replaced(city):
    with city.writing() as connection:  # what an import would refuse
        connection.execute(
            text(
                "INSERT INTO device_sites (dev, from_day, site, place)"
                " VALUES ('d3', '2000-01-02', 'site-001', 'north')"
            )
        )
        connection.execute(text("UPDATE device_sites SET to_day = '2026-01-02' WHERE dev = 'd2'"))
    with city.reading() as connection:
        found = placed(connection, "t", T0)
    assert found["d1"].rivals == ("d3",)
    assert found["d3"].rivals == ("d1",)
    assert found["d2"].registration is Registration.ENDED


# --- Alerts --------------------------------------------------------------------------------


def look(database, *minutes, tenant="t"):
    return [keep_alerts(database, tenant, round(T0 + minute * MINUTE)) for minute in minutes]


def test_an_alert_is_raised_closed_and_kept(city):
    """Lost, covered, and a clock that is wrong, each from its cause to its end."""
    take_over(city, SITES, "dev,site,place\nd4,site-001,side\n")
    for dev in ("d1", "d2", "d3", "d4"):
        well(city, dev)
        count(city, dev)
    look(city, 0)
    assert opened(city) == []
    say(city, status("d1", "lost"), at_ms=T0 + MINUTE)
    say(city, health("d2", T0 + MINUTE, video="covered"), at_ms=T0 + MINUTE)
    say(city, health("d3", T0 + 31 * MINUTE), at_ms=T0 + MINUTE)
    look(city, 1, 5)
    assert opened(city) == []
    look(city, 7)
    assert opened(city) == [("d1", "lost"), ("d2", "video"), ("d3", "clock")]
    look(city, 8, 9)
    assert len(opened(city, only_open=False)) == 3
    well(city, "d1", T0 + 10 * MINUTE)
    well(city, "d2", T0 + 10 * MINUTE)
    well(city, "d3", T0 + 10 * MINUTE)
    look(city, 10, 14)
    assert len(opened(city)) == 3
    [counts] = look(city, 16)
    assert (counts.raised, counts.closed, counts.open) == (0, 3, 0)
    assert opened(city) == []
    with city.reading() as connection:
        history = alerts_of(connection, "t")
        lost = next(as_dict(a, placed(connection, "t", T0)) for a in history if a.dev == "d1")
    assert {(a.dev, a.code, a.detail) for a in history} == {
        ("d1", Code.LOST, ""), ("d2", Code.VIDEO, "covered"), ("d3", Code.CLOCK, "wrong"),
    }  # fmt: skip
    assert (lost["site"], lost["name"], lost["state"]) == ("site-001", "幸福里", "closed")
    assert (lost["since"], lost["raised"]) == ("2026-01-05T02:01:00Z", "2026-01-05T02:07:00Z")
    json.dumps(lost)


def test_a_cause_that_was_nothing_leaves_nothing(city, database_url):
    well(city, "d1")
    say(city, status("d1", "lost"), at_ms=T0)
    look(city, 0, 1)
    well(city, "d1", T0 + 2 * MINUTE)
    look(city, 2, 8)
    assert opened(city, only_open=False) == []
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        left = connection.execute(text("SELECT dev, code FROM alerts ORDER BY code")).all()
    engine.dispose()
    # The other two were never seen; theirs may be something.
    assert {tuple(row) for row in left} <= {("d2", "never_seen"), ("d3", "never_seen")}


def test_a_fleet_whose_records_stop_is_one_alert(city):
    for dev in ("d1", "d2", "d3"):
        well(city, dev)
        count(city, dev)
    look(city, 24)
    assert opened(city) == []
    look(city, 26)
    assert opened(city) == [("", "intake")]
    for dev in ("d1", "d2", "d3"):
        count(city, dev, ends_ms=T0 + 30 * MINUTE, n=5)
    look(city, 31, 37)
    assert opened(city) == []


def test_an_alert_is_handed_on_when_it_is_raised_and_when_it_is_over(city):
    say(city, status("d1", "lost"))
    look(city, 0, 6)

    def new(minute):
        with city.reading() as connection:
            return [a for a in to_tell(connection, T0 + minute * MINUTE, 9) if a.dev == "d1"]

    [alert] = new(6)
    mark_told(city, [alert])
    look(city, 7)
    assert new(7) == []
    well(city, "d1", T0 + 8 * MINUTE)
    count(city, "d1", ends_ms=T0)
    look(city, 8, 14)
    [over] = new(14)
    assert over.closed_ms
    mark_told(city, [over])
    assert new(15) == []


def test_an_old_alert_is_no_news(city):
    say(city, status("d1", "lost"))
    look(city, 0, 6)
    with city.reading() as connection:
        assert to_tell(connection, T0 + 2 * DAY, 9) == []
        assert to_tell(connection, T0 + 7 * MINUTE, 9, "other") == []


def test_what_was_handed_on_is_not_forgotten_by_one_who_read_it_before(city):
    say(city, status("d1", "lost"))
    look(city, 0, 6)
    with city.reading() as connection:
        [alert] = [each for each in alerts_of(connection, "t") if each.dev == "d1"]
    mark_told(city, [alert])
    row = asdict(alert) | {"detail": "later"}
    with city.writing() as connection:
        city.upsert(connection, ALERTS, [row], keep=("told",))
    with city.reading() as connection:
        [alert] = [each for each in alerts_of(connection, "t") if each.dev == "d1"]
    assert (alert.told, alert.detail) == ("raised", "later")


def test_two_that_look_at_once_raise_one_alert(city):
    say(city, status("d1", "lost"))
    count(city, "d1")
    with ThreadPoolExecutor(2) as pool:
        with city.writing() as connection:
            if not city.is_sqlite:
                connection.execute(text("LOCK TABLE alerts IN EXCLUSIVE MODE"))
            looks = [pool.submit(look, city, minute) for minute in (0, 0.01)]
            wait_until_both_wait(city)
        for each in looks:
            each.result()
    look(city, 6)
    with city.reading() as connection:
        rows = connection.execute(text("SELECT count(*) FROM alerts WHERE dev = 'd1'")).scalar()
    assert (opened(city), rows) == ([("d1", "lost")], 1)


def wait_until_both_wait(database):
    """Of PostgreSQL it can be seen; SQLite lets one write at a time anyway."""
    never = threading.Event()
    for _ in range(1200):
        if database.is_sqlite:
            return
        with database.reading() as connection:
            query = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
            if connection.execute(text(query)).scalar() == 2:
                return
        never.wait(0.05)
    raise AssertionError("they do not wait for each other")


# --- Months --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scheme() -> Scheme:
    return read_scheme(Path("config/schemes/neutral-2026.yaml"))


FEBRUARY = 1_769_875_200_000  # the first, 00:00 in Shanghai


def test_a_month_closes_by_itself_on_its_seventh_day_once(city, scheme):
    count(city, "d1")
    count(city, "d1", ends_ms=FEBRUARY + DAY, n=2)
    due = FEBRUARY + 7 * DAY
    RollUp(city).run()
    assert freeze_due(city, scheme, due - 1) == []
    count(city, "d2")
    assert freeze_due(city, scheme, due) == []  # what came last is not rolled up
    RollUp(city).run()
    [made] = freeze_due(city, scheme, due)
    assert (made.tenant, made.month, made.number, made.made_by) == ("t", "2026-01", 0, BY_ITSELF)
    assert freeze_due(city, scheme, due + DAY) == []
    with city.reading() as connection:
        assert [each.digest for each in revisions(connection, "t", "2026-01")] == [made.digest]


def test_a_month_that_nothing_came_of_is_left_alone_and_one_that_was_missed_is_not(city, scheme):
    assert freeze_due(city, scheme, FEBRUARY + 40 * DAY) == []
    count(city, "d1")
    RollUp(city).run()
    assert [each.month for each in freeze_due(city, scheme, FEBRUARY + 40 * DAY)] == ["2026-01"]


def test_the_first_hours_of_a_month_are_no_month_before(city, scheme):
    """In Shanghai it begins on the last day of the month before, by UTC."""
    count(city, "d1", ends_ms=FEBRUARY + 4 * 3_600_000, n=4)
    RollUp(city).run()
    assert freeze_due(city, scheme, FEBRUARY + 9 * DAY) == []


def test_a_month_waits_for_the_site_where_it_ends_last(city, scheme):
    west = "site,name,area,residents,hours,time_zone\nsite-003,西,西,100,daily 09:00-17:00,"
    take_over(city, west + "America/Lima\n", "dev,site,place\nd5,site-003,door\n")
    count(city, "d1")
    RollUp(city).run()
    assert freeze_due(city, scheme, FEBRUARY + 7 * DAY) == []
    assert [each.month for each in freeze_due(city, scheme, FEBRUARY + 8 * DAY)] == ["2026-01"]


# --- Registers -----------------------------------------------------------------------------


def received(database):
    with database.reading() as connection:
        rows = connection.execute(text("SELECT site, month, kind FROM registers_received"))
        return sorted(tuple(row) for row in rows)


def test_a_system_speaks_for_its_own_site_only(city):
    registers.take_over(city, "t", "cases", [], complete_for="2026-01", only_site="site-002")
    assert received(city) == [("site-002", "2026-01", "cases")]
    with pytest.raises(BadInputError, match="no site site-009"):
        registers.take_over(city, "t", "cases", [], complete_for="2026-01", only_site="site-009")
    registers.take_over(city, "t", "ratings", [], complete_for="2026-02")
    assert [site for site, month, _ in received(city) if month == "2026-02"] == [
        "site-001", "site-002",
    ]  # fmt: skip
