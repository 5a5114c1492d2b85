"""The first boot, on real files and against a real enrolment endpoint."""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import lab_ca
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from edge import provision as provisioning
from edge.adapters.tls_identity import request as request_of
from edge.adapters.tls_identity import tls_key
from edge.cli import cli
from edge.config import load
from edge.provision import provision
from edge.provision_place import Place
from edge.provision_words import Outcome

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "GOOD-token-0123456789abcdef"
SECRETS = (TOKEN, "wifi-password-1", "camera-password-1")


def provision_text(url="", token=TOKEN, more=""):
    enrolment = f"enrolment:\n  url: {url}\n  token: {token}   # 一次性令牌\n" if url else ""
    return (
        "# 幸福里\n"
        "device: {tenant: street-1, id: lobby-001, name: 幸福里 大厅}\n"
        "camera: {source: 'rtsp://admin:camera-password-1@192.168.1.64/102'}\n"
        "network:\n  wifi: {ssid: office, password: wifi-password-1}\n"
        "  ethernet: {address: 192.168.1.20/24, gateway: 192.168.1.1, dns: [192.168.1.1]}\n"
        "broker: {host: broker.example.org, port: 8884, ca: ca.pem}\n"
        f"{enrolment}"
        "privacy: {unit: 幸福里街道办事处, contact: 021-12345678}\n"
        "hours:\n  weekly: {mon: ['09:00-17:00']}\n  closed: [2026-10-01]\n"
        "setup_page: {enabled: true, network: lan}\n"
        f"{more}"
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority") / "ca"
    lab_ca.init(folder)
    return folder


@pytest.fixture(scope="module")
def url(authority) -> Iterator[str]:
    command = [sys.executable, "scripts/lab_ca.py", "enrol", str(authority)]
    command += ["--host", "127.0.0.1", "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    ) as process:
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found, process.stderr.read()
        yield f"https://127.0.0.1:{found[1]}/enrol"
        process.terminate()
        log = process.stderr.read()
    assert not any(secret in log for secret in SECRETS)


@pytest.fixture
def known(authority):
    """The token is in the endpoint's list and has not been used."""
    tokens = authority / "tokens.csv"
    digest = provisioning.hashlib.sha256(TOKEN.encode()).hexdigest()
    tokens.write_text(f"id,sha256\nlobby-001,{digest}\n", "utf-8")
    forget_enrolled(authority)


def forget_enrolled(authority):
    for made in ("enrolled/lobby-001", "devices/lobby-001.pem"):
        (authority / made).unlink(missing_ok=True)


@pytest.fixture
def place(authority):
    """In memory where that can be: a thousand times it is waited until all is on the disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        boot = Path(folder) / "boot"
        boot.mkdir()
        (boot / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())
        yield Place(boot, root=Path(folder) / "root")


def write(place, text):
    (place.boot / "provision.yaml").write_text(text, "utf-8")


def run(place):
    """Run the verb; return its exit code, the result file and the log."""
    before = structlog.get_config()
    words = ["provision", "--boot", str(place.boot), "--root", str(place.root)]
    done = CliRunner().invoke(cli, words)
    structlog.configure(**before)
    return told_by(place, done.exit_code, done.stdout, done.stderr)


def run_as_process(place):
    """Run the verb as the unit does."""
    command = [sys.executable, "-m", "edge", "provision"]
    command += ["--boot", str(place.boot), "--root", str(place.root)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    return told_by(place, done.returncode, done.stdout, done.stderr)


def told_by(place, code, out, log):
    path = place.boot / "provision-result.txt"
    content = path.read_bytes() if path.exists() else b""
    assert not any(secret in out + log + content.decode("utf-8") for secret in SECRETS)
    return code, content, log


def files(place):
    return {
        str(path.relative_to(place.root)): path.read_bytes()
        for path in sorted(place.root.rglob("*"))
        if path.is_file()
    }


def test_from_the_file_to_a_device_that_is_set_up(place, known, url):
    write(place, provision_text(url))
    code, content, _ = run_as_process(place)
    assert (code, content[:3]) == (0, b"\xef\xbb\xbf")
    text = content.decode("utf-8-sig")
    assert text.count("\r\n") == text.count("\n") > 3
    assert "完成" in text
    assert "DONE" in text
    folder = place.folder
    config = load(folder / "lobby.yaml")
    assert config.device.id == "lobby-001"
    assert config.device.name == "幸福里 大厅"
    assert config.camera.source == "rtsp://admin:camera-password-1@192.168.1.64/102"
    assert (config.mqtt.host, config.mqtt.port) == ("broker.example.org", 8884)
    assert config.privacy.unit == "幸福里街道办事处"
    assert config.setup_page.enabled
    assert config.hours.closed[0].isoformat() == "2026-10-01"
    example = (ROOT / "config/lobby.example.yaml").read_text("utf-8")
    comments = {line.strip() for line in example.splitlines() if line.startswith("#")}
    assert comments <= {line.strip() for line in (folder / "lobby.yaml").read_text().splitlines()}
    # Everything secret is for its owner only, and the token is nowhere.
    assert (folder / "device.key").stat().st_mode & 0o077 == 0
    connections = place.root / provisioning.CONNECTIONS
    for name in ("lobbycount-wifi", "lobbycount-ethernet"):
        assert (connections / f"{name}.nmconnection").stat().st_mode & 0o777 == 0o600
    assert "psk=wifi-password-1" in (connections / "lobbycount-wifi.nmconnection").read_text()
    assert "address1=192.168.1.20/24,192.168.1.1" in (
        (connections / "lobbycount-ethernet.nmconnection").read_text()
    )
    for path in (*place.boot.iterdir(), *place.root.rglob("*")):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes()
    after = (place.boot / "provision.yaml").read_text("utf-8")
    assert len(after) == len(provision_text(url))
    assert "# 一次性令牌" in after


def test_a_later_start_changes_nothing_and_later_edits_stay(place, known, url):
    write(place, provision_text(url))
    assert provision(place).outcome is Outcome.DONE
    path = place.folder / "lobby.yaml"
    path.write_text(path.read_text().replace("host: broker.example.org", "host: other.example.org"))
    before = files(place)
    assert provision(place).outcome is Outcome.DONE
    assert files(place) == before
    # What the installer changes in his file is applied, and no token is needed for it.
    changed = (place.boot / "provision.yaml").read_text().replace("port: 8884", "port: 8885")
    write(place, changed)
    assert provision(place).outcome is Outcome.DONE
    after = files(place)
    assert load(path).mqtt.port == 8885
    for name in ("device.key", "device.pem"):
        assert after[f"etc/lobbycount/{name}"] == before[f"etc/lobbycount/{name}"]


def test_what_is_said_already_stays_as_it_is_written(place, known, url):
    write(place, provision_text(url).replace(", name: 幸福里 大厅", ""))
    assert provision(place).outcome is Outcome.DONE
    text = (place.folder / "lobby.yaml").read_text("utf-8")
    assert "    key: /etc/lobbycount/device.key\n" in text
    assert load(place.folder / "lobby.yaml").device.name == ""


class Cut(BaseException):
    """The power is gone."""


class Power:
    """Goes at the n-th call that changes the disk; from then on none of them does anything."""

    CALLS = ("fsync", "rename", "replace", "pwrite", "unlink")

    def __init__(self, steps):
        self.left = steps

    def install(self, patched):
        for name in self.CALLS:
            patched.setattr(os, name, self._lasting(getattr(os, name)))

    def _lasting(self, real):
        def call(*args, **options):
            self.left -= 1
            if self.left <= 0:
                raise Cut
            return real(*args, **options)

        return call


def cut_after(steps, place, monkeypatch):
    """Provision with a power cut; return the result if it did not come so far."""
    with monkeypatch.context() as patched:
        Power(steps).install(patched)
        try:
            return provision(place)
        except Cut:
            return None


def is_complete(place):
    key = tls_key(place.folder / "device.key")
    made = x509.load_pem_x509_certificate((place.folder / "device.pem").read_bytes())
    assert made.public_key() == key.public_key()
    load(place.folder / "lobby.yaml")
    assert TOKEN not in (place.boot / "provision.yaml").read_text()
    assert not list(place.root.rglob("*.new"))


@pytest.mark.parametrize("way", ["endpoint", "file"])
def test_a_power_cut_at_any_step_is_followed_by_a_start_that_goes_on(
    place, authority, monkeypatch, request, way
):
    request.getfixturevalue("known")
    url = request.getfixturevalue("url")
    write(place, provision_text(url if way == "endpoint" else ""))
    if way == "file":
        assert provision(place).outcome is Outcome.WAITING
        shutil.copy(lab_ca.sign_file(authority, place.boot / "lobby-001.csr"), place.boot)
    begin = place.boot.parent / "begin"
    place.root.mkdir(exist_ok=True)
    for name in ("boot", "root"):
        shutil.copytree(place.boot.parent / name, begin / name)
    for steps in range(1, 100):
        for name in ("boot", "root"):
            shutil.rmtree(place.boot.parent / name)
            shutil.copytree(begin / name, place.boot.parent / name)
        if way == "endpoint":
            forget_enrolled(authority)
        result = cut_after(steps, place, monkeypatch)
        if result is not None:
            break
        if (place.folder / "lobby.yaml").exists():
            load(place.folder / "lobby.yaml")
        again = provision(place)
        assert again.outcome is Outcome.DONE, (steps, again)
        is_complete(place)
    assert steps > 10
    assert result.outcome is Outcome.DONE


def test_a_killed_process_goes_on_at_the_next_boot(place, known, url):
    """The same with a process that is gone at once, at every third of its steps."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from edge.provision import Place, provision\n"
        "left = int(sys.argv[3])\n"
        "def watch(event, args):\n"
        "    global left\n"
        "    if event in ('open', 'os.rename', 'os.remove') and '/root/' in str(args[0]):\n"
        "        left -= 1\n"
        "        if left == 0: os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(watch)\n"
        "print(provision(Place(Path(sys.argv[1]), root=Path(sys.argv[2]))).outcome.name)\n"
    )
    write(place, provision_text(url))
    killed = 0
    for step in range(1, 100, 7):
        command = [sys.executable, "-c", code, str(place.boot), str(place.root), str(step)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
        )
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        killed += 1
    assert killed >= 2
    assert done.stdout.strip() == "DONE"
    load(place.folder / "lobby.yaml")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("id: lobby-001", "id: Lobby 1"), (2, "device.id")),
        (("wifi-password-1", "short"), (5, "at least 8")),
        (("gateway: 192.168.1.1,", "gateway: 10.0.0.1,"), (6, "not in the network")),
        (("port: 8884", "prot: 8884"), (7, "did you mean 'port'")),
        (("ca: ca.pem", "ca: ../ca.pem"), (7, "beside provision.yaml")),
        (("url: https", "url: http"), (9, "https")),
        ((TOKEN, "abc"), (10, "16 to 100")),
        (("'09:00-17:00'", "'9-17'"), (13, "mon")),
        (("network:\n  wifi", "network: wifi-password-1\n  wifi"), (5, "not valid YAML")),
        (("  token: ", "  token: x\n  token: "), (11, "duplicate")),
        (
            (f"\n  url: https://127.0.0.1:8443/enrol\n  token: {TOKEN} ", f" {TOKEN} "),
            (8, "enrolment: "),
        ),
        (("address: 192.168.1.20/24", "address: 192.168.1.20"), (6, "most often /24")),
        (("gateway: 192.168.1.1,", "gateway: 192.168.1,"), (6, "e.g. gateway: 192.168.1.1")),
        (("host: broker.", "host: mqtts://broker."), (7, "the name or address alone")),
        (("unit: 幸福里街道办事处", "unit: {password: wifi-password-1}"), (11, "privacy.unit: ")),
    ],
)
def test_a_mistake_is_told_with_its_line_and_nothing_is_begun(place, change, told):
    line, words = told
    write(place, provision_text("https://127.0.0.1:8443/enrol").replace(*change))
    result = provision(place)
    assert result.outcome is Outcome.WRONG
    text = "\n".join(result.lines)
    assert f"provision.yaml:{line}: " in text
    assert words in text
    assert not any(secret in text for secret in (*SECRETS, "short,", '"abc"'))
    assert files(place) == {}


def test_a_wrong_file_is_told_in_the_result_and_put_right(place, known, url):
    write(place, provision_text(url).replace("host: broker", "hots: broker"))
    code, content, _ = run(place)
    assert code == 2
    assert "provision.yaml:7: broker.hots: unknown setting" in content.decode("utf-8-sig")
    write(place, provision_text(url))
    assert run(place)[0] == 0


def of_notepad(text):
    return "\ufeff" + text.replace("\n", "\r\n")


@pytest.mark.parametrize(
    "saved",
    [
        ("provision.yaml", "utf-8", of_notepad),
        ("provision.yaml.txt", "utf-8", of_notepad),
        ("provision.txt", "gb18030", lambda text: text.replace("\n", "\r\n")),
        ("provision.yaml", "utf-16-le", of_notepad),
        ("provision.yaml", "utf-8", lambda t: t.replace("token: ", "token：").replace(
            "{tenant: street-1, id: lobby-001,", "｛tenant：street-1，id：lobby-001，")),
    ],
    ids=["mark and CRLF", "ending", "ANSI", "Unicode", "full-width"],
)  # fmt: skip
def test_what_windows_makes_of_the_file_is_taken(place, known, url, saved):
    name, encoding, typed = saved
    content = typed(provision_text(url)).encode(encoding)
    (place.boot / name).write_bytes(content)
    (place.boot / "ca.pem").rename(place.boot / "ca.pem.txt")
    result = provision(place)
    assert result.outcome is Outcome.DONE, result
    assert ("Line 2, 10: full-width" in "\n".join(result.lines)) == ("：" in typed("token: "))
    config = load(place.folder / "lobby.yaml")
    assert (config.device.id, config.device.name) == ("lobby-001", "幸福里 大厅")
    left = (place.boot / name).read_bytes()
    assert len(left) == len(content)
    assert TOKEN not in left.decode(encoding)
    before = files(place)
    assert provision(place).outcome is Outcome.DONE
    assert files(place) == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "是空的"),
        (bytes(200), "是空的"),
        (b"\xff\xff\xff", "另存为"),
        (b"PK\x03\x04\xff\xff", "另存为"),
        (b"# only\n", "docs/provisioning.md"),
    ],
)
def test_a_file_that_is_none_is_told_with_what_to_do(place, content, told):
    (place.boot / "provision.yaml").write_bytes(content)
    code, result, _ = run(place)
    assert code == 2
    assert told in result.decode("utf-8-sig")


def test_of_two_files_the_one_that_was_not_read_is_named(place):
    write(place, provision_text())
    (place.boot / "provision.yaml.txt").write_text("x", "utf-8")
    result = provision(place)
    assert result.outcome is Outcome.WAITING
    assert "provision.yaml.txt was not read" in result.lines[0]


@pytest.mark.parametrize("token", ["WRONG-token-0123456789abcdef", "used-----------------------"])
def test_a_token_that_is_none_is_told(place, known, url, token):
    write(place, provision_text(url, token))
    result = provision(place)
    assert result.outcome is Outcome.WRONG
    assert result.lines[0].startswith("provision.yaml:10: enrolment.token: ")
    assert token not in result.lines[0]
    assert not (place.folder / "lobby.yaml").exists()


def test_a_token_is_good_for_one_key(place, known, url, tmp_path):
    write(place, provision_text(url))
    assert provision(place).outcome is Outcome.DONE
    second = Place(tmp_path / "boot2", root=tmp_path / "root2")
    shutil.copytree(place.boot, second.boot)
    write(second, provision_text(url))
    result = provision(second)
    assert result.outcome is Outcome.WRONG
    assert "used already" in result.lines[0]
    assert not (second.folder / "device.pem").exists()


def test_without_a_network_it_is_tried_again(place, known, url):
    write(place, provision_text("https://127.0.0.1:1/enrol"))
    code, content, _ = run(place)
    assert code == 75
    assert "端口没有服务" in content.decode("utf-8-sig")
    assert TOKEN in (place.boot / "provision.yaml").read_text()
    assert (place.root / provisioning.CONNECTIONS / "lobbycount-wifi.nmconnection").exists()
    write(place, provision_text(url))
    assert provision(place).outcome is Outcome.DONE


def test_an_endpoint_of_another_authority_is_not_asked(place, known, url, tmp_path):
    other = lab_ca.init(tmp_path / "other")
    (place.boot / "ca.pem").write_bytes(other.cert.read_bytes())
    write(place, provision_text(url))
    result = provision(place)
    assert result.outcome is Outcome.WRONG
    assert "not vouched for by broker.ca" in result.lines[0]


def test_a_clock_that_is_not_set_is_told(place, tmp_path):
    """The endpoint's certificate begins a year from now, as it looks to a clock that is behind."""
    folder = tmp_path / "later"
    lab_ca.init(folder)
    later = datetime.now(UTC) + timedelta(days=365)
    pair = lab_ca.broker(folder, ["127.0.0.1"], now=later)
    for made, name in ((pair.cert, "enrol.pem"), (pair.key, "enrol.key")):
        made.rename(folder / name)
    (place.boot / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
    with lab_ca.endpoint(folder, [], ("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        write(place, provision_text(f"https://127.0.0.1:{server.server_address[1]}/enrol"))
        result = provision(place)
        server.shutdown()
        thread.join()
    assert result.outcome is Outcome.RETRY
    assert "设备时间不正确" in result.lines[0]


def test_a_certificate_that_begins_later_is_told(place, authority):
    write(place, provision_text())
    key = tls_key_of(place)
    later = datetime.now(UTC) + timedelta(days=30)
    csr = x509.load_pem_x509_csr(request_of(key, "lobby-001"))
    (authority / "devices/lobby-001.pem").unlink(missing_ok=True)
    shutil.copy(lab_ca.sign(authority, csr, now=later), place.boot)
    result = provision(place)
    assert result.outcome is Outcome.DONE
    assert "clock" in result.lines[0]


def tls_key_of(place):
    place.folder.mkdir(parents=True, exist_ok=True)
    return tls_key(place.folder / "device.key")


def test_by_file_it_waits_and_goes_on_with_the_answer(place, authority):
    (authority / "devices/lobby-001.pem").unlink(missing_ok=True)
    write(place, provision_text())
    code, content, _ = run(place)
    assert code == 3
    assert "lobby-001.csr" in content.decode("utf-8-sig")
    made = lab_ca.sign_file(authority, place.boot / "lobby-001.csr")
    (place.boot / "lobby-001.pem").write_bytes(made.read_bytes())
    code, content, _ = run(place)
    assert code == 0
    assert "DONE" in content.decode("utf-8-sig")


@pytest.mark.parametrize("wrong", ["another key", "another id", "another authority", "text"])
def test_an_answer_that_does_not_fit_is_told(place, authority, tmp_path, wrong):
    write(place, provision_text())
    assert provision(place).outcome is Outcome.WAITING
    key = tls_key_of(place)
    folder = authority
    if wrong == "another authority":
        folder = tmp_path / "other"
        lab_ca.init(folder)
    if wrong == "another key":
        key = ec.generate_private_key(ec.SECP256R1())
    dev = "lobby-002" if wrong == "another id" else "lobby-001"
    (folder / f"devices/{dev}.pem").unlink(missing_ok=True)
    made = lab_ca.sign(folder, x509.load_pem_x509_csr(request_of(key, dev))).read_bytes()
    (place.boot / "lobby-001.pem").write_bytes(b"hello" if wrong == "text" else made)
    result = provision(place)
    assert result.outcome is Outcome.WRONG
    expected = {
        "another key": "another key",
        "another id": "not for lobby-001",
        "another authority": "not of the authority",
        "text": "no certificate in PEM",
    }
    assert expected[wrong] in result.lines[0]
    assert not (place.folder / "lobby.yaml").exists()


def test_a_boot_partition_that_is_not_there_is_told(place):
    shutil.rmtree(place.boot)
    code, content, log = run(place)
    assert (code, content) == (2, b"")
    assert "provision.yaml: cannot be read" in log


def mounted(place, options, then=""):
    """Run the verb with the boot partition as a file system of its own, in a namespace."""
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("no file system can be mounted here: not root, or no namespaces")
    copy = place.boot.parent / "copy"
    shutil.copytree(place.boot, copy)
    script = (
        f"mount -t tmpfs -o {options} none '{place.boot}' && cp '{copy}'/* '{place.boot}' && {then}"
        f" '{sys.executable}' -m edge provision --boot '{place.boot}' --root '{place.root}';"
        f" code=$?; cp '{place.boot}'/* '{copy}'; exit $code"
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
    return done, copy


def test_a_boot_partition_that_is_read_only_is_told_in_the_log(place, known, url):
    write(place, provision_text(url))
    done, _ = mounted(place, "size=1m", f"mount -o remount,ro '{place.boot}' &&")
    assert done.returncode == 0, done.stderr
    assert "provision.result-not-written" in done.stderr
    assert "Read-only" in done.stderr
    assert "The token could not be erased" in done.stdout


def test_a_boot_partition_that_is_full_is_told_in_the_log_and_the_token_goes(place, known, url):
    write(place, provision_text(url))
    fill = f"{{ cat /dev/zero > '{place.boot}/fill' 2>/dev/null || true; }} &&"
    done, copy = mounted(place, "size=64k", fill)
    assert done.returncode == 0, done.stderr
    assert "No space left" in done.stderr
    assert TOKEN not in (copy / "provision.yaml").read_text()


def test_a_request_that_cannot_be_written_is_told(place):
    write(place, provision_text())
    fill = f"{{ cat /dev/zero > '{place.boot}/fill' 2>/dev/null || true; }} &&"
    done, _ = mounted(place, "size=64k", fill)
    assert done.returncode == 2
    assert "lobby-001.csr cannot be written" in done.stdout


def post(url, ca, body):
    port = int(re.search(r":(\d+)/", url)[1])
    context = ssl.create_default_context(cafile=str(ca))
    connection = HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    connection.request("POST", "/enrol", body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_endpoint_refuses_what_is_no_request_and_who_guesses(known, authority, url):
    ca = authority / "ca.pem"
    for body in (b"", b"[]", b"{", b'{"id": "lobby-001"}', b"x" * 20_000):
        assert post(url, ca, body)[0] == 400
    csr = request_of(ec.generate_private_key(ec.SECP256R1()), "lobby-002").decode()
    body = json.dumps({"id": "lobby-001", "token": TOKEN, "csr": csr}).encode()
    assert post(url, ca, body)[0] == 400
    assert not (authority / "enrolled/lobby-001").exists()


def test_guessing_is_slowed_down(authority, known):
    from enrolment import Desk, RefusedError

    now = [0.0]
    desk = Desk(authority, lambda _, csr: lab_ca.sign(authority, csr), lambda: now[0])
    csr = request_of(ec.generate_private_key(ec.SECP256R1()), "lobby-001").decode()

    def ask(token, address="192.0.2.1"):
        body = json.dumps({"id": "lobby-001", "token": token, "csr": csr}).encode()
        try:
            return desk.enrol(address, body)
        except RefusedError as error:
            return error.status

    assert [ask("no") for _ in range(12)] == [403] * 10 + [429] * 2
    assert ask(TOKEN) == 429
    assert ask("no", "192.0.2.2") == 403
    now[0] = 61
    assert b"BEGIN CERTIFICATE" in ask(TOKEN)
