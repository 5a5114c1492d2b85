"""What evaluators say to flags: kept beside the flag, which stays, and never taken back."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from edge.errors import BadInputError
from evaluation.page_tables import FLAG_ANSWERS

LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said to a flag."""

    site: str
    flag: str
    at_ms: int
    made_by: str
    text: str


def key_of(flag: Mapping[str, Any]) -> str:
    """Return what tells a flag of a site's month from the others, in every revision the same."""
    day = "" if flag["day"] is None else f"{flag['day'] + 1:02}"
    return f"{flag['code']}/{day}/{flag['source'] or ''}"


def answer(connection: Connection, tenant: str, month: str, said: Answer) -> None:
    """Keep an answer. Raises BadInputError for an empty or a very long one."""
    if not 0 < len(said.text) <= LONGEST or not said.text.isprintable():
        raise BadInputError(
            f"an answer has 1 to {LONGEST} characters, e.g. “a school class visited”"
            f" 说明应为 1 到 {LONGEST} 个字，例如“小学生集体参观”"
        )
    values: dict[str, Any] = {
        "tenant": tenant,
        "month": month,
        "site": said.site,
        "flag": said.flag,
    }
    values |= {"at_ms": said.at_ms, "made_by": said.made_by, "text": said.text}
    connection.execute(insert(FLAG_ANSWERS).values(values))


def answers(
    connection: Connection, tenant: str, month: str
) -> Mapping[tuple[str, str], list[Answer]]:
    """Return the answers of a month by site and flag, the oldest first."""
    c = FLAG_ANSWERS.c
    query = select(*c["site", "flag", "at_ms", "made_by", "text"]).order_by(c.id)
    found: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for row in connection.execute(query.where(c.tenant == tenant, c.month == month)):
        found[row.site, row.flag].append(Answer(*row))
    return found
