"""A live source on a real RTSP stream: ffmpeg makes the packets, this file speaks RTSP over TCP."""

import base64
import contextlib
import itertools
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from edge.adapters.camera_opencv import LiveSource, Patience
from edge.adapters.clock import SystemClock
from edge.vocabulary import CoverageReason, Frame, NoFrame

CLIP = Path(__file__).parent.parent / "data" / "vtest.mp4"
PATIENCE = Patience(open_s=2.0, read_s=1.0, stall_s=3.0)
PASSWORD = "s3cret"
TRIES = 60

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


def ffmpeg(*arguments: str) -> "subprocess.Popen[bytes]":
    quiet = ["ffmpeg", "-nostdin", "-v", "error", *arguments]
    return subprocess.Popen(quiet, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


class RtspServer:
    """Serves the clip by RTSP, interleaved in TCP only, to a user with a password."""

    def __init__(self) -> None:
        maker = ffmpeg("-t", "0.1", "-i", str(CLIP), "-c", "copy", "-f", "rtp", "rtp://127.0.0.1:9")
        self._sdp = maker.communicate(timeout=10)[0].split(b"SDP:\n")[-1].strip() + b"\n"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.plays = 0
        self.transports: list[str] = []
        self.silent = threading.Event()
        """While set, connections stay open and no picture passes."""
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"rtsp://viewer:{PASSWORD}@127.0.0.1:{self.port}/lobby"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    def hang_up(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self._connections.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            while request := lines.readline().decode().split():
                headers = {}
                while line := lines.readline().decode().strip():
                    name, _, value = line.partition(": ")
                    headers[name.lower()] = value
                connection.sendall(self._answer(request[0], headers))
                if request[0] == "PLAY":
                    self._play(connection)

    def _answer(self, method: str, headers: dict[str, str]) -> bytes:
        status, extra, body = "200 OK", "", b""
        login = base64.b64encode(f"viewer:{PASSWORD}".encode()).decode()
        if method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif headers.get("authorization") != f"Basic {login}":
            status, extra = "401 Unauthorized", 'WWW-Authenticate: Basic realm="lobby"\r\n'
        elif method == "DESCRIBE":
            body = self._sdp
            extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            self.transports.append(headers["transport"])
            tcp = "TCP" in headers["transport"]
            status = "200 OK" if tcp else "461 Unsupported Transport"
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        head = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{extra}\r\n"
        return head.encode() + body

    def _play(self, connection: socket.socket) -> None:
        self.plays += 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            packets.bind(("127.0.0.1", 0))
            packets.settimeout(5)
            target = f"rtp://127.0.0.1:{packets.getsockname()[1]}"
            source = ("-re", "-itsscale", "0.25", "-stream_loop", "-1", "-i", str(CLIP))
            with ffmpeg(*source, "-c", "copy", "-f", "rtp", target) as maker:
                try:
                    while True:
                        packet = packets.recv(1 << 16)
                        if not self.silent.is_set():
                            connection.sendall(b"$\0" + len(packet).to_bytes(2) + packet)
                finally:
                    maker.kill()


@pytest.fixture
def server() -> Iterator[RtspServer]:
    server = RtspServer()
    yield server
    server.close()


def pictures(items: Iterator[Frame | NoFrame], count: int) -> list[Frame]:
    """Take so many pictures, over whatever gaps."""
    found = (item for item in itertools.islice(items, TRIES) if isinstance(item, Frame))
    return list(itertools.islice(found, count))


@needs_ffmpeg
def test_an_rtsp_camera_gives_pictures_over_tcp_and_comes_back_after_a_hang_up(
    server: RtspServer,
) -> None:
    source = LiveSource(server.url, 10, (), SystemClock(), patience=PATIENCE)
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        items = source.frames()
        before = pictures(items, 5)
        assert [frame.image.shape for frame in before] == [(576, 768, 3)] * 5
        server.hang_up()
        lost = next(item for item in items if isinstance(item, NoFrame))
        after = pictures(items, 5)
    assert lost.reason is CoverageReason.NO_CAMERA
    assert len(after) == 5
    moments = [item.at for item in [*before, lost, *after]]
    assert moments == sorted(set(moments))
    assert server.transports
    assert all("TCP" in transport for transport in server.transports)
    assert [log["event"] for log in logs] == ["camera.up", "camera.lost", "camera.up"]
    assert PASSWORD not in str(logs)
    assert "viewer" not in str(logs)


@needs_ffmpeg
def test_a_stream_that_falls_silent_is_opened_anew(server: RtspServer) -> None:
    source = LiveSource(server.url, 10, (), SystemClock(), patience=PATIENCE)
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        items = source.frames()
        assert len(pictures(items, 2)) == 2
        server.silent.set()
        assert any(len(logs) == 2 for _ in itertools.islice(items, TRIES))
        server.silent.clear()
        assert pictures(items, 1)
    assert server.plays >= 2
    assert [log["event"] for log in logs] == ["camera.up", "camera.lost", "camera.up"]


@needs_ffmpeg
def test_a_wrong_password_is_told_in_words_without_the_password(server: RtspServer) -> None:
    url = server.url.replace(PASSWORD, "wr0ng")
    source = LiveSource(url, 10, (), SystemClock(), patience=PATIENCE)
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        items = source.frames()
        assert all(isinstance(next(items), NoFrame) for _ in range(4))
    assert [log["event"] for log in logs] == ["camera.lost"]
    assert "user and password" in logs[0]["reason"]
    assert "wr0ng" not in str(logs)


def test_an_rtsp_camera_that_is_not_there_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    source = LiveSource(f"rtsp://127.0.0.1:{port}/x", 10, (), SystemClock(), patience=PATIENCE)
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        items = list(itertools.islice(source.frames(), 4))
    assert all(isinstance(item, NoFrame) for item in items)
    gaps = [b.at - a.at for a, b in itertools.pairwise(items)]
    assert all(0 < gap <= 1.0 for gap in gaps)
    assert [log["event"] for log in logs] == ["camera.lost"]
    assert "refused" in logs[0]["reason"]
