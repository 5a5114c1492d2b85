"""The file under the document that came over MQTT, and what of an edit is in force at once."""

import json

import pytest

from edge.config import Config
from edge.config_in_force import ConfigInForce, in_force
from edge.errors import ConfigError, Mistake
from edge.file_state import FileState, Problem, problems_in
from edge.hot_settings import HOT, effective
from edge.shadow import SUPERSEDED, Desired
from edge.shadow_messages import desired_message

LOWER = {"lines": [{"id": "door", "points": [[0.2, 0.7], [0.8, 0.7]], "in": "down"}]}
MASK = [[[0, 0], [0.2, 0], [0.2, 0.3]]]


def configured(folder, **sections):
    return Config.model_validate(
        {
            "device": {"tenant": "t", "id": "d"},
            "camera": {"source": "/dev/video0"},
            "lines": [{"id": "door", "points": [[0.2, 0.5], [0.8, 0.5]], "in": "down"}],
            "records": {"data_dir": folder},
            "mqtt": {"host": "x", "insecure_lab": True},
            **sections,
        }
    )


def hear(settings, document, now=0.0):
    settings.hear(desired_message("t", "d", document).payload, now)


def proven(folder, **sections):
    """Return what is in force with a document from afar that has passed its probation."""
    settings = ConfigInForce(configured(folder, **sections), lambda _: None, probation_s=1.0)
    hear(settings, Desired("1", LOWER))
    settings.watch(5.0, 0.1, picture=True, unsaved=0)
    assert settings.current.report.state == "applied"
    return settings


def said(settings):
    return json.loads(settings.reported(0).payload)


@pytest.mark.parametrize(
    "edit", [{"device": {"tenant": "t", "id": "d", "name": "A"}}, {"counting": {"hold_s": 0.5}}]
)
def test_an_edit_of_what_can_come_from_afar_ends_the_document_for_good(tmp_path, edit):
    settings = proven(tmp_path)
    file = configured(tmp_path, **edit)
    settings.edit(file, 6.0)
    assert (settings.current.rev, settings.current.config.hash()) == (None, file.hash())
    assert settings.current.report.errors == (SUPERSEDED,)
    hear(settings, Desired("1", LOWER), 7.0)  # the retained message, once more
    assert settings.current.rev is None
    assert in_force(file).rev is None
    again = ConfigInForce(file, lambda _: None)
    assert (again.current.rev, again.current.config.hash()) == (None, file.hash())


def test_an_edit_of_anything_else_leaves_the_document_in_force(tmp_path):
    settings = proven(tmp_path)
    settings.edit(configured(tmp_path, camera={"source": "/dev/video0", "masks": MASK}), 6.0)
    current = settings.current
    assert (current.rev, current.report.state) == ("1", "applied")
    assert current.config.lines[0].points[0] == (0.2, 0.7)
    assert current.config.camera.masks
    assert said(settings)["v"] == "1.0"


def test_a_trial_goes_on_under_an_edit_of_something_else_and_ends_with_one_of_the_lines(tmp_path):
    settings = ConfigInForce(configured(tmp_path), lambda _: None)
    hear(settings, Desired("1", LOWER))
    settings.edit(configured(tmp_path, camera={"source": "/dev/video0", "masks": MASK}), 1.0)
    assert settings.on_probation
    settings.edit(configured(tmp_path, zones=[{"id": "z", "polygon": MASK[0]}]), 2.0)
    assert not settings.on_probation
    assert settings.current.config.lines[0].points[0] == (0.2, 0.5)


def test_a_document_that_does_not_fit_the_edited_file_is_given_up(tmp_path):
    def rehearse(config):
        if config.camera.masks and config.lines[0].points[0][1] == 0.7:
            raise ZeroDivisionError

    settings = ConfigInForce(configured(tmp_path), rehearse, probation_s=1.0)
    hear(settings, Desired("1", LOWER))
    settings.watch(5.0, 0.1, picture=True, unsaved=0)
    settings.edit(configured(tmp_path, camera={"source": "/dev/video0", "masks": MASK}), 6.0)
    assert (settings.current.rev, settings.current.report.state) == (None, "rolled_back")
    assert settings.current.config.camera.masks


def test_a_rejected_edit_is_said_and_changes_nothing_else(tmp_path):
    settings = proven(tmp_path)
    before = settings.current
    settings.reject_edit((Problem(3, "lines[0].in", "must be up", "必须是 up"),))
    assert settings.current.config is before.config
    assert said(settings)["file"] == {
        "state": "rejected",
        "errors": ["lobby.yaml:3: lines[0].in: must be up"],
        "waits": [],
    }
    settings.edit(configured(tmp_path), 6.0)
    assert "file" not in said(settings)


def test_what_cannot_be_changed_at_once_waits_and_the_rest_is_in_force(tmp_path):
    settings = ConfigInForce(configured(tmp_path), lambda _: None)
    settings.edit(
        configured(
            tmp_path / "elsewhere",
            device={"tenant": "u", "id": "e", "name": "A"},
            camera={"source": "/dev/video1", "fps": 5},
            mqtt={"host": "y", "insecure_lab": True},
            hours={"weekly": {"mon": ["09:00-10:00"]}},
        ),
        1.0,
    )
    current = settings.current
    waits = ("camera.source", "device.id", "device.tenant", "mqtt.host", "records.data_dir")
    assert current.file.waits == waits
    assert "重启服务后生效: camera.source, device.id" in current.file.words
    config = current.config
    assert (config.device.id, config.device.name) == ("d", "A")
    assert (config.camera.source, config.camera.fps) == ("/dev/video0", 5)
    assert (config.mqtt.host, config.records.data_dir) == ("x", tmp_path)
    assert config.hours is not None
    settings.edit(configured(tmp_path), 2.0)
    assert settings.current.file.state == "ok"


def test_every_setting_that_is_not_named_hot_waits():
    for section, field in Config.model_fields.items():
        names = getattr(field.annotation, "model_fields", None)
        if section in HOT:
            assert HOT[section] is None or HOT[section] < set(names)
        else:
            value = field.get_default(call_default_factory=True)
            changed = Config.model_construct(**dict.fromkeys(Config.model_fields))
            other = changed.model_copy(update={section: object()})
            assert effective(changed, other)[1] == (section,), (section, value)


def test_mistakes_are_told_of_the_running_service_in_both_languages():
    file = "/x y/l.yaml"
    error = ConfigError(
        Mistake("must be up; e.g. in: up", "必须是 up；例如 in: up", "lines[0].in", 3, file),
        Mistake("not valid YAML: found: this", "不是正确的 YAML", line=9, file=file),
        Mistake("cannot be read: gone", "无法读取：文件不存在", file=file),
        Mistake("/y is not here", "没有 /y", "mqtt.tls.ca"),
    )
    assert str(error).splitlines() == [
        "/x y/l.yaml:3: lines[0].in: must be up; e.g. in: up",
        "/x y/l.yaml:9: not valid YAML: found: this",
        "/x y/l.yaml: cannot be read: gone",
        "mqtt.tls.ca: /y is not here",
    ]
    assert error.told.splitlines()[1::2] == [
        "    第 3 行 lines[0].in：必须是 up；例如 in: up",
        "    第 9 行：不是正确的 YAML",
        "    /x y/l.yaml：无法读取：文件不存在",
        "    mqtt.tls.ca：没有 /y",
    ]
    problems = problems_in(error.mistakes)
    assert [(p.line, p.path) for p in problems] == [
        (3, "lines[0].in"),
        (9, "the file"),
        (1, "the file"),
        (1, "mqtt.tls.ca"),
    ]
    state = FileState(file, problems)
    assert state.errors[1] == "/x y/l.yaml:9: the file: not valid YAML: found: this"
    assert state.chinese[:2] == (
        "第 3 行 lines[0].in：必须是 up；例如 in: up",
        "第 9 行：不是正确的 YAML",
    )
    assert state.words is not None
    assert state.words.endswith(f"{state.errors[0]} {state.chinese[0]} (+3)")
