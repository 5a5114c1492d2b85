"""`doctor speed` where one way of looking breaks while it is measured."""

import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from edge import speed_verb
from edge.adapters.model_catalog import load_catalog
from edge.errors import ProviderError
from edge.regions import EVERYTHING

opened = speed_verb.open_detector


class Breaking:
    """The shipped model, on a provider that breaks after some pictures."""

    def __init__(self, detector, pictures, error):
        self.detector, self.left, self.error = detector, pictures, error
        self.attend = detector.attend

    def detect(self, frame):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.detector.detect(frame)


@pytest.mark.parametrize("pictures", [0, 1, 3])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ProviderError("refuses 416 × 256"), "refuses 416 × 256"),
        (Fail("[ONNXRuntimeError] : 1 : FAIL\nat line 3"), "Fail: [ONNXRuntimeError] : 1 : FAIL"),
    ],
)
def test_a_way_that_breaks_is_a_line_with_its_trouble(monkeypatch, pictures, error, said):
    def open_one(catalog, entry, provider, threads):
        detector = opened(catalog, entry, provider, threads)
        return Breaking(detector, pictures, error) if threads == 1 else detector

    monkeypatch.setattr(speed_verb, "open_detector", open_one)
    monkeypatch.setattr(speed_verb, "usable_cores", lambda: 2)
    report = speed_verb.measure_speed(
        load_catalog(), None, interest=EVERYTHING, size=(640, 360), budget_s=2.0
    )
    broken = [timing for timing in report.timings if timing.threads == 1]
    assert {(timing.wall_ms, timing.trouble) for timing in broken} == {(None, said)}
    assert any(timing.wall_ms for timing in report.timings), "the others are measured"
