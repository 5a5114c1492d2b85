"""A drop folder in memory that loses what was not synced when the power fails."""

import hashlib

from edge.updating.incoming import Begun


class MemoryIncoming:
    """An Incoming. `full`: appending fails, as on a full disk."""

    def __init__(self):
        self.kept: Begun | None = None
        self.data = b""
        self.handed: list[bytes] = []
        self.full = False
        self.failures = 0
        self.room = 1 << 40

    def begun(self):
        if self.kept is not None and not self.kept.handed_over:
            self.data = self.data[: self.kept.had]
        return self.kept

    def begin(self, bundle, failures):
        self.kept, self.data = Begun(bundle, 0, failures), b""
        self.failures = max(self.failures, failures)

    def append(self, data):
        if self.full:
            self.data += data[: len(data) // 2]
            raise OSError(28, "No space left on device")
        self.data += data

    def sync(self):
        self.kept = Begun(self.kept.bundle, len(self.data), self.kept.failures)

    def digest(self):
        return hashlib.sha256(self.data).hexdigest()

    def hand_over(self):
        self.handed.append(self.data)
        self.kept = Begun(self.kept.bundle, len(self.data), 0, handed_over=True)

    def discard(self):
        self.kept, self.data = None, b""

    def has_room(self, more_bytes):
        return more_bytes <= self.room
