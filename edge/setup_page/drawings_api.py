"""`/api/drawings`: the lines, zones and masks of the config file, and new ones written into it."""

import hashlib
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.adapters.config_file import write_config
from edge.config import Config, load
from edge.config_drawings import LineSection, Outline, Section, ZoneSection
from edge.config_edit import with_drawings
from edge.config_errors import sentences
from edge.errors import ConfigError, Mistake
from edge.setup_page.answers import Refusal
from edge.setup_page.device import Device
from edge.setup_page.reception import Reception, Visit

_DRAWN = re.compile(r"(?:camera\.)?((?:lines|zones|masks)[\w.\[\]]*)", re.ASCII)


class _Drawings(Section):
    """What is sent; whether it fits the rest of the file is for the file's own check."""

    hash: str = Field(max_length=64, examples=["0123456789ab"])
    aspect: float | None = None
    lines: tuple[LineSection, ...] = Field(
        max_length=32,
        examples=[[{"id": "door", "points": [[0.2, 0.6], [0.8, 0.6]], "in": "down"}]],
    )
    zones: tuple[ZoneSection, ...] = Field(
        max_length=32,
        examples=[[{"id": "waiting", "polygon": [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}]],
    )
    masks: tuple[Outline, ...] = Field(max_length=32, examples=[[[[0, 0], [0.2, 0], [0.2, 0.3]]]])


class DrawingsApi:
    """Its endpoints."""

    def __init__(self, device: Device) -> None:
        self._device, self._lock = device, threading.Lock()

    def routes(self, reception: Reception) -> list[Route]:
        """Return them."""
        read = reception.only_logged_in("drawings read", self._read)
        write = reception.only_logged_in("drawings write", self._write)
        return [
            Route("/api/drawings", read),
            Route("/api/drawings", write, methods=["PUT"]),
        ]

    def _read(self, _visit: Visit) -> Response:
        path = self._file()
        text = _text(path)
        config = self._config(path)
        return JSONResponse(
            {
                "hash": _hash(text),
                "aspect": self._device.panel.reading().aspect,
                "lines": [_shown(line) for line in config.lines],
                "zones": [_shown(zone) for zone in config.zones],
                "masks": [[list(point) for point in mask] for mask in config.camera.masks],
            }
        )

    def _write(self, visit: Visit) -> Response:
        path, said = self._file(), visit.said()
        try:
            drawings = _Drawings.model_validate(said)
        except (ValidationError, RecursionError) as error:
            raise _wrong(_mistakes(error)) from None
        with self._lock:
            text = _text(path)
            if _hash(text) != drawings.hash:
                raise Refusal(
                    409,
                    "配置文件已被他人修改：请刷新页面，重新画线",
                    "The config file was changed meanwhile; reload the page and draw again",
                    result="changed meanwhile",
                )
            try:
                new = with_drawings(text, {k: said[k] for k in ("lines", "zones", "masks")}, path)
                write_config(path, new)
            except ConfigError as error:
                raise _wrong(error.mistakes) from error
        return JSONResponse({"hash": _hash(new)})

    def _file(self) -> Path:
        if self._device.file is None:
            raise Refusal(
                503,
                "服务不是用配置文件启动的，无法保存",
                "The service was started without a config file, so nothing can be stored",
            )
        return self._device.file

    def _config(self, path: Path) -> Config:
        """Return what the file says; while it cannot be used, what is in force."""
        try:
            return load(path)
        except ConfigError:
            return self._device.current()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(503, "配置文件无法读取", f"{path}: the config file cannot be read") from error


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _shown(section: Section) -> dict[str, Any]:
    return section.model_dump(mode="json", by_alias=True)


def _mistakes(error: ValidationError | RecursionError) -> Sequence[Mistake]:
    if isinstance(error, RecursionError):
        return [Mistake("nested too deep", "括号套得太深", "lines")]
    return sentences(error, _Drawings)


def _told(mistake: Mistake) -> dict[str, str]:
    """Say what is wrong with which drawing; what is not about one names its own place."""
    found = _DRAWN.fullmatch(mistake.setting)
    if found is None:
        return {"path": "", "text": str(mistake), "zh": mistake.chinese}
    return {"path": found[1], "text": mistake.en, "zh": mistake.zh}


def _wrong(mistakes: Sequence[Mistake]) -> Refusal:
    return Refusal(
        422,
        "画的内容有误，未保存",
        "The drawings cannot be used; nothing was stored",
        result="bad drawings",
        more={"errors": [_told(mistake) for mistake in mistakes]},
    )
