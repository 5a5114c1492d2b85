"""Dockerfile and compose.yaml as far as nothing is built: lint, what they promise, what they name.

What becomes of them is in tests/install/test_container.py, by hand.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paho.mqtt.publish import single as publish
from ruamel.yaml import YAML

from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.config import load

yaml = YAML(typ="safe", pure=True)
DOCKERFILE, COMPOSE = Path("Dockerfile"), Path("compose.yaml")
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
RUNS = ("counter", "records", "lobby")


def lint(path):
    command = [HADOLINT, "--no-color", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(HADOLINT is None, reason="needs hadolint, of the dev extra")
def test_the_dockerfile_is_clean_and_a_careless_one_is_not(tmp_path):
    done = lint(DOCKERFILE)
    assert done.returncode == 0, done.stdout
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM debian:latest\nRUN cd /tmp && sudo apt-get install curl\n", "ascii")
    assert {"DL3007", "DL3004"} <= set(re.findall(r"DL\d+", lint(careless).stdout))


def instructions():
    """Every instruction of the Dockerfile with the stage that it is in."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.M))
    stage, found = None, []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.split(" AS ")[1]
        found.append((stage, word, " ".join(rest.split())))
    return found


def all_of(word, *stages):
    return [rest for stage, each, rest in instructions() if each == word and stage in stages]


def test_everything_from_the_index_has_a_hash_and_is_a_wheel():
    installs = [
        part
        for run in all_of("RUN", *{stage for stage, _, _ in instructions()})
        for part in run.split(" && ")
        if re.search(r"\bpip\b.* install\b", part)
    ]
    assert len(installs) == 4
    for install in installs:
        locked = "--require-hashes" in install and "--only-binary :all:" in install
        assert locked or "--no-index" in install, install


def test_every_stage_begins_with_the_one_base():
    assert all_of("ARG", None) == ["BASE=docker.io/library/debian:bookworm-slim"]
    stages = [(stage, rest.split()[0]) for stage, word, rest in instructions() if word == "FROM"]
    assert {base for _, base in stages} - {stage for stage, _ in stages} == {"${BASE}"}


def test_the_default_is_for_the_processor_and_nobody_is_root():
    assert instructions()[-1][0] == "cpu"
    for variant in ("cpu", "jetson"):
        *_, (_, before, user), (_, last, verified) = [
            each for each in instructions() if each[0] == variant
        ]
        assert (before, user) == ("USER", "10001:10001")
        assert (last, verified) == ("RUN", '["lobbycount", "models", "verify"]')


def test_how_it_starts_stops_and_is_asked():
    assert all_of("ENTRYPOINT", "runtime") == ['["lobbycount"]']
    assert all_of("CMD", "runtime") == ['["run", "--config", "/etc/lobbycount/lobby.yaml"]']
    assert all_of("STOPSIGNAL", "runtime") == ["SIGTERM"]
    (check,) = all_of("HEALTHCHECK", "runtime")
    assert check.endswith('"-m", "edge.adapters.health", "/var/lib/lobbycount"]')
    (environment,) = all_of("ENV", "runtime")
    assert {"WATCHDOG_USEC=120000000", "PYTHONFAULTHANDLER=1"} <= set(environment.split())
    assert all_of("VOLUME", "runtime") == ['["/var/lib/lobbycount"]']


def test_what_is_copied_is_there_and_let_through():
    ignored = Path(".dockerignore").read_text("utf-8").split("\n")
    assert "*" in ignored
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    sources = [
        name
        for stage, word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    ]
    assert sources
    assert [name for name in sources if not Path(name).exists()] == []
    assert set(sources) == allowed


def interpolated():
    """What Compose makes of it where no variable is set."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text("utf-8"))
    return text.replace("$$", "$")


def parsed(text):
    compose_spec = pytest.importorskip("compose_spec", reason="needs compose-spec, dev extra")
    return compose_spec.PyCompose.from_json(json.dumps(yaml.load(text)))


def test_compose_is_what_the_specification_says():
    composed = parsed(interpolated())
    composed.validate()
    assert set(composed.service_names()) == {"broker", *RUNS}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("read_only: true", "read_onyl: true"),
        ("mem_limit: 512m", "mem_limit: lots"),
        ("condition: service_started", "condition: service_strated"),
        ("core: 0", "core: none"),
    ],
)
def test_a_slip_in_compose_is_found_out(right, wrong):
    assert right in interpolated()
    with pytest.raises(ValueError, match=r"."):
        parsed(interpolated().replace(right, wrong)).validate()


@pytest.fixture(scope="module")
def services():
    return yaml.load(interpolated())["services"]


def test_no_service_may_more_than_it_has_to(services):
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "noexec" in service["tmpfs"][0], name
        assert service["restart"] == "unless-stopped", name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name


def test_no_picture_gets_to_the_disk(services):
    """Neither by a core dump nor by swap, which a limit equal to that of memory forbids."""
    for name in RUNS:
        service = services[name]
        assert service["ulimits"] == {"core": 0}
        assert service["memswap_limit"] == service["mem_limit"] == "512m"


def test_a_stop_waits_as_long_as_the_units_do(services):
    unit = Path("config/systemd/lobbycount.service").read_text("utf-8")
    (limit_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert {services[name]["stop_grace_period"] for name in RUNS} == {f"{limit_s}s"}


def test_doors_are_open_to_this_machine_only(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:1883:1883"]


def test_what_is_mounted_is_there(services):
    """But ./lobby, which the operator makes."""
    sources = {
        volume.split(":")[0] for each in services.values() for volume in each.get("volumes", [])
    }
    files = {source for source in sources if source.startswith("./")}
    assert sources - files == set(yaml.load(interpolated())["volumes"])
    files.remove("./lobby")
    assert len(files) == 3
    assert [file for file in files if not Path(file).is_file()] == []


def test_the_config_of_the_demo_is_right_and_says_that_it_is_a_lab(services):
    config = load(Path("config/compose/lobby.yaml"))
    mounted = [volume.split(":")[1] for volume in services["counter"]["volumes"]]
    assert str(config.camera.source) in mounted
    assert str(config.records.data_dir) in mounted
    assert (config.mqtt.host, config.mqtt.insecure_lab) == ("broker", True)
    assert config.privacy.mode == "lab"
    demo = load(Path("config/demo.yaml"))
    assert [line.model_dump() for line in config.lines] == [
        line.model_dump() for line in demo.lines
    ]


@pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")
def test_the_broker_of_the_demo_lets_a_device_in(tmp_path, open_inbox):
    """On another port: LabBroker chooses that, and its lines are the same but for these."""
    lines = Path("config/compose/mosquitto.conf").read_text("utf-8").splitlines()
    own = [line for line in lines if line and not line.startswith(("#", "listener", "log_"))]
    assert "listener 1883" in lines
    with LabBroker("mosquitto", mosquitto_lines=own) as broker:
        inbox = open_inbox(broker.port)
        publish("pc/v1/demo/demo-lobby/counts", b"{}", hostname="127.0.0.1", port=broker.port)
        assert inbox.wait_on("counts", b"{}")


def test_the_build_without_docker_says_what_it_wants():
    done = subprocess.run(
        ["scripts/container-build", "--colour"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--colour: no such option; e.g. scripts/container-build" in done.stderr
