"""What one transaction is about: the rows, and the numbers of each stream that they touch."""

from dataclasses import dataclass, field

from evaluation.ingest import Key, Reading, Reject
from evaluation.tables import Row, continued_row, head_row, record_row, reject_row

StreamKey = tuple[str, str]
"""A device and a stream."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A record whose number is taken by another text, and the message it came in."""

    row: Row
    reading: Reading

    @property
    def reason(self) -> str:
        """Say which number it is."""
        seq, stream = self.row["seq"], self.row["stream"]
        return f"record {seq} of stream {stream} is stored already with another text"


@dataclass(slots=True)
class Batch:
    """The rows of one transaction. Of a key that comes twice the first one is stored."""

    received_ms: int
    tenants: dict[StreamKey, str] = field(default_factory=dict)
    numbers: dict[StreamKey, set[int]] = field(default_factory=dict)
    records: dict[Key, Row] = field(default_factory=dict)
    readings: dict[Key, Reading] = field(default_factory=dict)
    heads: list[Row] = field(default_factory=list)
    continued: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    clashes: list[Clash] = field(default_factory=list)
    repeated: int = 0

    def add(self, reading: Reading) -> None:
        """Take what a message held."""
        tenant = reading.tenant or ""
        for sealed in reading.records:
            self._touch(sealed.key, tenant)
            row = record_row(sealed, tenant, self.received_ms)
            if self.records.setdefault(sealed.key, row) is row:
                self.readings[sealed.key] = reading
            else:
                self.repeated += 1
                self.compare(row, self.records[sealed.key]["body"], reading)
        for head in reading.heads:
            self.heads.append(head_row(head, tenant, self.received_ms))
            if head.continues is not None:
                self.continued.append(continued_row(head, tenant, self.received_ms))
        for reject in reading.rejects:
            if reject.key is not None:
                self._touch(reject.key, tenant)
            self.rejects.append(reject_row(reject, reading, self.received_ms))

    def compare(self, row: Row, stored: str, reading: Reading) -> None:
        """Note a record whose number is taken by another text."""
        if row["body"] != stored:
            self.clashes.append(Clash(row, reading))

    def put_aside(self, clash: Clash) -> None:
        """Keep a record without counting it: the first text of its number stays."""
        row = clash.row
        key = Key(row["dev"], row["stream"], row["seq"])
        reject = Reject(row["body"].encode(), clash.reason, key)
        self.rejects.append(reject_row(reject, clash.reading, self.received_ms))

    def _touch(self, key: Key, tenant: str) -> None:
        of = (key.dev, key.stream)
        self.tenants[of] = tenant
        self.numbers.setdefault(of, set()).add(key.seq)
