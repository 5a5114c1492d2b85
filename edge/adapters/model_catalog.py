"""The models this counter knows, where their files are, and whether a file is the right one."""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.detection import Family, Head
from edge.errors import ModelError

FOLDER_VARIABLE = "LOBBYCOUNT_MODELS"
CATALOG_FILE = "catalog.toml"

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The tensor a model takes: one picture, letterboxed with `pad`, pixels times `scale`.

    any_multiple_of: the model takes every shape whose sides are multiples of this, and height
    and width are what it was trained with; 0: it takes only these.
    """

    height: int
    width: int
    layout: str
    dtype: str
    colour: str
    pad: int
    scale: float
    any_multiple_of: int = 0

    def __post_init__(self) -> None:
        allowed = {
            "layout": (self.layout, ("NHWC", "NCHW")),
            "dtype": (self.dtype, ("uint8", "float32")),
            "colour": (self.colour, ("BGR", "RGB")),
        }
        for key, (value, choices) in allowed.items():
            if value not in choices:
                raise ValueError(f"{key} is {value!r} but must be one of {', '.join(choices)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor, with the batch of one."""
        if self.layout == "NHWC":
            return (1, self.height, self.width, 3)
        return (1, 3, self.height, self.width)


@dataclass(frozen=True, slots=True)
class Weights:
    """The second file of a model that has its weights apart, as ncnn's have."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalog; `file` and `card` are names within the models folder."""

    name: str
    file: str
    sha256: str
    bytes: int
    shipped: bool
    licence: str
    source: str
    card: str
    score_floor: float
    sure_score: float
    input: ModelInput
    head: Head
    nms_iou: float | None = None
    weights: Weights | None = None

    @property
    def hash(self) -> str:
        """Return 12 hex digits of what decides a detection: the file and its thresholds."""
        deciding: tuple[object, ...] = (
            *(self.sha256, self.score_floor, self.sure_score, self.nms_iou),
            *((self.weights.sha256,) if self.weights else ()),
        )
        return hashlib.sha256(repr(deciding).encode()).hexdigest()[:12]

    def weights_entry(self) -> "ModelEntry | None":
        """Return an entry that describes the second file; None when there is only one."""
        second = self.weights
        if second is None:
            return None
        return replace(
            self, file=second.file, sha256=second.sha256, bytes=second.bytes, weights=None
        )


@dataclass(frozen=True, slots=True)
class Catalog:
    """The entries of one models folder."""

    folder: Path
    default: str
    entries: Mapping[str, ModelEntry]

    def entry(self, name: str | None = None) -> ModelEntry:
        """Return the entry of that name, or the default one.

        Raises ModelError when the catalog has none.
        """
        wanted = name or self.default
        if wanted not in self.entries:
            raise ModelError(
                f"There is no model {wanted!r} in {self.folder / CATALOG_FILE}; "
                f"choose one of {', '.join(sorted(self.entries))}."
            )
        return self.entries[wanted]

    def path(self, entry: ModelEntry) -> Path:
        """Return where the file of an entry is expected."""
        return self.folder / entry.file


def models_folder(explicit: Path | None = None) -> Path:
    """Return the folder with the catalog.

    That is the explicit one, else $LOBBYCOUNT_MODELS, else the one inside the
    installed package, else the repository's. Raises ModelError when there is none.
    """
    named = explicit or os.environ.get(FOLDER_VARIABLE)
    candidates = [Path(named)] if named else [_PACKAGE / "_models", _PACKAGE.parent / "models"]
    for folder in candidates:
        if (folder / CATALOG_FILE).is_file():
            return folder
    raise ModelError(
        f"No {CATALOG_FILE} in {' or '.join(str(folder) for folder in candidates)}; "
        f"reinstall lobbycount or set {FOLDER_VARIABLE} to the models folder."
    )


def load_catalog(folder: Path | None = None) -> Catalog:
    """Read the catalog of that folder, or of the one `models_folder` finds.

    Raises ModelError when it is missing or cannot be understood.
    """
    found = models_folder(folder)
    path = found / CATALOG_FILE
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        entries = [_entry(raw) for raw in document["model"]]
        return Catalog(found, document["default"], {entry.name: entry for entry in entries})
    except (OSError, KeyError, TypeError, ValueError) as problem:
        raise ModelError(
            f"{path} cannot be used ({type(problem).__name__}: {problem}); "
            "restore it from the release."
        ) from problem


def _entry(raw: dict[str, Any]) -> ModelEntry:
    head = dict(raw["head"])
    family, strides = Family(head.pop("family")), tuple(head.pop("strides", ()))
    parts = {
        "input": ModelInput(**raw["input"]),
        "head": Head(family=family, strides=strides, **head),
        "weights": Weights(**raw["weights"]) if "weights" in raw else None,
    }
    return ModelEntry(**{**raw, **parts})


def read_model(entry: ModelEntry, path: Path) -> bytes:
    """Return the content of a model file after checking its size and SHA-256.

    Raises ModelError, naming file, reason and remedy, when it is not the file the
    catalog describes.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ModelError(
            f"Model file {path} cannot be read ({problem.strerror}); {_remedy(entry)}."
        ) from problem
    if len(content) != entry.bytes:
        raise ModelError(
            f"Model file {path} has {len(content)} bytes but should have {entry.bytes}, "
            f"so it is incomplete or another file; {_remedy(entry)}."
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise ModelError(
            f"Model file {path} has SHA-256 {digest[:12]}… but should have {entry.sha256[:12]}…, "
            f"so it is damaged or another file; {_remedy(entry)}."
        )
    return content


def _remedy(entry: ModelEntry) -> str:
    if entry.shipped:
        return "reinstall lobbycount or restore the file from the release"
    return (
        f"{entry.name} is not shipped, so put the file its catalog entry describes there"
        f" ({entry.source})"
    )
