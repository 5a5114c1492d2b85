"""Who is asked next, when it stops, and what the verbs say to what makes no sense."""

import json
import random

import pytest
from typer.testing import CliRunner

from edge.errors import BadInputError
from edge.updating.answers import Reported
from edge.updating.wanted import Wanted
from evaluation import update_report
from evaluation.offered_bundle import open_bundle
from evaluation.rollout import Device, Plan, Rollout, in_order, stages_of
from evaluation.rollout_file import alone, load, save
from evaluation.update_verbs import update_cli

BUNDLE = "ab" * 32
WANTED = Wanted("0.2.0", BUNDLE, 1000, 1024, None, ("02:00-05:00",), 0)
DEVICES = tuple(Device("t", f"d{n}") for n in range(10))


def rollout(stages=(1, 3, 10), **changes):
    return Rollout(Plan(WANTED, DEVICES, stages, **{"wait_s": 60.0, **changes}))


def applied(it, *devices):
    for device in devices:
        it.hear(device, Reported("0.2.0", "applied", "0.2.0", BUNDLE))


def failed(state="reverted", **changes):
    known = {"reason": "not_confirmed", "zh": "没有正常工作", "en": "did not work"}
    return Reported("0.1.0", state, "0.2.0", BUNDLE, **{**known, **changes})


def test_a_stage_begins_when_the_one_before_has_held_for_the_wait():
    it = rollout()
    assert it.invited == DEVICES[:1]
    assert not it.step(0)
    applied(it, DEVICES[0])
    assert not it.step(1_000)
    assert not it.step(60_999)
    assert it.step(61_000)
    assert it.invited == DEVICES[:3]
    applied(it, *DEVICES[1:3])
    assert not it.step(62_000)
    assert it.step(122_000)
    applied(it, *DEVICES[3:9])
    assert not it.step(10**9)
    applied(it, DEVICES[9])
    assert it.step(10**9)  # after the last there is nothing to wait for
    assert (it.state, it.missing) == ("done", [])


@pytest.mark.parametrize("state", ["reverted", "refused"])
def test_the_first_that_fails_stops_it_and_nobody_else_is_asked(state):
    it = rollout(tolerate=2)
    applied(it, DEVICES[0])
    it.step(0)
    it.step(60_000)
    assert it.hear(DEVICES[2], failed(state))
    assert (it.state, it.failed) == ("stopped", DEVICES[2])
    applied(it, DEVICES[1])
    assert not it.step(10**9)
    assert it.invited == DEVICES[:3]
    said = update_report.sentence(it)
    assert f"t/d2 上失败（{state}：没有正常工作）" in said
    assert f"failed on t/d2 ({state}: did not work)" in said


def test_what_failed_with_the_same_file_before_stops_it_when_its_turn_comes():
    it = rollout()
    it.hear(DEVICES[2], failed())
    assert it.state == "running"
    applied(it, DEVICES[0])
    it.step(0)
    assert it.step(60_000)
    assert (it.state, it.failed) == ("stopped", DEVICES[2])


def test_another_file_or_another_device_that_failed_stops_nothing():
    it = rollout()
    it.hear(DEVICES[0], Reported("0.1.0", "reverted", "0.2.0", "cd" * 32))
    it.hear(Device("t", "stranger"), failed())
    assert it.state == "running"


def test_the_new_version_on_trial_is_not_applied_yet():
    it = rollout()
    it.hear(DEVICES[0], Reported("0.2.0", "trial", "0.2.0", BUNDLE))
    assert it.missing == [DEVICES[0]]


def test_some_may_be_away_but_not_all():
    it = rollout(stages=(2, 10), tolerate=2, wait_s=0.0)
    assert not it.step(0)
    applied(it, DEVICES[1])
    assert it.step(0)
    assert it.invited == DEVICES


@pytest.mark.parametrize(
    ("text", "count", "stages"),
    [
        ("1,10%,100%", 100, (1, 10, 100)),
        ("1,10%,100%", 2, (1, 2)),
        ("1,10%,100%", 1, (1,)),
        ("4, 75%, 100%", 7, (4, 6, 7)),
        ("3", 3, (3,)),
    ],
)
def test_stages_are_numbers_or_shares(text, count, stages):
    assert stages_of(text, count) == stages


@pytest.mark.parametrize("text", ["", "0,100%", "10%", "50%,10%,100%", "a", "-1,100%", "1,²", "1"])
def test_stages_that_do_not_rise_to_all_are_refused(text):
    with pytest.raises(BadInputError, match=r"e\.g\. --stages 1,10%,100%"):
        stages_of(text, 30)


def test_the_order_is_of_chance_and_the_same_again():
    shuffled = random.Random(1).sample(DEVICES, len(DEVICES))
    order = in_order(shuffled, BUNDLE)
    assert order == in_order(DEVICES, BUNDLE) != DEVICES
    assert order != in_order(DEVICES, "cd" * 32)
    assert sorted(order) == sorted(DEVICES)


def test_it_is_kept_and_read_back_whole(tmp_path):
    path = tmp_path / "rollout.json"
    assert load(path) is None
    it = rollout()
    applied(it, DEVICES[0])
    it.step(5)
    it.step(10**6)
    it.hear(DEVICES[1], failed())
    save(path, it)
    assert load(path) == it
    for broken in ("{", "[]", '{"v": "1.0"}', json.dumps({"v": "2.0", "devices": []})):
        path.write_text(broken, "utf-8")
        with pytest.raises(BadInputError, match="is not a rollout"):
            load(path)


def test_two_do_not_work_on_one_rollout(tmp_path):
    path = tmp_path / "rollout.json"
    with alone(path), pytest.raises(BadInputError, match="stop that one first"), alone(path):
        pass
    with alone(path):
        pass


def test_the_status_names_every_device(tmp_path):
    path = tmp_path / "rollout.json"
    it = rollout()
    it.hear(DEVICES[0], failed("refused", zh="签名不对", en="wrong signature"))
    save(path, it)
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(update_cli, ["status", "--state", str(path)])
    assert shown.exit_code == 0
    for device in DEVICES:
        assert str(device) in shown.output
    assert "签名不对" in shown.output
    fields = update_report.fields(it)
    assert fields["devices"]["t/d0"] == {"stage": 1, "state": "refused", "reason": "not_confirmed"}
    assert fields["devices"]["t/d9"] == {"stage": 3, "state": "later", "reason": None}


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"", "first member"), (b"PK\3\4" * 500, "first member")],
)
def test_a_file_that_is_no_bundle_is_named(tmp_path, content, why):
    path = tmp_path / "x.lcu"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInputError, match=why) as caught:
        open_bundle(path)
    assert str(path) in str(caught.value)
    assert "e.g." in str(caught.value)


LAB = ["--broker", "mqtt://127.0.0.1:1", "--insecure-lab"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "give either --devices FILE or --tenant NAME"),
        (["--tenant", "t", "--devices", "devices.txt"], "give either"),
        (["--devices", "devices.txt", "--spread", "soon"], "must be a time such as"),
        (["--devices", "devices.txt", "--wait", "-1s"], "must be a time such as"),
        (["--devices", "devices.txt", "--hours", "5"], "--hours"),
        (["--devices", "devices.txt", "--not-before", "now"], "must be UTC"),
        (["--devices", "devices.txt", "--stages", "2"], "rise to all"),
        (["--devices", "wrong.txt"], r"wrong.txt:2: has no /; e\.g\."),
        (["--devices", "none.txt"], "names no device"),
        (["--devices", "gone.txt"], "cannot be read"),
        (["--tenant", "Überall"], "--tenant"),
    ],
)
def test_options_that_make_no_sense_are_named(tmp_path, monkeypatch, bundle, options, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices.txt").write_text("t/a\n\n# 备注\nt/b # 设备\nt/a\nt/c\n", "utf-8")
    (tmp_path / "wrong.txt").write_text("t/a\nlobby\n", "utf-8")
    (tmp_path / "none.txt").write_text("# nobody\n", "utf-8")
    ended = CliRunner().invoke(update_cli, ["offer", str(bundle), *LAB, *options])
    assert isinstance(ended.exception, BadInputError)
    with pytest.raises(BadInputError, match=why):
        raise ended.exception
    assert not (tmp_path / "rollout.json").exists()


@pytest.fixture
def bundle(tmp_path):
    from tests.system.test_update_mqtt import bundle_of

    path = tmp_path / "thin.lcu"
    bundle_of(path, 2000)
    return path


def test_a_bundle_says_its_version_and_is_read_from_any_place(bundle):
    offered = open_bundle(bundle)
    content = bundle.read_bytes()
    assert (offered.version, offered.size) == ("0.2.0", len(content))
    assert offered.read(1000, 50) == content[1000:1050]
    assert offered.read(len(content) - 3, 50) == content[-3:]
    assert offered.read(len(content) + 3, 50) == b""


def test_another_bundle_is_not_mixed_into_a_rollout_that_goes_on(tmp_path, bundle, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "rollout.json", rollout())
    (tmp_path / "devices.txt").write_text("t/a\n", "utf-8")
    options = ["offer", str(bundle), *LAB, "--devices", "devices.txt"]
    ended = CliRunner().invoke(update_cli, options)
    with pytest.raises(BadInputError, match=r"a rollout of 0\.2\.0 is going on there"):
        raise ended.exception
