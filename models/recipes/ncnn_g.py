#!/usr/bin/env python3
"""Makes the files of nanodet-g-416-ncnn from public packages: 7.6 MB, weights of 16 bits.

    pip install ncnn onnx && python models/recipes/ncnn_g.py [--out models]

It fetches the weights that nanodet_g.py fetches, rebuilds the same network, writes it for ncnn
and checks its answers against those of ONNX Runtime in several shapes. Copy both files into
the models folder of the device; the catalog knows their hashes.
"""

import argparse
import hashlib
from pathlib import Path

import ncnn
import numpy as np
import onnx
import onnxruntime
from nanodet_g import HERE, original_graph
from nanodet_onnx import build_onnx
from ncnn_graph import NcnnWriter

NAME = "nanodet-g-416.ncnn"
SHAPES = ((416, 416), (416, 256), (288, 352))
"""Width and height of the inputs that are compared."""
MAX_DIFFERENCE = 0.02
"""Of a score: weights have 11 bits."""


def largest_difference(
    model: onnx.ModelProto, param: Path, weights: Path, size: tuple[int, int]
) -> float:
    """Return how far ncnn's scores are from ONNX Runtime's for a picture of noise."""
    width, height = size
    noise = np.random.default_rng(7).normal(0, 60, (height // 8, width // 8, 3)) + 128
    image = np.kron(noise.clip(0, 255).astype(np.uint8), np.ones((8, 8, 1), np.uint8))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = session.run(None, {"image": image[None]})
    net = ncnn.Net()
    net.load_param(str(param))
    net.load_model(str(weights))
    run = net.create_extractor()
    run.input("in0", ncnn.Mat.from_pixels(image, ncnn.Mat.PixelType.PIXEL_BGR, width, height))
    found = [np.array(run.extract(f"out{index}")[1])[None] for index in range(len(expected))]
    for ours, theirs in zip(found, expected, strict=True):
        if ours.shape != theirs.shape:
            raise SystemExit(f"ncnn answers {ours.shape} where {theirs.shape} was expected.")
    off = [float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True)]
    highest = max(float(scores.max()) for scores in expected[:3])
    print(
        f"{width} × {height}: highest score {highest:.2f}, largest difference of a score", end=" "
    )
    print(f"{max(off[:3]):.1e}, of a bin {max(off[3:]):.1e}")
    return max(off[:3])


def save(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    print(f"{path.name}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE.parent)
    options = parser.parse_args()

    model = build_onnx(original_graph())
    structure, weights = NcnnWriter(model).write()
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [options.out / f"{NAME}.param", options.out / f"{NAME}.bin"]
    save(structure.encode("ascii"), paths[0])
    save(weights, paths[1])
    for size in SHAPES:
        if largest_difference(model, *paths, size) > MAX_DIFFERENCE:
            raise SystemExit(f"That is more than {MAX_DIFFERENCE}: the files are wrong.")


if __name__ == "__main__":
    main()
