"""What is in force and what is said about it, in any order of wishes, failures and restarts."""

import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ruamel.yaml import YAML

from edge.adapters.shadow_file import ShadowFile
from edge.config import Config
from edge.config_in_force import ConfigInForce, in_force
from edge.config_remote import merged
from edge.errors import OutboxError
from edge.shadow import SUPERSEDED, Desired, Kept, Report, Shadow, restored
from edge.shadow_messages import desired_message

A, B = Desired("a", {"counting": {"uturn_s": 1}}), Desired("b", {"counting": {"uturn_s": 2}})


def trying(desired=A, applied=None, **options):
    shadow = Shadow(Kept("base", applied=applied), **options)
    shadow.try_out(desired, 100.0)
    return shadow


def told(shadow):
    report = shadow.kept.report
    wanted = shadow.kept.wanted
    return report.state, report.rev, wanted and wanted.rev


def test_a_trial_is_passed_after_the_probation_and_not_before():
    shadow = trying()
    assert told(shadow) == ("probation", "a", "a")
    shadow.watch(159.9, 0.1, picture=True)
    assert shadow.on_probation
    shadow.watch(160.0, 0.1, picture=True)
    assert told(shadow) == ("applied", "a", "a")


def test_a_camera_that_is_away_neither_passes_nor_fails_a_trial():
    shadow = trying()
    for now in range(101, 500):
        shadow.watch(float(now), 0.1, picture=False)
    assert shadow.on_probation
    shadow.watch(500.0, 0.1, picture=True)
    assert told(shadow) == ("applied", "a", "a")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"took_s": 12.0}, "a picture took 12 s"),
        ({"took_s": 0.1, "unsaved": 1}, "could not be stored"),
    ],
)
def test_a_trial_that_stops_the_counting_or_the_storing_is_rolled_back(step, said):
    shadow = trying(applied=B)
    shadow.watch(101.0, picture=True, **step)
    assert told(shadow) == ("rolled_back", "a", "b")
    assert said in shadow.kept.report.errors[0]


def test_a_disk_that_was_full_before_is_not_the_fault_of_a_trial():
    shadow = Shadow(Kept("base"))
    shadow.try_out(A, 0.0, unsaved=3)
    shadow.watch(60.0, 0.1, picture=True, unsaved=3)
    assert told(shadow) == ("applied", "a", "a")


def test_a_document_refused_during_a_trial_leaves_it_and_stays_answered():
    shadow = trying()
    shadow.reject("digest", "b", ("wrong",))
    assert told(shadow) == ("rejected", "b", "a")
    shadow.watch(160.0, 0.1, picture=True)
    assert told(shadow) == ("rejected", "b", "a")
    assert shadow.kept.applied == A


def test_the_same_settings_under_another_rev_go_on_with_the_trial():
    shadow = trying()
    shadow.rename(B)
    assert told(shadow) == ("probation", "b", "b")
    shadow.watch(160.0, 0.1, picture=True)
    assert told(shadow) == ("applied", "b", "b")


def test_a_stop_in_order_tries_the_same_document_anew():
    shadow = trying(applied=B)
    shadow.stop()
    assert told(shadow) == ("applied", "b", "b")
    assert shadow.kept.seen is None


def test_a_stop_with_nothing_on_trial_changes_nothing():
    kept = Kept("base", Report("rejected", "b", ("no",)), applied=A, seen="x")
    shadow = Shadow(kept)
    shadow.stop()
    assert shadow.kept == kept


def test_a_process_that_died_during_a_trial_rolls_back():
    kept = restored(trying(applied=B).kept, "base")
    assert (kept.report.state, kept.report.rev, kept.wanted) == ("rolled_back", "a", B)
    assert kept.seen == A.digest


@pytest.mark.parametrize(
    "kept", [trying().kept, trying(B, applied=A).kept, Kept("base", applied=A)]
)
def test_a_local_edit_wins(kept):
    after = restored(kept, "other")
    assert (after.base, after.wanted, after.seen) == ("other", None, kept.seen)
    assert after.report == Report("file", kept.wanted.rev, (SUPERSEDED,))


def test_a_local_edit_under_which_nothing_was_in_force_keeps_what_was_said():
    kept = Kept("base", Report("rejected", "b", ("wrong",)), seen="x")
    assert restored(kept, "other") == replace(kept, base="other")


KEPT = Kept("base", Report("rejected", "b", ("门",)), applied=A, trial=B, seen="x")


def test_what_is_kept_comes_back(tmp_path):
    file = ShadowFile(tmp_path)
    assert (file.look(), file.load()) == (None, (None, None))
    file.save(KEPT)
    assert (file.look(), file.load()) == (KEPT, (KEPT, None))
    assert [path.name for path in tmp_path.iterdir()] == ["shadow.json"]


def test_every_flipped_bit_and_every_cut_is_noticed_and_put_aside(tmp_path):
    file, path = ShadowFile(tmp_path), tmp_path / "shadow.json"
    file.save(KEPT)
    good = path.read_bytes()
    flipped = [good[:k] + bytes([good[k] ^ 4]) + good[k + 1 :] for k in range(len(good))]
    for bad in [*flipped, *(good[:k] for k in range(len(good))), b"[" * 50_000, b"[]", b"7"]:
        path.write_bytes(bad)
        assert file.look() is None
    kept, problem = file.load()
    assert kept is None
    assert "damaged and was put aside as shadow.damaged" in problem
    assert [p.name for p in tmp_path.iterdir()] == ["shadow.damaged"]


def test_a_file_that_cannot_be_written_or_read_says_so(tmp_path):
    (tmp_path / "shadow.tmp").mkdir()
    with pytest.raises(OutboxError, match=r"shadow\.json: cannot be written \(Is a directory\)"):
        ShadowFile(tmp_path).save(KEPT)
    (tmp_path / "shadow.json").mkdir()
    assert ShadowFile(tmp_path).load() == (
        None,
        "the stored config shadow cannot be read (Is a directory)",
    )


FILE = """
device: {{tenant: t, id: d}}
camera: {{source: /dev/video0}}
lines: [{{id: door, points: [[0.2, {y}], [0.8, {y}]], in: down}}]
mqtt: {{host: h, insecure_lab: true}}
"""


@cache
def template(y):
    return Config.model_validate(YAML(typ="safe", pure=True).load(FILE.format(y=y)))


def file_config(folder, y=0.6):
    config = template(y)
    records = config.records.model_copy(update={"data_dir": folder})
    return config.model_copy(update={"records": records})


def payload(desired):
    return desired_message("t", "d", desired).payload


def reported(settings):
    return json.loads(settings.reported(0).payload)


def test_what_counts_as_the_proven_config_does_needs_no_trial(tmp_path):
    settings = ConfigInForce(file_config(tmp_path), lambda _: None)
    settings.hear(payload(A), 0.0)
    settings.watch(60.0, 0.1, picture=True, unsaved=0)
    for rev, wish, state in (
        ("named", A.config | {"device": {"name": "大厅"}}, "applied"),
        ("b", B.config, "probation"),
        ("a again", A.config, "applied"),
    ):
        settings.hear(payload(Desired(rev, wish)), 61.0)
        said = reported(settings)
        assert (said["state"], said["rev"], said["in_force"]) == (state, rev, rev)
        assert settings.current.config.hash() == merged(settings._base, wish).hash()


def test_a_dry_run_that_raises_is_a_refusal(tmp_path):
    def rehearse(_):
        raise ZeroDivisionError

    settings = ConfigInForce(file_config(tmp_path), rehearse)
    settings.hear(payload(A), 0.0)
    said = reported(settings)
    assert (said["state"], said["in_force"]) == ("rejected", None)
    assert said["errors"] == ["config: nobody can be counted with it (ZeroDivisionError)"]


def test_what_a_later_version_cannot_use_any_more_gives_way_to_the_file(tmp_path):
    config = file_config(tmp_path)
    first = ConfigInForce(config, lambda _: None, probation_s=0)
    first.hear(payload(A), 0.0)
    first.watch(0.0, 0.1, picture=True, unsaved=0)
    assert reported(first)["state"] == "applied"

    def rehearse(_):
        raise ValueError

    later = reported(ConfigInForce(config, rehearse))
    assert (later["state"], later["rev"], later["in_force"]) == ("rolled_back", "a", None)
    assert later["cfg"] == config.hash()


def test_a_document_that_could_not_be_stored_changes_nothing_and_is_tried_again(tmp_path):
    config = file_config(tmp_path)
    settings = ConfigInForce(config, lambda _: None)
    (tmp_path / "shadow.tmp").mkdir()
    settings.hear(payload(A), 0.0)
    said = reported(settings)
    assert (said["state"], said["rev"], said["cfg"]) == ("rejected", "a", config.hash())
    assert "cannot be stored" in said["errors"][0]
    (tmp_path / "shadow.tmp").rmdir()
    settings.hear(payload(A), 1.0)
    assert reported(settings)["state"] == "probation"


def test_what_could_not_be_stored_is_stored_later(tmp_path):
    settings = ConfigInForce(file_config(tmp_path), lambda _: None)
    settings.hear(payload(A), 0.0)
    (tmp_path / "shadow.tmp").mkdir()
    settings.watch(60.0, 0.1, picture=True, unsaved=0)
    assert reported(settings)["state"] == "applied"
    assert ShadowFile(tmp_path).look().trial == A
    (tmp_path / "shadow.tmp").rmdir()
    settings.watch(64.9, 0.1, picture=True, unsaved=0)
    assert ShadowFile(tmp_path).look().trial == A
    settings.watch(65.0, 0.1, picture=True, unsaved=0)
    assert ShadowFile(tmp_path).look().applied == A


def test_nothing_is_written_while_nothing_is_wanted(tmp_path):
    settings = ConfigInForce(file_config(tmp_path), lambda _: None)
    settings.hear(b"", 0.0)
    settings.watch(1.0, 0.1, picture=True, unsaved=0)
    settings.stop(2.0)
    assert list(tmp_path.iterdir()) == []
    assert (reported(settings)["state"], reported(settings)["rev"]) == ("file", None)


def test_other_verbs_see_what_is_in_force(tmp_path):
    config = file_config(tmp_path)
    assert (in_force(config).config, in_force(config).told) == (config, None)
    settings = ConfigInForce(config, lambda _: None)
    settings.hear(payload(A), 0.0)
    assert in_force(config).config.counting.uturn_s == 1
    assert "'a' of MQTT, on probation" in in_force(config).told
    settings.watch(60.0, 0.1, picture=True, unsaved=0)
    assert "'a' of MQTT, config hash" in in_force(config).told
    edited = file_config(tmp_path, 0.7)
    assert in_force(edited).config == edited
    assert "this file was edited since" in in_force(edited).told


LINES = [{"id": "side", "points": [[0.1, 0.5], [0.9, 0.5]], "in": "up"}]
WISHES = [
    {},
    {"lines": LINES},
    {"counting": {"uturn_s": 3}},
    {"counting": {"uturn_s": 3.0}, "device": {"name": "大厅"}},
    {"device": {"name": "大厅"}},
    {"mqtt": {}},
    {"lines": []},
    {"zones": [{"id": "door", "polygon": [[0, 0], [1, 0], [1, 1]]}]},
]


class AnyOrder(RuleBasedStateMachine):
    """Wishes, pictures, failures, crashes, edits, full disks and damage, in any order."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.y, self.now = 0.6, 1000.0
        self.wishes, self.last = {}, None
        self.blocked, self.proven, self.disk_failed = None, None, False
        self.start()

    def teardown(self):
        shutil.rmtree(self.folder)

    def start(self):
        self.file = file_config(self.folder, self.y)
        self.settings = ConfigInForce(self.file, lambda _: None)

    def hear(self, message):
        repeated, before = message == self.last, self.settings.current
        self.settings.hear(message, self.now)
        if repeated and not self.disk_failed:
            assert self.settings.current is before
        if message != self.last:
            self.blocked = None
        self.last = message

    @rule(wish=st.sampled_from(WISHES))
    def a_new_document(self, wish):
        rev = f"rev-{len(self.wishes)}"
        self.wishes[rev] = wish
        self.hear(payload(Desired(rev, wish)))

    @precondition(lambda self: self.wishes)
    @rule(data=st.data())
    def an_earlier_document(self, data):
        rev = data.draw(st.sampled_from(sorted(self.wishes)))
        self.hear(payload(Desired(rev, self.wishes[rev])))

    @precondition(lambda self: self.last is not None)
    @rule()
    def the_same_again(self):
        self.hear(self.last)

    @rule(message=st.sampled_from([b"", b"{", b'{"v":"1.0","rev":"x","config":3}']))
    def nothing_or_nonsense(self, message):
        self.hear(message)

    @rule(
        picture=st.booleans(), took_s=st.sampled_from([0.1, 0.1, 11.0]), unsaved=st.integers(0, 1)
    )
    def a_step(self, picture, took_s, unsaved):
        self.now += 25.0
        trial = self.settings.on_probation
        self.settings.watch(self.now, took_s, picture=picture, unsaved=unsaved)
        if trial and self.settings.current.report.state == "rolled_back":
            self.blocked = self.settings.current.report.rev

    @precondition(lambda self: self.settings.on_probation)
    @rule()
    def an_exception(self):
        self.blocked = self.settings.current.rev
        self.settings.fail("counting with it failed", self.now)
        assert self.settings.current.report.state == "rolled_back"

    @rule()
    def a_crash(self):
        trial = self.settings.current.rev if self.settings.on_probation else None
        self.start()
        report = self.settings.current.report
        if trial is not None:
            assert (report.state, report.rev) == ("rolled_back", trial)
            self.blocked = trial
        if not self.disk_failed:
            assert self.settings.current.rev == self.proven

    @rule()
    def a_stop_in_order(self):
        if self.settings.on_probation:
            self.last = None  # it is tried anew
        self.settings.stop(self.now)
        self.start()
        assert not self.settings.on_probation
        if not self.disk_failed:
            assert self.settings.current.rev == self.proven

    @rule(y=st.sampled_from([0.55, 0.6, 0.65]))
    def a_local_edit(self, y):
        held = self.settings.current.rev
        changed, self.y = y != self.y, y
        if changed:
            self.start()
            if not self.disk_failed:  # else an edit that is undone may go unnoticed
                report = self.settings.current.report
                assert self.settings.current.rev is None
                assert held is None or report == Report("file", held, (SUPERSEDED,))

    @rule()
    def the_disk_is_full(self):
        self.disk_failed = True
        with suppress(FileExistsError):
            (self.folder / "shadow.tmp").mkdir()

    @rule()
    def the_disk_has_room_again(self):
        with suppress(FileNotFoundError, NotADirectoryError):
            (self.folder / "shadow.tmp").rmdir()

    @precondition(lambda self: (self.folder / "shadow.json").exists())
    @rule()
    def damage(self):
        (self.folder / "shadow.json").write_text("{", "utf-8")
        self.start()
        assert self.settings.current.config == self.file
        assert "damaged" in self.settings.current.report.errors[0]
        self.blocked, self.last = None, None

    @invariant()
    def what_is_in_force_is_a_valid_config_that_was_wished_for(self):
        current = self.settings.current
        wish = {} if current.rev is None else self.wishes[current.rev]
        assert current.config == merged(self.file, wish)
        self.proven = self.proven if self.settings.on_probation else current.rev

    @invariant()
    def the_report_is_true(self):
        said, on_probation = reported(self.settings), self.settings.on_probation
        state, rev, current = said["state"], said["rev"], said["in_force"]
        assert said["cfg"] == self.settings.current.config.hash()
        assert current == self.settings.current.rev
        assert (state in {"rejected", "rolled_back"}) <= bool(said["errors"])
        assert {
            "applied": rev == current and not on_probation,
            "probation": rev == current and on_probation,
            "rejected": rev is None or rev != current,
            "rolled_back": rev != current and not on_probation,
            "file": current is None,
        }[state]

    @invariant()
    def what_failed_is_not_in_force_again_by_itself(self):
        assert self.blocked is None or self.settings.current.rev != self.blocked

    @invariant()
    def a_trial_is_marked_on_disk(self):
        if self.settings.on_probation:
            assert ShadowFile(self.folder).look().trial.rev == self.settings.current.rev


AnyOrder.TestCase.settings = hypothesis_settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
TestAnyOrder = AnyOrder.TestCase
