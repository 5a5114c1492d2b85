"""A simulated city for a month: devices → broker → receiver → database → report.

The records are sealed as devices seal them, go through a real broker and the reference
receiver; the tables of the city are taken over as spreadsheets. Everything is seeded.
"""

import argparse
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
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
from edge.vocabulary import Message
from evaluation.assessment.opening import Hours, Month, Opening, month_of
from evaluation.hours_text import weekly_hours
from evaluation.month_report import Report
from evaluation.month_table import table_of

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "demo-city"
SCHEME = ROOT / "config" / "schemes" / "neutral-2026.yaml"
TENANT = "demo-city"
ZONE = ZoneInfo("Asia/Shanghai")
CONSOLE = Console()
_GRADES = {
    Story.POWER_CUT: {"estimated"},
    Story.MOVED: {"estimated", "not_rated"},
    Story.LONG_OUTAGE: {"not_rated"},
    Story.HOLIDAY: {"not_rated"},
}
"""Of the visits, by story; of everything else they are reliable."""


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
    devices = [sent for centre in centres for sent in _sent(centre, month)]
    _receive(((each.stream, each.in_time, each.messages) for each in devices), database)
    CONSOLE.rule("the day after the month: one network is not paid yet 月末次日，一处欠费断网")
    first = _report(options.month, database)
    _tell(first, centres)
    late = [each for each in devices if each.late]
    _receive(((each.stream, each.records, each.late) for each in late), database)
    CONSOLE.rule("two days later: it is paid, and everything it kept has come 两日后补缴，数据补到")
    last = _report(options.month, database)
    CONSOLE.print(table_of(last))
    wrong = [*broken(first, centres, paid=False), *broken(last, centres, paid=True)]
    for each in wrong:
        CONSOLE.print(f"NOT as it should be: {each}", style="bold red", highlight=False)
    if options.serve is not None:
        return _serve(database, options.serve) or bool(wrong)
    CONSOLE.print("look at it in a browser 在浏览器里看：scripts/demo --city --serve 8600")
    return bool(wrong)


def _sent(centre: Centre, month: Month) -> list[Sent]:
    crowd = crowd_of(centre, month, month.open_slots(_opening(centre, month)))
    return list(sent_by(centre, TENANT, month, crowd))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo --city", description=__doc__)
    parser.add_argument("--centres", type=int, default=100)
    parser.add_argument("--month", default="2026-10")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", type=int, metavar="PORT", help="then show the pages")
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


def _receive(streams: Iterable[tuple[str, int, Sequence[Message]]], database: str) -> None:
    """Send messages of streams to a receiver; wait until each is committed up to a number."""
    begun = time.monotonic()
    with LabBroker(mosquitto_lines=MOSQUITTO) as broker:
        receiver = Receiver(
            f"mqtt://{broker.host}:{broker.port}", database, TENANT, OUT / "receiver.log"
        )
        receiver.start()
        try:
            with Publisher(broker.host, broker.port, TENANT) as publisher:
                expected, count = {}, 0
                for stream, upto, messages in streams:
                    publisher.send(messages)
                    expected[stream], count = upto, count + len(messages)
                if not publisher.wait_for(expected):
                    raise SystemExit("error: not everything was committed, see receiver.log")
        finally:
            receiver.close()
    took_s = time.monotonic() - begun
    CONSOLE.print(
        f"{count} messages of {len(expected)} streams committed in {took_s:.0f} s", highlight=False
    )


def _report(month: str, database: str) -> Report:
    begun = time.monotonic()
    options = ("--database", database, "--tenant", TENANT, "--scheme", str(SCHEME), "--json")
    found: Report = json.loads(_evaluation("report", month, *options))
    CONSOLE.print(f"report made in {time.monotonic() - begun:.1f} s", highlight=False)
    return found


def _serve(database: str, port: int) -> int:
    """Show the pages until Ctrl-C, to a user who is made for it; return their exit code."""
    word = OUT / "password.txt"
    word.touch(mode=0o600)
    word.write_text(secrets.token_urlsafe(12), encoding="utf-8")
    user = f"demo-{secrets.token_hex(2)}"
    _evaluation(
        "user", "add", user, "--database", database, "--tenant", TENANT, "--role", "evaluator",
        "--password-file", str(word),
    )  # fmt: skip
    CONSOLE.print(
        f"http://127.0.0.1:{port}  用户 user {user}  密码 password {word.read_text()}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    options = ("--database", database, "--scheme", str(SCHEME), "--port", str(port))
    command = [sys.executable, "-m", "evaluation", "serve", *options, "--insecure-lab"]
    with subprocess.Popen(command) as pages:
        while True:
            # They have the Ctrl-C too and end by it; subprocess.run would kill them on the way.
            with suppress(KeyboardInterrupt):
                return pages.wait()


def _tell(found: Report, centres: Sequence[Centre]) -> None:
    """Print what became of the centres that have a story."""
    stories = {each.site: each.story for each in centres if each.story is not Story.PLAIN}
    for site in found["sites"]:
        if site["site"] in stories:
            flags = "; ".join(flag["zh"] for flag in site["flags"][:2])
            score = site["score"]
            CONSOLE.print(
                f"{site['site']} {stories[site['site']]}: {score['grade']}"
                f" {score['reason'] or ''} {flags}", highlight=False,
            )  # fmt: skip


def broken(found: Report, centres: Sequence[Centre], *, paid: bool) -> list[str]:
    """Return what of the stories does not show in the report, one sentence each."""
    sites = {site["site"]: site for site in found["sites"]}
    wrong = []
    for centre in centres:
        site = sites[centre.site]
        visits = site["indicators"]["F1"]["figure"]
        codes = {flag["code"] for flag in site["flags"]}
        grades = _GRADES.get(centre.story, {"reliable"})
        if centre.story is Story.UNPAID:
            grades = {"reliable"} if paid else {"estimated", "not_rated"}
        if visits["grade"] not in grades:
            wrong.append(f"{centre.site} {centre.story}: visits are {visits['grade']}")
        if (visits["value"] is None) != (visits["grade"] == "not_rated"):
            wrong.append(f"{centre.site}: a value of what is not rated, or none of what is")
        if (centre.story is Story.CHEAT) != ("loops" in codes):
            wrong.append(f"{centre.site} {centre.story}: flags are {sorted(codes)}")
        if centre.story is Story.MOVED and "camera" not in codes:
            wrong.append(f"{centre.site}: the moved camera is not flagged")
        if centre.story is Story.NO_REGISTER and site["sections"]["project"]["value"] is not None:
            wrong.append(f"{centre.site}: a register that never came is rated")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
