"""`lobbycount export`: a month of this device's records as a file that can be verified."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.adapters.clock import SystemClock
from edge.adapters.data_folder import OUTBOX_FILE
from edge.adapters.device_key import read_key
from edge.adapters.record_reader import read_streams
from edge.config import Config
from edge.errors import BadInputError, DeviceKeyError
from edge.export import Signing, export_lines, of_month
from edge.heads import fingerprint
from edge.months import Month


@dataclass(frozen=True, slots=True)
class Export:
    """What goes into the file. key: the fingerprint of what signs it; else why nothing does."""

    lines: Sequence[str]
    records: int
    key: str | None
    unsigned: str | None


def export(config: Config, month: Month) -> Export:
    """Collect a month beside the running service, and sign it.

    Raises BadInputError when there is nothing of that month, OutboxError when the records
    cannot be read.
    """
    folder, dev = config.records.data_dir, config.device.id
    kept = read_streams(folder / OUTBOX_FILE, dev)
    streams = [found for stream in kept if (found := of_month(stream, month))]
    if not streams:
        raise BadInputError(
            f"{folder / OUTBOX_FILE}: holds no record that begins in {month.name}; delivered ones"
            " stay for 35 days, after that ask the backend: evaluation export"
        )
    clock = SystemClock()
    signing: Signing | None = None
    key = unsigned = None
    try:
        signer = read_key(folder)
        key = fingerprint(signer.public_key)
        signing = Signing(signer, round(clock.utc() * 1000), clock.quality())
    except DeviceKeyError as error:
        unsigned = str(error)
    lines = export_lines(dev, streams, signing)
    return Export(lines, sum(map(len, streams)), key, unsigned)
