"""Reading the records of a device beside the running service: read-only, without its lock."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from edge.adapters.outbox_file import BUSY_TIMEOUT_S
from edge.adapters.outbox_schema import SCHEMA_VERSION
from edge.errors import BadInputError, MessageError, OutboxError
from edge.messages import counts_message
from edge.records import CountRecord, parse_counts, verify_chain
from edge.vocabulary import StoredRecord


def read_records(path: Path, tenant: str, dev: str) -> list[CountRecord]:
    """Return every record of a line still in the outbox, with a verified chain over all.

    Only of the present stream. Raises BadInputError when there is no outbox of this device,
    OutboxError when it cannot be read or a record in it was changed.
    """
    stored = read_streams(path, dev)[-1]
    if not stored:
        return []
    try:
        records = parse_counts(counts_message(tenant, dev, stored[0].stream, stored).payload)
        verify_chain(records)
    except MessageError as error:
        raise OutboxError(
            f"{path}: the records cannot be used as evidence: {error};"
            " move the file away, then a new stream begins, and audit again"
        ) from error
    return [record for record in records if isinstance(record, CountRecord)]


def read_streams(path: Path, dev: str) -> list[list[StoredRecord]]:
    """Return every record still in the outbox as it is, in order, by stream; none verified.

    The present stream comes last and may be empty. Raises BadInputError when there is no
    outbox of this device, OutboxError when it cannot be read.
    """
    if not path.is_file():
        raise BadInputError(
            f"{path}: there are no records; is records.data_dir that of the device,"
            " and does `lobbycount run` run with this config?"
        )
    try:
        stream, rows = _rows(path, dev)
    except sqlite3.Error as error:
        raise OutboxError(
            f"{path}: the records cannot be read ({error}); run this as the user of the"
            " service: put `sudo -u lobbycount` before the command"
        ) from error
    streams: dict[str, list[StoredRecord]] = {}
    for of, seq, body in rows:
        streams.setdefault(of, []).append(StoredRecord(of, seq, body))
    present = streams.pop(stream, [])
    return [*streams.values(), present]


def _rows(path: Path, dev: str) -> tuple[str, list[tuple[str, int, str]]]:
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, timeout=BUSY_TIMEOUT_S, uri=True)) as db:
        # A damaged text is read too: it is for the reader to say what is wrong with it.
        db.text_factory = lambda text: text.decode("utf-8", "replace")
        db.execute("BEGIN")  # one moment for all that is read
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise OutboxError(
                f"{path}: has schema {version}, this lobbycount reads {SCHEMA_VERSION};"
                " use the version that the service runs"
            )
        owner, stream = db.execute("SELECT dev, stream FROM head").fetchone()
        if owner != dev:
            raise BadInputError(
                f"{path}: holds the records of device {owner!r}, not {dev!r};"
                " give the config of that device, e.g. --config /etc/lobbycount/lobby.yaml"
            )
        rows = db.execute("SELECT ?, seq, body FROM records ORDER BY seq", (stream,)).fetchall()
        return stream, _earlier(db) + rows


def _earlier(db: sqlite3.Connection) -> list[tuple[str, int, str]]:
    """Return the records of earlier streams, where the file has a table for them."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'earlier'").fetchall():
        return []
    return db.execute("SELECT stream, seq, body FROM earlier ORDER BY stream, seq").fetchall()
