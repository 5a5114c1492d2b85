"""One suite for the store on SQLite and on PostgreSQL."""

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine, text

from edge.errors import BadInputError
from edge.messages import counts_message
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, CoverageReason, Outcome, Provenance, TimeQuality
from evaluation import reports
from evaluation.database import Database
from evaluation.errors import StoreError
from evaluation.ingest import read
from evaluation.store import Store
from evaluation.watermark import Watermark

GOLDEN = Path("tests/contract/golden")
STREAM = "0123456789abcdef"
PACKAGE = "00aa00bb00cc00dd"
MINUTES_15 = 900_000
JANUARY = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def bucket(t0_ms, entered):
    """A quarter of an hour; None is one that nobody watched."""
    watched = entered is not None
    return CountBucket(
        "door",
        t0_ms,
        t0_ms + MINUTES_15,
        {Outcome.IN: entered, Outcome.OUT: 1} if watched else None,
        1.0 if watched else 0.0,
        None if watched else CoverageReason.DARK,
        TimeQuality.NTP,
        Provenance("c", "m"),
    )


def outbox(dev="d1", stream=STREAM, counts=(1, 2, 3, 4, 5), start_ms=JANUARY):
    """A device's sealed records, one after the other."""
    box = MemoryOutbox(dev, stream)
    box.append([bucket(start_ms + n * MINUTES_15, each) for n, each in enumerate(counts)])
    return box


def message(box, numbers, dev="d1", tenant="t"):
    records = [r for r in box.pending(9999) if r.seq in set(numbers)]
    sent = counts_message(tenant, dev, box.stream, records)
    return sent.topic, sent.payload


def edited(topic, payload, **changes):
    """The message with its last record changed, in the device's own way of writing."""
    value = json.loads(payload)
    value["records"][-1] |= changes
    return topic, json.dumps(value).encode()


@pytest.fixture
def database(database_url):
    with closing(Database(database_url)) as db:
        db.prepare()
        yield db


@pytest.fixture
def store(database):
    return Store(database)


@pytest.fixture
def rows(database_url, database):
    """Plain SQL, sharing no code with the product."""
    url = database_url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url)

    def ask(query):
        with engine.begin() as connection:
            result = connection.execute(text(query))
            return [tuple(row) for row in result] if result.returns_rows else []

    yield ask
    engine.dispose()


def commit(store, *messages, at_ms=7):
    return store.commit([read(*each) for each in messages], at_ms)


def watermark(store, dev="d1", stream=STREAM):
    return store.state(dev, stream).watermark


@pytest.mark.parametrize("name", ["counts-1.0", "counts-1.1", "counts-zones-1.1"])
def test_golden_records_are_stored_to_the_byte(store, rows, name):
    payload = (GOLDEN / f"{name}.json").read_bytes()
    sent = json.loads(payload)
    done = commit(store, ("pc/v1/t/lobby-0a1b/counts", payload))
    assert done.new_records == len(sent["records"])
    bodies = [body for (body,) in rows("SELECT body FROM records ORDER BY seq")]
    assert [json.loads(body) for body in bodies] == sent["records"]
    assert ",".join(bodies).encode() in payload
    columns = "seq, line, zone, count_in, count_out, presence_ms, arrivals, cov, chain, tenant"
    for raw, row in zip(sent["records"], rows(f"SELECT {columns} FROM records"), strict=True):
        presence = raw.get("presence_s")
        expected = (raw["seq"], raw.get("line"), raw.get("zone"), raw.get("in"), raw.get("out"))
        expected += (None if presence is None else round(presence * 1000), raw.get("arrivals"))
        assert row == (*expected, raw["cov"], raw["chain"], "t")


def test_an_interval_nobody_watched_is_null_and_not_zero(store, rows):
    box = outbox(counts=(0, None))
    commit(store, message(box, {1, 2}))
    assert rows("SELECT count_in, cov_reason FROM records ORDER BY seq") == [
        (0, None),
        (None, "dark"),
    ]


def test_the_watermark_follows_in_any_order_and_over_restarts(store, database):
    box = outbox(counts=range(9))
    commit(store, message(box, {2}), message(box, {5, 6}))
    assert watermark(store) == Watermark(0, ((2, 2), (5, 6)))
    store = Store(database)
    done = commit(store, message(box, {1, 9}))
    assert watermark(store) == Watermark(2, ((5, 6), (9, 9)))
    assert [(s.tenant, s.dev, s.stream, s.watermark) for s in done.streams] == [
        ("t", "d1", STREAM, watermark(store))
    ]
    commit(store, message(box, {3, 4}), message(box, {7, 8}))
    assert watermark(store) == Watermark(9)
    assert store.recount("d1", STREAM).watermark == Watermark(9)


def test_a_repetition_changes_nothing_and_is_acked_again(store, rows):
    box = outbox()
    commit(store, message(box, {1, 2, 3}), at_ms=1)
    before = rows("SELECT * FROM records ORDER BY seq")
    done = commit(store, message(box, {2, 3}), message(box, {2}), at_ms=2)
    assert (done.new_records, done.repeated, done.rejects) == (0, 3, ())
    assert done.streams[0].watermark == Watermark(3)
    assert rows("SELECT * FROM records ORDER BY seq") == before
    assert rows("SELECT count(*) FROM rejected") == [(0,)]


def test_the_same_number_with_another_text_of_its_time_is_kept_aside_and_acked(store, rows):
    one, other = outbox(counts=(1, 2)), outbox(counts=(1, 7))
    commit(store, message(one, {2}))
    done = commit(store, message(other, {1, 2}))
    assert [reason for _, reason in done.rejects] == [
        f"record 2 of stream {STREAM} is stored already with another text"
    ]
    assert done.streams[0].watermark == Watermark(2)
    assert rows("SELECT seq, count_in FROM records ORDER BY seq") == [(1, 1), (2, 2)]
    [(raw, seq)] = rows("SELECT raw, seq FROM rejected")
    assert (json.loads(bytes(raw))["in"], seq) == (7, 2)
    commit(store, message(other, {2}))
    assert rows("SELECT count(*) FROM rejected") == [(1,)]


def test_two_texts_of_one_number_in_one_batch_are_both_kept(store, rows):
    done = commit(store, message(outbox(counts=(1,)), {1}), message(outbox(counts=(7,)), {1}))
    assert done.new_records == len(done.rejects) == 1
    assert rows("SELECT count_in FROM records") == [(1,)]
    assert rows("SELECT count(*) FROM rejected") == [(1,)]


def put_back(counts, start_ms):
    """An outbox that was put back after two records, and went on with other ones."""
    box = outbox(counts=(1, 2))
    box.append([bucket(start_ms + n * MINUTES_15, each) for n, each in enumerate(counts)])
    return box


def test_numbers_that_were_used_twice_for_different_times_are_all_counted(database, store, rows):
    """A card image was put back; nobody had told the device yet that its numbers were used."""
    commit(store, message(outbox(counts=(1, 2, 3, 4, 5)), range(1, 6)))
    later = put_back((10, 20), JANUARY + 10 * MINUTES_15)
    done = commit(store, message(later, range(1, 5)))
    assert (done.new_records, done.repeated, done.rejects) == (2, 2, ())
    assert [reason for _, reason in done.reused] == [
        f"record {seq} of stream {STREAM} is stored already with another text" for seq in (3, 4)
    ]
    assert [s.watermark for s in done.streams] == [Watermark(5)]
    assert rows("SELECT sum(count_in), count(*) FROM records") == [(45, 7)]
    for sent in (message(later, range(1, 5)), message(later, {4})):
        again = commit(store, sent, sent)
        assert (again.new_records, again.rejects, again.reused) == (0, (), ())
    assert rows("SELECT sum(count_in), count(*) FROM records") == [(45, 7)]
    assert store.recount("d1", STREAM).watermark == Watermark(5)
    assert [s.stream for s in store.streams("", 9)] == [STREAM]
    january = reports.period("2026-01", ZoneInfo("UTC"))
    assert [line.entered for line in reports.sums(database, january).lines] == [45]
    assert (
        sum('"in":10' in body or '"in":20' in body for body in reports.export(database, january))
        == 2
    )


def test_of_numbers_used_twice_no_time_is_counted_twice(store, rows):
    commit(store, message(outbox(counts=(1, 2, 3, 4)), range(1, 5)))
    overlapping = put_back((10, 20), JANUARY + 3 * MINUTES_15 + 1)
    done = commit(store, message(overlapping, {3, 4}))
    assert len(done.rejects) == 1, "record 3 begins before record 4 of the first ones ends"
    assert len(done.reused) == 1
    assert rows("SELECT sum(count_in) FROM records") == [(30,)]


def test_two_texts_of_one_number_for_different_times_in_one_batch_are_both_counted(store, rows):
    first, second = outbox(counts=(1,)), outbox(counts=(7,), start_ms=JANUARY + MINUTES_15)
    done = commit(store, message(first, {1}), message(second, {1}), message(second, {1}))
    assert (done.new_records, done.repeated) == (2, 1)
    assert rows("SELECT sum(count_in) FROM records") == [(8,)]


def test_a_bad_record_does_not_cost_the_good_ones(store, rows):
    box = outbox()
    done = commit(store, edited(*message(box, {1, 2, 3}), t1="never"))
    assert rows("SELECT seq FROM records ORDER BY seq") == [(1,), (2,)]
    [(raw, reason, seq)] = rows("SELECT raw, reason, seq FROM rejected")
    assert json.loads(bytes(raw))["t1"] == "never"
    assert "'t1'" in reason
    assert seq == 3
    # Its number is had, so that the device does not repeat it for ever.
    assert done.streams[0].watermark == Watermark(3)
    assert store.recount("d1", STREAM).watermark == Watermark(3)
    # A good record of that number is still welcome.
    assert commit(store, message(box, {3})).new_records == 1


@pytest.mark.parametrize("changes", [{"seq": "3"}, {"seq": 2**60}, {"stream": "f" * 16}])
def test_a_bad_record_whose_number_is_in_doubt_is_not_had(store, rows, changes):
    done = commit(store, edited(*message(outbox(), {1, 3}), **changes))
    assert done.streams[0].watermark == Watermark(1)
    assert rows("SELECT count(*), max(seq) FROM rejected") == [(1, None)]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("pc/v1/t/d1/counts", b"\xff\x00{", "not a JSON object"),
        ("pc/v1/t/d1/counts", b'{"v":"2.0","records":[]}', "version '2.0'"),
        ("pc/v1/t/d2/counts", None, "of 'd1', the topic of 'd2'"),
        ("pc/v1/T/d1/counts", None, "tenant 'T'"),
        ("pc/v1/t/d1/status", None, "the topic is not"),
    ],
)
def test_what_cannot_be_read_is_kept_and_not_acked(store, rows, topic, payload, reason):
    payload = payload or message(outbox(), {1})[1]
    done = commit(store, (topic, payload), (topic, payload))
    assert done.streams == ()
    [(kept_topic, raw, why)] = rows("SELECT topic, raw, reason FROM rejected")
    assert (kept_topic, bytes(raw)) == (topic, payload)
    assert reason in why


def test_heads_are_kept_as_text_and_two_that_differ_are_both_kept(store, rows):
    sent = [head(2, day=day) for day in ("2026-01-01", "2026-01-02")]
    texts = [payload for _, payload in sent]
    for each in (sent[0], sent[1], sent[0]):
        done = commit(store, each)
        assert (done.streams, done.rejects) == ((), ())
    assert rows("SELECT day, body FROM heads ORDER BY day") == [
        ("2026-01-01", texts[0].decode()),
        ("2026-01-02", texts[1].decode()),
    ]
    wrong = [head(2, dev="d2")[1], head(-1)[1], head("2")[1], b'{"dev":"d1","seq":2}', b"[]"]
    done = commit(store, *(("pc/v1/t/d1/head", payload) for payload in wrong))
    assert len(done.rejects) == len(wrong)


def test_one_unstorable_message_does_not_stop_the_others(store, rows):
    box = outbox()
    good, bad = read(*message(box, {1})), read(*message(box, {2}))
    [sealed] = bad.records
    half = replace(sealed, record=replace(sealed.record, cfg="\ud800"))
    done = store.commit([good, replace(bad, records=(half,)), read(*message(box, {3}))], 7)
    assert done.new_records == 2
    assert rows("SELECT seq FROM records ORDER BY seq") == [(1,), (3,)]
    assert [bytes(raw) for (raw,) in rows("SELECT raw FROM rejected")] == [bad.payload]
    assert watermark(store) == Watermark(1, ((3, 3),))


def test_a_transaction_that_fails_leaves_nothing(store, rows):
    rows("DROP TABLE heads")
    with pytest.raises(StoreError):
        commit(store, message(outbox(), {1}), head(2))
    assert rows("SELECT count(*) FROM records") == rows("SELECT count(*) FROM streams") == [(0,)]


def test_a_recount_finds_rows_that_have_gone(store, rows):
    box = outbox()
    commit(store, message(box, range(1, 6)))
    rows("DELETE FROM records WHERE seq IN (2, 4)")
    assert watermark(store) == Watermark(5)
    assert store.recount("d1", STREAM).watermark == Watermark(1, ((3, 3), (5, 5)))
    assert watermark(store) == Watermark(1, ((3, 3), (5, 5)))
    assert store.recount("d1", "unknown") is None


def test_known_streams_come_in_pages_the_latest_of_each_device_last(store):
    old, new = outbox(stream="a" * 16), outbox(stream="b" * 16)
    commit(store, message(new, {1}), at_ms=1)
    commit(store, message(old, {1}), at_ms=2)
    commit(store, message(new, {2}), at_ms=3)
    commit(store, message(outbox("d2"), {1}, "d2", "other"), at_ms=1)
    commit(store, message(outbox("d3"), {1}, "d3"), at_ms=1)
    page = store.streams("", 2)
    assert [(s.dev, s.stream) for s in page] == [
        ("d1", "a" * 16), ("d1", "b" * 16), ("d2", STREAM),
    ]  # fmt: skip
    assert [(s.dev, s.tenant) for s in store.streams("d2", 2)] == [("d3", "t")]
    assert [s.dev for s in store.streams("", 9, "t")] == ["d1", "d1", "d3"]
    assert store.streams("d3", 2) == []


def test_several_writers_at_once_lose_no_number(database_url, database, rows):
    """Each has connections of its own, as another process would."""
    boxes = [outbox(f"d{n}", counts=range(60)) for n in range(3)]
    failures = []

    def write(part):
        with closing(Database(database_url)) as db:
            store = Store(db)
            for number in range(1, 61):
                if number % 3 in {part, (part + 1) % 3}:  # every number comes twice
                    batch = [message(box, {number}, f"d{n}") for n, box in enumerate(boxes)]
                    try:
                        commit(store, *(batch if part else reversed(batch)))
                    except StoreError as error:
                        failures.append(error)

    threads = [threading.Thread(target=write, args=(part,)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert rows("SELECT dev, upto, have FROM streams ORDER BY dev") == [
        (f"d{n}", 60, "[]") for n in range(3)
    ]
    assert rows("SELECT count(*) FROM records") == [(180,)]


def test_the_tables_are_made_once_whoever_comes_first(database_url):
    failures = []

    def prepare():
        with closing(Database(database_url)) as db:
            try:
                db.prepare()
            except StoreError as error:
                failures.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_reader_sees_one_state_and_stands_in_nobodys_way(store, database):
    box = outbox()
    commit(store, message(box, {1}))
    count = text("SELECT count(*) FROM records")
    with database.reading() as connection:
        assert connection.execute(count).scalar_one() == 1
        assert commit(store, message(box, {2, 3})).new_records == 2
        assert connection.execute(count).scalar_one() == 1


def test_a_sqlite_writer_has_the_lock_from_the_beginning(tmp_path):
    """Or one that reads first fails at its first write, when another was faster."""
    with (
        closing(Database(f"sqlite:///{tmp_path}/a.db")) as database,
        closing(sqlite3.connect(tmp_path / "a.db", timeout=0)) as other,
        database.writing(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_what_is_committed_is_on_the_disk_whatever_the_default(database_url, rows):
    if database_url.startswith("sqlite"):
        expected = {"PRAGMA synchronous": 2, "PRAGMA journal_mode": "wal"}
    else:
        [(name,)] = rows("SELECT current_database()")
        rows(f"ALTER DATABASE {name} SET synchronous_commit = off")
        expected = {"SHOW synchronous_commit": "on"}
    with closing(Database(database_url)) as fresh, fresh.writing() as connection:
        for question, answer in expected.items():
            assert connection.execute(text(question)).scalar_one() == answer


def test_a_newer_schema_is_not_touched(database, rows):
    rows("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BadInputError, match="schema 9999"):
        database.prepare()


def test_tables_of_something_else_are_not_touched(database_url, database, rows):
    rows("DROP TABLE alembic_version")
    with pytest.raises(BadInputError, match="of something else"):
        database.prepare()


def head(seq, dev="d1", **more):
    fields = {"v": "1.0", "dev": dev, "stream": STREAM, "seq": seq, "chain": "c", "sig": "x"}
    return f"pc/v1/t/{dev}/head", json.dumps(fields | more).encode()


def test_export_is_the_sealed_texts_of_the_month_in_order_then_heads(store, database):
    last_of_january = JANUARY + (31 * 96 - 1) * MINUTES_15
    box = outbox(counts=[1] * 6, start_ms=last_of_january - 2 * MINUTES_15)
    commit(store, message(box, {1, 3, 4, 5, 6}))  # 2 is missing, 4 to 6 begin in February
    other = outbox("a1", counts=[1])
    commit(store, message(other, {1}, "a1", "other"))
    heads = {seq: head(seq, day="2026-01-31") for seq in range(7)}
    again = head(3, day="2026-02-01")
    commit(store, *reversed(heads.values()), at_ms=1)
    commit(store, again, at_ms=2)

    def export(month="2026-01", zone="UTC", **which):
        return list(reports.export(database, reports.period(month, ZoneInfo(zone), **which)))

    body = {record.seq: record.body for record in box.pending(9)}
    [alone] = [record.body for record in other.pending(9)]
    text_of = {seq: sent.decode() for seq, (_, sent) in heads.items()}
    of_d1 = [body[1], body[3], text_of[0], text_of[1], text_of[3], again[1].decode()]
    assert export() == [alone, *of_d1]
    assert export(tenant="t") == export(dev="d1") == of_d1
    # The record before the first one, so that the chain can be entered.
    assert export("2026-02") == [
        body[3], body[4], body[5], body[6],
        text_of[3], again[1].decode(), text_of[4], text_of[5], text_of[6],
    ]  # fmt: skip
    # In Shanghai January begins, and ends, eight hours earlier.
    assert export(zone="Asia/Shanghai") == [alone]
    assert export("2026-03") == []


def test_sums_name_what_is_missing_and_leave_null_out(store, database, rows):
    box = outbox(counts=(3, None, 4, 5, 6))
    commit(store, message(box, {1, 2, 4}))
    commit(store, edited(*message(box, {5}), t1="never"))
    dark = outbox("d2", counts=(None,))
    commit(store, message(dark, {1}, "d2"), at_ms=JANUARY)
    found = reports.sums(database, reports.period("2026-01", ZoneInfo("UTC")))
    line, nobody = found.lines
    assert (line.dev, line.line, line.records, line.entered, line.left) == ("d1", "door", 3, 8, 2)
    assert line.coverage == pytest.approx(2 / 3)
    assert (nobody.entered, nobody.coverage) == (None, 0.0)
    assert [(d.dev, d.records, d.missing) for d in found.devices] == [("d1", 3, 1), ("d2", 1, 0)]
    assert rows("SELECT sum(count_in) FROM records") == [(8,)]
    # A record of another month between two of this one is not missing: a clock was set.
    odd = outbox("d3", counts=(1,))
    odd.append([bucket(JANUARY - MINUTES_15, 1), bucket(JANUARY + MINUTES_15, 1)])
    commit(store, message(odd, {1, 2, 3}, "d3"))
    again = reports.sums(database, reports.period("2026-01", ZoneInfo("UTC"), dev="d3"))
    assert [(d.records, d.missing) for d in again.devices] == [(2, 0)]
    json.dumps([line.entered, line.coverage])  # plain numbers, whatever the database adds up to


def goes_on(stream, package=PACKAGE, dev="d1"):
    """A head of a stream that goes on from a site package."""
    return read(*head(0, dev, v="1.1", stream=stream, continues=package))


def shared_in(database, month, **which):
    return reports.sums(database, reports.period(month, ZoneInfo("UTC"), **which)).shared


def test_a_package_that_two_streams_go_on_from_is_told_once_and_in_its_months(database):
    store, second, february = Store(database), "f" * 16, JANUARY + 31 * 86_400_000
    assert store.commit([goes_on(STREAM)], JANUARY).shared == ()
    assert store.commit([goes_on(STREAM), goes_on(second, "none")], JANUARY).shared == ()
    assert store.commit([goes_on(second, dev="d2")], JANUARY).shared == ()
    (package,) = store.commit([goes_on(second)], february).shared
    assert (package.dev, package.streams) == ("d1", (STREAM, second))
    assert store.commit([goes_on(second)], february).shared == ()
    assert shared_in(database, "2026-01") == ()
    assert shared_in(database, "2026-02") == ()  # the first was not there then
    store.commit([read(*message(outbox(start_ms=february), (1, 2)))], february)
    assert shared_in(database, "2026-02") == (package,)
    assert shared_in(database, "2026-02", dev="d2") == ()
    assert shared_in(database, "2026-02", tenant="other") == ()
    assert shared_in(database, "2026-03") == ()
