from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audit import Mark, Watch
from edge.errors import BadInputError
from edge.sealing import iso_utc
from edge.tally import parse_tally
from edge.tally_file import TallyFile
from edge.tally_times import is_local, utc_ms
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


SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    "text",
    ["2026-03-02T09:15:04", "2026-03-02 09:15:04", "2026/3/2 9:15:04", " 2026/03/02 09:15:04 "],
)
def test_a_time_without_offset_is_on_the_local_clock(text):
    assert utc_ms(text, SHANGHAI) == T0 + 4000
    assert is_local(text)
    with pytest.raises(ValueError, match="has no time zone; add the offset"):
        utc_ms(text)


def test_an_offset_goes_before_the_local_clock():
    assert utc_ms("2026-03-02T02:15:04+01:00", SHANGHAI) == T0 + 4000
    assert not is_local("2026-03-02T02:15:04+01:00")


@pytest.mark.parametrize("text", ["2026-10-25T02:30:00", "2026-03-29T02:30:00"])
def test_an_hour_that_is_there_twice_or_never_is_refused(text):
    with pytest.raises(ValueError, match="there twice or not at all"):
        utc_ms(text, ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize("text", ["2026/3/2 9:15", "2026-03-02T09:15+08:00", "2026-03-02 09:15"])
def test_a_crossing_needs_its_seconds(text):
    assert utc_ms(text, SHANGHAI) == T0
    with pytest.raises(ValueError, match="has no seconds"):
        utc_ms(text, SHANGHAI, to_the_second=True)


def parsed(text, lines=("door", "side"), local=SHANGHAI):
    content = text if isinstance(text, bytes) else text.encode()
    return parse_tally(Path("t.csv"), content, lines, local)


CHINESE = (
    "时间{0}计数线{0}方向{0}备注\r\n"
    "2026/3/2 9:15:04{0}door{0}进{0}大人\r\n"
    "2026/3/2 9:15:09{0}door{0}出{0}\r\n"
)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_what_spreadsheets_in_china_save_is_read(separator, encoding):
    tally = parsed(CHINESE.format(separator).encode(encoding))
    assert tally.marks == [Mark(T0 + 4000, "door", IN), Mark(T0 + 9000, "door", OUT)]
    assert tally.watches == [Watch("door", T0 + 4000, T0 + 9000)]
    assert tally.local


def test_watches_that_were_cut_off_or_interrupted_stay_apart():
    tally = parsed(
        "time,line,direction\n"
        "2026-03-02T01:15:00Z,door,begin\n"
        "2026-03-02T01:15:04Z,door,in\n"
        "2026-03-02T02:00:00Z,door,begin\n"
        "2026-03-02T03:00:00Z,door,end\n"
        "2026-03-02T03:00:00Z,side,in\n"
        "2026-03-03T00:00:00+08:00,door,begin\n"  # across midnight, of local time and of UTC
        "2026-03-03T00:00:00Z,door,out\n"
    )
    day = utc_ms("2026-03-02T00:00:00Z")
    hour = 3_600_000
    assert tally.watches == [
        Watch("door", T0, T0 + 4000),
        Watch("door", day + 2 * hour, day + 3 * hour),
        Watch("door", day + 16 * hour, day + 24 * hour),
        Watch("side", T0, day + 24 * hour),
    ]
    assert not tally.local


def test_a_line_may_be_watched_while_nobody_passes():
    tally = parsed(
        "time,line,direction\n2026-03-02T01:15:00Z,door,开始\n2026-03-02T01:30:00Z,door,结束\n"
    )
    assert (tally.marks, tally.watches) == ([], [Watch("door", T0, T0 + 900_000)])


def test_every_key_is_in_the_file_at_once(tmp_path):
    path, times = tmp_path / "t.csv", iter([T0 - 500, T0, T0 + 1500, T0 + 9000])
    with TallyFile(path, "door", lambda: next(times)) as tally:
        head = "time,line,direction\n2026-03-02T01:14:59.500Z,door,begin\n"
        assert path.read_text() == head
        tally.add(IN)
        assert path.read_text() == head + "2026-03-02T01:15:00Z,door,in\n"
        tally.add(OUT)
        assert path.read_text().endswith("2026-03-02T01:15:01.500Z,door,out\n")
        cut_off = parse_tally(path, path.read_bytes(), ["door"])
        assert cut_off.watches == [Watch("door", T0 - 500, T0 + 1500)]
        tally.end()
    ended = parse_tally(path, path.read_bytes(), ["door"])
    assert ended.watches == [Watch("door", T0 - 500, T0 + 9000)]
    assert ended.marks == cut_off.marks == [Mark(T0, "door", IN), Mark(T0 + 1500, "door", OUT)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["in", "out", "undo"]), max_size=30))
def test_the_file_is_always_what_was_pressed_and_not_undone(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("tally") / "t.csv"
    head = ["time,line,direction", "2026-03-02T01:15:00Z,door,begin"]
    expected = []
    with TallyFile(path, "door", lambda: T0 + len(expected)) as tally:
        for key in keys:
            if key == "undo":
                assert tally.undo() == (expected.pop() if expected else None)
            else:
                mark = Mark(T0 + len(expected), "door", Outcome(key))
                assert tally.add(Outcome(key)) == mark
                expected.append(mark)
            lines = [f"{iso_utc(m.at_ms)},{m.line},{m.direction}" for m in expected]
            assert path.read_text().splitlines() == [*head, *lines]
            assert tally.marks == expected
    assert parse_tally(path, path.read_bytes(), ["door"]).marks == expected


def test_a_tally_is_never_written_over(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("precious")
    with pytest.raises(BadInputError, match=r"t\.csv: is there already and may hold a tally"):
        TallyFile(path, "door", lambda: T0)
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(BadInputError, match=r"cannot be written \(No such file or directory\)"):
        TallyFile(tmp_path / "no" / "t.csv", "door", lambda: T0)


def test_a_full_disk_is_said_and_leaves_no_half_line():
    with pytest.raises(BadInputError, match=r"No space left on device.*holds 0 crossings"):
        _on_full_disk()


def _on_full_disk():
    # /dev/full exists, so it can only be reached past the check for a file that is there.
    tally = object.__new__(TallyFile)
    tally.path, tally.marks, tally._ends = Path("/dev/full"), [], []
    with tally.path.open("wb", buffering=0) as tally._file:
        tally._append("x")
