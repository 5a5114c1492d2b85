"""The counts of a day, read back from the device's own stored records."""

import json
from collections import Counter

from edge.ports import Outbox
from edge.sealing import iso_utc
from edge.vocabulary import Outcome

_PAGE = 1000
_SHOWN = (Outcome.IN, Outcome.OUT, Outcome.UTURN)


def stored_counts(outbox: Outbox, t0_ms: int, t1_ms: int) -> Counter[tuple[str, Outcome]]:
    """Sum the records of lines that begin within [t0_ms, t1_ms), over all streams.

    Raises OutboxError.
    """
    found: Counter[tuple[str, Outcome]] = Counter()
    begin = iso_utc(t0_ms)  # a whole second; these texts are in the order of their times
    for stream in outbox.streams(retired=True):
        after = 0
        while page := outbox.between(t0_ms, t1_ms, _PAGE, after, stream):
            after = page[-1].seq
            for stored in page:
                record = json.loads(stored.body)
                if "line" not in record or record["t0"] < begin:
                    continue
                for outcome in _SHOWN:
                    found[record["line"], outcome] += record[outcome] or 0
            if len(page) < _PAGE:
                break
    return found
