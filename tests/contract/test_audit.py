"""What an auditor reads when something is wrong. The golden text is kept."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.adapters.model_catalog import load_catalog
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.cli import cli
from edge.config import load
from edge.errors import BadInputError
from edge.tally import parse_tally
from edge.tally_times import utc_ms
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

HERE = Path(__file__).parent
TALLIES = sorted(p.name for p in (HERE / "tallies").glob("*.csv") if not p.name.startswith("00"))
LINES = ["door", "side"]
T0 = utc_ms("2026-03-02T01:15:00Z")
MINUTES_15 = 900_000
CONFIG = """
device: {tenant: t, id: dev-1}
camera: {source: clip.mp4}
lines:
  - {id: door, points: [[0.5, 0.3], [0.5, 0.7]], in: right}
  - {id: side, points: [[0.2, 0.3], [0.2, 0.7]], in: right}
records: {data_dir: data}
mqtt: {host: 127.0.0.1, insecure_lab: true}
"""


def said(name):
    with pytest.raises(BadInputError) as caught:
        parse_tally(Path(name), (HERE / "tallies" / name).read_bytes(), LINES)
    return str(caught.value)


def test_every_bad_tally_is_explained_as_in_the_golden_file():
    text = "".join(f"$ lobbycount audit {name}\n{said(name)}\n\n" for name in TALLIES)
    assert text == (HERE / "golden" / "tally.txt").read_text("utf-8")


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A config and an outbox with two quiet intervals, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lobby.yaml").write_text(CONFIG, "utf-8")
    config = load(Path("lobby.yaml"))
    provenance = Provenance(config.hash(), load_catalog().entry().hash)
    outbox = SqliteOutbox(Path("data/outbox.sqlite"), "dev-1")
    for line, t0, cov, cfg in [
        ("door", T0, 1.0, provenance.cfg),
        ("door", T0 + MINUTES_15, 0.5, provenance.cfg),
        ("side", T0 + 2 * MINUTES_15, 1.0, "0" * 12),
    ]:
        outbox.append(
            [
                CountBucket(
                    line,
                    t0,
                    t0 + MINUTES_15,
                    dict.fromkeys(Outcome, 0),
                    cov,
                    None if cov == 1 else "dark",
                    TimeQuality.NTP,
                    Provenance(cfg, provenance.model),
                )
            ]
        )
    outbox.close()
    return tmp_path


def tally(*rows):
    Path("tally.csv").write_text("\n".join(["time,line,direction", *rows]) + "\n", "utf-8")


def complaint(*arguments):
    result = CliRunner().invoke(cli, ["audit", *arguments, "-c", "lobby.yaml"])
    assert isinstance(result.exception, BadInputError), result.output
    return f"$ lobbycount audit {' '.join(arguments)}\n{result.exception}\n\n"


def test_every_bad_request_is_explained_as_in_the_golden_file(device):
    text = complaint()
    text += complaint("none.csv")
    tally("2026-03-02T01:16:00Z,door,in", "2026-03-02T01:29:00Z,door,out")
    text += complaint("tally.csv", "--live")
    text += complaint("tally.csv", "--live", "--line", "door", "--from", "2026-03-02T01:15:00Z")
    text += complaint("tally.csv", "--line", "dor")
    text += complaint("tally.csv", "--line", "side")
    text += complaint("tally.csv", "--from", "09:15")
    text += complaint("tally.csv", "--from", "2026-03-02T02:00:00Z")
    text += complaint("tally.csv", "--by", " ")
    text += complaint("tally.csv", "--clip", "clip.mp4", "--from", "2026-03-02T01:15:00Z")
    text += complaint("tally.csv", "--start", "2026-03-02T01:15:00Z")
    text += complaint("tally.csv", "--clip", "clip.mp4", "--start", "9:15")
    text += complaint("tally.csv", "tally.csv", "--from", "2026-03-02T01:15:00Z")
    text += complaint("tally.csv", "tally.csv")
    text += complaint("tally.csv", "more.csv", "--live")
    # Within one interval, in an interval that was half dark, in one of another config, a day later.
    text += complaint("tally.csv")
    tally("2026-03-02T01:30:00Z,door,in", "2026-03-02T01:45:00Z,door,out")
    text += complaint("tally.csv")
    tally("2026-03-02T01:45:00Z,side,in", "2026-03-02T02:00:00Z,side,out")
    text += complaint("tally.csv")
    tally("2026-03-03T01:15:00Z,door,in", "2026-03-03T01:45:00Z,door,out")
    text += complaint("tally.csv")
    # The whole first interval was watched, but every crossing was later.
    tally("2026-03-02T01:31:00Z,door,in")
    text += complaint("tally.csv", "--from", "2026-03-02T01:15:00Z")
    assert text == (HERE / "golden" / "audit.txt").read_text("utf-8")


def test_a_tally_of_a_device_that_never_ran(device):
    Path("data/outbox.sqlite").unlink()
    tally("2026-03-02T01:16:00Z,door,in")
    assert "outbox.sqlite: there are no records; is records.data_dir" in complaint("tally.csv")


def test_live_without_a_terminal_or_a_device(device):
    assert "health.json: no health report there" in complaint("--live", "--line", "door")


def test_what_cannot_be_written_is_said_before_anything_is_played_or_counted(device):
    tally("2026-03-02T01:16:00Z,door,in")
    for file in Path("data").iterdir():
        file.unlink()
    Path("data").rmdir()
    arguments = ["audit", "tally.csv", "-c", "lobby.yaml", "--clip", "clip.mp4", "--by", "w"]
    result = CliRunner().invoke(cli, arguments)
    assert "data: the calibration record cannot be written" in str(result.exception)


def test_records_that_cannot_be_read_are_said_before_anybody_counts(device):
    Path("data/outbox.sqlite").unlink()
    assert "outbox.sqlite: there are no records" in complaint("--live", "--line", "door")


def test_excel_writes_a_mark_first_and_windows_line_ends():
    content = b"\xef\xbb\xbfTime, Line ,Direction\r\n2026-03-02T09:15:04+08:00, door ,IN\r\n"
    (mark,) = parse_tally(Path("t.csv"), content, LINES).marks
    assert (mark.at_ms, mark.line, mark.direction) == (T0 + 4000, "door", Outcome.IN)


def test_marks_come_in_the_order_of_time():
    content = (
        b"time,line,direction\n2026-03-02T02:00:00Z,side,out\n2026-03-02T09:15:00+08:00,door,in\n"
    )
    assert [m.line for m in parse_tally(Path("t.csv"), content, LINES).marks] == ["door", "side"]
