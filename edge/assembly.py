"""What a config asks for, made: lines and zones, the pipe and its stages, the view watch."""

import hashlib
import json
from functools import partial
from secrets import randbits

from edge.adapters.camera_address import shown
from edge.adapters.camera_watched import WatchedView
from edge.adapters.detections_mot import MotDetections
from edge.adapters.detector_gated import GatedDetector
from edge.adapters.detectors import open_detector
from edge.adapters.model_catalog import load_catalog
from edge.adapters.view_features import masked_share
from edge.adapters.view_file import ViewFile
from edge.aggregation import Aggregator
from edge.config import Config
from edge.counting import Counter
from edge.gating import Gate, GateCounts, GateSettings
from edge.intervals import Redater
from edge.line_findings import DoctorSettings
from edge.pipeline import Pipeline, Stages
from edge.ports import Detector, Outbox
from edge.regions import Interest
from edge.timeline import Timeline
from edge.tracking import Tracker, TrackerSettings
from edge.view_verdict import ViewSettings
from edge.vocabulary import Line, Provenance, Zone
from edge.walkers import MeetingSettings
from edge.zones import ZoneCounter


def configured_lines(config: Config) -> list[Line]:
    """Return the counting lines of a config."""
    return [section.line() for section in config.lines]


def configured_zones(config: Config) -> list[Zone]:
    """Return the zones of a config."""
    return [section.zone() for section in config.zones]


def configured_interest(config: Config) -> Interest:
    """Return what of the picture has to be looked at."""
    points = [point for line in configured_lines(config) for point in line.points]
    points += [point for zone in configured_zones(config) for point in zone.polygon]
    return Interest(points, config.camera.person_height)


def doctor_settings(config: Config) -> DoctorSettings:
    """Return what the line doctor asks of people: what the counter and the camera ask."""
    counting = config.counting.settings()
    return DoctorSettings(
        anchor=counting.anchor,
        interest=configured_interest(config),
        meetings=MeetingSettings.of(counting),
    )


def build_pipeline(
    config: Config,
    outbox: Outbox,
    timeline: Timeline,
    *,
    interval_s: float,
    detections: MotDetections | None = None,
) -> Pipeline:
    """Open the model and join the stages; `detections` take the model's place.

    Raises ModelError and ProviderError.
    """
    detector: Detector
    looks: GateCounts | None = None
    if detections is None:
        catalog = load_catalog(config.model.folder)
        entry = catalog.entry(config.model.name)
        model_hash, tracking = entry.hash, TrackerSettings(sure_score=entry.sure_score)
        detector = open_detector(catalog, entry, config.model.provider, config.model.threads)
        if config.model.gate:
            detector = gated = GatedDetector(
                detector, Gate(GateSettings(sure_score=entry.sure_score))
            )
            looks = gated.counts
    else:
        detector, model_hash, tracking = detections, detections.model_hash, TrackerSettings()
    return Pipeline(
        detector=detector,
        tracker=Tracker(tracking, first_id=randbits(30)),
        stages=build_stages(config, model_hash, interval_s),
        outbox=outbox,
        timeline=timeline,
        interval_ms=round(interval_s * 1000),
        looks=looks,
    )


def build_stages(config: Config, model_hash: str, interval_s: float) -> Stages:
    """Make the stages that the drawings and rules of a config decide."""
    lines, zones, time_zone = configured_lines(config), configured_zones(config), config.time_zone()
    return Stages(
        counter=Counter(lines, config.counting.settings()),
        zones=ZoneCounter(zones, config.counting.zone_settings()),
        aggregator=partial(
            Aggregator,
            [line.id for line in lines],
            round(interval_s * 1000),
            zones=zones,
            time_zone=time_zone,
            staff=[line.id for line in lines if line.is_staff],
        ),
        provenance=Provenance(cfg=config.hash(), model=model_hash),
        redate=Redater(zones, time_zone),
        interest=configured_interest(config),
    )


def watched_view(config: Config, *, live: bool) -> WatchedView | None:
    """Return the watch over the camera's view; None when the config turns it off.

    live: a clip may show one picture for long; a camera never repeats one exactly.
    """
    if not config.camera.watch:
        return None
    settings = ViewSettings() if live else ViewSettings(frozen_s=None)
    return WatchedView(_view_file(config), settings, masked=masked_share(config.camera.masks))


def look_anew(watched: WatchedView, config: Config) -> None:
    """Tell the view watch of the masks of another config."""
    watched.look_anew(_view_file(config), masked=masked_share(config.camera.masks))


def _view_file(config: Config) -> ViewFile:
    """Return where the view of this camera with these masks is kept."""
    seen = json.dumps([shown(config.camera.source), config.camera.masks])
    return ViewFile(config.records.data_dir, hashlib.sha256(seen.encode()).hexdigest()[:12])
