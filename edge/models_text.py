"""What `lobbycount models` shows: the table for people, the same for programs."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from edge.adapters.model_catalog import Catalog
from edge.models_verify import ModelState, State

AGPL_NOTE = (
    "AGPL-3.0: whoever ships or serves a device with such a model must offer the source of all"
    " of it, see docs/models.md. 使用 AGPL-3.0 模型的设备须公开全部源代码。"
)


def list_table(states: Sequence[ModelState]) -> Table:
    """Return the models with how to get those that are not here."""
    table = Table(
        "model", "file", "size", "input", "licence", "how to get it", title_justify="left"
    )
    for seen in states:
        entry, size = seen.entry, seen.entry.bytes
        table.add_row(
            f"{entry.name}{' *' if seen.default else ''}",
            str(seen.state),
            "-" if size is None else f"{size / 1e6:.1f} MB",
            f"{entry.input.width}×{entry.input.height}",
            entry.licence,
            how_to_get(seen),
        )
    return table


def how_to_get(seen: ModelState) -> str:
    """Return the command that brings a model here, or nothing when it is."""
    entry = seen.entry
    if seen.state is State.HERE:
        return ""
    if entry.shipped:
        return "reinstall lobbycount"
    if entry.export:
        return f"lobbycount models export {entry.export}"
    where = "" if entry.url else " --from PLACE"
    adopt = " --adopt" if entry.sha256 is None else ""
    return f"lobbycount models pull {entry.name}{where}{adopt}"


def list_notes(catalog: Catalog) -> list[str]:
    """Return what stands below the table."""
    notes = [f"* = the default 默认. Own models 自有模型: {catalog.own}"]
    if catalog.unread:
        notes.append(f"{catalog.unread}; run this as a user who may")
    if any(entry.licence.startswith("AGPL") for entry in catalog.entries.values()):
        notes.append(AGPL_NOTE)
    return notes


def verify_table(states: Sequence[ModelState]) -> Table:
    """Return the verdicts."""
    table = Table("model", "verdict", "people", "ms/picture", "SHA-256")
    for seen in states:
        table.add_row(
            seen.entry.name,
            str(seen.state),
            "-" if seen.people is None else str(seen.people),
            "-" if seen.ms is None else f"{seen.ms:.1f}",
            "-" if seen.entry.sha256 is None else f"{seen.entry.sha256[:12]}…",
        )
    return table


def states_json(states: Sequence[ModelState]) -> list[dict[str, Any]]:
    """Return the same for programs."""
    return [
        {
            "name": seen.entry.name,
            "default": seen.default,
            "state": str(seen.state),
            "file": str(seen.path),
            "bytes": seen.entry.bytes,
            "sha256": seen.entry.sha256,
            "licence": seen.entry.licence,
            "url": seen.entry.url or None,
            "people": seen.people,
            "ms": None if seen.ms is None else round(seen.ms, 2),
            "problem": seen.problem or None,
        }
        for seen in states
    ]
