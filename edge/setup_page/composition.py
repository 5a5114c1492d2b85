"""What the page sees of a running service, and the panel between the two."""

from collections.abc import Callable
from pathlib import Path

import structlog

from edge.adapters.still_opencv import mosaic
from edge.config import Config
from edge.config_in_force import ConfigInForce
from edge.config_sections import find_time_zone
from edge.day_counts import stored_counts
from edge.errors import OutboxError
from edge.line_findings import DoctorSettings
from edge.panel import LineCounts, Panel
from edge.pipeline import Pipeline
from edge.ports import Clock, Outbox
from edge.service import Service, conditions_of
from edge.setup_page.device import Device
from edge.timeline import Timeline

_log = structlog.get_logger(__name__)


def new_panel(config: Config, outbox: Outbox, timeline: Timeline) -> Panel:
    """Return a panel that begins with what is stored of today."""

    def counts_since(t0_ms: int, t1_ms: int) -> LineCounts:
        try:
            return stored_counts(outbox, t0_ms, t1_ms)
        except OutboxError as error:
            _log.warning("panel.counts_unreadable", reason=str(error))
            return {}

    return Panel(
        find_time_zone(config.device.time_zone),
        timeline.utc_ms,
        counts_since,
        mosaic,
        started_at=timeline.started_at,
    )


def device_of(
    service: Service,
    panel: Panel,
    settings: ConfigInForce,
    clock: Clock,
    pipeline: Pipeline,
    *,
    file: Path | None,
    doctor: Callable[[Config], DoctorSettings],
    confirm_view: Callable[[], None] = lambda: None,
) -> Device:
    """Join what the page may see and do."""

    def now_ms() -> int:
        return round(clock.utc() * 1000)

    def is_closed() -> bool:
        hours = settings.current.config.opening_hours()
        return hours is not None and not hours.open_at(now_ms())

    return Device(
        file=file,
        current=lambda: settings.current.config,
        panel=panel,
        health=lambda: service.monitor.latest,
        connected=lambda: service.connected,
        conditions=lambda: conditions_of(settings.current.config, pipeline.provenance.model),
        doctor=lambda: doctor(settings.current.config),
        confirm_view=confirm_view,
        file_state=lambda: settings.current.file,
        waits_for_time=lambda: pipeline.progress.waits_for_time,
        now_ms=now_ms,
        is_closed=is_closed,
    )
