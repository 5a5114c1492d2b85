"""The command line of `lobbycount support-bundle`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import BadInputError
from edge.support_verb import MANIFEST, make_bundle
from edge.terminal import DEFAULT_CONFIG, OUT, ConfigOption, JsonOption, progress_bar


def support_bundle(
    config: ConfigOption = DEFAULT_CONFIG,
    out: Annotated[Path, typer.Option(help="The file to write. 输出文件。")] = Path("bundle.zip"),
    records: Annotated[
        bool,
        typer.Option(
            "--records", help="Add the counts of the last 48 hours. 附上最近 48 小时的人次记录。"
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one file for the developers: how this device is, without pictures and secrets.

    Works when the config or the database is broken and when the service does not run; use sudo
    to have the log in it. Exit code 0: written, 1: it would hold something secret, or cannot be
    written, 2: something given cannot be used.

    生成一个可以寄给开发者的诊断包，其中没有画面、密码和地址。请用 sudo 运行，以便包含日志。
    """
    if os.path.isdir(out) or not os.path.isdir(out.absolute().parent):  # noqa: PTH112  no raise
        raise BadInputError(
            f"--out {out}: must be a file in a folder that is there, e.g. --out bundle.zip"
        )
    with progress_bar(shown=not as_json) as progress:
        task = progress.add_task("support-bundle", total=None)
        contents = make_bundle(
            config,
            out,
            with_records=records,
            on_part=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        told = [each._asdict() for each in contents]
        sys.stdout.write(json.dumps({"file": str(out), "parts": told}, ensure_ascii=False) + "\n")
        return
    for each in contents:
        mark = "!" if each.trouble else " "
        OUT.print(f"{mark} {each.name}: {each.zh} · {each.en}", markup=False, highlight=False)
    OUT.print(
        f"{out}: written. Look through it ({MANIFEST} says what is in it), then send it."
        " 已生成，请先看一遍再发送。",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
