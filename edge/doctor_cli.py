"""The command lines of `lobbycount doctor`."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edge.adapters.model_catalog import load_catalog
from edge.assembly import configured_interest
from edge.config import load
from edge.errors import BadInputError
from edge.line_doctor import Diagnosis, doctor_json, examine
from edge.line_drawing import drawing
from edge.line_report import line_text
from edge.line_verb import watch_camera, watch_clip
from edge.regions import EVERYTHING
from edge.speed_report import speed_json, speed_table, speed_text, speed_yaml
from edge.speed_verb import measure_speed
from edge.terminal import DEFAULT_CONFIG, OUT, ConfigOption, JsonOption, progress_bar

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
            interest=configured_interest(settings) if settings else EVERYTHING,
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


@doctor.command()
def line(
    config: ConfigOption = DEFAULT_CONFIG,
    seconds: Annotated[
        int, typer.Option(help="How long to watch the camera. 观看时长（秒）。", min=10, max=1800)
    ] = 180,
    clip: Annotated[
        Path | None,
        typer.Option(help="A recording, or detections as MOT text, to its end. 用录像代替摄像机。"),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Width x height in pixels behind a MOT text, e.g. 768x576.")
    ] = None,
    clip_fps: Annotated[
        float | None, typer.Option(help="Pictures a second behind a MOT text.", min=0.1, max=240)
    ] = None,
    drawing_: Annotated[
        Path | None,
        typer.Option("--drawing", help="Write the lines there as SVG, no picture. 画出建议。"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Watch people for some minutes; say why a line will miscount, and suggest a better one.

    Stop the counting service first where the camera is a USB camera. Nothing is stored or sent.
    Exit code 0: the lines are fine, 1: one will miscount or too few people were seen, 2:
    something given cannot be used.

    观看几分钟，说明计数线为什么会数错，并给出建议。USB 摄像机请先停止计数服务。
    """
    if drawing_ is not None and drawing_.suffix.lower() != ".svg":
        raise BadInputError(f"--drawing {drawing_}: is written as SVG, e.g. --drawing line.svg")
    settings = load(config)
    with progress_bar(shown=not as_json) as progress:
        task = progress.add_task("line", total=None if clip else seconds)

        def watched(at_s: float) -> None:
            progress.update(task, completed=int(at_s))

        if clip is None:
            looked = watch_camera(settings, seconds, watched)
        else:
            pixels = _size(size) if size else None
            looked = watch_clip(settings, clip, watched, pixels, clip_fps)
    paths = looked.paths()
    found = examine(paths, looked.lines, looked.settings)
    if drawing_ is not None:
        _write(drawing_, drawing(found, paths, looked.settings.anchor))
    if as_json:
        told = doctor_json(found, paths.watched_s)
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        _print(found, drawing_)
    if any(each.is_bad or not each.is_judged for each in found):
        raise typer.Exit(1)


def _print(found: Sequence[Diagnosis], drawn: Path | None) -> None:
    for text, style in line_text(found):
        OUT.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
    if drawn is not None:
        OUT.print(f"画 drawing: {drawn}", markup=False, soft_wrap=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInputError(
            f"--drawing {path}: cannot be written ({error.strerror}); e.g. --drawing /tmp/line.svg"
        ) from error


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{1,3})[x×*]([1-9]\d{1,3})", text.strip().lower())
    if match is None:
        raise BadInputError(f"--size {text}: must be width x height in pixels, e.g. 1280x720")
    return int(match[1]), int(match[2])
