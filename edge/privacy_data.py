"""What `privacy-check` looks at on the disk: the data folder, its database, the log."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from edge.adapters import stored
from edge.picture_signs import picture_in
from edge.privacy_fields import Finding, in_log, in_record
from edge.privacy_files import is_update, unknown_files
from edge.privacy_promises import PromiseId, Said
from edge.privacy_verdicts import Look
from edge.readings import SUPPRESSED_UNDER

SHORTEST_S = 300
_SPAN_S = 900
_MOST_SHORT = 6
"""So many pieces of a quarter of an hour are one that was split by edits and restarts."""
_RECORDS = frozenset({"records.body", "earlier.body"})
_CONFIG_COPY = re.compile(r"config\.last-good\..*")
"""Holds what the config file holds, the camera's password too, and is for its owner only."""
_WORDS: tuple[PromiseId, ...] = ("tracks-stay", "places-stay", "nobody-recognised")


class _Stored(NamedTuple):
    """What the values of a database break, and how many there are."""

    values: int
    records: int
    findings: list[Finding]
    secrets: list[str]


def look_at_folder(folder: Path, database: Path, secrets: Sequence[str]) -> list[Look]:
    """Look at every file of the data folder and every value of the database."""
    names = stored.files_in(folder)
    pictures, unreadable = _pictures(folder, names)
    at = Said(f"{folder}：{len(names)} 个文件", f"{folder}: {len(names)} files")
    strange = [name for name in unknown_files(names) if name not in pictures]
    problems = tuple(
        Said(f"{name} 里有画面（{kind}）", f"{name} is or holds a picture ({kind})")
        for name, kind in pictures.items()
    )
    looks = [
        Look("pictures-not-stored", at, problems, unreadable),
        Look(
            "files-in-place", at, tuple(Said(f"未知文件 {n}", f"unknown file {n}") for n in strange)
        ),
        Look("secrets-kept", at, tuple(_secrets_in(folder, names, secrets)), unreadable),
    ]
    return looks + look_at_database(database, secrets)


def look_at_database(database: Path, secrets: Sequence[str]) -> list[Look]:
    """Look at every value of an outbox, and at its records."""
    about: tuple[PromiseId, ...] = ("pictures-not-stored", *_WORDS, "intervals-coarse")
    try:
        found = _values(database, secrets)
    except sqlite3.Error as error:
        where = Said(str(database), str(database))
        why = Said(f"数据库读不了（{error}）", f"the database cannot be read ({error})")
        return [Look(each, where, not_run=why) for each in about]
    at = Said(
        f"数据库 {found.values} 个值，{found.records} 条记录",
        f"database: {found.values} values, {found.records} records",
    )
    looks = [Look(each, at, _of(found.findings, each)) for each in about]
    told = tuple(Said(f"{name} 里有密码", f"a password is in {name}") for name in found.secrets)
    return [*looks, Look("secrets-kept", at, told)]


def look_at_log(text: str, where: str, secrets: Sequence[str]) -> list[Look]:
    """Look at what the service has said."""
    lines = text.splitlines()
    at = Said(f"日志 {where}：{len(lines)} 行", f"log {where}: {len(lines)} lines")
    findings = [finding for line in lines for finding in in_log(line)]
    kind = picture_in(text.encode("utf-8", "replace"))
    shown = (Said(f"日志里有画面（{kind}）", f"a picture is in the log ({kind})"),) if kind else ()
    told = any(secret in text for secret in secrets)
    return [
        *(Look(each, at, _of(findings, each)) for each in _WORDS),
        Look("pictures-not-stored", at, shown),
        Look(
            "secrets-kept", at, (Said("日志里有密码", "a password is in the log"),) if told else ()
        ),
    ]


def no_log(why: Said) -> list[Look]:
    """Return the looks that there are none of where the log cannot be read."""
    at = Said("日志", "log")
    return [Look(each, at, not_run=why) for each in (*_WORDS, "secrets-kept")]


def short_intervals(records: Iterable[dict[str, Any]]) -> list[Finding]:
    """Return where records are of shorter intervals than is promised, or means of too few."""
    short: Counter[tuple[str, int]] = Counter()
    found: list[Finding] = []
    for record in records:
        subject = str(record.get("line") or record.get("zone"))
        begin, end = (_seconds(record[name]) for name in ("t0", "t1"))
        if end - begin < SHORTEST_S:
            short[subject, int(begin // _SPAN_S)] += 1
        visits = min(record.get("arrivals") or 0, record.get("departures") or 0)
        for name in ("dwell_s", "wait_s"):
            if record.get(name) is not None and visits < SUPPRESSED_UNDER:
                found.append(("intervals-coarse", f"{subject}: {name} of {visits} visits"))
    for (subject, _span), count in sorted(short.items()):
        if count > _MOST_SHORT:
            found.append(("intervals-coarse", f"{subject}: {count} records in 15 minutes"))
    return found


def _values(database: Path, secrets: Sequence[str]) -> _Stored:

    values, findings, told = 0, list[Finding](), set[str]()
    records: list[dict[str, Any]] = []
    for name, value in stored.values_in(database):
        values += 1
        if isinstance(value, bytes):
            kind = picture_in(value) or "unknown bytes"
            findings.append(("pictures-not-stored", f"{name}: {kind}, {len(value)} bytes"))
        elif isinstance(value, str):
            if shown := picture_in(value.encode("utf-8", "replace")):
                findings.append(("pictures-not-stored", f"{name}: {shown}"))
            told |= {name for secret in secrets if secret in value}
            if name in _RECORDS:
                findings += in_record(value)
                records.append(json.loads(value))
    findings += short_intervals(records)
    return _Stored(values, len(records), findings, sorted(told))


def _pictures(folder: Path, names: Iterable[str]) -> tuple[dict[str, str], Said | None]:
    found, unreadable = {}, None
    for name in names:
        try:
            if is_update(name) and stored.is_program(folder / name):
                continue
            kind = stored.picture_of(folder / name)
        except FileNotFoundError:
            continue  # a draft that has become the file
        except OSError as error:
            unreadable = Said(
                f"{name} 读不了，请用 sudo 运行",
                f"{name} cannot be read ({error.strerror}); run this with sudo",
            )
            continue
        if kind is not None:
            found[name] = kind
    return found, unreadable


def _secrets_in(folder: Path, names: Iterable[str], secrets: Sequence[str]) -> Iterable[Said]:
    wanted = [secret.encode() for secret in secrets]
    for name in names:
        if _CONFIG_COPY.fullmatch(name):
            continue
        try:
            content = (folder / name).read_bytes() if wanted else b""
        except OSError:
            continue
        if any(secret in content for secret in wanted):
            yield Said(f"{name} 里有密码", f"a password is in {name}")


def _of(findings: Iterable[Finding], promise: PromiseId) -> tuple[Said, ...]:
    texts = dict.fromkeys(text for about, text in findings if about == promise)
    return tuple(Said(text, text) for text in list(texts)[:10])


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
