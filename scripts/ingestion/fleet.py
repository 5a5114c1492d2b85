"""Devices that never run out of records."""

import json

from edge.messages import counts_message
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

INTERVAL_MS = 900_000
TENANT = "bench"

Sent = tuple[str, bytes]
"""Topic and payload."""


class Fleet:
    """Sealed records as devices make them; `lines` on each, numbers without gaps."""

    def __init__(self, devices: int, lines: int = 2) -> None:
        self._boxes = [MemoryOutbox(f"dev-{n:05}", f"{n:016x}") for n in range(devices)]
        self._lines = lines
        self._rounds = 0

    def round(self, per_message: int) -> list[Sent]:
        """One message of each device."""
        lines = self._lines
        by = Provenance("9cd36f043cf8", "27cec6c1efca")
        first = self._rounds * INTERVAL_MS * per_message
        self._rounds += 1
        sent = []
        for box in self._boxes:
            buckets = [
                CountBucket(
                    f"line-{n % lines}", first + n // lines * INTERVAL_MS,
                    first + (n // lines + 1) * INTERVAL_MS, {Outcome.IN: n, Outcome.OUT: 2 * n},
                    1.0, None, TimeQuality.NTP, by,
                )
                for n in range(per_message)
            ]  # fmt: skip
            box.append(buckets)
            records = box.pending(per_message)
            box.retire(box.stream, records[-1].seq)
            message = counts_message(
                TENANT, json.loads(records[0].body)["dev"], box.stream, records
            )
            sent.append((message.topic, message.payload))
        return sent
