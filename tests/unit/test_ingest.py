"""What the receiver makes of a message, however hostile."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import MessageError
from edge.messages import counts_message
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality
from evaluation.ingest import MOST_NUMBER, MOST_TEXT, Key, read
from evaluation.payload_text import take_apart
from evaluation.tables import MOST_REASON, record_row, reject_row
from evaluation.watermark import MOST_KEPT, Watermark, spans_of

TOPIC = "pc/v1/t/d1/counts"
SPACE = st.text(" \t\r\n", max_size=2)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def payload(count=1):
    box = MemoryOutbox("d1")
    by = Provenance("c", "m")
    box.append(
        [
            CountBucket("门", n, n + 1, {Outcome.IN: n}, 1.0, None, TimeQuality.NTP, by)
            for n in range(count)
        ]
    )
    return counts_message("t", "d1", box.stream, box.pending(count)).payload


@given(st.lists(JSON, max_size=4), st.dictionaries(st.text(), JSON, max_size=3), st.data())
def test_a_payload_comes_apart_to_the_byte(values, envelope, data):
    envelope.pop("records", None)
    texts = [json.dumps(value, ensure_ascii=data.draw(st.booleans())) for value in values]
    gap = data.draw(SPACE)
    records = f"[{gap}" + f"{gap},{gap}".join(texts) + f"{gap}]"
    fields = [f"{json.dumps(name)}{gap}:{json.dumps(value)}" for name, value in envelope.items()]
    fields.insert(data.draw(st.integers(0, len(fields))), f'"records"{gap}:{gap}{records}')
    text = f"{gap}{{{gap}" + f"{gap},{gap}".join(fields) + f"{gap}}}{gap}"
    found, cuts = take_apart(text.encode("utf-8", "surrogatepass"))
    assert found == envelope
    assert [cut for cut, _ in cuts] == texts
    assert [value for _, value in cuts] == json.loads(text)["records"]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '"records"', "{}", '{"records":{}}', '{"records":[1,]}',
        '{"records":[1}', '{"records":[,1]}', '{"records":[1 2]}', '{"records":[]}x',
        '{"records":[],}', '{1:2,"records":[]}', '{"records" []}', '{"records":[NaN]}',
        '{"x":Infinity,"records":[]}', '{"records":' + "[" * 100_000, "\ufeff" + '{"records":[]}',
        '{"records":[' + "9" * 5000 + "]}",
    ],
)  # fmt: skip
def test_what_is_no_payload_is_refused_with_a_reason(text):
    with pytest.raises(MessageError):
        take_apart(text.encode())


@given(JSON)
def test_what_json_refuses_is_refused_and_nothing_else(value):
    """Cutting characters out of a payload: the same verdict as the standard parser's."""
    text = json.dumps({"records": [value], "v": "1.0"})
    for end in range(0, len(text), 7):
        for cut in (text[:end], text[:end] + text[end + 1 :]):
            try:
                whole = json.loads(cut)
            except ValueError:
                whole = None
            expected = isinstance(whole, dict) and isinstance(whole.get("records"), list)
            try:
                take_apart(cut.encode())
            except MessageError:
                assert not expected, cut
            else:
                assert expected, cut


def test_of_a_name_that_stands_twice_the_last_one_holds():
    assert take_apart(b'{"records":[1],"v":1,"records":[2],"v":2}') == ({"v": 2}, [("2", 2)])
    with pytest.raises(MessageError):
        take_apart(b'{"records":[1],"records":7}')


def test_unknown_fields_stay_in_the_text():
    value = json.loads(payload(2))
    value["records"][0]["new"] = {"a": 1.0, "b": "\u00e9"}
    value["records"][0]["newer"] = "x" * (MOST_TEXT + 1) + "\0\ud800"
    value["later"] = True
    text = json.dumps(value, indent=1)
    reading = read(TOPIC, text.encode())
    assert not reading.rejects
    assert reading.records[0].body in text
    assert json.loads(reading.records[0].body) == value["records"][0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"in": MOST_NUMBER + 1}, "'in'"),
        ({"tot_in": 10**400}, "tot_in"),
        ({"cfg": "x" * (MOST_TEXT + 1)}, "cfg"),
        ({"line": "a\0b"}, "line"),
        ({"model": "\ud800"}, "model"),
        ({"t0": "2026-02-30T00:00:00Z"}, "2026-02-30"),
        ({"seq": True}, "seq"),
        ({"cov": [1]}, "cov"),
        ({"cov_reason": "x" * (MOST_TEXT + 1)}, "cov_reason"),
    ],
)
def test_what_no_database_takes_is_a_reject_with_a_reason(changes, named):
    value = json.loads(payload(2))
    value["records"][1] |= changes
    reading = read(TOPIC, json.dumps(value).encode())
    assert len(reading.records) == 1
    [reject] = reading.rejects
    assert named in reject.reason
    assert reject.key == (None if "seq" in changes else Key("d1", value["stream"], 2))
    row = reject_row(reject, reading, 0)
    assert len(row["reason"]) <= MOST_REASON


def test_seconds_become_the_nearest_millisecond():
    golden = Path("tests/contract/golden/counts-zones-1.1.json").read_bytes()
    value = json.loads(golden)
    value["records"][1] |= {"presence_s": 1.001, "used_s": 4.35, "tot_presence_s": 2.3}
    reading = read("pc/v1/t/lobby-0a1b/counts", json.dumps(value).encode())
    row = record_row(reading.records[1], "t", 0)
    assert (row["presence_ms"], row["used_ms"], row["tot_presence_ms"]) == (1001, 4350, 2300)
    assert (row["dwell_ms"], row["wait_ms"], row["window_ms"]) == (184_700, None, None)


@pytest.mark.parametrize("stream", ["", "a b", "x" * 65, "/", 7, None, "\ud800"])
def test_a_stream_must_be_fit_for_a_key(stream):
    value = json.loads(payload()) | {"stream": stream}
    reading = read(TOPIC, json.dumps(value).encode())
    assert [reject.key for reject in reading.rejects] == [None]
    assert "is no stream" in reading.rejects[0].reason
    reject_row(reading.rejects[0], reading, 0)["reason"].encode()


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.text())
def test_reading_never_raises(raw, topic):
    for each in (topic, TOPIC, "pc/v1/t/d1/head"):
        reading = read(each, raw)
        assert not reading.records
        [reject_row(reject, reading, 0)["topic"].encode() for reject in reading.rejects]


@given(st.dictionaries(st.sampled_from(sorted(json.loads(payload())["records"][0])), JSON))
def test_a_record_with_any_values_is_read_or_rejected_and_has_a_row(changes):
    value = json.loads(payload())
    value["records"][0] |= changes
    reading = read(TOPIC, json.dumps(value).encode())
    assert len(reading.records) + len(reading.rejects) == 1
    for sealed in reading.records:
        row = record_row(sealed, "t", 0)
        assert all(abs(v) <= MOST_NUMBER for v in row.values() if isinstance(v, int))


@given(st.lists(st.lists(st.integers(1, 60), max_size=8), max_size=12))
def test_a_watermark_is_the_set_of_its_numbers(batches):
    watermark, numbers = Watermark(), set()
    for batch in batches:
        watermark = watermark.plus(spans_of(batch))
        numbers |= set(batch)
    upto = next(n for n in range(61) if n + 1 not in numbers)
    assert watermark.upto == upto
    beyond = [n for first, last in watermark.have for n in range(first, last + 1)]
    assert beyond == sorted(n for n in numbers if n > upto)
    # Separate spans, or an ack would be longer than it must be.
    assert all(b[0] > a[1] + 1 for a, b in zip(watermark.have, watermark.have[1:], strict=False))
    assert watermark == Watermark().plus(spans_of(n for batch in batches for n in batch))


def test_a_watermark_does_not_grow_without_end_and_never_says_too_much():
    watermark = Watermark().plus((n, n) for n in range(2, 10 * MOST_KEPT, 2))
    assert len(watermark.have) == MOST_KEPT
    assert watermark.have[-1] == (2 * MOST_KEPT, 2 * MOST_KEPT)
