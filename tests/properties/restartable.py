"""The memory outbox with what a restart makes of one on disk: a draft becomes what waits."""

from edge.sealing import genesis
from edge.testing import MemoryOutbox


class RestartableOutbox(MemoryOutbox):
    """Everything it is given survives; `restart` is a new process on the same disk."""

    def call_stream(self, stream: str) -> None:
        """Give the present stream, which has no records yet, another id."""
        del self._records[self._stream]
        self._records[stream], self._stream = [], stream
        self._chain = genesis(self._dev, stream)

    def restart(self) -> None:
        self.keep_draft()
