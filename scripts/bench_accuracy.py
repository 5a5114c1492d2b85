"""Counts against ground truth on PETS09, worst line first.

scripts/bench accuracy                       the original clip and labels, if ../shared is there
scripts/bench accuracy --bundled             the bundled encode and the truth kept beside it
scripts/bench accuracy --fps 5 --json
scripts/bench accuracy --write-truth FILE    turn the labels into a list of crossings
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from edge.app import configured_lines
from edge.config import load
from edge.replay import ReplayOptions, replay
from edge.scoring import load_truth, overall, score, total_count_error
from edge.tables import score_table
from edge.vocabulary import Crossing

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
PETS09 = ROOT.parent / "shared" / "data" / "pets09-s2l1"
FPS, SIZE = 10.0, (768, 576)


def main() -> None:
    options = _options()
    config = load(options.config)
    lines = configured_lines(config)
    truth = load_truth(options.truth, lines, FPS, SIZE)
    if options.write_truth:
        _write_truth(options.write_truth, truth)
        return
    camera = config.camera.model_copy(update={"fps": options.fps})
    model = config.model.model_copy(update={"name": options.model} if options.model else {})
    config = config.model_copy(update={"camera": camera, "model": model})
    result = replay(config, options.clip, ReplayOptions())
    scores = score(truth, result.live, [line.id for line in lines])
    if options.json:
        print(json.dumps([_row(options, config.model.name, s) for s in scores]))
        return
    Console().print(score_table(scores))
    print(
        f"{options.clip.name} at {options.fps:g} fps with {config.model.name}:"
        f" {sum(s.true for s in scores)} true crossings,"
        f" count error {100 * total_count_error(scores):.1f} %,"
        f" event F1 {overall(scores).f1:.3f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundled", action="store_true", help="use the clip of tests/data")
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--config", type=Path, default=DATA / "pets09-eight-lines.yaml")
    parser.add_argument("--model", help="a name of models/catalog.toml")
    parser.add_argument("--fps", type=float, default=FPS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-truth", type=Path)
    options = parser.parse_args()
    bundled = options.bundled or not PETS09.exists()
    clip, truth = (
        (DATA / "vtest.mp4", DATA / "vtest.truth.json")
        if bundled
        else (PETS09 / "vtest.avi", PETS09 / "gt.txt")
    )
    options.clip = options.clip or clip
    options.truth = options.truth or truth
    return options


def _row(options: argparse.Namespace, model: str, s: object) -> dict[str, object]:
    fields = asdict(s)  # type: ignore[call-overload]
    return {
        "clip": options.clip.name,
        "line": fields["line"],
        "fps": options.fps,
        "system": "ours",
        "detections": model,
        "in": fields["counted_in"],
        "out": fields["counted_out"],
        "true_in": fields["true_in"],
        "true_out": fields["true_out"],
        "misses": fields["true_in"] + fields["true_out"] - fields["matched"],
        "false_counts": fields["counted_in"] + fields["counted_out"] - fields["matched"],
    }


def _write_truth(path: Path, truth: list[Crossing]) -> None:
    document = {
        "source": "MOTChallenge 2015 labels of PETS09-S2L1; crossings computed by edge/scoring.py",
        "crossings": [
            {"line": c.line, "direction": str(c.outcome), "at_s": round(c.at, 2)} for c in truth
        ],
    }
    rows = ",\n".join(json.dumps(c) for c in document["crossings"])
    head = json.dumps(document["source"])
    path.write_text(f'{{"source": {head},\n"crossings": [\n{rows}\n]}}\n', encoding="utf-8")
    print(f"{len(truth)} crossings written to {path}")


if __name__ == "__main__":
    main()
