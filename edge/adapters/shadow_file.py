"""The config shadow on disk: one small file beside the outbox, replaced in one step.

It holds what came over MQTT, no secret, and a hash over it all: a flipped bit in a
coordinate would count people at a place nobody drew.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from edge.errors import OutboxError
from edge.sealing import canonical
from edge.shadow import Desired, Kept, Report, digest_of

FILE_NAME = "shadow.json"
VERSION = "1.0"

_log = structlog.get_logger(__name__)


class ShadowFile:
    """Where `Kept` survives restarts and power cuts."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def look(self) -> Kept | None:
        """Return what is kept, None where that is nothing or cannot be read; changes nothing."""
        try:
            return _read(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def load(self) -> tuple[Kept | None, str | None]:
        """Return what is kept, and what was wrong with it; a damaged file is put aside."""
        try:
            return _read(self._path.read_text(encoding="utf-8")), None
        except FileNotFoundError:
            return None, None
        except OSError as error:
            problem = f"the stored config shadow cannot be read ({error.strerror})"
        except ValueError:
            problem = f"the stored config shadow was damaged{self._put_aside()}"
        _log.error("shadow.unreadable", file=str(self._path), reason=problem)
        return None, problem

    def save(self, kept: Kept) -> None:
        """Replace what is kept; it is on the disk afterwards. Raises OutboxError."""
        fields = {"v": VERSION, **asdict(kept)}
        text = canonical({**fields, "hash": digest_of(canonical(fields).encode())})
        draft = self._path.with_suffix(".tmp")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            raise OutboxError(
                f"{self._path}: cannot be written ({error.strerror}); is the disk full?"
            ) from error

    def _put_aside(self) -> str:
        aside = self._path.with_suffix(".damaged")
        try:
            self._path.replace(aside)
        except OSError as error:
            return f" and cannot be put aside ({error.strerror})"
        return f" and was put aside as {aside.name}"


def _sync(folder: Path) -> None:
    """Make the folder remember the new name, or a power cut brings the old file back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(text: str) -> Kept:
    """Read a file's text. Raises ValueError when it is not as it was written."""
    try:
        fields: dict[str, Any] = json.loads(text)
        said = fields.pop("hash")
        if said != digest_of(canonical(fields).encode()) or fields.pop("v") != VERSION:
            raise ValueError("not as it was written")
        report = fields.pop("report")
        return Kept(
            report=Report(report["state"], report["rev"], tuple(report["errors"])),
            applied=_desired(fields.pop("applied")),
            trial=_desired(fields.pop("trial")),
            **fields,
        )
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a config shadow") from error


def _desired(fields: dict[str, Any] | None) -> Desired | None:
    return None if fields is None else Desired(fields["rev"], fields["config"])
