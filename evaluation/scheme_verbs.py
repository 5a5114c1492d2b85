"""The verbs of the scheme: write a copy of the package's own, check one's own."""

from pathlib import Path
from typing import Annotated

import typer

from edge.terminal import OUT
from evaluation.neutral_scheme import write_copy
from evaluation.options import read_wanted_scheme

_schemes = typer.Typer(
    help="What a month is worth, as a file. 评价方案文件。", no_args_is_help=True
)


def add_scheme_verbs(cli: typer.Typer) -> None:
    """Add the verbs of this module."""
    _schemes.command("write")(write_scheme)
    _schemes.command("check")(check_scheme)
    cli.add_typer(_schemes, name="scheme")


def write_scheme(
    file: Annotated[Path, typer.Argument(help="A new file, e.g. scheme.yaml. 新文件。")],
) -> None:
    """Write a copy of the scheme that comes with the package, to be edited.

    把自带的评价方案写成一个文件，供修改。
    """
    write_copy(file)
    OUT.print(
        f"{file}: edit it, its name or version too 修改内容，并改 name 或 version",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def check_scheme(
    file: Annotated[
        Path | None,
        typer.Argument(
            envvar="EVALUATION_SCHEME", help="Else that of the package. 默认为自带方案。"
        ),
    ] = None,
) -> None:
    """Check a scheme; one line for each mistake.

    检查评价方案，每处错误一行。
    """
    found = read_wanted_scheme(file)
    OUT.print(
        f"{found.name} {found.version}: {len(found.indicators)} indicators,"
        f" {len(found.size_classes)} size classes; usable 可以使用",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
