"""`evaluation serve` in a process of its own, somebody who may look, and a year of months."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select, text

from evaluation.database import Database
from evaluation.month_tables import REVISIONS

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEME = ROOT / "config" / "schemes" / "neutral-2026.yaml"
MONTH = "2026-10"
USER, PASSWORD = "bench", "nine quick figures"
FREEZE_S = 900.0
_EARLIER = tuple([f"2025-{n:02}" for n in (11, 12)] + [f"2026-{n:02}" for n in range(1, 10)])


class Server:
    """Where it listens, and how much memory it has needed."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process, self.port = process, port

    @property
    def peak_mb(self) -> float:
        """The largest resident size so far."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1000
        return float("nan")


@contextmanager
def serving(database: str, tenant: str, folder: Path) -> Iterator[Server]:
    """Serve a database in which `MONTH` is due; it is frozen, and repeated as eleven months."""
    secret = folder / "password"
    secret.write_text(PASSWORD, "utf-8")
    user = ("user", "add", USER, "--tenant", tenant, "--password-file", str(secret))
    own = (sys.executable, "-m", "evaluation")
    subprocess.run([*own, *user, "--database", database], check=True, cwd=ROOT)
    log = folder / "log"
    command = [*own, "serve", "--database", database, "--scheme", str(SCHEME)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", "0", "--insecure-lab"], cwd=ROOT, stdout=out, stderr=out
        )
    try:
        port = _port(log, process)
        _repeat_month(database)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(60)


def _port(log: Path, server: subprocess.Popen[bytes]) -> int:
    while server.poll() is None:
        for line in log.read_text("utf-8").splitlines():
            if '"pages.open"' in line:
                return int(json.loads(line)["port"])
        time.sleep(0.1)
    raise SystemExit(f"error: the pages did not start: {log.read_text('utf-8')}")


def _repeat_month(url: str) -> None:
    database = Database(url)
    deadline = time.monotonic() + FREEZE_S
    while not _is_frozen(database):
        if time.monotonic() > deadline:
            raise SystemExit(f"error: {MONTH} was not frozen in {FREEZE_S:.0f} s")
        time.sleep(0.2)
    copy = text(
        "INSERT INTO revisions (tenant, month, revision, made_ms, made_by, reason, digest, body)"
        " SELECT tenant, :other, revision, made_ms, made_by, reason, digest || :other,"
        " replace(body, :this_quoted, :other_quoted) FROM revisions WHERE month = :this"
    )
    for month in _EARLIER:
        values = {"this": MONTH, "this_quoted": f'"{MONTH}"', "other_quoted": f'"{month}"'}
        with database.writing() as connection:
            connection.execute(copy, {**values, "other": month})
    database.close()


def _is_frozen(database: Database) -> bool:
    with database.reading() as connection:
        return bool(connection.execute(select(func.count()).select_from(REVISIONS)).scalar_one())
