"""The service between two pictures: configs that come and go while people walk."""

import json
from functools import partial

import numpy as np
import pytest

from edge.assembly import build_stages
from edge.audit import Mode, Row, judge
from edge.audit_request import AuditRequest
from edge.audit_verb import audit
from edge.calibration import calibration_record, write
from edge.config import Config
from edge.config_in_force import ConfigInForce
from edge.config_remote import merged
from edge.errors import BadInputError
from edge.pipeline import Pipeline
from edge.rehearsal import rehearse
from edge.service import Service, conditions_of
from edge.shadow import Desired
from edge.shadow_messages import desired_message
from edge.testing import ManualClock, MemoryOutbox, ScriptedDetector
from edge.timeline import PLAUSIBLE_FROM_S, Timeline
from edge.tracking import Tracker
from edge.vocabulary import Detections, Frame, Outcome, Pace

PICTURE = np.zeros((90, 160, 3), np.uint8)
INTERVAL_S = 900.0
LOWER = {"lines": [{"id": "door", "points": [[0.2, 0.7], [0.8, 0.7]], "in": "down"}]}


def person(y):
    return Detections(
        np.array([[0.48, y - 0.2, 0.52, y]], np.float32), np.array([0.9], np.float32), 160 / 90
    )


# Somebody walks in from 0.3 to 0.9 of the height: over 0.5, where the file's line is, and 0.7.
WALK = [person(0.3 + 0.01 * k) for k in range(61)]


class NoSource:
    dropped = 0
    pace = Pace(8.0, 8.0)


class Bench:
    """A service on a clock that stands still; nobody listens at its broker's port."""

    def __init__(self, folder, script=WALK, spoil=lambda stages: stages):
        self.config = Config.model_validate(
            {
                "device": {"tenant": "t", "id": "d"},
                "camera": {"source": "/dev/video0"},
                "lines": [{"id": "door", "points": [[0.2, 0.5], [0.8, 0.5]], "in": "down"}],
                "records": {"data_dir": folder},
                "mqtt": {"host": "127.0.0.1", "port": 1, "insecure_lab": True},
            }
        )
        self.clock = ManualClock(PLAUSIBLE_FROM_S)
        self.outbox = MemoryOutbox("d")
        stages_of = partial(build_stages, model_hash="m", interval_s=INTERVAL_S)
        self.settings = ConfigInForce(self.config, lambda c: rehearse(stages_of(c), "d"))
        self.pipeline = Pipeline(
            detector=ScriptedDetector(script),
            tracker=Tracker(),
            stages=stages_of(self.settings.current.config),
            outbox=self.outbox,
            timeline=Timeline(self.clock),
            interval_ms=round(INTERVAL_S * 1000),
        )
        self.service = Service(
            self.settings,
            self.clock,
            self.pipeline,
            self.outbox,
            NoSource(),
            stages_of=lambda config: spoil(stages_of(config)),
            interval_s=INTERVAL_S,
            hang_s=None,
        )

    def run(self, wishes, count=61, step_s=0.1):
        """Run; wishes: documents by the number of the picture before which they come."""

        def items():
            for k in range(count):
                if k in wishes:
                    self.service._heard.append(desired_message("t", "d", wishes[k]).payload)
                self.clock.advance(step_s)
                yield Frame(self.clock.monotonic(), k, PICTURE)

        self.service.run(items())
        return [json.loads(r.body) for r in self.outbox.pending(100)]

    def state(self):
        report = self.settings.current.report
        return report.state, report.rev


def raising(stages, *, at=0, method="update"):
    """Spoil a counter: after some steps it raises."""
    steps, original = [0], getattr(stages.counter, method)

    def spoilt(argument):
        steps[0] += 1
        if steps[0] > at:
            raise ZeroDivisionError
        return original(argument)

    setattr(stages.counter, method, spoilt)
    return stages


def test_the_interval_is_split_where_a_line_moves_and_both_lines_count(tmp_path):
    bench = Bench(tmp_path)
    first, second = bench.run({30: Desired("1", LOWER)})
    assert bench.state() == ("file", None)  # stopped in order before it was proven
    assert (first["cfg"], second["cfg"]) == (
        bench.config.hash(),
        merged(bench.config, LOWER).hash(),
    )
    assert first["t1"] == second["t0"] == "2026-01-01T00:00:03.100Z"
    assert (first["in"], second["in"]) == (1, 1)


def test_a_calibration_ends_with_the_config_it_was_made_for_and_comes_back_with_it(tmp_path):
    bench = Bench(tmp_path)
    judgement = judge([Row("door", Outcome.IN, 100, 99, 1, 0)])
    record = calibration_record(
        conditions_of(bench.config, "m"),
        judgement,
        mode=Mode.EVENTS,
        line="door",
        audited_ms=(0, 1),
        by="王芳",
        evidence={},
        now_ms=round(PLAUSIBLE_FROM_S * 1000),
        valid_days=1,
    )
    write(tmp_path, record)
    bench.service._calibrate()
    records = bench.run({20: Desired("1", LOWER), 40: None})
    assert [r["cal"] for r in records] == [record["hash"], None, record["hash"]]
    assert bench.service._born().cal == record["hash"]


def test_stages_that_raise_on_probation_are_replaced_and_nobody_is_lost(tmp_path):
    wished = merged(Bench(tmp_path).config, LOWER).hash()

    def spoil(stages):
        return raising(stages, at=5) if stages.provenance.cfg == wished else stages

    bench = Bench(tmp_path, spoil=spoil)
    first, trial, last = bench.run({30: Desired("1", LOWER)})
    assert bench.state() == ("rolled_back", "1")
    assert [r["cfg"] for r in (first, trial, last)] == [
        bench.config.hash(),
        wished,
        bench.config.hash(),
    ]
    assert (first["t1"], trial["t1"]) == (trial["t0"], last["t0"])
    assert bench.pipeline.progress.frames == 61


def test_stages_that_cannot_even_end_or_begin_are_replaced_too(tmp_path):
    wished = merged(Bench(tmp_path).config, LOWER).hash()
    for method, at in (("finish", 0), ("update", 0)):

        def spoil(stages, method=method, at=at):
            spoilt = stages.provenance.cfg == wished
            return raising(stages, at=at, method=method) if spoilt else stages

        bench = Bench(tmp_path, spoil=spoil)
        records = bench.run({30: Desired(f"{method}", LOWER)})
        assert bench.state() == ("rolled_back", method)
        assert records[-1]["t1"] >= "2026-01-01T00:00:06"


def test_an_old_counter_that_cannot_end_does_not_stop_the_service(tmp_path):
    bench = Bench(tmp_path)
    bench.pipeline._counter.finish = None
    records = bench.run({30: Desired("1", LOWER)})
    assert bench.state() == ("rolled_back", "1")
    assert [r["cfg"] for r in records] == [bench.config.hash()] * 2


def test_what_raises_outside_a_probation_still_ends_the_service(tmp_path):
    bench = Bench(tmp_path)
    raising(type("Stages", (), {"counter": bench.pipeline._counter}), at=20)
    with pytest.raises(ZeroDivisionError):
        bench.run({})


def test_only_the_last_of_several_wishes_between_two_pictures_counts(tmp_path):
    bench = Bench(tmp_path)
    bench.service._heard.append(desired_message("t", "d", Desired("1", LOWER)).payload)
    records = bench.run({0: Desired("2", {})})
    assert bench.state() == ("applied", "2")
    assert len(records) == 1


def test_a_name_is_changed_without_a_cut(tmp_path):
    bench = Bench(tmp_path)
    records = bench.run({30: Desired("1", {"device": {"name": "大厅"}})})
    assert (len(records), bench.state()) == (1, ("applied", "1"))
    assert bench.settings.current.config.device.name == "大厅"


def test_a_trial_is_passed_while_pictures_flow(tmp_path):
    bench = Bench(tmp_path)
    bench.run({1: Desired("1", LOWER)}, count=70, step_s=1.0)
    assert bench.state() == ("applied", "1")
    assert bench.service.monitor._report(bench.service._station.relay.state).config_over_mqtt == "1"


def test_an_audit_is_about_the_lines_in_force(tmp_path):
    bench = Bench(tmp_path)
    side = [{"id": "side", "points": [[0.2, 0.7], [0.8, 0.7]], "in": "down"}]
    bench.run({1: Desired("1", {"lines": side})}, count=70, step_s=1.0)
    request = AuditRequest(tallies=[tmp_path / "none.csv"], lines=["side"], since="x", until="y")
    with pytest.raises(BadInputError, match=r"none\.csv"):
        audit(bench.config, request, lambda *_: None)
    lines = AuditRequest(tallies=[tmp_path / "none.csv"], lines=["door"])
    with pytest.raises(BadInputError, match="'door'"):
        audit(bench.config, lines, lambda *_: None)
