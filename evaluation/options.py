"""The options that several verbs of `evaluation` have."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from edge.errors import BadInputError
from evaluation.assessment.scheme import Scheme
from evaluation.neutral_scheme import neutral_scheme
from evaluation.scheme_file import read_scheme

DatabaseOption = Annotated[
    str,
    typer.Option(
        envvar="EVALUATION_DATABASE",
        help="sqlite:////path/file.db or postgresql://user@host/name. 数据库。",
    ),
]
TenantOption = Annotated[str | None, typer.Option(help="Only this tenant. 仅此租户。")]
DevOption = Annotated[str | None, typer.Option(help="Only this device. 仅此设备。")]
MonthArgument = Annotated[str, typer.Argument(help="A month, e.g. 2026-01. 月份。")]
ZoneOption = Annotated[
    str, typer.Option(help="Where the month begins, e.g. Asia/Shanghai. 月份所用时区。")
]
OwnerOption = Annotated[
    str, typer.Option("--tenant", envvar="EVALUATION_TENANT", help="The street or city. 租户。")
]
SchemeOption = Annotated[
    Path | None,
    typer.Option(
        "--scheme",
        envvar="EVALUATION_SCHEME",
        help="Else that of the package. 评价方案，默认自带。",
    ),
]


def read_wanted_scheme(path: Path | None) -> Scheme:
    """Read the scheme that was asked for, else the package's own. Raises ConfigError."""
    return read_scheme(path or neutral_scheme())


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone. Raises BadInputError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadInputError(f"--time-zone {name}: is not known; e.g. Asia/Shanghai") from None
