"""What the broker of the boot test was sent, and whether that is all of it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any


class Received:
    """What the broker was sent, one JSON line a message, written by mosquitto_sub."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def messages(self, topic: str) -> list[dict[str, Any]]:
        """Return the payloads of one kind of topic."""
        lines = self.file.read_text("utf-8").split("\n")[:-1]
        found = [line.split(" ", 1) for line in lines if line.count(" ")]
        return [json.loads(body) for name, body in found if name.endswith("/" + topic) and body]

    def births(self) -> list[datetime]:
        """Return when the device came online, by its own clock."""
        said = [message for message in self.messages("status") if message["state"] == "online"]
        return [datetime.fromisoformat(message["at"]) for message in said]

    def queue(self) -> int | None:
        """Return how many records the device last said it still has to deliver."""
        said = self.messages("health")
        return int(said[-1]["queue"]) if said else None

    def records(self) -> list[dict[str, Any]]:
        """Return the records of all batches, in order of arrival."""
        return [record for batch in self.messages("counts") for record in batch["records"]]

    def since(self, begin: datetime, known: int) -> bool:
        """Return whether a record of an interval that began then or later came after the known."""
        new = self.records()[known:]
        return any(datetime.fromisoformat(record["t0"]) >= begin for record in new)


def verdict(received: list[dict[str, Any]], card: set[tuple[str, int]]) -> list[str]:
    """Return what is wrong; nothing when every number from 1 on arrived and all on the card did."""
    wrong = []
    got: dict[str, dict[int, dict[str, Any]]] = {}
    for record in received:
        known = got.setdefault(record["stream"], {}).setdefault(record["seq"], record)
        if known != record:
            wrong.append(f"{record['stream']}/{record['seq']} arrived twice and differs")
    for stream, records in got.items():
        if missing := set(range(1, max(records) + 1)) - set(records):
            wrong.append(f"stream {stream}: never arrived: {sorted(missing)}")
        totals: dict[str, int] = {}
        for _, record in sorted(records.items()):
            totals[record["line"]] = totals.get(record["line"], 0) + (record["in"] or 0)
            if record["tot_in"] != totals[record["line"]]:
                wrong.append(f"{stream}/{record['seq']}: tot_in is not the sum of what came")
    lost = {key for key in card if key[1] not in got.get(key[0], {})}
    if lost:
        wrong.append(f"on the card and never arrived: {sorted(lost)}")
    return wrong
