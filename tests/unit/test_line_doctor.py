"""Each way in which a line miscounts, made up by hand, and the line that is fine."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from math import hypot
from random import Random

import numpy as np
import pytest

from edge.config_drawings import LineSection
from edge.counting import Counter
from edge.foot_paths import MOST_AGE_S, MOST_LOOKS, MOST_PATHS, FootPaths
from edge.geometry import signed_distance
from edge.line_doctor import LineDoctor, doctor_json
from edge.line_drawing import COLUMNS, FEWEST, ROWS, drawing, heat
from edge.line_findings import Code, DoctorSettings, Severity
from edge.line_meetings import _signed_distances
from edge.line_report import line_text, suggestion_yaml
from edge.line_words import REASONS, said, suggested, unsuggested
from edge.regions import Interest
from edge.vocabulary import Anchor, Outcome, Track, Tracks

HEIGHT = 0.2
DOOR = LineSection.model_validate(
    {"id": "door", "name": "大门", "points": [[0.1, 0.6], [0.9, 0.6]], "in": "down"}
).line()
OVER = ((0.5, 0.3), (0.5, 0.9))


class Lobby:
    """People who come one after the other, each along a way, and the doctor who watches them."""

    def __init__(self, line=DOOR, settings=None, fps=8.0, height=HEIGHT, wide=0.4):
        self.doctor = LineDoctor([line], settings=settings)
        self.counter = Counter([line])
        self.counted = []
        self.line, self.fps, self.height, self.wide = line, fps, height, wide
        self.at, self.number = 0.0, 0
        self.see()

    def see(self, *tracks, ended=()):
        step = Tracks(self.at, 1.0, tracks, tuple(ended))
        self.doctor.observe(step)
        self.counted += self.counter.update(step).live
        self.at += 1 / self.fps

    def box(self, x, y):
        half = self.wide * self.height / 2
        return (x - half, y - self.height, x + half, y)

    def walks(self, *stations, heights_per_s=0.8, stays_s=0.0, ends=True):
        """One person: along the way, standing at each station for so long, then gone."""
        self.number += 1
        for _ in range(round(self.fps)):
            self.see()
        places = [stations[0]]
        for a, b in pairwise(stations):
            steps = max(
                1, round(hypot(b[0] - a[0], b[1] - a[1]) / self.height / heights_per_s * self.fps)
            )
            places += [
                (a[0] + (b[0] - a[0]) * k / steps, a[1] + (b[1] - a[1]) * k / steps)
                for k in range(1, steps + 1)
            ]
            places += [b] * round(stays_s * self.fps)
        for place in places:
            self.see(Track(self.number, self.box(*place), 0.9, 0.0, True))
        if ends:
            self.see(ended=[self.number])

    def crowd(self, *stations, people=12, **how):
        for k in range(people):
            shift = 0.01 * (k % 5)
            self.walks(*((x + shift, y) for x, y in stations), **how)
        return self

    def found(self, severity=None):
        (each,) = self.doctor.diagnoses()
        return {f.code: f for f in each.findings if severity in (None, f.severity)}

    def bad(self):
        return set(self.found(Severity.BAD))

    def suggestion(self):
        return self.doctor.suggestion(self.line.id)


def test_a_line_that_people_walk_over_is_fine():
    lobby = Lobby().crowd(*OVER)
    assert set(lobby.found()) == {Code.OBSERVED}
    (each,) = lobby.doctor.diagnoses()
    assert (each.is_bad, each.is_judged) == (False, True)
    assert (each.suggestion, each.reason) == (None, "fine")


def test_what_was_seen_each_way():
    lobby = Lobby().crowd(*OVER, people=7).crowd(*reversed(OVER), people=5)
    assert lobby.found()[Code.OBSERVED].figures == {"in": 7, "out": 5}
    assert [c.outcome for c in lobby.counted].count(Outcome.IN) == 7
    turned = replace(DOOR, entry=-1)
    again = Lobby(turned).crowd(*OVER, people=7).crowd(*reversed(OVER), people=5)
    assert again.found()[Code.OBSERVED].figures == {"in": 5, "out": 7}
    assert again.bad() == set(), "nobody can tell from here which way is in"


@pytest.mark.parametrize("people", [0, 1, 4])
def test_too_few_people_to_judge(people):
    lobby = Lobby().crowd((0.5, 0.1), (0.5, 0.4), people=people)
    assert set(lobby.found(Severity.WARN)) == {Code.TOO_LITTLE_SEEN}
    assert lobby.found()[Code.TOO_LITTLE_SEEN].measured == people
    (each,) = lobby.doctor.diagnoses()
    assert (each.is_judged, each.reason) == (False, "too_little_seen")


def test_too_few_people_at_the_line_though_many_walk():
    lobby = Lobby().crowd((0.2, 0.3), (0.8, 0.3), people=30).crowd(*OVER, people=4)
    assert set(lobby.found()) == {Code.TOO_LITTLE_SEEN, Code.OBSERVED}


def test_feet_never_reach_it():
    lobby = Lobby(replace(DOOR, points=((0.1, 0.1), (0.9, 0.1)))).crowd(*OVER)
    assert lobby.bad() == {Code.NEVER_REACHED}
    assert lobby.found()[Code.NEVER_REACHED].figures["away"] == pytest.approx(1.0, abs=0.1)
    better = lobby.suggestion()
    assert (better.now, better.counted) == (0, 12)
    assert better.entry == "down", "it was meant for people who come down"


def test_near_the_edge_of_the_picture():
    lobby = Lobby(replace(DOOR, points=((0.1, 0.97), (0.9, 0.97)))).crowd((0.5, 0.3), (0.5, 0.995))
    assert Code.NEAR_EDGE in lobby.bad()
    assert Code.BREAKS_HERE not in lobby.found()
    better = lobby.suggestion()
    assert better.counted == 12
    assert all(y < 0.9 for _, y in better.points)


def test_the_edge_of_what_is_looked_at_is_an_edge():
    looked_at = DoctorSettings(interest=Interest([(0.1, 0.45), (0.9, 0.45)], 0.1))
    edge = looked_at.interest.region(1.0).bottom
    line = replace(DOOR, points=((0.1, edge - 0.04), (0.9, edge - 0.04)))
    ways = ((0.5, 0.4), (0.5, edge - 0.01))
    assert Code.NEAR_EDGE in Lobby(line, looked_at, height=0.1).crowd(*ways).bad()
    assert Code.NEAR_EDGE not in Lobby(line, height=0.1).crowd(*ways).bad()


def test_people_appear_at_the_line():
    lobby = Lobby().crowd((0.5, 0.62), (0.5, 0.995))
    assert lobby.bad() == {Code.BREAKS_HERE}
    better = lobby.suggestion()
    assert better.counted == 12
    assert min(y for _, y in better.points) > 0.65


def test_a_pillar_at_the_line():
    lobby = Lobby()
    for _ in range(10):
        lobby.walks((0.5, 0.2), (0.5, 0.57))
        lobby.walks((0.5, 0.63), (0.5, 0.97))
    assert Code.BREAKS_HERE in lobby.bad()


def test_people_are_lost_everywhere():
    lobby = Lobby()
    for start in (0.2, 0.5, 0.35, 0.75, 0.25):
        for _ in range(5):
            lobby.walks((0.5, start - 0.15), (0.5, start + 0.08))
    lobby.walks((0.2, 0.2), (0.8, 0.2))
    found = set(lobby.found())
    assert Code.BREAKS_EVERYWHERE in found
    assert Code.BREAKS_HERE not in found


def test_who_is_there_when_the_watching_begins_did_not_appear():
    lobby = Lobby()
    for number in range(12):
        lobby.see(
            *(
                Track(k, lobby.box(0.2 + 0.05 * k, 0.62 + 0.03 * number), 0.9, 0.0, True)
                for k in range(12)
            )
        )
    lobby.number = 20
    lobby.crowd(*OVER)
    assert lobby.bad() == set()


def test_crossed_lengthwise():
    lobby = Lobby().crowd((0.15, 0.57), (0.85, 0.63))
    assert lobby.bad() == {Code.LENGTHWISE}
    better = lobby.suggestion()
    (x0, y0), (x1, y1) = better.points
    assert abs(y1 - y0) > abs(x1 - x0), "across their way"
    assert better.counted == 12
    assert better.keeps_side is False


def test_people_pass_outside_the_ends():
    line = replace(DOOR, points=((0.1, 0.6), (0.4, 0.6)))
    lobby = Lobby(line).crowd(*OVER).crowd((0.3, 0.3), (0.3, 0.9), people=6)
    assert lobby.bad() == {Code.ENDS_SHORT}
    better = lobby.suggestion()
    assert (better.now, better.counted) == (6, 18)
    (x0, y0), (x1, y1) = better.points
    assert (y0, y1) == (0.6, 0.6), "the same line, longer"
    assert max(x0, x1) > 0.55


def test_people_far_beside_a_line_are_not_its_business():
    line = replace(DOOR, points=((0.05, 0.6), (0.15, 0.6)))
    lobby = Lobby(line).crowd((0.1, 0.3), (0.1, 0.9)).crowd((0.8, 0.3), (0.8, 0.9))
    assert lobby.bad() == set()


def test_people_stand_on_it():
    lobby = Lobby().crowd((0.5, 0.3), (0.5, 0.6), (0.5, 0.3), stays_s=4)
    assert Code.STANDING_ON_LINE in lobby.bad()
    passing = Lobby().crowd((0.5, 0.3), (0.5, 0.6), (0.5, 0.3))
    assert Code.STANDING_ON_LINE not in passing.found()


def test_people_are_too_small():
    assert Lobby(height=0.05).crowd((0.5, 0.3), (0.5, 0.9)).bad() == {Code.TOO_SMALL}
    assert Lobby(height=0.07).crowd((0.5, 0.3), (0.5, 0.9)).bad() == set()
    closer = DoctorSettings(interest=Interest(DOOR.points, 0.05))
    assert closer.longer_side(1.0) == pytest.approx(1.0)
    narrow = DoctorSettings(interest=Interest([(0.5, 0.6)], 0.1))
    assert Code.TOO_SMALL not in Lobby(settings=narrow, height=0.05).crowd(*OVER).found()


def test_the_camera_looks_down_too_steeply():
    lobby = Lobby(wide=0.9).crowd(*OVER)
    assert lobby.bad() == {Code.TOO_STEEP}
    (each,) = lobby.doctor.diagnoses()
    assert each.reason == "camera"
    centre = DoctorSettings(anchor=Anchor.CENTRE)
    assert Lobby(settings=centre, wide=0.9).crowd(*OVER).bad() == set()


@pytest.mark.parametrize(
    ("fps", "heights_per_s", "severity", "needed"),
    [
        (8.0, 0.8, None, None),
        (8.0, 2.0, None, None),
        (2.0, 0.5, Severity.BAD, 3),
        (3.0, 1.0, Severity.WARN, 4),
        (3.0, 1.4, Severity.BAD, 5),
    ],
)
def test_too_few_pictures(fps, heights_per_s, severity, needed):
    found = Lobby(fps=fps).crowd(*OVER, heights_per_s=heights_per_s).found()
    if severity is None:
        assert Code.TOO_FEW_PICTURES not in found
    else:
        finding = found[Code.TOO_FEW_PICTURES]
        assert finding.severity is severity
        assert finding.figures["needed"] == needed


def test_no_worse_line_is_suggested_where_none_is_better():
    lobby = Lobby(replace(DOOR, points=((0.1, 0.1), (0.9, 0.1))))
    for k in range(12):
        y = 0.3 + 0.05 * k
        lobby.walks((0.5, y), (0.53, y), (0.5, y), (0.75, y), (0.5, y))
    (each,) = lobby.doctor.diagnoses()
    if each.suggestion is not None:
        assert each.suggestion.counted > each.suggestion.now


def test_what_a_program_and_the_page_read():
    lobby = Lobby(replace(DOOR, points=((0.1, 0.6), (0.4, 0.6)))).crowd(*OVER)
    told = json.loads(json.dumps(doctor_json(lobby.doctor.diagnoses(), 60.04)))
    assert told["watched_s"] == 60.0
    (line,) = told["lines"]
    assert line["id"] == "door"
    worst = line["findings"][0]
    assert (worst["code"], worst["severity"]) == ("ends_short", "bad")
    assert "端点" in worst["zh"]
    assert "12 of 12 people" in worst["en"]
    LineSection.model_validate(
        {"id": "door", "points": line["suggestion"]["points"], "in": line["suggestion"]["in"]}
    )
    assert line["no_suggestion"] is None
    fine = doctor_json(Lobby().crowd(*OVER).doctor.diagnoses(), 1.0)["lines"][0]
    assert fine["suggestion"] is None
    assert fine["no_suggestion"]["code"] == "fine"


def test_every_finding_has_words_in_both_languages_and_every_figure_they_need():
    seen = set()
    lobbies = [
        Lobby().crowd(*OVER, people=2),
        Lobby(replace(DOOR, points=((0.1, 0.1), (0.9, 0.1)))).crowd(*OVER),
        Lobby(replace(DOOR, points=((0.1, 0.97), (0.9, 0.97)))).crowd((0.5, 0.3), (0.5, 0.995)),
        Lobby().crowd((0.5, 0.62), (0.5, 0.995)),
        Lobby().crowd((0.15, 0.57), (0.85, 0.63)),
        Lobby(replace(DOOR, points=((0.1, 0.6), (0.4, 0.6)))).crowd(*OVER),
        Lobby().crowd((0.5, 0.3), (0.5, 0.6), (0.5, 0.3), stays_s=4),
        Lobby(height=0.05).crowd((0.5, 0.3), (0.5, 0.9)),
        Lobby(wide=0.9).crowd(*OVER),
        Lobby(fps=2.0).crowd(*OVER),
    ]
    for lobby in lobbies:
        for finding in lobby.found().values():
            zh, en = said(finding)
            assert re.search("[一-鿿]", zh)
            assert en.isascii()
            seen.add(finding.code)
    assert set(Code) - seen == {Code.BREAKS_EVERYWHERE}, "its words have the figures of breaks_here"
    assert all(len(unsuggested(reason)) == 2 for reason in REASONS)


def test_what_a_person_reads_can_be_pasted():
    lobby = Lobby(replace(DOOR, points=((0.1, 0.6), (0.4, 0.6)))).crowd(*OVER)
    (each,) = lobby.doctor.diagnoses()
    text = [line for line, _ in line_text([each])]
    assert text[0] == "door 大门: 会数错 will miscount"
    assert f"  → {suggested(each.suggestion)[0]}" in text
    pasted = suggestion_yaml(each, each.suggestion)
    assert pasted[:2] == ["  - id: door", "    name: 大门"]
    assert text[-len(pasted) :] == pasted


def test_the_suggested_line_counts_them_when_it_is_used():
    bad = replace(DOOR, points=((0.1, 0.6), (0.4, 0.6)))
    told = Lobby(bad).crowd(*OVER).suggestion()
    section = LineSection.model_validate({"id": "door", "points": told.points, "in": told.entry})
    again = Lobby(section.line()).crowd(*OVER)
    assert again.bad() == set()
    assert [c.outcome for c in again.counted] == [Outcome.IN] * told.counted


def test_a_polyline_is_measured_like_the_counter_does():
    chance = Random(3)
    path = [(0.1, 0.5), (0.4, 0.7), (0.9, 0.4)]
    points = [(chance.random(), chance.random()) for _ in range(500)]
    told = _signed_distances(np.array(points), path)
    assert told == pytest.approx([signed_distance(p, path) for p in points], abs=1e-9)


def test_memory_is_bounded():
    feet = FootPaths()
    for k in range(3 * MOST_LOOKS):
        feet.observe(Tracks(k / 8, 1.0, (Track(1, (0.4, 0.2, 0.5, 0.4), 0.9, 0.0, True),)))
    assert len(feet) < MOST_LOOKS
    assert feet.paths().at[-1] - feet.paths().at[0] > 2.5 * MOST_LOOKS / 8, "thinned, not cut"
    for k in range(2, 3 * MOST_PATHS):
        at = 100 + k / 8
        feet.observe(Tracks(at, 1.0, (Track(k, (0.4, 0.2, 0.5, 0.4), 0.9, 0.0, True),), (k - 1,)))
    assert len(feet.paths()) == MOST_PATHS
    feet.observe(Tracks(at + MOST_AGE_S + 1, 1.0, (), (k,)))
    feet.observe(Tracks(at + MOST_AGE_S + 2, 1.0))
    assert len(feet.paths()) == 0
    assert feet.paths().watched_s == MOST_AGE_S


def test_the_drawing_shows_lines_and_no_ways_of_few():
    lobby = Lobby(replace(DOOR, points=((0.1, 0.6), (0.4, 0.6))))
    for _ in range(FEWEST):
        lobby.walks((0.5, 0.3), (0.5, 0.9))
    for _ in range(FEWEST - 1):
        lobby.walks((0.9, 0.3), (0.9, 0.9))
    paths = lobby.doctor.paths()
    counts = heat(paths)
    assert counts.shape == (ROWS, COLUMNS)
    assert counts[:, int(0.5 * COLUMNS)].max() == FEWEST
    assert counts[:, int(0.9 * COLUMNS)].max() == 0, "too few people to be shown"
    svg = drawing(lobby.doctor.diagnoses(), paths, Anchor.BOTTOM_CENTRE)
    assert svg.count("进 IN") == 2, "one arrow for the line, one for the suggestion"
    assert svg.count("stroke-dasharray") == 1
    assert "<image" not in svg
    assert svg.startswith("<svg")
    assert svg.endswith("</svg>\n")


def test_the_rate_is_of_the_pictures_that_were_looked_at():
    feet = FootPaths()
    for at in (0.0, 0.1, 0.3, 0.4, 0.6, 60.0, 60.1, 60.3):
        feet.observe(Tracks(at, 1.0))
    assert feet.paths().looks_per_s == pytest.approx(6 / 0.9)


def test_a_line_that_was_not_judged_is_not_drawn_as_fine():
    colours = {}
    for name, people in (("fine", 12), ("not judged", 3)):
        lobby = Lobby().crowd(*OVER, people=people)
        svg = drawing(lobby.doctor.diagnoses(), lobby.doctor.paths(), Anchor.BOTTOM_CENTRE)
        (colours[name],) = re.findall(r'<polyline [^>]*stroke="(#\w+)"', svg)
    assert colours["fine"] != colours["not judged"]
