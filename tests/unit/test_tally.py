from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audit import Mark
from edge.errors import BadInputError
from edge.messages import iso_utc
from edge.tally import TallyFile, parse_tally, utc_ms
from edge.vocabulary import Outcome

IN, OUT = Outcome.IN, Outcome.OUT
T0 = utc_ms("2026-03-02T01:15:00Z")


def test_a_time_with_offset_is_the_same_moment_in_utc():
    assert utc_ms("2026-03-02T09:15:04.250+08:00") == T0 + 4250


@pytest.mark.parametrize(
    "text", ["", "2026-03-02", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_no_time_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"e\.g\. 2026-03-02T09:15:04\+08:00"):
        utc_ms(text)


def test_every_key_is_in_the_file_at_once(tmp_path):
    path, times = tmp_path / "t.csv", iter([T0, T0 + 1500])
    with TallyFile(path, lambda: next(times)) as tally:
        assert path.read_text() == "time,line,direction\n"
        tally.add("door", IN)
        assert path.read_text() == "time,line,direction\n2026-03-02T01:15:00Z,door,in\n"
        tally.add("door", OUT)
        assert path.read_text().endswith("2026-03-02T01:15:01.500Z,door,out\n")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["in", "out", "undo"]), max_size=30))
def test_the_file_is_always_what_was_pressed_and_not_undone(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("tally") / "t.csv"
    expected = []
    with TallyFile(path, lambda: T0 + len(expected)) as tally:
        for key in keys:
            if key == "undo":
                assert tally.undo() == (expected.pop() if expected else None)
            else:
                mark = Mark(T0 + len(expected), "door", Outcome(key))
                assert tally.add("door", Outcome(key)) == mark
                expected.append(mark)
            lines = [f"{iso_utc(m.at_ms)},{m.line},{m.direction}" for m in expected]
            assert path.read_text().splitlines() == ["time,line,direction", *lines]
            assert tally.marks == expected
    if expected:
        assert parse_tally(path, path.read_bytes(), ["door"]) == expected


def test_a_tally_is_never_written_over(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("precious")
    with pytest.raises(BadInputError, match=r"t\.csv: is there already and may hold a tally"):
        TallyFile(path, lambda: T0)
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(BadInputError, match=r"cannot be written \(No such file or directory\)"):
        TallyFile(tmp_path / "no" / "t.csv", lambda: T0)


def test_a_full_disk_is_said_and_leaves_no_half_line():
    with pytest.raises(BadInputError, match=r"No space left on device.*holds 0 crossings"):
        _on_full_disk()


def _on_full_disk():
    # /dev/full exists, so it can only be reached past the check for a file that is there.
    tally = object.__new__(TallyFile)
    tally.path, tally.marks, tally._ends = Path("/dev/full"), [], []
    with tally.path.open("wb", buffering=0) as tally._file:
        tally._append("x")
