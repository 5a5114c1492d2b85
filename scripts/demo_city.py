"""A simulated city for a month: devices → broker → receiver → database → report.

The records are sealed as devices seal them, go through a real broker and the reference
receiver; the tables of the city are taken over as spreadsheets. Everything is seeded.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from city.crowd import crowd_of
from city.plan import Centre, Story, plan
from city.publisher import Publisher
from city.records import Sent, sent_by
from city.tables import HOLIDAYS, tables
from rich.console import Console
from simulation.services import MOSQUITTO, Receiver

from edge.adapters.lab_broker import LabBroker
from evaluation.assessment.opening import Hours, Month, Opening, month_of
from evaluation.hours_text import weekly_hours
from evaluation.month_table import table_of

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "demo-city"
SCHEME = ROOT / "config" / "schemes" / "neutral-2026.yaml"
TENANT = "demo-city"
ZONE = ZoneInfo("Asia/Shanghai")
CONSOLE = Console()


def main() -> int:
    options = _options()
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("city.db*"):
        old.unlink()
    year, number = map(int, options.month.split("-"))
    month = month_of(year, number, ZONE)
    centres = list(plan(options.centres, options.seed))
    database = options.database or f"sqlite:///{OUT}/city.db"
    _import_tables(centres, month, database)
    _receive(centres, month, database)
    return _show(options.month, database, centres)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo --city", description=__doc__)
    parser.add_argument("--centres", type=int, default=100)
    parser.add_argument("--month", default="2026-10")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="default: a new SQLite file in out/demo-city")
    return parser.parse_args()


def _evaluation(*arguments: str) -> str:
    command = [sys.executable, "-m", "evaluation", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _import_tables(centres: list[Centre], month: Month, database: str) -> None:
    for kind, content in tables(centres, month).items():
        file = OUT / f"{kind}.csv"
        file.write_bytes(content)
        said = _evaluation("import", kind, str(file), "--database", database, "--tenant", TENANT)
        CONSOLE.print(said.strip(), highlight=False)


def _opening(centre: Centre, month: Month) -> Opening:
    weekly: dict[int, Hours] = weekly_hours(centre.hours)
    closed = range(month.days) if centre.story is Story.HOLIDAY else HOLIDAYS
    return Opening(weekly, {month.date_of(day): () for day in closed})


def _receive(centres: list[Centre], month: Month, database: str) -> None:
    begun = time.monotonic()
    with LabBroker(mosquitto_lines=MOSQUITTO) as broker:
        receiver = Receiver(
            f"mqtt://{broker.host}:{broker.port}", database, TENANT, OUT / "receiver.log"
        )
        receiver.start()
        try:
            with Publisher(broker.host, broker.port, TENANT) as publisher:
                records, expected = _publish(centres, month, publisher)
                if not publisher.wait_for(expected):
                    raise SystemExit("error: not everything was committed, see receiver.log")
        finally:
            receiver.close()
    took_s = time.monotonic() - begun
    CONSOLE.print(
        f"{records} records of {len(expected)} devices sealed, published and committed"
        f" in {took_s:.0f} s ({records / took_s:.0f} a second)",
        highlight=False,
    )


def _publish(
    centres: list[Centre], month: Month, publisher: Publisher
) -> tuple[int, dict[str, int]]:
    """Send what comes in time; return how many records, and the last number by stream."""
    records, expected = 0, {}
    for centre in centres:
        crowd = crowd_of(centre, month, month.open_slots(_opening(centre, month)))
        for sent in sent_by(centre, TENANT, month, crowd):
            publisher.send(sent.messages)
            expected[sent.stream] = in_time(sent)
            records += expected[sent.stream]
    return records, expected


def in_time(sent: Sent) -> int:
    """Return how many of a device's records come in time."""
    share = len(sent.messages) / (len(sent.messages) + len(sent.late))
    return round(sent.records * share)


def _show(month: str, database: str, centres: list[Centre]) -> int:
    begun = time.monotonic()
    options = ("--database", database, "--tenant", TENANT, "--scheme", str(SCHEME), "--json")
    found = json.loads(_evaluation("report", month, *options))
    CONSOLE.print(f"report made in {time.monotonic() - begun:.1f} s", highlight=False)
    CONSOLE.print(table_of(found))
    stories = {centre.site: centre for centre in centres if centre.story is not Story.PLAIN}
    for site in found["sites"]:
        if site["site"] in stories:
            told = "; ".join(f"{flag['code']} {flag['zh']}" for flag in site["flags"])
            score = site["score"]
            CONSOLE.print(
                f"{site['site']} {stories[site['site']].story}: {score['grade']}"
                f" {score['reason'] or ''} {told}", highlight=False,
            )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
