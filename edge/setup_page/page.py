"""Joins the parts of the page for one running device."""

import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from edge.errors import OutboxError
from edge.setup_page.app import build_app
from edge.setup_page.audit_log import AuditLog
from edge.setup_page.certificate import certificate, fingerprint
from edge.setup_page.device import Device
from edge.setup_page.door import Door
from edge.setup_page.login import Logins
from edge.setup_page.pin import new_pin, pin_mark, pin_text
from edge.setup_page.server import HOSTS, PageServer
from edge.setup_page.tally_desk import TallyDesk

_log = structlog.get_logger(__name__)


def open_page(
    device: Device,
    monotonic: Callable[[], float],
    *,
    port: int | None = None,
    say: Callable[[str], object] = sys.stderr.write,
) -> PageServer | None:
    """Return the server of the page; None when it is off or cannot be had, which the log says.

    port: instead of the config's. say: where a PIN that was made just now is shown, once.
    """
    config = device.current()
    wanted, folder = config.setup_page, config.records.data_dir
    if not wanted.enabled:
        return None
    tls: Path | None = None
    try:
        if pin_mark(folder) is None:
            say(pin_text(new_pin(folder)))
        if wanted.network == "lan":
            tls = certificate(folder)
            _log.info("setup_page.certificate", sha256=fingerprint(tls))
    except (OutboxError, OSError, ValueError) as error:
        _log.error("setup_page.down", reason=str(error))
        return None
    open_s = wanted.auto_off_min * 60.0
    audit = AuditLog(folder, device.now_ms)
    door = Door(folder, open_s, monotonic)
    logins = Logins(folder, open_s, monotonic)
    desk = TallyDesk(device)
    secure = tls is not None
    app = build_app(device, desk, logins, door, audit, monotonic=monotonic, secure=secure)
    return PageServer(
        app,
        door,
        audit,
        HOSTS[wanted.network],
        wanted.port if port is None else port,
        certificate=tls,
        on_stop=desk.close,
    )
