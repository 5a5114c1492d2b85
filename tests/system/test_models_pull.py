"""`lobbycount models pull` against real HTTP servers on this machine, good and bad ones."""

import dataclasses
import fcntl
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest
from onnx import TensorProto, helper

from edge.adapters.model_catalog import CATALOG_FILE, add_own, load_catalog, make_own_folder
from edge.adapters.model_entry import entry_text
from edge.adapters.model_file import read_model
from edge.errors import BadInputError, DownloadError, ModelError
from edge.models_pull import pull

CONTENT = Random(1).randbytes(300_000)
CUT = 70_000


class Mirror(BaseHTTPRequestHandler):
    """Serves CONTENT under any name; the first part of the path is how well."""

    def do_GET(self):
        kind, asked = self.path.split("/")[1], self.headers.get("Range")
        self.server.asked.append((kind, asked))
        self.server.paths.append(self.path)
        port, content = self.server.server_port, self.server.content
        away = {
            "moved": self.path.replace("moved", "whole"),
            "away": "file:///etc/hostname",
            "plain": f"http://127.0.0.1:{port}/whole",
        }
        if kind in away:
            self.answer(302, {"Location": away[kind]})
        elif kind == "nothing":
            self.send_error(404)
        elif kind != "silent" and not (kind == "stuck" and asked):
            served = {"other": bytes([content[0] ^ 1]) + content[1:], "short": content[:-1]}
            start = int(asked[6:-1]) if asked and kind != "rangeless" else 0
            self.serve(served.get(kind, content), start, kind)

    def serve(self, content, start, kind):
        if start >= len(content):
            self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        rest = content[start:]
        headers = {"Content-Length": len(rest)} if kind != "lengthless" else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.answer(206 if start else 200, headers)
        self.wfile.write(rest[:CUT] if kind in ("cut", "stuck") else rest)

    def answer(self, code, headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def serving(tls=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.content, server.asked, server.paths = CONTENT, [], []
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def mirror():
    with serving() as server:
        yield server


@pytest.fixture
def tls_mirror(lab_ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(lab_ca / "broker.pem", lab_ca / "broker.key")
    with serving(context) as server:
        server.handle_error = lambda *_: None  # a client that does not trust it hangs up
        yield server


@pytest.fixture
def entry(tmp_path):
    """An entry of the own catalog that describes CONTENT."""
    folder = tmp_path / "models"
    folder.mkdir()
    known = dataclasses.replace(
        load_catalog(folder).entry("yolox-nano-416"),
        name="mine",
        file="mine.onnx",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
    )
    add_own(folder, known)
    return known


def pulled(tmp_path, source, **options):
    return pull(load_catalog(tmp_path / "models"), "mine", source, **options)


def files(tmp_path):
    return sorted(p.name for p in (tmp_path / "models").iterdir())


WHOLE = ["catalog.toml", "mine.onnx"]


@pytest.mark.parametrize("kind", ["whole", "rangeless", "lengthless", "moved", "cut"])
def test_from_a_mirror(tmp_path, entry, mirror, kind):
    _, path = pulled(tmp_path, f"{mirror.url}/{kind}/")
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    assert files(tmp_path) == WHOLE
    assert read_model(entry, path) == CONTENT


def test_a_cut_connection_is_gone_on_with_where_it_was_cut(tmp_path, entry, mirror):
    told = []
    pulled(tmp_path, f"{mirror.url}/cut", on_bytes=lambda got, of: told.append((got, of)))
    ranges = [None, "bytes=70000-", "bytes=140000-", "bytes=210000-", "bytes=280000-"]
    assert mirror.asked == [("cut", each) for each in ranges]
    assert told[-1] == (300_000, 300_000)
    assert [got for got, _ in told] == sorted(got for got, _ in told)


def test_what_has_come_is_kept_for_the_next_time(tmp_path, entry, mirror):
    with pytest.raises(DownloadError, match=r"Remote end closed"):
        pulled(tmp_path, f"{mirror.url}/stuck")
    assert (tmp_path / "models/mine.onnx.part").read_bytes() == CONTENT[:CUT]
    _, path = pulled(tmp_path, f"{mirror.url}/whole")
    assert mirror.asked[-1] == ("whole", "bytes=70000-")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["whole", "rangeless"])
@pytest.mark.parametrize(
    "part",
    [b"of another file" * 1000, CONTENT, CONTENT + b"more", bytes(len(CONTENT))],
    ids=["another", "all-of-it", "too-long", "as-long"],
)
def test_a_part_file_is_never_believed(tmp_path, entry, mirror, kind, part):
    (tmp_path / "models/mine.onnx.part").write_bytes(part)
    _, path = pulled(tmp_path, f"{mirror.url}/{kind}/mine.onnx")
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == WHOLE


def test_a_server_that_knows_no_ranges_is_asked_once(tmp_path, entry, mirror):
    (tmp_path / "models/mine.onnx.part").write_bytes(CONTENT[:CUT])
    _, path = pulled(tmp_path, f"{mirror.url}/rangeless")
    assert path.read_bytes() == CONTENT
    assert mirror.asked == [("rangeless", f"bytes={CUT}-")]


def test_a_file_that_is_here_and_right_needs_no_network(tmp_path, entry, mirror):
    (tmp_path / "models/mine.onnx").write_bytes(CONTENT)
    pulled(tmp_path, f"{mirror.url}/whole")
    assert mirror.asked == []


def test_a_file_that_is_here_and_wrong_is_replaced(tmp_path, entry, mirror):
    (tmp_path / "models/mine.onnx").write_bytes(b"wrong")
    assert pulled(tmp_path, f"{mirror.url}/whole")[1].read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_leave_the_file_in_place_alone(tmp_path, entry, mirror):
    (tmp_path / "models/mine.onnx").write_bytes(b"before")
    with pytest.raises(ModelError) as caught:
        pulled(tmp_path, f"{mirror.url}/other")
    assert "SHA-256" in str(caught.value)
    assert f"{mirror.url}/other/mine.onnx" in str(caught.value)
    assert entry.sha256 in str(caught.value)
    assert (tmp_path / "models/mine.onnx").read_bytes() == b"before"
    assert files(tmp_path) == WHOLE


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("nothing", "the server says 404 Not Found"),
        ("short", "the file there has 299999 bytes, not 300000"),
        ("away", "Redirection to url 'file:///etc/hostname' is not allowed"),
        ("silent", "Remote end closed connection without response"),
    ],
)
def test_what_cannot_be_had_says_what_to_copy_where(tmp_path, entry, mirror, kind, reason):
    with pytest.raises(DownloadError) as caught:
        pulled(tmp_path, f"{mirror.url}/{kind}")
    told = str(caught.value)
    assert reason in told
    for needed in (
        "mine.onnx",
        "300000 bytes",
        entry.sha256,
        str(tmp_path / "models/mine.onnx"),
        "lobbycount models pull mine --from /media/usb/mine.onnx",
        "lobbycount models verify mine",
    ):
        assert needed in told
    assert not (tmp_path / "models/mine.onnx").exists()


def test_an_encrypted_mirror_is_checked_and_never_leads_to_a_plain_one(
    tmp_path, entry, tls_mirror, lab_ca, monkeypatch
):
    with pytest.raises(DownloadError, match=r"certificate verify failed"):
        pulled(tmp_path, f"{tls_mirror.url}/whole")
    monkeypatch.setenv("SSL_CERT_FILE", str(lab_ca / "ca.pem"))
    with pytest.raises(DownloadError, match=r"sends us on to http://.*, which is not encrypted"):
        pulled(tmp_path, f"{tls_mirror.url}/plain")
    assert pulled(tmp_path, f"{tls_mirror.url}/whole")[1].read_bytes() == CONTENT


def test_from_a_file_and_from_a_folder(tmp_path, entry):
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "mine.onnx").write_bytes(CONTENT)
    for source in (stick, stick / "mine.onnx"):
        _, path = pulled(tmp_path, str(source))
        assert path.read_bytes() == CONTENT
        path.unlink()
    (stick / "mine.onnx").write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match=r"has 299999 bytes but should have 300000"):
        pulled(tmp_path, str(stick))
    (stick / "mine.onnx").unlink()
    with pytest.raises(DownloadError, match=r"mine\.onnx cannot be read \(No such file"):
        pulled(tmp_path, str(stick))


def test_a_folder_brings_its_own_entry_and_card_along(tmp_path, entry):
    """What one machine exported, another takes from a stick; a new export replaces the old."""
    device, stick = tmp_path / "device", tmp_path / "models"
    device.mkdir()
    for content in (CONTENT, CONTENT[::-1]):
        digest = hashlib.sha256(content).hexdigest()
        exported = dataclasses.replace(entry, sha256=digest, card="mine.md", sure_score=0.45)
        add_own(stick, exported)
        (stick / "mine.onnx").write_bytes(content)
        (stick / "mine.md").write_text("# mine", "utf-8")
        known, path = pull(load_catalog(device), "mine", str(stick))
        assert known == load_catalog(device).entry("mine") == exported
        assert path.read_bytes() == content
        assert (device / "mine.md").read_text("utf-8") == "# mine"


def test_a_folder_cannot_change_what_the_shipped_catalog_says(tmp_path, entry):
    stick = tmp_path / "stick"
    stick.mkdir()
    add_own(stick, dataclasses.replace(entry, name="yolox-nano-416", file="yolox_nano.onnx"))
    (stick / "yolox_nano.onnx").write_bytes(CONTENT)
    with pytest.raises(ModelError, match=r"has 300000 bytes but should have 3678356"):
        pull(load_catalog(tmp_path / "models"), "yolox-nano-416", str(stick))


def offered(stick, entry, **changes):
    """A stick that offers an entry of a catalog with that changed."""
    stick.mkdir()
    known = dataclasses.replace(
        entry, **{"name": "door", "file": "door.onnx", "card": "door.md", **changes}
    )
    for name in known.files:
        (stick / name).write_bytes(CONTENT)
    (stick / CATALOG_FILE).write_text(entry_text(known), "utf-8")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"file": "mine.onnx"}, "with mine.onnx, which here is a file of mine"),
        ({"file": "yolox_nano.onnx"}, "which here is a file of yolox-nano-416"),
        ({"card": "nanodet-g-416-int8.md"}, "which here is a file of nanodet-g-416-"),
    ],
)
def test_a_folder_cannot_replace_the_file_of_another_model(tmp_path, entry, changes, said):
    stick, own = tmp_path / "stick", tmp_path / "models"
    offered(stick, entry, **changes)
    (own / "mine.onnx").write_bytes(b"before")
    with pytest.raises(BadInputError) as caught:
        pull(load_catalog(own), "door", str(stick))
    assert said in str(caught.value)
    assert (own / "mine.onnx").read_bytes() == b"before"
    assert files(tmp_path) == WHOLE


@pytest.mark.parametrize("key", ["file", "card"])
def test_a_folder_cannot_replace_the_catalog(tmp_path, entry, key):
    stick, own = tmp_path / "stick", tmp_path / "models"
    before = (own / CATALOG_FILE).read_bytes()
    offered(stick, entry, **{key: CATALOG_FILE})
    with pytest.raises(ModelError, match=rf"{stick}/catalog\.toml cannot be used.*{key} 'catalog"):
        pull(load_catalog(own), "door", str(stick))
    assert (own / CATALOG_FILE).read_bytes() == before
    assert files(tmp_path) == [CATALOG_FILE]


def test_a_file_has_the_name_its_publisher_gave_it(tmp_path, mirror):
    """Megvii's file is called like another one here."""
    folder, stick = tmp_path / "models", tmp_path / "stick"
    stick.mkdir()
    mirror.content = yolox()
    (stick / "yolox_nano.onnx").write_bytes(mirror.content)
    for source in (stick, f"{mirror.url}/whole"):
        folder.mkdir()
        _, path = pull(load_catalog(folder), "yolox-nano-416-megvii", str(source), adopt=True)
        assert path == folder / "yolox_nano_megvii.onnx"
        shutil.rmtree(folder)
    folder.mkdir()
    place = f"{mirror.url}/nothing"
    with pytest.raises(DownloadError) as caught:
        pull(load_catalog(folder), "yolox-nano-416-megvii", place, adopt=True)
    told = str(caught.value)
    assert "--from /media/usb/yolox_nano.onnx --adopt" in told
    assert "github.com/Megvii-BaseDetection/YOLOX/releases" in told
    assert mirror.paths[-1] == "/nothing/yolox_nano.onnx"


def test_a_folder_that_is_made_can_be_read_by_the_service(tmp_path, mirror):
    folder = tmp_path / "new" / "models"
    before = os.umask(0o077)
    try:
        assert make_own_folder(folder) == folder
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o755


def test_two_at_once(tmp_path, entry, mirror):
    with (tmp_path / "models/mine.onnx.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match=r"another `lobbycount models pull`"):
            pulled(tmp_path, f"{mirror.url}/whole")


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("mine", "ftp://example.org/", "must be an http or https address, a file or a folder"),
        ("mine", "https:///mine.onnx", "must be an http or https address"),
        ("mine", None, "No public address is known for mine"),
        ("nanodet-g-416-int8", None, "comes with lobbycount and needs no pulling"),
        ("yolo11n-416", None, "make it with `lobbycount models export yolo11n`"),
        ("yolox-tiny-416", None, "`--adopt` takes the file that comes"),
        ("yolov99", None, "choose one of"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path, entry, name, source, said):
    with pytest.raises(BadInputError) as caught:
        pull(load_catalog(tmp_path / "models"), name, source)
    assert said in str(caught.value)


def yolox(rows=3549):
    """Make a network with YOLOX's input and output that answers with zeros."""
    shape = (1, rows, 85)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Expand", ["nothing", "shape"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "yolox",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 416, 416))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, (), [0]),
            helper.make_tensor("shape", TensorProto.INT64, (3,), shape),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_adopting_writes_the_hash_of_what_came(tmp_path, entry, mirror):
    mirror.content = yolox()
    folder = tmp_path / "models"
    known, path = pull(load_catalog(folder), "yolox-tiny-416", f"{mirror.url}/cut", adopt=True)
    assert (known.bytes, known.sha256) == (
        len(mirror.content),
        hashlib.sha256(mirror.content).hexdigest(),
    )
    assert load_catalog(folder).entry("yolox-tiny-416") == known
    assert load_catalog(folder).path(known) == path
    # From now on it is a file like any other.
    mirror.content = yolox(rows=3549) + b" "
    path.unlink()
    with pytest.raises(DownloadError, match=r"the file there has"):
        pull(load_catalog(folder), "yolox-tiny-416", f"{mirror.url}/whole", adopt=True)


@pytest.mark.parametrize("content", [b"<html>log in first</html>", yolox(rows=3548)])
def test_what_is_no_such_network_is_not_adopted(tmp_path, entry, mirror, content):
    mirror.content = content
    folder = tmp_path / "models"
    with pytest.raises(ModelError):
        pull(load_catalog(folder), "yolox-tiny-416", f"{mirror.url}/whole", adopt=True)
    assert load_catalog(folder).entry("yolox-tiny-416").sha256 is None
    assert files(tmp_path) == [CATALOG_FILE]


def lobbycount(*arguments):
    command = [sys.executable, "-m", "edge", "models", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_command_line(tmp_path, entry, mirror):
    folder = tmp_path / "models"
    run = lobbycount("pull", "mine", "--from", f"{mirror.url}/cut", "--folder", folder)
    assert run.returncode == 0, run.stderr
    assert f"{folder}/mine.onnx: 300000 bytes, SHA-256 {entry.sha256}" in run.stdout
    assert "Apache-2.0" in run.stdout
    assert "model: {name: mine}" in run.stdout
    nobody = f"http://127.0.0.1:{closed_port()}"
    (folder / "mine.onnx").unlink()
    run = lobbycount("pull", "mine", "--from", nobody, "--folder", folder)
    assert run.returncode == 1
    assert f"{nobody}: Connection refused." in run.stderr
    assert "手动复制" in run.stderr
    assert str(Path(folder) / "mine.onnx") in run.stderr
    run = lobbycount("pull", "mine", "--from", f"{mirror.url}/other", "--folder", folder)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    run = lobbycount("pull", "mine", "--folder", folder / CATALOG_FILE / "x")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert "cannot be made (Not a directory)" in run.stderr
