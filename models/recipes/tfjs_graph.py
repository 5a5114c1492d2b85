"""Reads a TensorFlow.js graph model: a JSON file of nodes and a binary file of weights."""

import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_STORED_AS = {"float16": np.float16, "float32": np.float32, "int32": np.int32}


@dataclass(frozen=True)
class Node:
    """One operation. `inputs` are names of nodes, with `:1` for a second output."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]

    def text(self, key: str) -> str:
        """Return a string attribute, which TF.js stores in base 64."""
        return b64decode(self.attributes[key]["s"]).decode("ascii")

    def integers(self, key: str) -> list[int]:
        """Return a list attribute."""
        return [int(value) for value in self.attributes[key]["list"]["i"]]

    def number(self, key: str) -> float:
        """Return a float attribute."""
        return float(self.attributes[key]["f"])

    def flag(self, key: str) -> bool:
        """Return a boolean attribute."""
        return bool(self.attributes[key]["b"])


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which each comes after its inputs, and the constants by name."""

    nodes: tuple[Node, ...]
    constants: dict[str, Array]


def read_graph(description: Path, weights: Path) -> Graph:
    """Read both files; half-precision weights come back as float32."""
    document = json.loads(description.read_text("utf-8"))
    manifest = document["weightsManifest"][0]["weights"]
    constants = _split_weights(manifest, weights.read_bytes())
    nodes = tuple(
        Node(raw["name"], raw["op"], tuple(raw.get("input", ())), raw.get("attr", {}))
        for raw in document["modelTopology"]["node"]
        if raw["op"] != "Const"
    )
    return Graph(nodes, constants)


def _split_weights(manifest: list[dict[str, Any]], buffer: bytes) -> dict[str, Array]:
    constants: dict[str, Array] = {}
    offset = 0
    for entry in manifest:
        stored = np.dtype(_STORED_AS[entry.get("quantization", entry)["dtype"]])
        count = int(np.prod(entry["shape"], dtype=np.int64))
        flat = np.frombuffer(buffer, stored, count, offset)
        constants[entry["name"]] = flat.reshape(entry["shape"]).astype(entry["dtype"])
        offset += stored.itemsize * count
    if offset != len(buffer):
        raise ValueError(f"the manifest describes {offset} bytes, the file has {len(buffer)}")
    return constants
