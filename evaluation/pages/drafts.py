"""Reports as they are now, made beside the requests and kept, so that a page only reads one.

A draft is made anew when what it is made of has changed, see `made_of`; a page says when that
was. Only the very first one of a month is made while somebody waits.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select

from edge.errors import BadInputError
from evaluation.assessment.scheme import Scheme
from evaluation.database import Database
from evaluation.month_report import Report, as_text, digest, report
from evaluation.month_tables import REVISIONS
from evaluation.page_tables import MONTH_DRAFTS
from evaluation.pages.calendar import Closed, month_in, zone_of
from evaluation.pages.made_of import made_of
from evaluation.registry import sites_of
from evaluation.site_months import site_months

MOST_IN_MEMORY = 6
"""Reports kept parsed. Of a thousand centres one is some 40 MB, and what lies around for long
makes every collection of garbage slower, which pages wait for."""
MOST_SCORES = 120
"""Months of which the scores are kept: a year of ten tenants."""


class Score(NamedTuple):
    """Of a site and a month, points; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A report and its hash. made_ms: when it was made. revision: None of a draft."""

    report: Report
    digest: str
    made_ms: int
    revision: int | None = None


class Drafts:
    """The reports of a database by a scheme; every thread may ask."""

    def __init__(self, database: Database, scheme: Scheme) -> None:
        self._db, self._scheme = database, scheme
        self._of_scheme = digest(repr(scheme))
        self._making, self._lock = threading.Lock(), threading.Lock()
        self._parsed: OrderedDict[str, Report] = OrderedDict()
        self._scores: OrderedDict[str, dict[str, Score]] = OrderedDict()

    def draft(self, tenant: str, month: str) -> Kept | None:
        """Return a month as it was made last, or make it; None without sites."""
        c = MONTH_DRAFTS.c
        query = select(*c["made_ms", "digest"]).where(c.tenant == tenant, c.month == month)
        with self._db.reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            return self.renewed(tenant, month)
        made_ms, name = found
        body = select(c.body).where(c.tenant == tenant, c.month == month, c.digest == name)
        parsed = self._parsed_body(name, lambda: self._text(body))
        # None: it was made anew in between.
        return self.draft(tenant, month) if parsed is None else Kept(parsed, name, made_ms)

    def closed(self, tenant: str, of: Closed) -> Kept | None:
        """Return a revision that is known to be there; of one in memory nothing is read."""
        c = REVISIONS.c
        which = (c.tenant == tenant, c.month == of.month, c.revision == of.number)
        parsed = self._parsed_body(of.digest, lambda: self._text(select(c.body).where(*which)))
        return None if parsed is None else Kept(parsed, of.digest, of.made_ms, of.number)

    def scores(self, tenant: str, of: Closed) -> dict[str, Score]:
        """Return the scores of a revision by site, without keeping the rest of it."""
        with self._lock:
            known = self._scores.get(of.digest)
        if known is None:
            c = REVISIONS.c
            which = (c.tenant == tenant, c.month == of.month, c.revision == of.number)
            body = self._text(select(c.body).where(*which))
            known = {} if body is None else scores_of(json.loads(body))
            with self._lock:
                self._scores[of.digest] = known
                while len(self._scores) > MOST_SCORES:
                    self._scores.popitem(last=False)
        return known

    def renewed(self, tenant: str, month: str) -> Kept | None:
        """Return a month as it is now, made anew if anything has changed; None without sites."""
        with self._making:
            with self._db.reading() as connection:
                zone = zone_of(connection, tenant)
                if zone is None:
                    return None
                of = made_of(connection, tenant, month_in(zone, month), self._of_scheme)
                c = MONTH_DRAFTS.c
                query = select(*c["made_of", "made_ms", "digest"])
                kept = connection.execute(query.where(c.tenant == tenant, c.month == month)).first()
                if kept is not None and kept.made_of == of:
                    return self.draft(tenant, month)
                names = {each.site: (each.name, each.area) for each in sites_of(connection, tenant)}
                months = site_months(connection, tenant, int(month[:4]), int(month[5:]))
            made = report(tenant, months, self._scheme, names)
            return self._keep(made, of)

    def _keep(self, made: Report, of: str) -> Kept:
        body, made_ms = as_text(made), time.time_ns() // 1_000_000
        row = {"tenant": made["tenant"], "month": made["month"], "made_of": of}
        row |= {"made_ms": made_ms, "digest": digest(body), "body": body}
        with self._db.writing() as connection:
            self._db.upsert(connection, MONTH_DRAFTS, [row])
        self._parsed_body(row["digest"], lambda: body)
        return Kept(json.loads(body), row["digest"], made_ms)

    def _text(self, query: object) -> str | None:
        with self._db.reading() as connection:
            text: str | None = connection.execute(query).scalar()  # type: ignore[call-overload]
            return text

    def _parsed_body(self, name: str, read: Callable[[], str | None]) -> Report | None:
        with self._lock:
            if name in self._parsed:
                self._parsed.move_to_end(name)
                return self._parsed[name]
        body = read()
        if body is None:
            return None
        parsed: Report = json.loads(body)
        with self._lock:
            self._parsed[name] = parsed
            while len(self._parsed) > MOST_IN_MEMORY:
                self._parsed.popitem(last=False)
        return parsed


def scores_of(found: Report) -> dict[str, Score]:
    """Return the scores of a report by site."""
    return {
        each["site"]: Score(*(each["score"][name] for name in Score._fields))
        for each in found["sites"]
    }


def site_in(found: Report, site: str) -> Report:
    """Return a site of a report. Raises BadInputError."""
    for each in found["sites"]:
        if each["site"] == site:
            of: Report = each
            return of
    raise BadInputError(f"there is no site {site} 没有中心 {site}")
