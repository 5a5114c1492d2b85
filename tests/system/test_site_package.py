"""A device moves to another board: packed, taken over, run, and nobody is counted twice."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
import zipfile
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import cv2
import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from edge.adapters import outbox_handover, retirement, site_package
from edge.adapters.device_key import open_key
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.adapters.site_package import opened
from edge.cli import cli
from edge.errors import OutboxError, SitePackageError
from edge.messages import counts_message
from edge.months import month_of
from edge.privacy_files import unknown_files
from edge.records import parse_counts
from edge.site_handover import export_site, import_site
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality
from evaluation import reports, verbs
from evaluation.database import Database
from evaluation.ingest import read
from evaluation.store import Store

CLIP = Path("tests/data/vtest.mp4")
MONTH = month_of("2026-11")
QUARTER_MS = 900_000
PASSPHRASE = "correct horse battery"
DELIVERED, ALL = 4, 10


def bucket(index, entered=2):
    t0_ms = MONTH.t0_ms + index * QUARTER_MS
    return CountBucket(
        "door", t0_ms, t0_ms + QUARTER_MS, {Outcome.IN: entered, Outcome.OUT: 1}, 1.0, None,
        TimeQuality.NTP, Provenance("c", "m"),
    )  # fmt: skip


def lobbycount(*arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        input=stdin, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def here(*arguments, stdin=""):
    """Run a verb in this process, which has all modules loaded already."""
    return CliRunner().invoke(cli, [*map(str, arguments)], input=stdin)


def write_config(folder, port=1):
    path = folder / "etc/lobby.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "device: {tenant: t, id: dev-1, name: 大厅, clock: rtc}   # 注释\n"
        f"camera: {{source: {folder}/clip.mp4, fps: 10}}\n"
        "lines: [{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}]\n"
        f"records: {{data_dir: {folder}/var}}\n"
        f"mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true, username: dev-1,"
        " password_file: mqtt.password}\n",
        "utf-8",
    )
    (path.parent / "mqtt.password").write_text("secret-of-the-broker")
    return path


@pytest.fixture
def board(tmp_path):
    """A board with a history of ten intervals, of which four have been delivered."""
    folder = tmp_path / "board"
    path = write_config(folder)
    (folder / "var").mkdir()
    open_key(folder / "var")
    (folder / "var/calibration-door.json").write_text('{"line": "door"}')
    (folder / "var/acknowledgement.json").write_text('{"by": "somebody"}')
    with closing(SqliteOutbox(folder / "var/outbox.sqlite", "dev-1")) as outbox:
        outbox.append([bucket(index) for index in range(ALL)])
        outbox.retire(outbox.stream, DELIVERED)
        outbox.wait([bucket(50)], boot="boot", guess_ms=7)
    return path


def moved_away(path):
    """Leave an empty board with the same paths; return where the old one is."""
    old = path.parents[1].with_name("old")
    path.parents[1].rename(old)
    path.parents[1].mkdir()
    return old


def rows_of(folder):
    handed = outbox_handover.read_handover(folder / "outbox.sqlite", "dev-1")
    return {(row.stream, row.seq): (row.retired_ms, row.body) for row in handed.rows}


def test_what_is_packed_is_what_is_taken_over(board, tmp_path):
    out = tmp_path / "site.zip"
    before = rows_of(board.parents[1] / "var")
    done = lobbycount("site", "export", "-c", board, "--out", out, stdin=f"{PASSPHRASE}\n")
    assert done.returncode == 0, done.stderr
    assert f"{ALL} record(s), {ALL - DELIVERED} still to be sent" in done.stdout
    assert out.stat().st_size <= 1_000_000
    assert out.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(out) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    key = (board.parents[1] / "var/device.key").read_bytes()
    for secret in (b"secret-of-the-broker", key.splitlines()[1], PASSPHRASE.encode(), b"127.0.0.1"):
        assert secret not in everything
    old = moved_away(board)
    done = here("site", "import", out, "-c", board, stdin=f"{PASSPHRASE}\n")
    assert done.exit_code == 0, done.output
    new = board.parents[1]
    for name in ("etc/lobby.yaml", "etc/mqtt.password", "var/device.key",
                 "var/calibration-door.json", "var/acknowledgement.json"):  # fmt: skip
        assert (new / name).read_bytes() == (old / name).read_bytes(), name
    assert (new / "var/device.key").stat().st_mode & 0o777 == 0o600
    assert rows_of(new / "var") == before
    with closing(SqliteOutbox(new / "var/outbox.sqlite", "dev-1")) as outbox:
        assert outbox.stream not in {stream for stream, _ in before}
        assert outbox.trouble is None
        (waiting,) = outbox.waiting()
        assert (waiting.bucket, waiting.boot, waiting.guess_ms) == (bucket(50), "boot", 7)
    for folder in (old / "var", new / "var"):
        assert unknown_files(path.name for path in folder.iterdir()) == []
    again = here("site", "import", out, "-c", board, stdin=f"{PASSPHRASE}\n")
    assert isinstance(again.exception, OutboxError)
    assert "has taken the package already" in str(again.exception)


def test_the_old_board_does_not_run_until_it_is_told_to(board, tmp_path):
    shutil.copy(CLIP, board.parents[1] / "clip.mp4")
    export_site(board, tmp_path / "site.zip", PASSPHRASE)
    run = lobbycount("run", "-c", board)
    assert run.returncode == 1
    assert "was handed over" in run.stderr
    with pytest.raises(OutboxError, match="was handed over"):
        export_site(board, tmp_path / "second.zip", PASSPHRASE)
    assert here("site", "unretire", "-c", board).exit_code == 0
    retirement.refuse_retired(board.parents[1] / "var")


def short_clip(path):
    capture = cv2.VideoCapture(str(CLIP))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (768, 576))
    for _ in range(15):
        writer.write(capture.read()[1])
    writer.release()
    capture.release()


def sums_of_old_stream(url):
    with create_engine(url).connect() as db:
        query = (
            "SELECT dev, stream, count(*), sum(count_in), sum(count_out) FROM records GROUP BY 1, 2"
        )
        found = [tuple(row) for row in db.execute(text(query))]
    db.engine.dispose()
    return found


@pytest.mark.skipif(not available_kinds(), reason="needs an MQTT broker")
def test_the_new_board_sends_what_the_old_one_had_not_and_the_month_is_right(
    board, tmp_path, open_inbox
):
    rows = rows_of(board.parents[1] / "var")
    (stream,) = {key[0] for key in rows}
    url = f"sqlite:///{tmp_path}/records.db"
    with LabBroker() as broker, closing(Database(url)) as database:
        database.prepare()
        store = Store(database)
        # The backend has six: of two the old board has not heard it.
        with closing(SqliteOutbox(board.parents[1] / "var/outbox.sqlite", "dev-1")) as outbox:
            outbox.commit(stream, 0)
            sent = counts_message("t", "dev-1", stream, outbox.pending(6))
            outbox.retire(stream, DELIVERED)
        store.commit([read(sent.topic, sent.payload)], 7)
        write_config(board.parents[1], broker.port)
        export_site(board, tmp_path / "site.zip", PASSPHRASE)
        moved_away(board)
        import_site(tmp_path / "site.zip", board, PASSPHRASE)
        short_clip(board.parents[1] / "clip.mp4")
        inbox = open_inbox(broker.port)
        run = lobbycount("run", "-c", board)
        assert run.returncode == 0, run.stderr
        inbox.wait_on("status", b'"offline"')
        messages = inbox.on("counts")
        got = [record for m in messages for record in parse_counts(m.payload)]
        keys = [(record.stream, record.seq) for record in got]
        assert len(keys) == len(set(keys))
        assert sorted(seq for of, seq in keys if of == stream) == [*range(DELIVERED + 1, ALL + 1)]
        assert any(of != stream for of, _ in keys)
        store.commit([read(m.topic, m.payload) for m in messages], 8)
    found = {of: rest for _, of, *rest in sums_of_old_stream(url)}
    assert found[stream] == [ALL, 2 * ALL, ALL]
    assert len(found) == 2
    month = tmp_path / "month"
    assert here("export", "2026-11", "-c", board, "--out", month).exit_code == 0
    shown = json.loads(here("verify", "2026-11", month, "--json").stdout)
    assert shown["verdict"] == "intact"
    (old,) = [each for each in shown["streams"] if each["stream"] == stream]
    assert old["sums"] == [{"line": "door", "records": ALL, "unseen": 0, "in": 20, "out": 10}]


@contextmanager
def receiving(port, url):
    """`evaluation receive` as a process of its own, once it has subscribed."""
    command = [sys.executable, "-m", "evaluation", "receive", "--insecure-lab"]
    command += ["--broker", f"mqtt://127.0.0.1:{port}", "--database", url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any('"receiving"' in line for line in process.stderr)
            yield process
        finally:
            process.terminate()


def imports_in(url):
    """Return how many streams a backend has been told to go on from a package."""
    with create_engine(url).connect() as db:
        found = db.execute(text("SELECT count(*) FROM continued")).scalar_one()
    db.engine.dispose()
    return found


def wait_until(condition, limit_s=30.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not available_kinds(), reason="needs an MQTT broker")
def test_a_package_on_two_boards_is_told_and_nothing_is_dropped(board, tmp_path):
    url = f"sqlite:///{tmp_path}/records.db"
    streams = []
    with LabBroker() as broker, receiving(broker.port, url) as receiver:
        write_config(board.parents[1], broker.port)
        export_site(board, tmp_path / "site.zip", PASSPHRASE)
        for _ in ("this board", "and that one"):
            board.parents[1].rename(tmp_path / f"board-{len(streams)}")
            import_site(tmp_path / "site.zip", board, PASSPHRASE)
            streams.append(outbox_handover.stream_of(board.parents[1] / "var/outbox.sqlite"))
            short_clip(board.parents[1] / "clip.mp4")
            run = lobbycount("run", "-c", board)
            assert run.returncode == 0, run.stderr
        wait_until(lambda: imports_in(url) == 2)
        receiver.terminate()
        log = receiver.stderr.readlines()
    (told,) = [line for line in log if "a site package is on two boards" in line]
    assert [stream for stream in streams if stream not in told] == []
    month = f"{datetime.now(UTC):%Y-%m}"
    with closing(Database(url)) as database:
        (package,) = reports.sums(database, reports.period(month, UTC)).shared
    assert package.streams == tuple(sorted(streams))
    shown = CliRunner().invoke(verbs.cli, ["sums", month, "--database", url]).output
    assert package.told in shown
    assert "2 次" in shown
    with create_engine(url).connect() as db:
        found = db.execute(text("SELECT DISTINCT stream FROM records")).scalars().all()
    db.engine.dispose()
    assert set(streams) <= set(found)


def test_a_cut_during_the_import_is_followed_by_another_import(board, tmp_path, monkeypatch):
    monkeypatch.setitem(site_package._SCRYPT, "n", 2**10)  # sixty times
    before = rows_of(board.parents[1] / "var")
    export_site(board, tmp_path / "site.zip", PASSPHRASE)
    moved_away(board)

    class CutError(BaseException):
        pass

    real = os.fsync
    for steps in range(1, 60, 2):
        shutil.rmtree(board.parents[1], ignore_errors=True)
        left = [steps]

        def fsync(handle, left=left):
            left[0] -= 1
            if left[0] <= 0:
                raise CutError
            real(handle)

        try:
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", fsync)
                import_site(tmp_path / "site.zip", board, PASSPHRASE)
            break
        except CutError:
            pass
        if retirement.was_begun(board.parents[1] / "var"):
            with pytest.raises(OutboxError, match="was cut short"):
                retirement.refuse_retired(board.parents[1] / "var")
        import_site(tmp_path / "site.zip", board, PASSPHRASE)
        assert rows_of(board.parents[1] / "var") == before
        retirement.refuse_retired(board.parents[1] / "var")
    assert 5 < steps < 59


def changed(path, name, change):
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    parts[name] = change(parts[name])
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)


def with_header(**more):
    return lambda content: json.dumps({**json.loads(content), **more}).encode()


def flipped(content):
    return content[:99] + bytes([content[99] ^ 1]) + content[100:]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda p: changed(p, "lobbycount-site.json", with_header(format=2)), "is of version 2"),
        (lambda p: changed(p, "contents.sealed", flipped), "is damaged"),
        (lambda p: changed(p, "lobbycount-site.json", with_header(dev="other")), "changed the"),
        (lambda p: changed(p, "lobbycount-site.json", lambda _: b"[]"), "is no site package"),
        (lambda p: p.write_bytes(p.read_bytes()[:-300]), "is no site package"),
        (lambda p: p.write_bytes(b"x" * 3_000_000), "too large"),
        (lambda p: p.unlink(), "cannot be read"),
    ],
)
def test_a_package_that_is_not_right_is_refused(board, tmp_path, spoil, told):
    out = tmp_path / "site.zip"
    export_site(board, out, PASSPHRASE)
    spoil(out)
    moved_away(board)
    with pytest.raises(SitePackageError, match=told):
        import_site(out, board, PASSPHRASE)
    assert list(board.parents[1].iterdir()) == []


def test_a_wrong_passphrase_is_told_and_a_short_one_not_taken(board, tmp_path):
    out = tmp_path / "site.zip"
    with pytest.raises(SitePackageError, match="10 letters"):
        export_site(board, out, "short")
    assert not out.exists()
    export_site(board, out, PASSPHRASE)
    with pytest.raises(SitePackageError, match="passphrase is wrong"):
        opened(out, "another passphrase")


def test_a_board_with_records_of_its_own_is_left_alone(board, tmp_path):
    out = tmp_path / "site.zip"
    export_site(board, out, PASSPHRASE)
    before = {path: path.read_bytes() for path in board.parents[1].rglob("*") if path.is_file()}
    with pytest.raises(OutboxError, match="records or a key of its own"):
        import_site(out, board, PASSPHRASE)
    assert {p: p.read_bytes() for p in board.parents[1].rglob("*") if p.is_file()} == before


def test_the_oldest_delivered_records_stay_behind_where_there_is_no_room(
    board, tmp_path, monkeypatch
):
    numbers = random.Random(1)
    with closing(SqliteOutbox(board.parents[1] / "var/outbox.sqlite", "dev-1")) as outbox:
        for day in range(1, 5):
            outbox.append([bucket(100 * day + n, numbers.randrange(99)) for n in range(96)])
        outbox.retire(outbox.stream, ALL + 3 * 96)
    monkeypatch.setattr("edge.site_handover.LARGEST_BYTES", 20_000)
    before = rows_of(board.parents[1] / "var")
    out = tmp_path / "site.zip"
    moved = export_site(board, out, PASSPHRASE)
    assert moved.pending == 96
    assert 0 < moved.left_out < ALL + 3 * 96
    assert out.stat().st_size <= 20_000
    moved_away(board)
    assert import_site(out, board, PASSPHRASE).left_out == moved.left_out
    after = rows_of(board.parents[1] / "var")
    assert len(after) == len(before) - moved.left_out
    assert sorted(after) == sorted(before)[moved.left_out :]
