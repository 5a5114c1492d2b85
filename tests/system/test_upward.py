"""Days and reports of two cities go up to a province, by the statements of docs/growth.md."""

import re
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, make_url, select, text

from edge.errors import BadInputError
from edge.messages import counts_message
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality
from evaluation import registers, registry
from evaluation.closing import close, revisions
from evaluation.copies import senders
from evaluation.database import Database
from evaluation.freeze import freeze_due
from evaluation.ingest import read
from evaluation.lab_database import LabDatabase, binaries
from evaluation.month_report import as_text, report
from evaluation.month_tables import DEVICE_DAYS
from evaluation.pages.provenance import records_of
from evaluation.register_rows import READERS
from evaluation.registry_rows import device_rows, site_rows
from evaluation.rollup import RollUp
from evaluation.scheme_file import read_scheme
from evaluation.site_months import site_months
from evaluation.site_tables import SITES
from evaluation.store import Store
from evaluation.tables import METADATA, RECORDS

PAGE = Path("docs/growth.md")
SCHEME = Path("config/schemes/neutral-2026.yaml")
SLOT_MS = 900_000
FEBRUARY = 1_769_904_000_000  # 2026-02-01T00:00:00Z
SETTINGS = ("wal_level=logical", "wal_retrieve_retry_interval=100ms")
MAY_MS = 1_777_600_000_000
NINE_ON_MONDAY = 96 + 36
OF_THE_CITY_ONLY = {
    "records", "streams", "heads", "continued", "rejected", "dirty_days", "month_drafts",
    "flag_answers", "device_states", "alerts",
    "page_users", "page_roles", "page_sessions", "page_tokens", "page_tries", "page_journal",
}  # fmt: skip
LIMIT_S = 60.0


def statement(verb):
    """The block of SQL in the page that begins with these words."""
    [found] = re.findall(rf"```sql\n({verb} .*?)```", PAGE.read_text("utf-8"), re.S)
    return found


class Place:
    """A database of its own cluster: a city's, or a province's."""

    def __init__(self, stack):
        self.lab = stack.enter_context(LabDatabase(settings=SETTINGS))
        self.url = self.lab.new_database()
        self.database = stack.enter_context(closing(Database(self.url)))
        self.database.prepare()

    def run(self, sql):
        engine = create_engine(make_url(self.url).set(drivername="postgresql+psycopg"))
        # Publications need no transaction, subscriptions refuse one.
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(sql))
        engine.dispose()

    def receive(self, tenant, week, entered):
        dev, first = f"{tenant}-d1", 672 * week + NINE_ON_MONDAY
        box = MemoryOutbox(dev, f"{week:016x}")
        counts = {Outcome.IN: entered, Outcome.OUT: entered}
        by = Provenance("c", "m")
        box.append(
            [
                CountBucket("door", t0, t0 + SLOT_MS, counts, 1.0, None, TimeQuality.NTP, by)
                for t0 in (FEBRUARY + n * SLOT_MS for n in range(first, first + 4))
            ]
        )
        sent = counts_message(tenant, dev, box.stream, box.pending(999))
        Store(self.database).commit([read(sent.topic, sent.payload)], 7)
        RollUp(self.database).run()

    def report(self, tenant):
        return as_text(self.made(tenant))

    def made(self, tenant):
        with self.database.reading() as connection:
            sites = registry.sites_of(connection, tenant)
            months = site_months(connection, tenant, 2026, 2)
        names = {each.site: (each.name, each.area) for each in sites}
        return report(tenant, months, read_scheme(SCHEME), names)

    def entered(self, tenant):
        with self.database.reading() as connection:
            [month] = site_months(connection, tenant, 2026, 2)
        return int(month.doors[f"{tenant}-d1"].entered.sum())

    def has(self):
        with self.database.reading() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (SITES, DEVICE_DAYS)
            }


def city(stack, name, entered):
    own = Place(stack)
    register(own, name)
    register_ratings(own, name)
    own.receive(name, 0, entered)
    own.run(statement("CREATE PUBLICATION"))
    return own


def register(place, name):
    sites = f"site,name,area,residents,hours,time_zone\n{name}-s1,甲,北,2000,Mon 09:00-10:00,UTC\n"
    devices = f"dev,site\n{name}-d1,{name}-s1\n"
    registry.take_over(place.database, name, site_rows(sites.encode(), "sites.csv", name))
    registry.take_over(place.database, name, device_rows(devices.encode(), "devices.csv", name))


def register_ratings(place, name):
    ratings = f"site,at,level,rating\n{name}-s1,2026-02-03 09:00,5,r1\n"
    rows = READERS["ratings"](ratings.encode(), "ratings.csv")
    registers.take_over(place.database, name, "ratings", rows)


def wait_until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come up"
        time.sleep(0.02)


@pytest.fixture
def places():
    if binaries() is None:
        pytest.skip("needs PostgreSQL, e.g. apt install postgresql")
    with ExitStack() as stack:
        province = Place(stack)
        yield province, {name: city(stack, name, n) for name, n in (("hefei", 5), ("wuhu", 8))}


def subscribe(province, name, own):
    url = make_url(own.url)
    said = f"host={url.query['host']} dbname={url.database} user={url.username}"
    sql = statement("CREATE SUBSCRIPTION")
    province.run(re.sub(r"'[^']*'", f"'{said}'", sql, count=1).replace("hefei", name))


def test_a_province_makes_the_reports_that_its_cities_make(places):
    province, cities = places
    for name, own in cities.items():
        subscribe(province, name, own)
    wait_until(lambda: province.has() == {"sites": 2, "device_days": 2})
    wait_until(lambda: all(province.report(n) == own.report(n) for n, own in cities.items()))
    assert [province.entered(name) for name in cities] == [20, 32]

    # What changes in a city follows: late records, and the month that is closed, and closed again.
    late = cities["wuhu"]
    province.lab.kill()  # what it has not taken yet waits in the city
    for week, reason in ((1, ""), (2, "a late device")):
        late.receive("wuhu", week, 8)
        close(late.database, late.made("wuhu"), made_by="li", reason=reason)
    province.lab.start()
    wait_until(lambda: _revisions(province) == _revisions(late) != [])
    wait_until(lambda: province.report("wuhu") == late.report("wuhu"))
    assert province.entered("wuhu") == 3 * 32

    # Records stay in the city, and only there anything is changed.
    with province.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(RECORDS)).scalar_one() == 0
        assert senders(connection) == ["hefei", "wuhu"]
        with pytest.raises(BadInputError, match="the records stay there"):
            records_of(connection, [], [], 10)
    assert freeze_due(province.database, read_scheme(SCHEME), MAY_MS) == []
    for change in (
        lambda: close(province.database, province.made("hefei"), made_by="li", reason=""),
        lambda: register(province, "hefei"),
        lambda: register_ratings(province, "hefei"),
    ):
        with pytest.raises(BadInputError, match="is a copy that hefei, wuhu sends to"):
            change()
    assert [
        each.month for each in freeze_due(cities["hefei"].database, read_scheme(SCHEME), MAY_MS)
    ]


def test_every_table_either_goes_up_or_stays():
    sent = set(re.findall(r"[a-z_]+", statement("CREATE PUBLICATION").partition("TABLE")[2]))
    assert sent | OF_THE_CITY_ONLY == set(METADATA.tables)
    assert not sent & OF_THE_CITY_ONLY


def _revisions(place):
    with place.database.reading() as connection:
        return [(each.number, each.digest) for each in revisions(connection, "wuhu", "2026-02")]
