"""One model of a catalog: its file, the tensor it takes, the head it answers with."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from edge.detection import Family, Head


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
    """One model of the catalog; `file` and `card` are names within the models folder.

    sha256, bytes: None when nobody of this project has had the file; it is not loaded then.
    url: where its publisher offers the file.
    export: what `lobbycount models export` makes it from.
    """

    name: str
    file: str
    shipped: bool
    licence: str
    source: str
    card: str
    score_floor: float
    sure_score: float
    input: ModelInput
    head: Head
    nms_iou: float | None = None
    sha256: str | None = None
    bytes: int | None = None
    url: str = ""
    export: str = ""
    weights: Weights | None = None

    def __post_init__(self) -> None:
        if (self.sha256 is None) != (self.bytes is None):
            raise ValueError(f"{self.name} needs both sha256 and bytes, or neither")

    @property
    def files(self) -> frozenset[str]:
        """The names within the models folder that are of this model."""
        second = self.weights.file if self.weights else ""
        return frozenset({self.file, self.card, second} - {""})

    @property
    def published_as(self) -> str:
        """The name its publisher gives the file."""
        return self.url.rpartition("/")[2] or self.file

    @property
    def hash(self) -> str:
        """Return 12 hex digits of what decides a detection.

        That is the file, its thresholds, what goes in and how the answer is read. What is at its
        default does not change it, so that a new field leaves the hashes that are in records.
        """
        deciding = {
            "files": [self.sha256, *((self.weights.sha256,) if self.weights else ())],
            "thresholds": [self.score_floor, self.sure_score, self.nms_iou],
            "input": _given(self.input),
            "head": _given(self.head),
        }
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:12]

    def weights_entry(self) -> "ModelEntry | None":
        """Return an entry that describes the second file; None when there is only one."""
        second = self.weights
        if second is None:
            return None
        return replace(
            self, file=second.file, sha256=second.sha256, bytes=second.bytes, weights=None
        )


def parse_entry(raw: Mapping[str, Any]) -> ModelEntry:
    """Read one `[[model]]` of a catalog; raises KeyError, TypeError or ValueError."""
    head = dict(raw["head"])
    family, strides = Family(head.pop("family")), tuple(head.pop("strides", ()))
    parts = {
        "input": ModelInput(**raw["input"]),
        "head": Head(family=family, strides=strides, **head),
        "weights": Weights(**raw["weights"]) if "weights" in raw else None,
    }
    entry = ModelEntry(**{**raw, **parts})
    _check_name("file", entry.file, "onnx", "param")
    if entry.card:
        _check_name("card", entry.card, "md")
    if entry.weights is not None:
        _check_name("weights.file", entry.weights.file, "bin")
    return entry


def _check_name(key: str, name: str, *endings: str) -> None:
    """Raise ValueError where a file would lie elsewhere, or in place of another kind of file."""
    if not re.fullmatch(rf"\w[\w.-]*\.({'|'.join(endings)})", name):
        raise ValueError(
            f"{key} {name!r} must be a plain file name that ends in .{' or .'.join(endings)},"
            f" e.g. door-model.{endings[0]}"
        )


def _given(part: ModelInput | Head) -> dict[str, Any]:
    """Return the fields that are not at their default."""
    values = ((field, getattr(part, field.name)) for field in fields(part))
    return {field.name: value for field, value in values if value != field.default}


def entry_text(entry: ModelEntry) -> str:
    """Write one `[[model]]` of a catalog: `parse_entry` reads the same from it."""
    raw = asdict(entry)
    head = {key: value for key, value in raw.pop("head").items() if value or key == "person"}
    tables = {"input": raw.pop("input"), "head": head}
    kept = {key: value for key, value in raw.items() if value not in (None, "") or key == "card"}
    lines = [f"{key} = {_toml(value)}" for key, value in {**kept, **tables}.items()]
    return "\n".join(["[[model]]", *lines, ""])


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
