"""Why a line will miscount, from minutes of live tracks, with a better line. Pure.

`observe` takes every step of the tracker and is cheap; `diagnoses` works out the rest when
somebody asks. What was walked stays in RAM (edge/foot_paths.py); what is handed out are sums,
words, and at most one line of two points for each line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.foot_paths import FootPaths, Paths
from edge.line_findings import Code, DoctorSettings, Finding, Severity, findings_of
from edge.line_meetings import meet, path_of
from edge.line_suggestion import Suggestion, suggest
from edge.line_words import is_bad, said, suggested, unsuggested
from edge.vocabulary import Line, Tracks
from edge.walkers import crowd_of

_OF_PLACE = frozenset(Code) - {
    Code.TOO_STEEP,
    Code.TOO_FEW_PICTURES,
    Code.TOO_LITTLE_SEEN,
    Code.OBSERVED,
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is found about one line. reason: why there is no suggestion, else None."""

    line: Line
    findings: tuple[Finding, ...]
    suggestion: Suggestion | None
    reason: str | None

    @property
    def is_bad(self) -> bool:
        """Whether the line will miscount."""
        return is_bad(self.findings)

    @property
    def is_judged(self) -> bool:
        """Whether enough people came to say so."""
        return all(finding.code is not Code.TOO_LITTLE_SEEN for finding in self.findings)


class LineDoctor:
    """Watches the lines of one camera. Not thread-safe; `paths()` is a copy to examine."""

    def __init__(
        self,
        lines: Sequence[Line],
        aspect: float = 1.0,
        settings: DoctorSettings | None = None,
    ) -> None:
        """Begin with nothing seen. aspect: picture width / height, until the tracks say it."""
        self.lines = tuple(lines)
        self.settings = settings or DoctorSettings()
        self._feet = FootPaths(aspect)

    def observe(self, tracks: Tracks) -> None:
        """Add one step of the tracker; a few microseconds a person."""
        self._feet.observe(tracks)

    def paths(self) -> Paths:
        """Return a copy of what has been walked, for `examine` in another thread."""
        return self._feet.paths()

    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """Return what is found about every line; takes up to seconds."""
        return examine(self.paths(), self.lines, self.settings)

    def findings(self) -> dict[str, tuple[Finding, ...]]:
        """Return the findings by line, worst first."""
        return {each.line.id: each.findings for each in self.diagnoses()}

    def suggestion(self, line: str) -> Suggestion | None:
        """Return a better line for the one of that id; `diagnoses` says why there is none."""
        found = {each.line.id: each.suggestion for each in self.diagnoses()}
        return found[line]


def examine(paths: Paths, lines: Sequence[Line], settings: DoctorSettings) -> tuple[Diagnosis, ...]:
    """Lay the lines over what was walked."""
    seen = settings.interest.region(paths.aspect)
    crowd = crowd_of(paths, settings.anchor, settings.meetings, seen)
    diagnoses = []
    for line in lines:
        met = meet(crowd, path_of(line, paths.aspect))
        findings = findings_of(line, crowd, met, settings)
        reason = _against(findings, crowd.walkers, settings)
        suggestion = None if reason else suggest(line, crowd, met, settings)
        if reason is None and suggestion is None:
            reason = "none_better"
        diagnoses.append(Diagnosis(line, findings, suggestion, reason))
    return tuple(diagnoses)


def _against(findings: Sequence[Finding], walkers: int, s: DoctorSettings) -> str | None:
    """Return why no other line is looked for, None where one is."""
    if walkers < s.fewest_people:
        return "too_little_seen"
    bad = {finding.code for finding in findings if finding.severity is Severity.BAD}
    if bad & _OF_PLACE:
        return None
    if bad:
        return "camera"
    seen = all(finding.code is not Code.TOO_LITTLE_SEEN for finding in findings)
    return "fine" if seen else "too_little_seen"


def doctor_json(diagnoses: Sequence[Diagnosis], watched_s: float) -> dict[str, object]:
    """Return what the page and `--json` say: no path, no coordinate but those of lines."""
    return {
        "watched_s": round(watched_s, 1),
        "lines": [
            {
                "id": each.line.id,
                "findings": [_finding_json(finding) for finding in each.findings],
                "suggestion": each.suggestion and _suggestion_json(each.suggestion),
                "no_suggestion": each.reason and _words(*unsuggested(each.reason), each.reason),
            }
            for each in diagnoses
        ],
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        **_words(*said(finding), finding.code),
        "severity": str(finding.severity),
        "measured": round(finding.measured, 3),
        "limit": round(finding.limit, 3),
    }


def _suggestion_json(suggestion: Suggestion) -> dict[str, object]:
    zh, en = suggested(suggestion)
    return {
        "points": [list(point) for point in suggestion.points],
        "in": suggestion.entry,
        "check_direction": not suggestion.keeps_side,
        "people": suggestion.people,
        "counted": suggestion.counted,
        "counted_now": suggestion.now,
        "zh": zh,
        "en": en,
    }


def _words(zh: str, en: str, code: str) -> dict[str, object]:
    return {"code": str(code), "zh": zh, "en": en}
