"""A city of four centres and a month, and its pages on a free port; the clock is the test's."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from edge.messages import counts_message
from edge.testing import MemoryOutbox
from edge.vocabulary import (
    CountBucket,
    Outcome,
    Provenance,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)
from evaluation import registers, registry
from evaluation.database import Database
from evaluation.ingest import read
from evaluation.page_tables import PAGE_ROLES, PAGE_USERS
from evaluation.pages.desk import desk_of
from evaluation.pages.passwords import hashed
from evaluation.pages.reception import COOKIE
from evaluation.pages.roles import Role
from evaluation.pages.server import listener, server_of
from evaluation.register_rows import READERS
from evaluation.registry_rows import device_rows, site_rows
from evaluation.scheme_file import read_scheme
from evaluation.store import Store
from tests.system.pages_visitor import Visitor

SCHEME = Path("config/schemes/neutral-2026.yaml")
FEBRUARY = 1_769_904_000_000  # 2026-02-01T00:00:00Z, a Sunday
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
OPEN_HOURS = range(9, 13)
WEEKDAYS = [day for day in range(28) if day % 7 in {1, 2, 3, 4, 5}]
UNSEEN_DAYS = (9, 10)  # of s2: its device was off
IN_REVIEW = datetime(2026, 3, 5, 12, tzinfo=UTC)
FROZEN = datetime(2026, 3, 9, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
EVIL_NAME = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
EVIL_AREA = '=HYPERLINK("http://x.example","a")'
SITES = f"""\
site,name,area,residents,hours,time_zone
s1,幸福里党群服务中心,和平街道,2000,Mon-Fri 09:00-13:00,UTC
s2,阳光里党群服务中心,和平街道,2400,Mon-Fri 09:00-13:00,UTC
s3,"{EVIL_NAME.replace('"', '""')}","{EVIL_AREA.replace('"', '""')}",3000,Mon-Fri 09:00-13:00,UTC
s4,没有设备的中心,河西街道,2600,Mon-Fri 09:00-13:00,UTC
"""
DEVICES = "dev,site\nd1,s1\nd2,s2\nd3,s3\n"
OTHER = "site,name,area,residents,hours,time_zone\nx1,Elsewhere,,9000,Mon-Fri 09:00-13:00,UTC\n"


def table(kind, rows):
    heads = {
        "activities": "site,activity,title,begin,end,held,expected,attended,audiences",
        "ratings": "site,at,level",
        "cases": "site,case,due,done",
    }
    return "\n".join([heads[kind], *rows]).encode() + b"\n"


def ratings(good, bad=2, site="s1"):
    rows = [f"{site},2026-02-{1 + n % 27:02} 10:{n % 60:02},5" for n in range(good)]
    return table("ratings", [*rows, *(f"{site},2026-02-02 11:{n:02},1" for n in range(bad))])


def _buckets(site):
    for day in WEEKDAYS:
        if site == 2 and day in UNSEEN_DAYS:
            continue
        for hour in OPEN_HOURS:
            t0_ms = FEBRUARY + day * DAY_MS + hour * HOUR_MS
            end = (1.0, None, TimeQuality.NTP, Provenance("cfg-0001", "model-0001"))
            people = 3 * site + (day + hour) % 4
            # s3 lets people in who never leave: a flag.
            out = 1 if site == 3 else people
            counts = {Outcome.IN: people, Outcome.OUT: out}
            yield CountBucket("door", t0_ms, t0_ms + HOUR_MS, counts, *end)
            sums = ZoneSums(HOUR_MS * people, HOUR_MS // 2, people, people, people)
            yield ZoneBucket("room", ZoneKind.ACTIVITY, t0_ms, t0_ms + HOUR_MS, sums, *end)


def make_city(database: Database) -> None:
    """Fill an empty database."""
    database.prepare()
    for name, tenant in ((SITES, "t"), (OTHER, "other")):
        registry.take_over(database, tenant, site_rows(name.encode(), "sites.csv", tenant))
    registry.take_over(database, "t", device_rows(DEVICES.encode(), "devices.csv", "t"))
    activities = [
        f"s{n},a{day},手机课堂,2026-02-{day:02} 09:30,2026-02-{day:02} 11:00,yes,30,2{n},elderly"
        for n in (1, 2, 3, 4)
        for day in (3, 10, 17)
    ]
    cases = [f"s{n},c{k},2026-02-1{k},2026-02-0{k}" for n in (1, 2, 3, 4) for k in range(1, 6)]
    files = [("activities", table("activities", activities)), ("cases", table("cases", cases))]
    files += [("ratings", ratings(40 + 20 * n, site=f"s{n}")) for n in (1, 2, 3, 4)]
    for kind, content in files:
        rows = READERS[kind](content, f"{kind}.csv")
        registers.take_over(database, "t", kind, rows, complete_for="2026-02")
    for n in (1, 2, 3):
        box = MemoryOutbox(f"d{n}", f"{n:016x}")
        box.append(list(_buckets(n)))
        sent = counts_message("t", f"d{n}", box.stream, box.pending(9999))
        Store(database).commit([read(sent.topic, sent.payload)], 7)


class PagesLab:
    """The pages of a city, served from this process; a context manager."""

    def __init__(self, url: str, now: datetime = IN_REVIEW) -> None:
        self.now_ms = round(now.timestamp() * 1000)
        self.database = Database(url)
        make_city(self.database)
        self.desk = desk_of(self.database, read_scheme(SCHEME), lambda: self.now_ms, secure=False)
        self.server = server_of(self.desk, frozenset({"pages.example"}))
        listening = listener("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, args=([listening],))

    def __enter__(self) -> "PagesLab":
        self._add_people()
        self.desk.keeper.look()
        self.desk.keeper.__enter__()
        self.thread.start()
        wait_until(lambda: self.server.started, "the pages are served")
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.desk.keeper.__exit__()
        self.database.close()

    def visitor(self, name: str, language: str = "en") -> Visitor:
        """Somebody who is logged in, without the quarter of a second that a password takes."""
        made = Visitor(self.port, language)
        made.cookies[COOKIE] = self.desk.sessions.begin(name)
        return made

    def _add_people(self) -> None:
        """A user of each role and one of another tenant; the password is hashed once."""
        people = [(f"the-{role}", "t", role.value) for role in Role]
        people.append(("a-stranger", "other", Role.ADMIN.value))
        kept = {"password": hashed(PASSWORD), "made_ms": 0, "changed_ms": 0}
        users = [kept | {"name": name} for name, _, _ in people]
        roles = [{"name": name, "tenant": of, "role": role} for name, of, role in people]
        with self.database.writing() as connection:
            connection.execute(insert(PAGE_USERS), users)
            connection.execute(insert(PAGE_ROLES), roles)


def wait_until(holds, what, limit_s=20.0):
    until = time.monotonic() + limit_s
    pause = threading.Event()
    while not (found := holds()):
        assert time.monotonic() < until, f"{what} within {limit_s} s"
        pause.wait(0.02)
    return found


def prepared(url: str) -> closing:
    """An empty database with its tables."""
    database = Database(url)
    database.prepare()
    return closing(database)
