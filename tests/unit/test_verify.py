"""What a verification says about each kind of fault, and what it must not say."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.adapters.device_key import DeviceKey
from edge.evidence import Fault, Finding, Place, Report, StreamReport
from edge.evidence_lines import Line, runs_of
from edge.evidence_text import finding_text, notes, report_json, sentences, verdict_text
from edge.export import Signing, export_lines
from edge.heads import fingerprint, head_text
from edge.months import month_of
from edge.readings import Subject
from edge.sealing import canonical, genesis, link
from edge.testing import MemoryOutbox
from edge.verify import verify_stream
from edge.vocabulary import (
    Bucket,
    CountBucket,
    CoverageReason,
    Outcome,
    Provenance,
    TimeQuality,
    Tip,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

MONTH = month_of("2026-11")
DEV, STREAM = "lobby-1", "00112233445566aa"
MINUTES = 60_000
BY = Provenance("c", "m")
KEY, OTHER = (DeviceKey(Ed25519PrivateKey.from_private_bytes(bytes([n] * 32))) for n in (1, 2))


def bucket(index: int, entered: int | None = 2, line: str = "door") -> CountBucket:
    t0_ms = MONTH.t0_ms + index * 15 * MINUTES
    seen = entered is not None
    return CountBucket(
        line,
        t0_ms,
        t0_ms + 15 * MINUTES,
        {Outcome.IN: entered, Outcome.OUT: 1} if entered is not None else None,
        1.0 if seen else 0.0,
        None if seen else CoverageReason.DARK,
        TimeQuality.NTP,
        BY,
    )


def sealed(*buckets: Bucket) -> list[dict[str, Any]]:
    outbox = MemoryOutbox(DEV, STREAM)
    outbox.append(buckets or [bucket(index) for index in range(9)])
    return [json.loads(record.body) for record in outbox.pending(1000)]


def chained(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Seal records anew, as somebody can who has no key."""
    chain = genesis(DEV, STREAM)
    anew = []
    for each in records:
        chain = link(chain, each)
        anew.append({**each, "chain": chain})
    return anew


def head(record: dict[str, Any], signer: DeviceKey = KEY, **tip: Any) -> str:
    known = {"seq": record["seq"], "chain": record["chain"], "until_ms": MONTH.t0_ms + 1}
    at_ms = tip.pop("at_ms", MONTH.t0_ms + 86_400_000)
    return head_text(
        DEV, at_ms, Tip(STREAM, **(known | tip)), quality=TimeQuality.NTP, signer=signer
    )


def judge(
    records: Sequence[dict[str, Any] | str], *heads: str, keys: Sequence[str] = ()
) -> StreamReport:
    texts = [each if isinstance(each, str) else canonical(each) for each in records]
    lines = [
        Line(Place("f", number), text.encode())
        for number, text in enumerate([*texts, *heads], start=1)
    ]
    return verify_stream((DEV, STREAM), lines, MONTH, keys)


def found(report: StreamReport) -> list[tuple[int | None, Fault]]:
    return [(finding.seq, finding.fault) for finding in report.findings]


def said(report: StreamReport) -> str:
    return sentences(report.findings[0])[0]


def test_an_intact_stream_says_how_much_and_how_far_it_is_signed() -> None:
    records = sealed(bucket(0), bucket(0, None, "side"), bucket(1, 3), bucket(1, None, "side"))
    report = judge(records, head(records[2]))
    assert report.intact
    assert (report.records, report.first, report.last, report.trusted) == (4, 1, 4, None)
    assert (report.signed, report.unsigned) == (3, 1)
    assert report.key == fingerprint(KEY.public_key)
    door, side = report.sums[Subject("line", "door")], report.sums[Subject("line", "side")]
    assert (door.first, door.second, door.records, door.unseen) == (5, 2, 2, 0)
    assert (side.first, side.records, side.unseen) == (0, 2, 2)
    shown = report_json(Report("2026-11", (report,)))
    assert shown["verdict"] == "intact"
    (stream,) = shown["streams"]
    assert stream["sums"] == [
        {"line": "door", "records": 2, "unseen": 0, "in": 5, "out": 2},
        {"line": "side", "records": 2, "unseen": 2, "in": None, "out": None},
    ]


def test_zones_are_summed_and_their_totals_checked() -> None:
    def hall(index: int) -> ZoneBucket:
        sums = ZoneSums(presence_ms=100_001, arrivals=3)
        t0_ms = MONTH.t0_ms + index * 15 * MINUTES
        return ZoneBucket(
            "hall", ZoneKind.PLAIN, t0_ms, t0_ms + 15 * MINUTES, sums,
            1.0, None, TimeQuality.NTP, BY,
        )  # fmt: skip

    records = sealed(hall(0), hall(1), hall(2))
    report = judge(records)
    assert report.intact
    sums = report.sums[Subject("zone", "hall")]
    assert (sums.first, sums.second) == (300_003, 9)
    records[1]["tot_presence_s"] = 200.003
    report = judge(chained(records))
    assert found(report)[0] == (2, Fault.TOTALS)
    assert said(report) == (
        "its tot_presence_s is 200.003, but 100.001 before it and 100.001 in it make 200.002"
    )


def test_a_changed_record_is_told_from_a_changed_chain() -> None:
    records = sealed()
    content = [*records[:3], records[3] | {"in": 7}, *records[4:]]
    assert found(judge(content)) == [(4, Fault.CHANGED)]
    chain = [*records[:3], records[3] | {"chain": "0" * 64}, *records[4:]]
    assert found(judge(chain)) == [(4, Fault.CHAIN_CHANGED)]
    last = [*records[:8], records[8] | {"chain": "0" * 64}]
    assert found(judge(last)) == [(9, Fault.CHANGED)]
    assert found(judge(last, head(records[8]))) == [(9, Fault.CHAIN_CHANGED)]


def test_two_changed_neighbours_are_both_named() -> None:
    records = sealed()
    records[3] |= {"in": 7}
    records[4] |= {"in": 7}
    assert found(judge(records)) == [(4, Fault.CHANGED), (5, Fault.CHANGED)]


def test_the_first_record_of_a_stream_follows_its_name() -> None:
    assert found(judge([sealed()[0] | {"cfg": "x"}])) == [(1, Fault.CHANGED)]
    assert judge(sealed()[:1]).intact


def test_missing_records_are_told_with_what_the_totals_say_of_them() -> None:
    records = sealed()
    report = judge([*records[:4], *records[6:]])
    assert found(report) == [(5, Fault.MISSING)]
    assert said(report) == (
        "it and all up to record 6 are missing between 4 and 7;"
        " by the running totals they held 4 in and 2 out"
    )
    report = judge([*records[:4], *records[5:]])
    assert said(report).startswith("it is missing between 4 and 6; by the running totals")


def test_totals_tell_nothing_of_a_gap_behind_which_a_line_does_not_go_on() -> None:
    records = sealed(*[bucket(i, line=line) for i in range(3) for line in ("door", "side")])
    report = judge([*records[:2], records[4]])
    assert found(report) == [(3, Fault.MISSING)]
    assert said(report) == "it and all up to record 4 are missing between 2 and 5"


def test_totals_that_go_down_over_a_gap_are_named() -> None:
    records = sealed()
    records[6] |= {"tot_in": 9}
    report = judge([*records[:4], *records[6:]])
    assert (7, Fault.TOTALS) in found(report)


def test_a_line_that_is_no_record_is_named_by_its_place() -> None:
    records: list[Any] = sealed()
    for text, why in (
        ("not JSON", "is not JSON"),
        ('{"seq":4,"seq":4}', "a name stands twice"),
        (canonical(records[3] | {"in": -1}), "has no valid 'in'"),
        (canonical(records[3] | {"seq": "4"}), "has no valid 'seq'"),
        (canonical(records[3] | {"later": 0}).replace('"later":0', '"later":1e999'), "a number"),
        ("[" * 100_000, "is not JSON"),
    ):
        report = judge([*records[:3], text, *records[4:]])
        assert found(report) == [(4, Fault.UNREADABLE)]
        assert why in said(report)
        assert report.findings[0].place == Place("f", 4)


def test_two_lines_that_are_no_records_are_two() -> None:
    records: list[Any] = sealed()
    report = judge([*records[:3], "x", "x", *records[5:]])
    assert found(report) == [(4, Fault.UNREADABLE), (5, Fault.UNREADABLE)]


def test_a_record_with_another_number_is_told_by_the_chain() -> None:
    records = sealed()
    report = judge([*records[:5], records[5] | {"seq": 2}, *records[6:]])
    assert found(report) == [(6, Fault.RENUMBERED)]
    assert "calls itself record 2" in said(report)


def test_a_second_record_of_a_number_is_not_taken_for_the_next_one() -> None:
    records = sealed()
    report = judge([*records, records[1] | {"in": 99}])
    assert found(report) == [(2, Fault.TWICE)]
    assert report.sums[Subject("line", "door")].first == 18


def test_order_is_judged_within_a_file_only() -> None:
    texts = [canonical(record).encode() for record in sealed()]
    first = [Line(Place("a", n), texts[n]) for n in (4, 5, 6)]
    second = [Line(Place("b", n), texts[n]) for n in (0, 1, 2, 3, 4, 7, 8)]
    assert verify_stream((DEV, STREAM), [*first, *second], MONTH).intact
    mixed = [Line(Place("a", i), texts[n]) for i, n in enumerate((4, 5, 6, 0, 1, 2, 3, 7, 8))]
    report = verify_stream((DEV, STREAM), mixed, MONTH)
    assert found(report) == [(1, Fault.OUT_OF_PLACE)]


def test_a_chain_made_anew_is_found_at_the_next_head_and_since_the_last_good_one() -> None:
    records = sealed()
    forged = chained([*records[:4], records[4] | {"in": 3, "tot_in": 11}, *records[5:]])
    for each in forged[5:]:
        each["tot_in"] += 1
    forged = chained(forged)
    assert judge(forged).intact  # so nothing but a head shows it
    report = judge(forged, head(records[2]), head(records[7]))
    assert found(report) == [(8, Fault.HEAD_CHAIN)]
    assert "one of the records 4 to 8 was changed" in said(report)
    assert report.signed == 3


def test_totals_that_do_not_add_up_are_named_even_in_a_good_chain() -> None:
    records = sealed()
    records[4]["in"] = 5
    report = judge(chained(records))
    assert found(report) == [(5, Fault.TOTALS)]
    assert said(report) == "its tot_in is 10, but 8 before it and 5 in it make 13"


def test_a_time_that_is_counted_twice_is_named() -> None:
    records = sealed()
    records[4]["t0"] = records[3]["t0"]
    report = judge(chained(records))
    assert found(report) == [(5, Fault.OVERLAP)]
    assert "begins before record 4 of the same line ends (door)" in said(report)
    records[4]["tq"] = "unsynced"
    assert judge(chained(records)).intact


def test_two_lines_may_be_counted_at_the_same_time() -> None:
    assert judge(
        sealed(bucket(0), bucket(0, line="side"), bucket(1), bucket(1, line="side"))
    ).intact


def test_a_date_outside_of_the_month_is_named_or_not_summed() -> None:
    records = sealed(bucket(0), bucket(0, line="side"), bucket(1))
    records[1] |= {"t0": "2026-08-01T00:00:00Z", "t1": "2026-08-01T00:15:00Z"}
    report = judge(chained(records))
    assert found(report) == [(2, Fault.OUTSIDE)]
    records[1]["tq"] = "unsynced"
    report = judge(chained(records))
    assert report.intact
    assert (report.records, report.undated) == (2, 1)
    assert "1 record(s) without a date" in notes(report, expected=False)[0]


def test_records_around_the_month_are_verified_and_not_summed() -> None:
    records = sealed(bucket(-2), bucket(-1), bucket(0), bucket(1), bucket(30 * 96))
    report = judge(records)
    assert report.intact
    assert (report.records, report.others) == (2, 3)
    assert report.sums[Subject("line", "door")].first == 4
    records[1] |= {"in": 7}
    assert found(judge(records)) == [(2, Fault.CHANGED)]


def test_a_beginning_without_a_predecessor_is_trusted_and_said_to_be() -> None:
    records = sealed()
    report = judge(records[3:])
    assert report.intact
    assert report.trusted == 4
    assert "nothing before record 4 is in the files" in notes(report, expected=False)[0]
    changed = [records[3] | {"in": 5}, *records[4:]]
    assert judge(changed).intact  # nothing can show it, which is why it is said


def test_where_the_first_of_two_is_trusted_either_may_be_the_changed_one() -> None:
    records = sealed()
    for wrong in ([records[3] | {"chain": "0" * 64}, *records[4:]],
                  [records[3], records[4] | {"in": 9}, *records[5:]]):  # fmt: skip
        report = judge(wrong)
        assert found(report) == [(5, Fault.DOES_NOT_FOLLOW)]
        assert "does not follow record 4" in said(report)


def test_a_head_of_the_record_before_vouches_for_the_first_one() -> None:
    records = sealed()
    before = head(records[2], until_ms=MONTH.t0_ms - 86_400_000)
    report = judge(records[3:], before)
    assert report.intact
    assert report.trusted is None
    report = judge([records[3] | {"in": 9}, *records[4:]], before)
    assert found(report) == [(4, Fault.CHANGED)]


def export(records: Sequence[dict[str, Any]]) -> str:
    outbox = MemoryOutbox(DEV, STREAM)
    outbox.append([bucket(index) for index in range(9)])
    stored = [r for r in outbox.pending(99) if r.seq in {each["seq"] for each in records}]
    return export_lines(DEV, [stored], Signing(KEY, MONTH.t1_ms, TimeQuality.NTP))[-1]


def test_the_head_of_an_export_vouches_for_its_first_record() -> None:
    records = sealed()[3:]
    signed = export(records)
    report = judge(records, signed)
    assert report.intact
    assert report.trusted is None
    assert found(judge([records[0] | {"in": 5}, *records[1:]], signed)) == [(4, Fault.CHANGED)]
    assert found(judge(records[2:], signed)) == [(4, Fault.MISSING_BEFORE)]
    assert "it and all up to record 5 are missing at the beginning" in said(
        judge(records[2:], signed)
    )


def test_heads_of_this_month_show_what_was_cut_off() -> None:
    records = sealed()
    early, late = head(records[1]), head(records[7])
    assert judge(records, early, late).intact
    report = judge(records[4:6], early, late)
    assert found(report) == [(2, Fault.MISSING_BEFORE), (7, Fault.MISSING_AFTER)]
    assert found(judge([], early, late)) == [(2, Fault.MISSING_AFTER)]
    assert found(judge([*records[:2], *records[8:]], early, late)) == [(3, Fault.MISSING)]


def test_heads_of_other_months_say_nothing_about_this_one() -> None:
    records = sealed()
    before = head(records[0], until_ms=MONTH.t0_ms)
    after = head(records[8], until_ms=MONTH.t1_ms + 1)
    assert judge(records[4:6], before, after).intact


def test_a_head_that_was_changed_or_of_another_key_is_named() -> None:
    records = sealed()
    good = head(records[3])
    report = judge(records, good.replace('"seq":4', '"seq":5'))
    assert found(report) == [(5, Fault.HEAD_INVALID)]
    assert "the signature does not belong" in said(report)
    assert found(judge(records, good[:-9])) == [(4, Fault.HEAD_INVALID)]
    report = judge(records, good, head(records[5], OTHER))
    assert found(report) == [(6, Fault.HEAD_KEY)]
    assert report.signed == 4


def test_an_expected_key_must_have_signed() -> None:
    records = sealed()
    own, other = KEY.public_key, OTHER.public_key
    assert judge(records, head(records[8]), keys=[own]).intact
    assert judge(records, head(records[8]), keys=[other, fingerprint(own)]).intact
    report = judge(records, head(records[8]), keys=[other])
    assert found(report) == [(9, Fault.HEAD_KEY), (None, Fault.NOT_SIGNED)]
    assert found(judge(records, keys=[own])) == [(None, Fault.NOT_SIGNED)]


def test_what_is_not_signed_is_said_with_the_verdict() -> None:
    report = judge(sealed())
    text = verdict_text(Report("2026-11", (report,)))
    assert text.startswith("2026-11: intact 完好, but not all of it is signed")
    assert notes(report, expected=False) == [f"{DEV}/{STREAM}: not signed 未签名"]
    signed = judge(sealed(), head(sealed()[8]))
    assert verdict_text(Report("2026-11", (signed,))) == "2026-11: intact 完好"
    (note,) = notes(signed, expected=False)
    assert fingerprint(KEY.public_key) in note
    assert notes(signed, expected=True) == []


def test_the_verdict_names_the_first_fault_in_both_languages_and_counts_the_rest() -> None:
    records: list[Any] = sealed(*[bucket(index) for index in range(60)])
    for record in records[10:]:
        record["cfg"] = "x"
    text = verdict_text(Report("2026-11", (judge(records),)))
    lines = text.splitlines()
    assert lines[0] == "2026-11: broken 被破坏"
    assert lines[2].startswith(f"device {DEV}, stream {STREAM}, record 11 (f:11): was changed")
    assert lines[3] == (f"设备 {DEV}，流水 {STREAM}，记录 11 (f:11)：封存后被改动：内容与链值不符")
    assert lines[-1] == "and 30 more 以及另外 30 处"


def test_every_fault_has_its_sentence() -> None:
    details = {
        "why": "w", "before": 1, "after": 3, "claimed": 2, "upto": 4, "sums": (1, 2), "day": "d",
        "field": "tot_in", "found": 1, "count": 1, "expected": 2, "what": "line", "id": "door",
        "t0": "t", "key": "k", "since": 1,
    }  # fmt: skip
    for fault in Fault:
        told = sentences(Finding(DEV, STREAM, 2, fault, details))
        assert all(told)
        assert "{" not in "".join(told)


def test_names_of_a_hostile_file_do_not_reach_the_terminal() -> None:
    records = sealed(bucket(0, line="\x1b[2J[red]门"), bucket(1, line="\x1b[2J[red]门"))
    records[1]["t0"] = records[0]["t0"]
    report = judge(chained(records))
    (finding,) = report.findings
    assert "\x1b" not in finding_text(finding)
    assert "\\x1b[2J[red]门" in finding_text(finding)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b'{"dev":"d","stream":"00112233445566aa","seq":1}', ("d", STREAM)),
        (b'{"dev":"d","stream":"00112233445566aa","seq":', ("d", STREAM)),
        (b'{"dev":"D","stream":"00112233445566aa"}', None),
        (b'{"dev":"d","stream":"0011"}', None),
        (b'{"dev":"d"}', None),
        (b"[1]", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_line_says_whose_it_is_even_when_it_is_damaged(text: bytes, key: Any) -> None:
    assert [run.key for run in runs_of([text])] == ([key] if key else [])


def of(stream: str, seq: int) -> bytes:
    return b'{"dev":"d","stream":"%s","seq":%d}\n' % (stream.encode() * 16, seq)


LOST = b'{"dev":"d","seq":1}\n'


@pytest.mark.parametrize(
    ("texts", "runs"),
    [
        ([], []),
        ([b"x\n"], []),
        ([of("a", 1), of("a", 2), of("b", 1), of("a", 3)], ["a 1-2", "b 3-3", "a 4-4"]),
        ([b"x\n", b"\n", of("a", 1), b"x"], ["a 1-4"]),
        ([of("a", 1), b"x\n", of("a", 3)], ["a 1-3"]),
        ([of("a", 1), b"x\n", of("b", 2)], ["a 1-2", "b 3-3"]),
        ([of("a", 1), b"x\n", LOST, of("b", 2)], ["a 1-1", "b 2-4"]),
        ([of("a", 1), LOST, of("b", 3)], ["a 1-2", "b 3-3"]),
    ],
)
def test_lines_are_of_the_stream_around_them(texts: list[bytes], runs: list[str]) -> None:
    found = list(runs_of(texts))
    shown = [f"{r.key[1][0]} {r.number}-{r.number + r.count - 1}" for r in found]
    assert shown == runs
    assert [run.offset for run in found] == [
        sum(map(len, texts[: run.number - 1])) for run in found
    ]
