"""`lobbycount check` on good and broken files. The golden text is what an installer reads."""

import sys
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from edge.cli import cli
from edge.config import Config, broker_section, load
from edge.errors import ConfigError
from edge.vocabulary import DailyWindow, Zone, ZoneKind

HERE = Path(__file__).parent
BROKEN = sorted(p.name for p in (HERE / "configs").glob("*.yaml") if not p.name.startswith("00"))
GOLDEN = HERE / "golden" / "check.txt"


def said(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(Path(name))
    return caught.value.told


def test_every_broken_config_is_explained_as_in_the_golden_file(monkeypatch):
    monkeypatch.chdir(HERE / "configs")
    text = "".join(f"$ lobbycount check {name}\n{said(name)}\n\n" for name in BROKEN)
    assert text == GOLDEN.read_text("utf-8")


def test_at_least_ten_broken_configs_are_kept():
    assert len(BROKEN) >= 10


def test_check_says_ok_for_a_good_file_and_for_the_example():
    for path in (HERE / "configs" / "00-good.yaml", Path("config/lobby.example.yaml")):
        result = CliRunner().invoke(cli, ["check", str(path)])
        assert result.exit_code == 0
        assert ": ok, 1 line(s), 0 zone(s)" in result.stdout.replace("\n", "")


def test_the_example_file_shows_every_default_as_it_is():
    example = load(Path("config/lobby.example.yaml"))
    for section in ("counting", "records", "model"):
        shown = getattr(example, section).model_dump(exclude={"folder"})
        default = Config.model_fields[section].default.model_dump(exclude={"folder"})
        assert shown == default


def with_zones(tmp_path, text, device=""):
    good = (HERE / "configs" / "00-good.yaml").read_text("utf-8")
    path = tmp_path / "lobby.yaml"
    good = good.replace("id: lobby-001", f"id: lobby-001{device}")
    path.write_text(good.replace("mqtt:\n", f"{text}mqtt:\n"), "utf-8")
    return load(path)


HALL = """zones:
  - id: hall
    name: 活动室
    kind: activity
    windows: ["14:00-24:00", "09:00-11:30"]
    polygon: [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]
"""


def test_the_zones_of_the_example_are_right_once_uncommented():
    text = Path("config/lobby.example.yaml").read_text("utf-8")
    head, tail = text.split("zones: []", 1)
    shown, rest = tail.split("\n\n", 1)
    lines = [line.replace("  #", "   ", 1) for line in shown.splitlines()[1:]]
    path = Path("config/lobby.example.yaml").with_name("uncommented.yaml")
    document = YAML(typ="safe", pure=True).load(
        f"{head}zones:\n" + "\n".join(lines) + f"\n\n{rest}"
    )
    config = Config.model_validate(document, context={"folder": path.parent})
    assert [(zone.id, zone.kind) for zone in config.zones] == [
        ("waiting", "queue"),
        ("hall", "activity"),
    ]


def test_a_zone_of_the_file_becomes_a_zone_of_the_counter(tmp_path):
    config = with_zones(tmp_path, HALL)
    assert config.zones[0].zone() == Zone(
        "hall",
        ((0.5, 0.5), (0.9, 0.5), (0.9, 0.9)),
        ZoneKind.ACTIVITY,
        (DailyWindow(14 * 60, 24 * 60), DailyWindow(9 * 60, 11 * 60 + 30)),
        "活动室",
    )


def test_the_time_zone_is_shanghai_unless_said_and_utc_where_nothing_asks_for_it(tmp_path):
    day = datetime(2026, 7, 1, tzinfo=UTC)

    def offset_h(config):
        return day.astimezone(config.time_zone()).utcoffset().total_seconds() / 3600

    assert offset_h(with_zones(tmp_path, HALL)) == 8
    assert offset_h(with_zones(tmp_path, HALL, ", time_zone: Europe/Berlin")) == 2
    assert offset_h(with_zones(tmp_path, "", ", time_zone: Europe/Berlin")) == 0


def test_without_time_zone_data_only_windows_are_refused_and_the_remedy_is_named(
    tmp_path, monkeypatch
):
    plain = HALL.replace("activity", "plain").replace("    windows", "    #")
    for name in [m for m in sys.modules if m.partition(".")[0] == "tzdata"]:
        monkeypatch.delitem(sys.modules, name)  # another test may have looked something up
    monkeypatch.setitem(sys.modules, "tzdata", None)  # the package of that name
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    try:
        assert with_zones(tmp_path, plain).time_zone() is UTC
        with pytest.raises(ConfigError, match=r"no time zone data;.*apt install tzdata"):
            with_zones(tmp_path, HALL)
    finally:
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.parametrize(
    "text",
    ["09:75-11:30", "11:00-09:00", "09:00-09:00", "09:00-24:01", "9:00-10:00", "٠٩:00-10:00"],
)
def test_what_is_not_a_part_of_a_day_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="is not a part of a day"):
        with_zones(tmp_path, HALL.replace("09:00-11:30", text))


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "/etc/localtime", "Asia", "nowhere"])
def test_what_is_not_a_time_zone_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"device\.time_zone: .*is not the name of a time zone"):
        with_zones(tmp_path, "", f", time_zone: '{name}'")


def test_the_hash_changes_with_a_zone_and_its_time_zone(tmp_path):
    hashes = {
        with_zones(tmp_path, text, device).hash()
        for text, device in (
            ("", ""),
            (HALL, ""),
            (HALL.replace("0.9]]", "0.8]]"), ""),
            (HALL.replace("11:30", "11:45"), ""),
            (HALL, ", time_zone: Europe/Berlin"),
        )
    }
    assert len(hashes) == 5


def test_settings_that_are_not_used_keep_the_hash_that_records_have(tmp_path):
    plain = HALL.replace("activity", "plain").replace("    windows", "    #")
    for zones in ("", plain):
        hashes = {with_zones(tmp_path, zones, z).hash() for z in ("", ", time_zone: Europe/Berlin")}
        assert len(hashes) == 1
    # It changes only together with what is counted: last when the gate came.
    assert load(HERE / "configs" / "00-good.yaml").hash() == "69e1a476fb96"


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path):
    good = (HERE / "configs" / "00-good.yaml").read_text("utf-8")
    path = tmp_path / "lobby.yaml"
    path.write_text(good.replace("/dev/video0", "clip.mp4"), "utf-8")
    config = load(path)
    assert config.camera.source == str(tmp_path / "clip.mp4")
    assert config.mqtt.tls is not None
    assert config.mqtt.tls.ca == tmp_path / "ca.pem"


def test_the_hash_changes_with_a_line_but_not_with_the_broker(tmp_path):
    good = (HERE / "configs" / "00-good.yaml").read_text("utf-8")

    def hashed(text: str) -> str:
        path = tmp_path / "lobby.yaml"
        path.write_text(text, "utf-8")
        return load(path).hash()

    assert hashed(good) == hashed(good.replace("broker.example.org", "other"))
    # A camera's address may hold a password; a short hash of it would give it away.
    assert hashed(good) == hashed(good.replace("/dev/video0", "rtsp://me:secret@10.0.0.1/"))
    assert hashed(good) != hashed(good.replace("0.8", "0.7"))


@pytest.mark.parametrize(
    ("points", "word", "entry"),
    [
        ("[[0.2, 0.6], [0.8, 0.6]]", "down", 1),
        ("[[0.8, 0.6], [0.2, 0.6]]", "down", -1),
        ("[[0.2, 0.6], [0.8, 0.6]]", "up", -1),
        ("[[0.5, 0.2], [0.5, 0.8]]", "left", 1),
        ("[[0.5, 0.2], [0.5, 0.8]]", "right", -1),
    ],
)
def test_the_word_for_in_becomes_the_side(tmp_path, points, word, entry):
    good = (HERE / "configs" / "00-good.yaml").read_text("utf-8")
    path = tmp_path / "lobby.yaml"
    path.write_text(
        good.replace("[[0.2, 0.6], [0.8, 0.6]]", points).replace("in: down", f"in: {word}"), "utf-8"
    )
    assert load(path).lines[0].line().entry == entry


@pytest.mark.parametrize("url", ["broker", "http://broker:1883", "mqtt://", "mqtt://h:port"])
def test_a_bad_broker_url_is_explained(url):
    with pytest.raises(ConfigError, match=r"not a broker; e\.g\. mqtt://"):
        broker_section(url)


@pytest.mark.parametrize(
    "text",
    ["camera: rtsp://admin:s3cret@10.0.0.1/1", "mqtt: mqtts://me:s3cret@broker", "a: [" * 5000],
)
def test_no_error_shows_a_password_or_a_traceback(tmp_path, text):
    path = tmp_path / "lobby.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}:1: ")


def test_a_password_on_the_command_line_is_refused_and_not_shown():
    for url in ("mqtt://me:s3cret@broker", "http://me:s3cret@broker"):
        with pytest.raises(ConfigError) as caught:
            broker_section(url)
        assert "s3cret" not in str(caught.value)


def test_check_names_the_files_the_device_will_need(tmp_path):
    path = tmp_path / "lobby.yaml"
    path.write_text((HERE / "configs" / "00-good.yaml").read_text("utf-8"), "utf-8")
    result = CliRunner().invoke(cli, ["check", str(path)])
    assert result.exit_code == 0
    assert f"mqtt.tls.ca: {tmp_path}/ca.pem" in result.stdout.replace("\n", "")


def test_a_plain_broker_url_is_marked_as_lab():
    assert broker_section("mqtt://127.0.0.1").insecure_lab
    assert not broker_section("mqtts://broker.example.org").insecure_lab


def test_who_watches_the_device_changes_no_hash(tmp_path):
    path = tmp_path / "lobby.yaml"
    text = (HERE / "configs" / "00-good.yaml").read_text("utf-8")
    path.write_text(text + "\nhealth: {prometheus_port: 9464}\n", "utf-8")
    assert load(path).health.prometheus_port == 9464
    assert load(path).hash() == "69e1a476fb96"
    path.write_text(text + "\nhealth: {prometheus_port: 80}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"health.prometheus_port.*1024.*9464"):
        load(path)


def test_the_gate_is_in_the_hash_whichever_way_it_is(tmp_path):
    """A device of before the gate had the hash that follows from leaving it out."""
    good = (HERE / "configs" / "00-good.yaml").read_text("utf-8")
    path = tmp_path / "lobby.yaml"
    hashes = []
    for model in ("{gate: true}", "{}", "{gate: false}"):
        path.write_text(f"{good}model: {model}\n", "utf-8")
        hashes.append(load(path).hash())
    on, default, off = hashes
    assert on == default == "69e1a476fb96"
    assert off == "977d8834970a"
    assert "33791f7c19b3" not in hashes


def test_another_provider_changes_the_hash_and_the_default_does_not(tmp_path):
    good = (HERE / "configs" / "00-good.yaml").read_text("utf-8")
    path = tmp_path / "lobby.yaml"

    def hashed(model: str) -> str:
        path.write_text(f"{good}model: {model}\n", "utf-8")
        return load(path).hash()

    assert "model:" not in good
    assert hashed("{provider: cpu}") == hashed("{}") == "69e1a476fb96"
    assert len({hashed("{provider: openvino}"), hashed("{provider: ncnn}"), hashed("{}")}) == 3
