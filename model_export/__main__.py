"""`python -m model_export`, which `lobbycount models export` starts."""

import argparse
import importlib
import sys
from pathlib import Path

from edge.errors import LobbyCountError
from model_export.errors import ExportError
from model_export.isolation import isolate


def main() -> int:
    """Export as asked; 0 done, 2 something given cannot be used."""
    options = _parser().parse_args()
    isolate()
    try:
        # Only now: ultralytics reads its switches while it is imported.
        module = importlib.import_module("model_export.export")
        entry = module.export(
            module.Request(
                given=options.model,
                folder=options.folder,
                height=options.height,
                width=options.width,
                calibrate=options.calibrate,
                precision=options.precision,
                name=options.name,
                person_class=options.person_class,
            ),
            lambda text: print(text, file=sys.stderr, flush=True),  # noqa: T201
        )
    except (ExportError, LobbyCountError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    folder = options.folder
    sys.stdout.write(
        f"{folder / entry.file}: {entry.bytes} bytes, SHA-256 {entry.sha256}\n"
        f"card 说明: {folder / entry.card}\n"
        f"licence 许可证: {entry.licence}\n"
        f"in the config 配置: model: {{name: {entry.name}}}\n"
        f"to a device 装到设备: lobbycount models pull {entry.name} --from {folder}\n"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_export", description=__doc__)
    parser.add_argument("model", help="yolo11n, a .pt file, or a .yaml architecture")
    parser.add_argument("--folder", type=Path, required=True, help="folder of own models")
    parser.add_argument("--height", type=int, default=416, help="pixels")
    parser.add_argument("--width", type=int, default=416, help="pixels")
    parser.add_argument("--calibrate", type=Path, help="a recording or a folder of pictures")
    parser.add_argument("--precision", choices=("auto", "int8", "fp32"), default="auto")
    parser.add_argument("--name", help="in the catalog")
    parser.add_argument("--person-class", help="name or number of the class that is a person")
    return parser


if __name__ == "__main__":
    sys.exit(main())
