"""A detector of ultralytics → an ONNX graph that takes the counter's picture and knows only people.

Inside the graph: uint8 → float, height × width × colour → colour first, 0…255 → 0…1, blue-green-red
→ red-green-blue. The last two are folded into the weights of the first convolution.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
import ultralytics
from torch import nn
from ultralytics import YOLO
from ultralytics.nn.modules.head import Detect

from edge.detection import Family, Head
from model_export.errors import ExportError

OPSET = 17
INPUT_NAME, OUTPUT_NAME = "image", "output"
VERSION: str = ultralytics.__version__
LARGEST_STRIDE = 32


@dataclass(frozen=True, slots=True)
class Network:
    """What came out: the graph, how its answer is read, and where its decoding begins.

    prefix: of the names of the head's nodes; behind it, its convolutions are in a module whose
    name has "cv" in it, and the rest is decoding.
    """

    graph: onnx.ModelProto
    head: Head
    prefix: str
    parameters: int
    classes: Mapping[int, str]
    trained: bool


def load(weights: Path | str) -> Any:
    """Return ultralytics' detection network of a .pt or .yaml file; raises ExportError."""
    _refuse_without_allow_list(weights)
    try:
        network = YOLO(str(weights), task="detect").model
    except Exception as problem:  # ultralytics and torch have no common root of errors
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise ExportError(
            f"{weights} is no detector that ultralytics {VERSION} can load ({reason[:300]})"
        ) from problem
    head = network.model[-1] if isinstance(network, nn.Module) else None
    if type(head) is not Detect and type(head).__name__ != "v10Detect":
        raise ExportError(
            f"{weights} is not a detector of boxes (its head is {type(head).__name__});"
            " use e.g. yolo11n.pt or yolo26n.pt"
        )
    return network.float().eval()


def _refuse_without_allow_list(weights: Path | str) -> None:
    """Raise ExportError where ultralytics would run what a pickle or an architecture says.

    It knows its switch from 8.4.67 on, and heeds it with torch 2.6 or newer only.
    """
    switched_on = getattr(ultralytics.utils, "SAFE_LOAD", False) is True
    if not switched_on or not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):
        raise ExportError(
            f"{weights} is not loaded, because ultralytics {VERSION} with torch {torch.__version__}"
            " would run code in it; pip install --upgrade 'lobbycount[export]', and ask with"
            " `lobbycount models export`"
        )


def person_class(names: Mapping[int, str], wanted: str | None) -> int:
    """Return the number of the class that is a person.

    wanted: its name or number, where it is not called "person". An architecture has no names
    yet; in COCO's order a person comes first. Raises ExportError.
    """
    unnamed = all(str(name) == str(number) for number, name in names.items())
    if wanted is None and (len(names) == 1 or unnamed):
        return 0
    sought = (wanted or "person").casefold()
    for number, name in names.items():
        if sought in (str(name).casefold(), str(number)):
            return int(number)
    known = ", ".join(f"{number} {name}" for number, name in list(names.items())[:12])
    raise ExportError(
        f"This model has no class {sought!r}; say which class is a person,"
        f" e.g. --person-class 0; its classes are {known}"
    )


def convert(network: Any, person: int, height: int, width: int, *, trained: bool) -> Network:
    """Return the graph of a network for pictures of that size; the network is changed for good."""
    if height % LARGEST_STRIDE or width % LARGEST_STRIDE:
        raise ExportError(f"{width} × {height} must be multiples of {LARGEST_STRIDE}, e.g. 416x256")
    names = dict(network.names)
    head = network.model[-1]
    end_to_end = getattr(head, "one2one_cv2", None) is not None
    if end_to_end:
        network.end2end = True
    network.fuse(verbose=False)
    _keep_one_class(head, person)
    _take_bytes(network)
    head.export, head.format = True, "onnx"
    graph = _traced(_TakesPictures(network), height, width)
    strides = tuple(int(stride) for stride in head.stride)
    cells = sum((height // stride) * (width // stride) for stride in strides)
    described = (
        Head(Family.ULTRALYTICS_E2E, (), 1, 0, rows=min(head.max_det, cells))
        if end_to_end
        else Head(Family.ULTRALYTICS_RAW, strides, 1, 0)
    )
    parameters = sum(each.numel() for each in network.parameters())
    prefix = f"/network/model.{len(network.model) - 1}/"
    return Network(graph, described, prefix, parameters, names, trained)


class _TakesPictures(nn.Module):  # type: ignore[misc]  # torch is not installed everywhere
    """(1, height, width, 3) uint8 in, the network's answer out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.network(image.permute(0, 3, 1, 2).float())
        return answer


def _keep_one_class(head: Any, person: int) -> None:
    """Cut the last convolution of each level down to the scores of one class."""
    branches = [head.one2one_cv3 if head.end2end else head.cv3]
    for branch in branches:
        for level in branch:
            full = level[-1]
            cut = nn.Conv2d(full.in_channels, 1, 1)
            cut.weight = nn.Parameter(full.weight[person : person + 1].detach().clone())
            cut.bias = nn.Parameter(full.bias[person : person + 1].detach().clone())
            level[-1] = cut
    head.nc, head.no = 1, 1 + 4 * head.reg_max


def _take_bytes(network: Any) -> None:
    """Fold 0…255 → 0…1 and the order of colours into the first convolution."""
    first = getattr(network.model[0], "conv", None)
    if not isinstance(first, nn.Conv2d) or first.in_channels != 3:
        raise ExportError("its first layer is not a convolution of a picture's three colours")
    first.weight = nn.Parameter(first.weight[:, [2, 1, 0]].detach().clone() / 255)


def _inline_shared(graph: Any) -> None:
    """Give every node its own constants: the tracer lets equal ones share through Identity nodes.

    Quantisation takes the bias of a convolution only when it is a constant.
    """
    constants = {each.name: each for each in graph.initializer}
    for node in [each for each in graph.node if each.op_type == "Identity"]:
        if node.input[0] in constants:
            copy = graph.initializer.add()
            copy.CopyFrom(constants[node.input[0]])
            copy.name = node.output[0]
            graph.node.remove(node)


def _traced(module: nn.Module, height: int, width: int) -> onnx.ModelProto:
    image = torch.zeros((1, height, width, 3), dtype=torch.uint8)
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer: sizes are fixed here on purpose
        module(image)
        torch.onnx.export(
            module,
            (image,),
            buffer,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamo=False,  # the new exporter needs another package and names its nodes otherwise
        )
    graph = onnx.load_from_string(buffer.getvalue())
    _inline_shared(graph.graph)
    graph.producer_name, graph.producer_version = "lobbycount model_export", ""
    graph.doc_string = f"AGPL-3.0, made with ultralytics {VERSION}"
    onnx.checker.check_model(graph, full_check=True)
    return graph
