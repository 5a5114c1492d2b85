"""The command lines of `lobbycount models`."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge.adapters.camera_clip import ClipSource
from edge.adapters.model_catalog import FOLDER_VARIABLE, load_catalog, make_own_folder
from edge.errors import BadInputError
from edge.models_export import ExportRequest
from edge.models_export import export as export_model
from edge.models_pull import pull as pull_model
from edge.models_text import list_notes, list_table, states_json, verify_table
from edge.models_verify import State, look
from edge.models_verify import verify as verify_models
from edge.terminal import ERR, OUT, JsonOption, progress_bar
from edge.vocabulary import Image

models = typer.Typer(
    help="The detectors this machine can use. 检测模型。",
    no_args_is_help=True,
    add_completion=False,
)

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help=f"Folder of own models, as model.folder in the config; else ${FOLDER_VARIABLE},"
        " else /var/lib/lobbycount/models. 自有模型文件夹。",
        show_default=False,
    ),
]


@models.command("list")
def list_(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the models: which are here, and how to get the others.

    列出模型及获取方法。
    """
    catalog = load_catalog(folder)
    states = look(catalog)
    if as_json:
        sys.stdout.write(json.dumps(states_json(states), ensure_ascii=False) + "\n")
        return
    OUT.print(list_table(states))
    for note in list_notes(catalog):
        OUT.print(note, markup=False, highlight=False, soft_wrap=True)


@models.command()
def pull(
    name: Annotated[str, typer.Argument(help="A name of `models list`. 模型名称。")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="A mirror's address, a file or a folder (USB stick). 镜像地址、文件或文件夹。",
        ),
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt",
            help="Where the catalog knows no SHA-256: take the file that comes. 采信此文件。",
        ),
    ] = False,
    folder: FolderOption = None,
) -> None:
    """Fetch a model's file, check it and put it in its place; goes on where it was cut.

    下载模型文件，核对后放到位；可断点续传。
    """
    make_own_folder(folder)
    with progress_bar() as progress:
        task = progress.add_task(name, total=None)
        entry, path = pull_model(
            load_catalog(folder),
            name,
            source,
            adopt=adopt,
            on_bytes=lambda got, of: progress.update(task, completed=got, total=of),
        )
    for line in (
        f"{path}: {entry.bytes} bytes, SHA-256 {entry.sha256}",
        f"licence 许可证: {entry.licence}",
        f"in the config 配置: model: {{name: {entry.name}}}",
    ):
        OUT.print(line, markup=False, highlight=False, soft_wrap=True)


@models.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(help="Only this one; else all that are here. 模型名称。")
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(help="Count people in the first picture of this recording. 录像文件。"),
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check files by size and SHA-256, load each model and run it on a test picture.

    Exit code 0: all are right, 1: one is not, 2: no such model.

    核对模型文件并试运行。
    """
    picture = None if clip is None else _first_picture(clip)
    states = verify_models(load_catalog(folder), name, picture)
    if as_json:
        sys.stdout.write(json.dumps(states_json(states), ensure_ascii=False) + "\n")
    else:
        OUT.print(verify_table(states))
        for seen in states:
            if seen.problem:
                ERR.print(seen.problem, style="bold red", markup=False, soft_wrap=True)
    if any(seen.state is not State.OK for seen in states):
        raise typer.Exit(1)


@models.command()
def export(
    model: Annotated[
        str,
        typer.Argument(help="yolo11n, yolo26n, a .pt file or a .yaml architecture. 模型。"),
    ],
    *,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            help="Recording or folder of pictures of such a place: makes 8 bits. 校准用录像或图片。"
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "int8", "fp32"],
        typer.Option(help="auto keeps 8 bits only where they are faster and see the same."),
    ] = "auto",
    size: Annotated[
        str, typer.Option(help="Input in pixels, multiples of 32: 416 or 416x256 (width x height).")
    ] = "416",
    name: Annotated[str | None, typer.Option(help="Its name in the catalog. 名称。")] = None,
    person_class: Annotated[
        str | None, typer.Option(help="Which class is a person, where none is called that.")
    ] = None,
    folder: FolderOption = None,
) -> None:
    """Make a model of the ultralytics family usable here; its licence is AGPL-3.0.

    Needs the `export` extra; nothing is downloaded.

    导出 ultralytics 系列模型（AGPL-3.0）。
    """
    width, height = _input_size(size)
    request = ExportRequest(
        model, make_own_folder(folder), height, width, calibrate, precision, name, person_class
    )
    if code := export_model(request):
        raise typer.Exit(code)


def _input_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{1,3})(?:[x×*]([1-9]\d{1,3}))?", text.strip().lower())
    if match is None or int(match[1]) % 32 or int(match[2] or 32) % 32:
        raise BadInputError(
            f"--size {text}: must be pixels in multiples of 32, e.g. 416, or 416x256 for a"
            " picture of 16:9"
        )
    return int(match[1]), int(match[2] or match[1])


def _first_picture(clip: Path) -> Image:
    source = ClipSource(clip, 30.0, "max")
    for frame in source.frames():
        image: Image = frame.image.copy()
        source.close()
        return image
    raise BadInputError(f"--clip {clip}: there is no picture in it; use an MP4, AVI or MKV file")
