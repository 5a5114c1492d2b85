"""The memory outbox with what a restart makes of one on disk: a draft becomes what waits."""

from collections.abc import Sequence

from edge.sealing import genesis
from edge.testing import MemoryOutbox
from edge.vocabulary import Bucket


class RestartableOutbox(MemoryOutbox):
    """Everything it is given survives; `restart` is a new process on the same disk."""

    def __init__(self, dev: str, stream: str = "0123456789abcdef") -> None:
        super().__init__(dev, stream)
        self._drafts: list[tuple[Bucket, str | None, int]] = []

    def append(self, buckets: Sequence[Bucket], settled: Sequence[int] = ()) -> None:
        super().append(buckets, settled)
        if buckets or settled:
            self._drafts = []

    def wait(
        self,
        buckets: Sequence[Bucket],
        *,
        boot: str | None = None,
        guess_ms: int = 0,
        draft: bool = False,
    ) -> None:
        super().wait(buckets, boot=boot, guess_ms=guess_ms, draft=draft)
        self._drafts = [(each, boot, guess_ms) for each in buckets] if draft else []

    def call_stream(self, stream: str) -> None:
        """Give the present stream, which has no records yet, another id."""
        del self._records[self._stream]
        self._records[stream], self._stream = [], stream
        self._chain = genesis(self._dev, stream)

    def restart(self) -> None:
        drafts, self._drafts = self._drafts, []
        for bucket, boot, guess_ms in drafts:
            super().wait([bucket], boot=boot, guess_ms=guess_ms)
