"""The table of topics with its schemas and golden payloads."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "config" / "topics.toml"
SCHEMAS = ROOT / "config" / "schemas"
GOLDEN = ROOT / "tests" / "contract" / "golden"


@dataclass(frozen=True)
class Topic:
    """One row of the table.

    name: the topic as one word, of its schema and its golden payloads.
    """

    leaf: str
    sender: Literal["device", "backend"]
    qos: int
    retain: bool
    expiry_s: int | None
    what: str
    zh: str
    name: str
    packed: bool = False

    @property
    def address(self) -> str:
        """The topic with its parameters."""
        return f"pc/v1/{{tenant}}/{{dev}}/{self.leaf}"

    @property
    def schema_file(self) -> Path:
        """Where its schema lies."""
        return SCHEMAS / f"{self.name}.schema.json"

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return dict(json.loads(self.schema_file.read_text(encoding="utf-8")))

    def goldens(self, topics: list["Topic"]) -> list[Path]:
        """Return its golden payloads, those of a topic with a longer name left out."""
        longer = [t.name for t in topics if t.name.startswith(f"{self.name}-")]
        return [
            path
            for path in sorted(GOLDEN.glob(f"{self.name}-*.json"))
            if not path.name.startswith(tuple(f"{name}-" for name in longer))
        ]

    def newest_golden(self, topics: list["Topic"]) -> Path:
        """Return the golden payload of the newest version; the plainest, where there are more.

        Raises FileNotFoundError when there is none.
        """
        found = self.goldens(topics)
        if not found:
            raise FileNotFoundError(f"{GOLDEN}/{self.name}-1.0.json: {self.leaf} has no golden")
        return max(found, key=lambda path: (_version(path), -len(path.name)))


def _version(golden: Path) -> list[int]:
    return [int(part) for part in golden.stem.rsplit("-", 1)[1].split(".")]


def load() -> list[Topic]:
    """Return the topics in the order of the table. Raises KeyError for a missing column."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["topic"]
    return [
        Topic(
            leaf=row["leaf"],
            sender=row["from"],
            qos=row["qos"],
            retain=row["retain"],
            expiry_s=row.get("expiry_s"),
            what=row["what"],
            zh=row["zh"],
            name=row.get("schema", row["leaf"].replace("/", "-")),
            packed=row.get("packed", False),
        )
        for row in rows
    ]
