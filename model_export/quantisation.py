"""Static INT8 quantisation whose result does not depend on the machine."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import (
    CalibrationMethod,
    TensorData,
    TensorsData,
    create_calibrator,
)
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edge.vocabulary import Image

RANGE_STEP = 0.01


def quantise(
    model: onnx.ModelProto,
    pictures: Iterable[Image],
    operations: Sequence[str],
    *,
    reduce_range: bool = True,
    excluded: Sequence[str] = (),
    known: Mapping[str, tuple[float, float]] | None = None,
) -> onnx.ModelProto:
    """Return the model with 8-bit operations: activations unsigned, weights per channel.

    pictures: as the model takes them; its activations are measured on them. excluded: names of
    nodes that stay in float. known: the least and the largest value of tensors, by name, that
    need not be measured. With `reduce_range` weights keep 7 bits: without it, two products
    of 8 bits can overflow the 16-bit sums of x86 processors that lack VNNI.
    """
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        per_channel=True,
        reduce_range=reduce_range,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=_measured_ranges(model, pictures, operations, known or {}),
        nodes_to_quantize=[],
        nodes_to_exclude=list(excluded),
        op_types_to_quantize=list(operations),
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    result: onnx.ModelProto = quantizer.model.model
    result.producer_name, result.producer_version = model.producer_name, ""
    onnx.checker.check_model(result, full_check=True)
    return result


def _measured_ranges(
    model: onnx.ModelProto,
    pictures: Iterable[Image],
    operations: Sequence[str],
    known: Mapping[str, tuple[float, float]],
) -> TensorsData:
    """Return what values each activation took, widened to a coarse step.

    Processors differ in the last bits of a float; the step keeps that out of the file.
    """
    name = model.graph.input[0].name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        calibrator = create_calibrator(path, list(operations), str(Path(folder) / "augmented.onnx"))
        for picture in pictures:
            calibrator.collect_data(_One(name, picture))
        measured = calibrator.compute_data()
    return TensorsData(
        CalibrationMethod.MinMax,
        {name: _widened(*data.range_value) for name, data in measured.items()}
        | {name: _range(*ends) for name, ends in known.items()},
    )


def _widened(low: Any, high: Any) -> TensorData:
    return _range(np.floor(low / RANGE_STEP) * RANGE_STEP, np.ceil(high / RANGE_STEP) * RANGE_STEP)


def _range(lowest: Any, highest: Any) -> TensorData:
    return TensorData(lowest=np.float32(lowest), highest=np.float32(highest))


class _One(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Hands over a single picture, so that only one set of activations is in memory."""

    def __init__(self, name: str, picture: Image) -> None:
        self._left = [{name: picture}]

    def get_next(self) -> dict[str, Image] | None:
        return self._left.pop() if self._left else None
