"""weights → network → 8 bits, if they are worth it → model file, card and catalog entry."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import add_own, load_catalog
from edge.adapters.model_check import check_runs
from edge.adapters.model_entry import ModelEntry, ModelInput
from edge.detection import Family
from edge.vocabulary import Image
from model_export.card import LICENCE, card_text
from model_export.comparison import Comparison, compare
from model_export.errors import ExportError
from model_export.isolation import refuse_processes
from model_export.network import VERSION, Network, convert, load, person_class
from model_export.pictures import PAD, calibration_pictures
from model_export.quantisation import quantise
from model_export.weights import default_name, find_weights

QUANTISED = ("Conv", "Mul", "Sigmoid", "Concat", "MaxPool", "Add", "Resize", "Split")
HELD_OUT = 4
"""Every fourth picture is kept from the calibration, for the comparison."""
FLOOR, SURE, NMS_IOU = 0.2, 0.5, 0.7


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted; see `python -m model_export --help`. precision: auto, int8 or fp32."""

    given: str
    folder: Path
    height: int = 416
    width: int = 416
    calibrate: Path | None = None
    precision: str = "auto"
    name: str | None = None
    person_class: str | None = None


@dataclass(frozen=True, slots=True)
class _Chosen:
    graph: onnx.ModelProto
    precision: str
    calibration: int = 0
    comparison: Comparison | None = None


def export(request: Request, tell: Callable[[str], None]) -> ModelEntry:
    """Make the model and put it into the own catalog; raises ExportError or LobbyCountError."""
    if request.precision == "int8" and request.calibrate is None:
        raise ExportError(
            "--precision int8 needs pictures of the place the device will see:"
            " --calibrate recording.mp4 or --calibrate folder/"
        )
    name = _name(request)
    weights, trained = find_weights(request.given, request.folder)
    pictures = (
        []
        if request.calibrate is None or request.precision == "fp32"
        else calibration_pictures(request.calibrate, request.height, request.width)
    )
    refuse_processes()
    tell(f"loading {weights}")
    network = load(weights)
    person = person_class(network.names, request.person_class)
    made = convert(network, person, request.height, request.width, trained=trained)
    draft = _draft(request, name, made)
    chosen = _chosen(request, made, draft, pictures, tell)
    return _written(request, draft, made, chosen)


def _name(request: Request) -> str:
    name = request.name or default_name(request.given, request.height, request.width)
    if default_name(name, 1, 1) != f"{name}-1":
        raise ExportError(f"--name {name}: use a-z, 0-9, '.', '_' and '-', e.g. door-model")
    known = load_catalog(request.folder).entries.get(name)
    if known is not None and not known.export:
        raise ExportError(f"--name {name}: the catalog has a model of that name; choose another")
    return name


def _draft(request: Request, name: str, made: Network) -> ModelEntry:
    """Describe the model before there is a file of it."""
    known = load_catalog(request.folder).entries.get(name)
    thresholds = (FLOOR, SURE) if known is None else (known.score_floor, known.sure_score)
    shape = ModelInput(request.height, request.width, "NHWC", "uint8", "BGR", PAD, 1.0)
    return ModelEntry(
        name=name,
        file=f"{name}.onnx",
        shipped=False,
        licence=LICENCE,
        source=f"{Path(request.given).name}, exported with ultralytics {VERSION}",
        card=f"{name}.md",
        score_floor=thresholds[0],
        sure_score=thresholds[1],
        input=shape,
        head=made.head,
        nms_iou=None if made.head.family is Family.ULTRALYTICS_E2E else NMS_IOU,
        export=request.given,
    )


def _chosen(
    request: Request,
    made: Network,
    draft: ModelEntry,
    pictures: list[Image],
    tell: Callable[[str], None],
) -> _Chosen:
    """Decide between float and 8 bits."""
    if not pictures:
        why = "as asked for" if request.precision == "fp32" else "no --calibrate was given"
        return _Chosen(made.graph, f"fp32, {why}")
    shown = pictures[::HELD_OUT]
    measured = [picture for index, picture in enumerate(pictures) if index % HELD_OUT]
    tell(f"quantising, {len(measured)} pictures")
    decoding = [
        node.name
        for node in made.graph.graph.node
        if node.name.startswith(made.prefix)
        and "cv" not in node.name.removeprefix(made.prefix).split("/")[0]
    ]
    small = quantise(made.graph, measured, QUANTISED, excluded=decoding)
    tell(f"comparing, {len(shown)} pictures")
    with tempfile.TemporaryDirectory() as folder:
        detectors = [
            OnnxDetector(_described(draft, path), path)
            for graph, path in (
                (made.graph, Path(folder) / "float.onnx"),
                (small, Path(folder) / "small.onnx"),
            )
            if path.write_bytes(graph.SerializeToString())
        ]
        result = compare(detectors[0], detectors[1], shown, draft.sure_score)
    if request.precision == "auto" and result.against_int8:
        return _Chosen(made.graph, f"fp32: {result.against_int8}", len(measured), result)
    return _Chosen(small, "INT8: static, QDQ, 7-bit weights per channel", len(measured), result)


def _written(request: Request, draft: ModelEntry, made: Network, chosen: _Chosen) -> ModelEntry:
    """Write file, card and entry, the entry last; nothing is in its place before it has run."""
    path = request.folder / draft.file
    part = path.with_name(f"{path.name}.part")
    try:
        _label(chosen.graph)
        part.write_bytes(chosen.graph.SerializeToString())
        entry = _described(draft, part)
        check_runs(entry, part)
        part.replace(path)
        card = card_text(
            entry,
            given=Path(request.given).name,
            ultralytics=VERSION,
            parameters=made.parameters,
            trained=made.trained,
            calibration=chosen.calibration,
            comparison=chosen.comparison,
            precision=chosen.precision,
        )
        (request.folder / entry.card).write_text(card, "utf-8")
        add_own(request.folder, entry)
    except OSError as problem:
        raise ExportError(
            f"{problem.filename or path}: cannot be written ({problem.strerror}); is the disk full?"
        ) from problem
    return entry


def _described(draft: ModelEntry, path: Path) -> ModelEntry:
    content = path.read_bytes()
    return replace(draft, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _label(graph: onnx.ModelProto) -> None:
    onnx.helper.set_model_props(
        graph, {"license": "AGPL-3.0 License (https://ultralytics.com/license)"}
    )
