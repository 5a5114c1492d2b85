"""Which settings of the file take effect while the service runs, and which at its next start.

What says how people are counted is changed between two pictures. What says who the device is,
where its records go, or what it looks with is not: it would lose records, or be another device.
"""

from edge.config import Config

HOT: dict[str, frozenset[str] | None] = {
    "device": frozenset({"name", "time_zone"}),
    "camera": frozenset({"fps", "person_height", "masks"}),
    "lines": None,
    "zones": None,
    "counting": None,
    "hours": None,
    "privacy": None,
}
"""None: the whole section."""


def effective(running: Config, file: Config) -> tuple[Config, tuple[str, ...]]:
    """Return what of a file can be in force now, and the settings that wait for a restart."""
    update: dict[str, object] = {}
    waits: list[str] = []
    for section in Config.model_fields:
        hot = HOT.get(section, frozenset())
        if hot is None:
            continue
        now, then = getattr(running, section), getattr(file, section)
        if now == then:
            continue
        names = () if now is None or then is None else type(then).model_fields
        waits += [
            f"{section}.{name}"
            for name in names
            if name not in hot and getattr(now, name) != getattr(then, name)
        ] or ([section] if not names else [])
        keeps = {name: getattr(now, name) for name in names if name not in hot}
        update[section] = then.model_copy(update=keeps) if hot else now
    return file.model_copy(update=update), tuple(sorted(waits))
