"""docs/operations-backend.md, every command of it: `scripts/test --install tests/install`.

As root, with debootstrap and systemd-container. The Debian has a network of its own, so that its
broker, its PostgreSQL and its pages are in nobody's way; packages are fetched before.
"""

import json
import os
import re
import shlex
import shutil
import socket
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.install.debian_root import SOURCE, DebianRoot

pytestmark = [
    pytest.mark.install,
    pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root"),
    pytest.mark.skipif(
        None in map(shutil.which, ("debootstrap", "systemd-nspawn")),
        reason="apt install debootstrap systemd-container",
    ),
]
PAGE = Path("docs/operations-backend.md")
BROKER_PAGE = Path("config/mosquitto/README.md")
TREE = "/srv/tree"
PYTHON = "/opt/lobbycount-evaluation/bin/python"
FLEET = f"{SOURCE}/tests/install/backend_fleet.py"
DEVICES = ("lobby-001", "lobby-002", "lobby-003")
SERVICES = ("lobbycount-receive@1", "lobbycount-watch", "lobbycount-pages")
OF_THE_FIRST = "/etc/lobbycount-evaluation/receive-1.env"
PASSWORD = "correct horse battery"
HOSTS = ("localhost", socket.gethostname(), "broker.example.org", "evaluation.example.org")
SITES = "site,name,residents,hours\n" + "".join(
    f"site-{n},中心{n},3000,Mon-Sun 00:00-24:00\n" for n in (1, 2, 3)
)
OWNERS = "dev,site,place\n" + "".join(f"{dev},site-{n},door\n" for n, dev in enumerate(DEVICES, 1))
WAIT_S = 90.0


def steps(page):
    """The commands of each numbered step, in a page's first language."""
    text = page.read_text("utf-8").partition("\n## ")[2].partition("\n## ")[0]
    found = re.split(r"^\*\*(\d+)\. ", text, flags=re.MULTILINE)[1:]
    pairs = zip(found[::2], found[1::2], strict=True)
    return {int(number): re.findall(r"```sh\n(.*?)```", said, re.DOTALL) for number, said in pairs}


def without(block, *words):
    """What of a block is done by hand, or before."""
    return "".join(line for line in block.splitlines(keepends=True) if not line.startswith(words))


class Backend:
    """The Debian while it runs."""

    def __init__(self, inside):
        self.inside, self.steps = inside, steps(PAGE)

    def run(self, command, **how):
        done = self.inside("bash", "-euc", f"cd {TREE}\n{command}", **how)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def page(self, number, block=0, leave=("sudo nano",)):
        return self.run(without(self.steps[number][block], *leave))

    def count(self, records, devices=DEVICES):
        """Let devices count, beside everything else."""
        unit = ["systemd-run", "--quiet", "--unit=fleet", "--property=RuntimeMaxSec=300"]
        unit += ["--property=Type=exec", "--property=StandardOutput=truncate:/srv/counted.json"]
        unit += ["--property=StandardError=journal", "--setenv=LANG=C.UTF-8"]
        command = [PYTHON, FLEET, "broker.example.org", f"{TREE}/lab", str(records), *devices]
        self.run(shlex.join([*unit, *command]))

    @contextmanager
    def counting(self):
        """Devices count all the while."""
        self.run("touch /srv/counting")
        self.count(1)
        yield
        self.run("rm /srv/counting")

    def counted(self):
        """Wait until everything is committed; return what was counted."""
        self.until(lambda: self.state("fleet") != "active", "the fleet is through")
        return Counter(json.loads(self.run("cat /srv/counted.json")))

    def sums(self, *options):
        command = ["sudo evaluation sums 2026-01 --json", *options]
        found = json.loads(self.run(" ".join(command)))
        assert all(device["missing"] == 0 for device in found["devices"])
        assert found["rejected"] == 0
        people = Counter()
        for line in found["lines"]:
            assert line["entered"] == line["left"]
            people[line["dev"]] += line["entered"]
        return people

    def until_more(self, what):
        """Wait until more is committed than now."""
        now = self.people()
        self.until(lambda: self.people() > now, f"records arrive after {what}")

    def people(self):
        """As `sums`, in the middle of it all."""
        query = "select coalesce(sum(count_in), 0) from records"
        return int(self.run(f"cd / && sudo -u postgres psql -qtA -c '{query}' lobbycount"))

    def state(self, unit):
        return self.inside("systemctl", "is-active", unit).stdout.strip()

    def show(self, unit, name):
        return self.run(f"systemctl show --value --property={name} {unit}").strip()

    def until(self, condition, what):
        end = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < end, f"never: {what}\n{self.log()}"
            time.sleep(0.3)

    def log(self):
        return self.inside("journalctl", "--no-pager", "-n", "60", "-u", "lobbycount-*").stdout

    def page_of(self, path, *options):
        """The status and the text of one of the pages."""
        base = "https://evaluation.example.org:8443"
        to = ["curl", "-sS", "--cacert", "/etc/lobbycount-evaluation/pages.pem", "-b", "/srv/jar"]
        to += ["-c", "/srv/jar", "-w", "\n%{http_code}", *options, base + path]
        text, _, code = self.run(shlex.join(to)).rpartition("\n")
        return int(code), text

    def log_in(self):
        self.run("rm -f /srv/jar")
        before = re.search(r'name="before" value="([^"]+)"', self.page_of("/login")[1])[1]
        fields = {"before": before, "name": "zhang.wei", "password": PASSWORD}
        data = [word for pair in fields.items() for word in ("--data-urlencode", "=".join(pair))]
        origin = "Origin: https://evaluation.example.org:8443"
        assert self.page_of("/login", *data, "-H", origin)[0] == 303


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A Debian with the page's first step done, where there is a network."""
    made = DebianRoot(tmp_path_factory.mktemp("backend") / "root")
    pip = "[global]\ndisable-pip-version-check = true\n"
    pip += "cert = /srv/ca.pem\n" if (made.folder / "srv/ca.pem").exists() else ""
    (made.folder / "etc/pip.conf").write_text(pip, "ascii")
    (made.folder / "etc/hosts").write_text(f"127.0.0.1 {' '.join(HOSTS)}\n", "ascii")
    pip = "/opt/lobbycount-evaluation/bin/pip"
    lines = [
        "export DEBIAN_FRONTEND=noninteractive",
        f"mkdir {TREE} && cd {SOURCE}",
        f"cp -r config docs edge evaluation model_export models scripts {TREE}",
        f"cp *.toml *.md *.lock LICENSE NOTICE {TREE}",
        "apt-get -qq update",
        "apt-get -qq install -y --no-install-recommends sudo openssl curl mosquitto-clients",
        f"cd {TREE}",
        steps(PAGE)[1][0],
        f"{pip} download -q -d /srv/wheels -c /tmp/tested.txt hatchling",
        "printf '[global]\\nno-index = true\\nfind-links = /srv/wheels\\n' > /etc/pip.conf",
    ]
    done = made.run("bash", "-euc", "\n".join(lines), source=Path())
    assert done.returncode == 0, done.stdout[-5000:]
    return made


@pytest.fixture(scope="module")
def backend(root):
    with root.booted(Path(), "--private-network") as inside:
        made = Backend(inside)
        made.until(lambda: made.state("postgresql@15-main") == "active", "PostgreSQL runs")
        authority(made)
        made.page(2)
        made.page(3)
        made.page(4)
        made.page(5)
        admin, *start = made.steps[6][0].splitlines()
        made.run(f"python3 {SOURCE}/tests/install/answering.py '{PASSWORD}' {admin}")
        made.run("\n".join(start))
        yield made


def authority(backend):
    """Certificates as scripts/lab-ca makes them, and the broker as its page says."""
    verbs = ["init lab", "broker lab --host broker.example.org", "backend lab evaluation"]
    verbs += ["backend lab evaluation-2", "backend lab watch"]
    verbs += [f"device lab {dev}" for dev in DEVICES]
    for verb in verbs:
        backend.run(f"PYTHONPATH=. {PYTHON} scripts/lab_ca.py {verb}")
    block = re.findall(r"```sh\n(.*?)```", BROKER_PAGE.read_text("utf-8"), re.DOTALL)[0]
    backend.run("cp lab/ca.pem lab/broker.* .\n" + without(block, "sudo apt-get"))


def test_the_units_expose_little_and_tell_systemd_how_it_goes(backend):
    for name in SERVICES:
        assert backend.state(name) == "active"
        seen = backend.inside("systemd-analyze", "security", "--threshold=20", name)
        assert seen.returncode == 0, seen.stdout
    command = backend.run("cat /proc/$(systemctl show --value -p MainPID lobbycount-pages)/cmdline")
    assert "postgresql" not in command


def test_records_arrive_and_the_pages_show_them(backend):
    backend.run(
        f"printf '%s' '{SITES}' > /srv/sites.csv; printf '%s' '{OWNERS}' > /srv/devices.csv"
    )
    backend.run("sudo evaluation import sites /srv/sites.csv")
    backend.run("sudo evaluation import devices /srv/devices.csv")
    backend.count(20)
    assert backend.counted() == backend.sums()
    backend.run("\n".join(backend.steps[6][1:]))
    fleet = json.loads(backend.run("sudo evaluation fleet --json"))
    assert {row["dev"] for row in fleet} == set(DEVICES)
    report = json.loads(backend.run("sudo evaluation report 2026-01 --json"))
    assert report["scheme"]["name"] == "neutral-2026"  # that of the package
    assert len(report["sites"]) == 3
    assert backend.page_of("/t/street-1/2026-01")[0] == 303  # to the login
    backend.log_in()
    code, text = backend.page_of("/t/street-1/2026-01")
    assert (code, "中心1" in text) == (200, True)
    backend.until(lambda: "receiver" in backend.show(SERVICES[0], "StatusText"), "it is told")
    backend.until(lambda: "messages" in backend.show(SERVICES[1], "StatusText"), "it is told")
    backend.until(lambda: "pages" in backend.show(SERVICES[2], "StatusText"), "it is told")


@pytest.mark.parametrize("name", SERVICES)
def test_who_is_killed_comes_back(backend, name):
    before = backend.show(name, "NRestarts")
    backend.run(f"systemctl kill --signal=KILL {name}")
    backend.until(
        lambda: backend.show(name, "NRestarts") != before and backend.state(name) == "active",
        f"{name} is back",
    )


def test_sums_are_exact_whoever_is_killed_or_restarted_meanwhile(backend):
    before = backend.sums()
    pids = {name: backend.show(name, "MainPID") for name in SERVICES}
    with backend.counting():
        for way in (
            f"systemctl kill --signal=KILL {SERVICES[0]}",
            "systemctl restart postgresql",
            "systemctl kill --signal=KILL postgresql@15-main; systemctl restart postgresql",
            "systemctl kill --signal=KILL mosquitto; systemctl restart mosquitto",
        ):
            backend.run(way)
            backend.until_more(way)
    assert backend.counted() + before == backend.sums()
    assert backend.show(SERVICES[1], "MainPID") == pids[SERVICES[1]]  # neither is a reason to end
    assert backend.show(SERVICES[2], "MainPID") == pids[SERVICES[2]]
    backend.until(lambda: backend.page_of("/login")[0] == 200, "the pages answer")


def test_two_receivers_share_the_work_and_one_can_go_again(backend):
    before = backend.sums()
    backend.page(10)
    backend.count(60)
    assert backend.counted() + before == backend.sums()
    backend.page(10, 1)
    said = backend.run("journalctl --no-pager -o cat -u lobbycount-receive@2")
    assert re.search(r'"records": [1-9]', said)  # it says so at its end
    before = backend.sums()
    backend.count(20)
    assert backend.counted() + before == backend.sums()


def test_an_upgrade_and_the_way_back_lose_nothing(backend):
    before = backend.sums()
    with backend.counting():
        backend.page(7)
        backend.page(8)
        backend.until_more("the upgrade")
        backend.page(9)
        backend.until_more("the way back")
    assert backend.counted() + before == backend.sums()  # since the dump: sent again
    for name in SERVICES:
        assert backend.state(name) == "active"
    backend.log_in()  # people and their passwords are in the backup


def test_a_small_one_has_its_database_in_the_folder_of_the_services(backend):
    url = "sqlite:////var/lib/lobbycount-evaluation/records.db"
    backend.run(f"echo 'EVALUATION_DATABASE={url}' > {OF_THE_FIRST}")
    backend.run(f"systemctl restart {SERVICES[0]}")
    backend.count(5)
    assert backend.counted() == backend.sums(f"--database {url}")
    backend.run(f"rm {OF_THE_FIRST} && systemctl restart {SERVICES[0]}")


def test_what_cannot_work_fails_at_the_start_and_says_why(backend):
    backend.run(f"echo 'EVALUATION_BROKER=mqtt://broker.example.org' > {OF_THE_FIRST}")
    done = backend.inside("systemctl", "restart", SERVICES[0])
    assert done.returncode != 0
    assert "plain text is for labs only" in backend.log()
    backend.run(f"rm {OF_THE_FIRST} && systemctl restart {SERVICES[0]}")
    assert backend.state(SERVICES[0]) == "active"
