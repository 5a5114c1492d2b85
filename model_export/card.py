"""The model card: what was made of what, how, under which licence, and what nobody measured."""

import platform

import onnx
import onnxruntime

from edge.adapters.model_entry import ModelEntry
from edge.detection import Family
from model_export.comparison import Comparison

LICENCE = "AGPL-3.0"
LICENCE_TEXT = """\
Ultralytics publishes its code and its weights under AGPL-3.0 and holds that this goes for every
model trained or exported with it; its own exporter writes "AGPL-3.0 License
(https://ultralytics.com/license)" into every file. So whoever gives away a device with this file,
or lets others use it over a network, has to offer them the complete source of all of it under
AGPL-3.0, unless they hold an Ultralytics Enterprise License. lobbycount (Apache-2.0) may be part of
such a work; it does not ship this file. This is no legal advice.

本模型适用 AGPL-3.0：凡对外提供装有本模型的设备或网络服务，须按 AGPL-3.0 提供全部源代码，
除非持有 Ultralytics 企业许可。
"""


def card_text(
    entry: ModelEntry,
    *,
    given: str,
    ultralytics: str,
    parameters: int,
    trained: bool,
    calibration: int,
    comparison: Comparison | None,
    precision: str,
) -> str:
    """Return the card as Markdown. calibration: on how many pictures activations were measured."""
    shape = " × ".join(map(str, entry.input.shape))
    (answer,) = entry.head.output_shapes(entry.input.height, entry.input.width)
    meaning = (
        "x0 y0 x1 y1 score class, at most one box for each person"
        if entry.head.family is Family.ULTRALYTICS_E2E
        else "centre x, centre y, width, height, score, for each cell"
    )
    rows = [
        ("origin", f"`{given}`, exported by its user with ultralytics {ultralytics}"),
        ("licence", LICENCE),
        ("sees", "people only; the other classes were cut out of its last layers"),
        ("parameters", f"{parameters / 1e6:.2f} million"),
        ("input", f"{shape} uint8, BGR, letterboxed with {entry.input.pad}"),
        ("output", f"{' × '.join(map(str, answer))}: {meaning}"),
        ("file", f"`{entry.file}`, {entry.bytes} bytes, SHA-256 `{entry.sha256}`"),
        ("thresholds", f"floor {entry.score_floor}, sure {entry.sure_score}; guesses"),
        ("made with", f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}"),
    ]
    parts = [
        f"# {entry.name}",
        "" if trained else "**Not trained: made from an architecture, it finds nobody.**\n",
        "| | |\n|---|---|\n" + "\n".join(f"| {name} | {text} |" for name, text in rows),
        f"\n## Licence\n\n{LICENCE_TEXT}",
        f"## Precision\n\n{precision}.",
        _measured(comparison, calibration),
        "\n## Limits\n\nNobody has measured how well this model counts. Check it where it works:\n"
        f"`lobbycount models verify {entry.name}` and `lobbycount audit`.\n",
    ]
    return "\n".join(part for part in parts if part)


def _measured(comparison: Comparison | None, calibration: int) -> str:
    if comparison is None:
        return ""
    f1 = "-" if comparison.f1 is None else f"{comparison.f1:.3f}"
    return f"""
Activations were measured on {calibration} pictures, which are not kept. On {comparison.pictures} \
others, one thread, {platform.machine()}:

| | ms per picture | people | alike (F1) |
|---|---|---|---|
| fp32 | {comparison.float_ms:.1f} | {comparison.float_people} | |
| INT8 | {comparison.int8_ms:.1f} | {comparison.int8_people} | {f1} |

People are those at or above the sure score. Times are of this machine; take the device's with
`lobbycount models verify`."""
