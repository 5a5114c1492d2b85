"""The command lines of `lobbycount doctor`."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from edge import app
from edge.adapters.model_catalog import load_catalog
from edge.config import load
from edge.errors import BadInputError
from edge.regions import EVERYTHING
from edge.speed_report import speed_json, speed_table, speed_text, speed_yaml
from edge.speed_verb import measure_speed
from edge.terminal import OUT, JsonOption, progress_bar

doctor = typer.Typer(
    help="Look into this board and its installation. 检查本机。", no_args_is_help=True
)


@doctor.command()
def speed(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Measure what this config looks at. 按此配置测。"),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Width x height of the camera's pictures. 画面大小。")
    ] = "1280x720",
    seconds: Annotated[
        int, typer.Option(help="How long to measure. 测量时长（秒）。", min=5, max=55)
    ] = 40,
    as_json: JsonOption = False,
) -> None:
    """Measure this board; recommend model, threads, provider and pictures a second.

    Stop the counting service first: it would be measured too. Exit code 0: recommended,
    1: nothing is fast enough, 2: something given cannot be used.

    测量本机速度，推荐模型、线程数、推理后端和每秒张数。测量前请先停止计数服务。
    """
    settings = load(config) if config else None
    with progress_bar(shown=not as_json) as progress:
        task = progress.add_task("speed", total=None)
        report = measure_speed(
            load_catalog(settings.model.folder if settings else None),
            settings.model.name if settings else None,
            interest=app.configured_interest(settings) if settings else EVERYTHING,
            size=_size(size),
            budget_s=seconds,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        sys.stdout.write(json.dumps(speed_json(report), ensure_ascii=False) + "\n")
    else:
        OUT.print(speed_table(report))
        for line in speed_text(report):
            OUT.print(line, markup=False, highlight=False, soft_wrap=True)
        if report.advice:
            OUT.print(speed_yaml(report.advice), markup=False, highlight=False)
    if report.advice is None:
        raise typer.Exit(1)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{1,3})[x×*]([1-9]\d{1,3})", text.strip().lower())
    if match is None:
        raise BadInputError(f"--size {text}: must be width x height in pixels, e.g. 1280x720")
    return int(match[1]), int(match[2])
