"""The verbs of months: take tables over, bring days up to date, report, close."""

import sys
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import BadInputError
from edge.months import month_of
from edge.terminal import OUT
from evaluation import register_rows, registers, registry, registry_rows
from evaluation.closing import close
from evaluation.database import Database
from evaluation.dirty_days import mark_all
from evaluation.month_report import Report, as_text, report
from evaluation.month_table import table_of
from evaluation.options import (
    DatabaseOption,
    MonthArgument,
    OwnerOption,
    SchemeOption,
    ZoneOption,
    read_wanted_scheme,
    zone_of,
)
from evaluation.registry import sites_of
from evaluation.rollup import RollUp
from evaluation.site_months import site_months
from evaluation.verified_month import sheet_text, verify_month


class Kind(StrEnum):
    """What a table is of."""

    SITES = "sites"
    DEVICES = "devices"
    DAYS = "days"
    ACTIVITIES = "activities"
    RATINGS = "ratings"
    CASES = "cases"


_REGISTRY = {
    Kind.SITES: registry_rows.site_rows,
    Kind.DEVICES: registry_rows.device_rows,
    Kind.DAYS: registry_rows.special_day_rows,
}


def add_month_verbs(cli: typer.Typer) -> None:
    """Add the verbs of this module."""
    for verb, name in (
        (take_over, "import"),
        (roll_up, "roll-up"),
        (report_month, "report"),
        (close_month, "close"),
        (verify, "verify"),
    ):
        cli.command(name)(verb)


def take_over(
    kind: Annotated[Kind, typer.Argument(help="What the table is of. 表的种类。")],
    file: Annotated[Path, typer.Argument(help="CSV, UTF-8 or GB18030. 表格文件。")],
    database: DatabaseOption,
    tenant: OwnerOption,
    complete_for: Annotated[
        str | None,
        typer.Option(help="There is nothing else in this month, e.g. 2026-01. 该月已登记齐全。"),
    ] = None,
) -> None:
    """Take a table over: sites, devices, special days, activities, ratings or cases.

    导入表格：中心、设备、特殊日期、活动、评价、事项。
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadInputError(f"{file}: cannot be read: {error.strerror} 无法读取") from error
    with closing(Database(database)) as db:
        db.prepare()
        if kind in _REGISTRY:
            tables = _REGISTRY[kind](content, file.name, tenant)
            count = registry.take_over(db, tenant, tables)
        else:
            rows = register_rows.READERS[kind](content, file.name)
            count = registers.take_over(db, tenant, kind, rows, complete_for=complete_for)
    OUT.print(f"{file.name}: {count} rows were taken over 已导入 {count} 行", highlight=False)


def roll_up(
    database: DatabaseOption,
    again: Annotated[bool, typer.Option(help="Make every day anew. 全部重新计算。")] = False,
) -> None:
    """Bring the days that reports are made of up to date.

    更新报告所用的每日数据。
    """
    with closing(Database(database)) as db:
        db.check()
        if again:
            mark_all(db)
        days = RollUp(db).run()
    OUT.print(
        f"{days} days of devices were brought up to date 已更新 {days} 个设备日", highlight=False
    )


def report_month(
    month: MonthArgument,
    database: DatabaseOption,
    tenant: OwnerOption,
    scheme: SchemeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON. 输出 JSON。")] = False,
) -> None:
    """Print a month: every centre's score, place and grade.

    输出月报：各中心的得分、名次和可靠程度。
    """
    with closing(Database(database)) as db:
        db.check()
        found = made(db, month, tenant, scheme)
    if as_json:
        sys.stdout.write(as_text(found) + "\n")
    else:
        OUT.print(table_of(found))


def close_month(
    month: MonthArgument,
    database: DatabaseOption,
    tenant: OwnerOption,
    by: Annotated[str, typer.Option(help="Who closes it. 操作人。")],
    scheme: SchemeOption = None,
    reason: Annotated[str, typer.Option(help="Why there is a revision. 修订原因。")] = "",
) -> None:
    """Freeze a month, or make a numbered revision of a frozen one.

    冻结月报，或对已冻结的月报作带编号的修订。
    """
    with closing(Database(database)) as db:
        db.check()
        kept = close(db, made(db, month, tenant, scheme), made_by=by, reason=reason)
    OUT.print(
        f"{month}: revision {kept.number}, {kept.digest[:16]} 修订 {kept.number}", highlight=False
    )


def verify(
    month: MonthArgument,
    database: DatabaseOption,
    tenant: OwnerOption,
    scheme: SchemeOption = None,
    time_zone: ZoneOption = "Asia/Shanghai",
    keys: Annotated[
        list[str] | None, typer.Option("--key", help="A device's public key. 设备公钥。")
    ] = None,
) -> None:
    """Check a month from the sealed records up to the report, and print what an auditor signs.

    从原始记录到月报逐级核对，输出供审核人签字的核对单。
    """
    with closing(Database(database)) as db:
        db.check()
        now = made(db, month, tenant, scheme)
        of = month_of(month, zone_of(time_zone))
        found = verify_month(db, now, of, keys or ())
    OUT.print(sheet_text(found), highlight=False, markup=False, soft_wrap=True)
    if not found.holds:
        raise typer.Exit(1)


def made(db: Database, month: str, tenant: str, scheme: Path | None) -> Report:
    """Return the report of a month as it is now. Raises BadInputError."""
    try:
        first = datetime.strptime(month, "%Y-%m")
    except ValueError:
        raise BadInputError(f"{month!r} is not a month; e.g. 2026-01") from None
    rules = read_wanted_scheme(scheme)
    RollUp(db).run()
    with db.reading() as connection:
        names = {each.site: (each.name, each.area) for each in sites_of(connection, tenant)}
        months = site_months(connection, tenant, first.year, first.month)
    if not months:
        raise BadInputError(
            f"{tenant} has no sites; e.g. evaluation import sites sites.csv --tenant {tenant}"
            f" {tenant} 没有登记中心"
        )
    return report(tenant, months, rules, names)
