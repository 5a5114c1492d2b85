"""What can be asked of the simulator, checked."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import urlsplit

FAULTS = ("reconnect-storm", "backfill", "outage", "late", "duplicates", "clock")
TEMPORARY = ("sqlite", "postgresql")
"""Given as --database these mean a database of its own, gone afterwards."""
MAX_SPEED = "max"
MOST_DEVICES = 20_000
MOST_LINES = 8
DEFAULT_START = "2026-03-02T08:00:00+08:00"
"""A Monday morning. The same every time, so that a seed always gives the same records."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EXAMPLE = "mqtt://127.0.0.1:1883"

EPILOG = """\
faults, separated by commas (or `all`):
  reconnect-storm  half-way the broker is killed and started again; all devices come back
  backfill         every second device has no network for most of the time, then sends it all
  outage           the receiver is killed (-9) and started again
  late             one device in five is switched on late, in the middle of an interval
  duplicates       one PUBACK in twenty is lost with its connection, and a backend asks every
                   device for two hours of records once more
  clock            two in five have a clock that is set: forward, back, far back, or at last

例: scripts/simulate --devices 20 --speed 60    模拟 20 台设备，时间快 60 倍
"""


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that decides a run. speed None means as fast as it goes; days 0: until stopped."""

    devices: int
    broker: str | None = None
    database: str | None = None
    days: float = 1.0
    interval_min: int = 15
    lines: int | None = None
    speed: float | None = 1440.0
    seed: int = 1
    faults: frozenset[str] = frozenset()
    start_s: float = 0.0
    tenant: str = "sim"
    workers: int = 1
    is_on_disk: bool = False
    resend_s: float = 60.0
    down_s: float = 3.0
    as_json: bool = False

    @property
    def ends_at(self) -> float:
        """The last simulated second."""
        return self.days * 86_400 if self.days else float("inf")


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; ends the program with a sentence when it cannot be used."""
    given = _parser().parse_args(arguments)
    return Options(
        devices=_within("--devices", given.devices, 1, MOST_DEVICES),
        broker=_broker(given.broker),
        database=given.database,
        days=_days(given.days, given.speed),
        interval_min=given.interval_min,
        lines=None if given.lines is None else _within("--lines", given.lines, 1, MOST_LINES),
        speed=_speed(given.speed),
        seed=given.seed,
        faults=_faults(given.faults, given.database),
        start_s=_start(given.start, given.speed),
        tenant=given.tenant,
        workers=given.workers or _workers(given.devices),
        is_on_disk=given.disk,
        resend_s=given.resend_s,
        down_s=given.down_s,
        as_json=given.json,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        description="A fleet of devices that count an invented public and publish it for real."
        " 模拟一批设备：人流是虚构的，记录与上报是真实的。",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--devices", type=int, required=True, help="how many. 设备数量。")
    add("--broker", help=f"{_EXAMPLE}; without it a mosquitto is started. 消息服务器。")
    add(
        "--database",
        help="also start the reference receiver; sqlite:////path/file.db, postgresql://user@host/name,"
        " or only `sqlite` or `postgresql` for a temporary one. 同时启动接收端的数据库。",
    )
    add("--days", type=float, default=1.0, help="simulated days, 0: until Ctrl-C. 模拟天数。")
    add("--interval-min", type=int, default=15, choices=(5, 10, 15, 20, 30, 60), help="时段长度。")
    add("--lines", type=int, help="lines of each device; else 1 to 3. 每台设备的计数线数。")
    add("--speed", default="1440", help="1: real time; 60: a minute a second; max. 时间倍数。")
    add("--seed", type=int, default=1, help="the same seed gives the same records. 随机种子。")
    add("--faults", default="", help="see below. 故障。")
    add("--start", help=f"{DEFAULT_START}, or now (the default at --speed 1). 模拟的起始时刻。")
    add("--tenant", default="sim", help="the tenant of all of them. 租户。")
    add("--workers", type=int, default=0, help="processes that share the devices. 进程数。")
    add("--disk", action="store_true", help="outboxes on disk, as on a device. 发件箱写入磁盘。")
    add("--resend-s", type=float, default=60.0, help="wait for an ack, as on a device. 重发间隔。")
    add("--down-s", type=float, default=3.0, help="how long what is killed is away. 停机秒数。")
    add("--json", action="store_true", help="the result for programs. 输出 JSON。")
    return parser


def _fail(sentence: str) -> NoReturn:
    print(f"scripts/simulate: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def _within(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        _fail(f"{name} {value}: must be from {least} to {most}; e.g. {name} {least}")
    return value


def _broker(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme == "mqtt" and parts.hostname in LOOPBACK and "@" not in url
    except ValueError:
        is_usable = False
    if not is_usable:
        _fail(f"--broker {url}: load is for a broker on this machine only; e.g. {_EXAMPLE}")
    return url


def _speed(text: str) -> float | None:
    if text == MAX_SPEED:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 1 <= speed <= 1e6:
        _fail(f"--speed {text}: must be max or from 1 (real time) to 1000000; e.g. --speed 60")
    return speed


def _days(days: float, speed: str) -> float:
    if days == 0 and speed == MAX_SPEED:
        _fail("--days 0 --speed max: would fill the memory; e.g. --days 30 --speed max")
    if not 0 <= days <= 400:
        _fail(f"--days {days:g}: must be from 0 to 400; e.g. --days 1")
    return days


def _faults(text: str, database: str | None) -> frozenset[str]:
    named = [name.strip() for name in text.split(",") if name.strip()]
    faults = frozenset(FAULTS if named == ["all"] else named)
    if database is None:
        faults -= {"outage"} if named == ["all"] else set()
        if "outage" in faults:
            _fail("--faults outage: is of the receiver, which --database starts")
    if unknown := sorted(faults - set(FAULTS)):
        _fail(f"--faults {unknown[0]}: is not one of {', '.join(FAULTS)}; e.g. --faults backfill")
    return faults


def _start(text: str | None, speed: str) -> float:
    text = text or ("now" if speed == "1" else DEFAULT_START)
    if text == "now":
        return float(int(datetime.now(UTC).timestamp()))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _fail(f"--start {text}: is no date with time; e.g. --start {DEFAULT_START}")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment.year < 2026:
        _fail(f"--start {text}: no device believes a clock before 2026; e.g. {DEFAULT_START}")
    return float(int(moment.timestamp()))


def _workers(devices: int) -> int:
    return max(1, min(os.cpu_count() or 1, 4, devices // 200 + 1))
