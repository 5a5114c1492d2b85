"""The config shadow: what somebody wants from afar, what is in force, and what is said about it.

    file ─▶ probation ─▶ applied        rejected: said, nothing changed
               └──────▶ rolled_back     file: superseded by a local edit, or taken back

A document is first tried. It has passed when it was in force for the probation time and at
least one picture was processed under it: a camera that is away proves nothing and blames
nobody. It has failed when a picture could not be processed or took too long, when closed
intervals could not be stored, or when the process did not live to the end of the trial.
What failed is not tried again until a different document comes.

Pure decisions: time is passed in, `Kept` is what has to be on disk before anything is done.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from edge.sealing import canonical

PROBATION_S = 60.0
SLOW_STEP_S = 10.0
"""A picture that takes longer stops the counting; a slow memory card is given this time."""
SUPERSEDED = (
    "superseded by a local edit: the config file was changed on the device, so the file is in"
    " force; send a document with another rev to change it again"
)
INTERRUPTED = (
    "the service ended during the probation without being stopped; the config before is in"
    " force again; send a document with another rev to try once more"
)

State = Literal["file", "probation", "applied", "rejected", "rolled_back"]


@dataclass(frozen=True, slots=True)
class Desired:
    """A document: settings to be put over those of the file, under a name its sender chose."""

    rev: str
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """What tells this document from every other one."""
        return digest_of(canonical({"config": self.config, "rev": self.rev}).encode())


def digest_of(payload: bytes) -> str:
    """Return what tells a payload from every other one."""
    return hashlib.sha256(payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the last document that mattered; `rev` None where it had none."""

    state: State = "file"
    rev: str | None = None
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What survives a restart.

    base: digest of the settings in the file that the documents were put over.
    applied: in force and proven. trial: in force on probation, `applied` comes back if it fails.
    seen: digest of the last document that was answered.
    """

    base: str
    report: Report = Report()
    applied: Desired | None = None
    trial: Desired | None = None
    seen: str | None = None

    @property
    def wanted(self) -> Desired | None:
        """The document in force; None when it is the file alone."""
        return self.trial or self.applied


def restored(kept: Kept, base: str) -> Kept:
    """Return what holds at the start of a process whose file says `base`."""
    if kept.base != base:
        over = kept.wanted
        if over is None:
            return replace(kept, base=base)
        report = Report("file", over.rev, (SUPERSEDED,))
        return Kept(base, report, seen=kept.seen)
    if kept.trial is not None:
        report = Report("rolled_back", kept.trial.rev, (INTERRUPTED,))
        return replace(kept, trial=None, report=report)
    return kept


class Shadow:
    """Decides what is in force. One instance per process, asked from one thread."""

    def __init__(
        self, kept: Kept, *, probation_s: float = PROBATION_S, slow_step_s: float = SLOW_STEP_S
    ) -> None:
        """Begin with what `restored` returned."""
        self.kept = kept
        self._probation_s, self._slow_step_s = probation_s, slow_step_s
        self._since = 0.0
        self._pictures = 0
        self._unsaved = 0

    @property
    def on_probation(self) -> bool:
        """Whether a document is being tried."""
        return self.kept.trial is not None

    def reject(self, digest: str, rev: str | None, errors: tuple[str, ...]) -> None:
        """Answer a document that cannot be used; what is in force stays."""
        self.kept = replace(self.kept, report=Report("rejected", rev, errors), seen=digest)

    def apply(self, desired: Desired) -> None:
        """Put a document in force that counts as what is proven does: there is nothing to try."""
        report = Report("applied", desired.rev)
        self.kept = Kept(self.kept.base, report, applied=desired, seen=desired.digest)

    def try_out(self, desired: Desired, now: float, *, unsaved: int = 0) -> None:
        """Put a document in force on probation.

        now: seconds on the monotonic clock. unsaved: closed intervals not stored by now.
        """
        self.rename(desired)
        self._since, self._pictures, self._unsaved = now, 0, unsaved

    def rename(self, desired: Desired) -> None:
        """Go on with a trial under another document, which counts in the same way."""
        report = Report("probation", desired.rev)
        self.kept = replace(self.kept, trial=desired, report=report, seen=desired.digest)

    def take_back(self) -> None:
        """The sender wants nothing any more: the file alone is in force."""
        if self.kept != Kept(self.kept.base):
            self.kept = Kept(self.kept.base)

    def watch(self, now: float, took_s: float, *, picture: bool, unsaved: int = 0) -> None:
        """Follow one step of the pipeline that did not raise; it may end the trial either way.

        took_s: how long the step took. picture: whether there was one.
        unsaved: closed intervals that could not be stored so far.
        """
        if self.kept.trial is None:
            return
        self._pictures += picture
        if took_s > self._slow_step_s:
            self.fail(f"a picture took {took_s:.0f} s to process")
        elif unsaved > self._unsaved:
            self.fail("closed intervals could not be stored under it")
        elif now - self._since >= self._probation_s and self._pictures:
            self._pass(self.kept.trial)

    def fail(self, *reasons: str) -> None:
        """End the trial; or, without one, give up what is in force and cannot be used any more."""
        failed = self.kept.wanted
        report = Report(
            "rolled_back",
            failed.rev if failed else None,
            tuple(f"{reason}; send a document with another rev to try again" for reason in reasons),
        )
        applied = self.kept.applied if self.on_probation else None
        self.kept = replace(self.kept, applied=applied, trial=None, report=report)

    def stop(self) -> None:
        """Stop in order: a trial cut short proves nothing, so the next start begins it anew."""
        trial, applied = self.kept.trial, self.kept.applied
        if trial is None:
            return
        if self.kept.report.state == "probation":
            report = Report("applied", applied.rev) if applied else Report()
            self.kept = replace(self.kept, report=report, seen=None)
        self.kept = replace(self.kept, trial=None)

    def _pass(self, trial: Desired) -> None:
        # A later document may have been rejected meanwhile; that is still its answer.
        spoken_of = self.kept.report.state == "probation"
        report = Report("applied", trial.rev) if spoken_of else self.kept.report
        self.kept = replace(self.kept, applied=trial, trial=None, report=report)
