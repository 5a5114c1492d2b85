"""A rollout on the disk, so that it can be stopped and gone on with: one JSON file.

It is replaced in one step after every change, and locked while somebody works on it.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.adapters.written_whole import write_whole
from edge.errors import BadInputError
from edge.updating.answers import Reported
from edge.updating.wanted import Wanted
from evaluation.rollout import Device, Plan, Rollout

VERSION = "1.0"


def load(path: Path) -> Rollout | None:
    """Read it; None where there is no such file. Raises BadInputError for anything else."""
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadInputError(
            f"--state {path}: is not a rollout that `evaluation update offer` wrote"
            f" ({type(error).__name__}); give another file, e.g. --state rollout-0.2.0.json"
        ) from error


def save(path: Path, rollout: Rollout) -> None:
    """Write it; it is on the disk afterwards. Raises BadInputError."""
    text = json.dumps(_fields(rollout), ensure_ascii=False, indent=1)
    try:
        write_whole(path, text.encode() + b"\n")
    except OSError as error:
        raise BadInputError(f"--state {path}: cannot be written ({error.strerror})") from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let nobody else work on it meanwhile. Raises BadInputError."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        file = lock.open("ab")
    except OSError as error:
        raise BadInputError(f"--state {path}: cannot be used ({error.strerror})") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInputError(
                f"--state {path}: another `evaluation update` works on it; stop that one first"
            ) from None
        yield


def _fields(rollout: Rollout) -> dict[str, Any]:
    plan = rollout.plan
    return {
        "v": VERSION,
        "wanted": asdict(plan.wanted),
        "stages": plan.stages,
        "wait_s": plan.wait_s,
        "tolerate": plan.tolerate,
        "state": rollout.state,
        "stage": rollout.stage,
        "complete_ms": rollout.complete_ms,
        "failed": rollout.failed,
        "devices": [
            {
                "tenant": device.tenant,
                "dev": device.dev,
                "applied": device in rollout.applied,
                "said": asdict(rollout.said[device]) if device in rollout.said else None,
            }
            for device in plan.devices
        ],
    }


def _read(fields: dict[str, Any]) -> Rollout:
    if fields["v"] != VERSION:
        raise ValueError("of another version")
    rows = [(Device(row["tenant"], row["dev"]), row) for row in fields["devices"]]
    wanted = {**fields["wanted"], "hours": tuple(fields["wanted"]["hours"])}
    plan = Plan(
        Wanted(**wanted),
        tuple(device for device, _ in rows),
        tuple(fields["stages"]),
        fields["wait_s"],
        fields["tolerate"],
    )
    return Rollout(
        plan,
        fields["state"],
        fields["stage"],
        fields["complete_ms"],
        {device for device, row in rows if row["applied"]},
        {device: Reported(**row["said"]) for device, row in rows if row["said"]},
        Device(*fields["failed"]) if fields["failed"] else None,
    )
