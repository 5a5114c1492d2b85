"""The setup page under attack: real sockets, a real service; each of these is refused."""

import http.client
import json
import socket
import ssl

import pytest

from edge.setup_page import connection as page_connection
from edge.setup_page.audit_log import read_audit
from edge.setup_page.limits import FREE_PER_ADDRESS
from edge.setup_page.listener import MOST_PER_ADDRESS
from edge.setup_page.pin import new_pin
from edge.testing import ManualClock
from tests.system.setup_page_device import LOCAL, WAIT_S, Running, wait_until

NEIGHBOUR = "127.0.0.2"
WRONG = "00000000"
CHANGES = [
    ("PUT", "/api/drawings"),
    ("POST", "/api/logout"),
    ("POST", "/api/tally/start"),
    ("POST", "/api/tally/mark"),
    ("POST", "/api/tally/undo"),
    ("POST", "/api/tally/stop"),
    ("POST", "/api/view/confirm"),
]
READS = ["/api/state", "/api/drawings", "/api/still", "/api/tally", "/api/doctor"]


@pytest.fixture
def device(tmp_path):
    with Running(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One for what leaves no traces."""
    with Running(tmp_path_factory.mktemp("shared")) as running:
        yield running


@pytest.fixture(scope="module")
def baited(tmp_path_factory):
    """One with files of its own, a link among them, and a secret beside them."""
    above = tmp_path_factory.mktemp("baited")
    folder = above / "static"
    folder.mkdir()
    (folder / "index.html").write_text("the page")
    (above / "secret.html").write_text("secret")
    (folder / "link.html").symlink_to(above / "secret.html")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.setup_page.static_files.FOLDER", folder)
        with Running(above) as running:
            yield running


def wrong(device):
    return WRONG if device.pin != WRONG else "11111111"


def raw(device, *parts, until_closed=False):
    """Send bytes as they are; return what comes back, or None for a connection that is cut."""
    with socket.create_connection((LOCAL, device.page.port), WAIT_S) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            answer = connection.recv(65536)
            while until_closed and (more := connection.recv(65536)):
                answer += more
        except ConnectionError:
            return None
        return answer


def host(device):
    return f"Host: {LOCAL}:{device.page.port}\r\n".encode()


# --- Who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", READS)
def test_without_a_login_nothing_is_told(shared, path):
    assert shared.browser().get(path).status == 401
    forged = shared.browser()
    forged.cookie = "x" * 43
    assert forged.get(path).status == 401


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_change_needs_the_login_the_token_and_the_pages_own_origin(shared, method, path):
    visitor = shared.visitor()
    before = shared.file.read_bytes()
    assert shared.browser().ask(method, path, {}).status == 401
    for other in (
        {"x_csrf_token": None},
        {"x_csrf_token": "x" * 43},
        {"x_csrf_token": visitor.csrf[:-1]},
        {"x_csrf_token": shared.visitor().csrf},  # of somebody else's login
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": f"https://{LOCAL}:{shared.page.port}"},
        {"origin": f"http://{LOCAL}:{shared.page.port + 1}"},
        {"sec_fetch_site": "cross-site"},
    ):
        assert visitor.ask(method, path, {}, **other).status == 403, other
    assert shared.file.read_bytes() == before
    assert visitor.get("/api/tally").json is None
    assert visitor.get("/api/session").json["logged_in"]


@pytest.mark.parametrize(
    "name",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "[::1", "", "a@127.0.0.1",
     "2130706433", "other-device.local", "127.0.0.1:x"],
)  # fmt: skip
def test_a_name_that_others_could_point_at_the_device_is_refused(shared, name):
    visitor = shared.visitor()
    answer = raw(shared, f"GET /api/session HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    assert answer.split()[1] in {b"421", b"400"}
    assert b"csrf" not in answer
    assert visitor.get("/api/state", host=name).status in {400, 421}
    origin = f"http://{name}"
    assert visitor.post("/api/logout", host=name, origin=origin).status in {400, 421}
    assert visitor.get("/api/session").json["logged_in"]


@pytest.mark.parametrize("name", ["127.0.0.1", "192.168.1.20:8090", "localhost:9000", "[::1]:8090"])
def test_addresses_and_this_machines_own_names_are_taken(shared, name):
    assert shared.browser().get("/api/session", host=name).status == 200


def test_two_hosts_or_none_are_refused(shared):
    twice = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
    assert b" 400 " in raw(shared, twice)
    assert raw(shared, b"GET / HTTP/1.0\r\n\r\n").split()[1] in {b"421", b"400"}


# --- The PIN -----------------------------------------------------------------------------------


def test_wrong_pins_lock_the_address_longer_each_time_and_the_right_one_too(device):
    thief = device.browser(NEIGHBOUR)
    for _ in range(FREE_PER_ADDRESS):
        assert thief.login(wrong(device)).status == 401
    waits = []
    for _ in range(8):
        refused = thief.login(device.pin)
        assert refused.status == 429
        waits.append(refused.json["retry_after_s"])
        assert refused.headers["retry-after"] == str(waits[-1])
        device.clock.advance(waits[-1])
        assert thief.login(wrong(device)).status == 401
        (device.data / "setup-open").touch()
        wait_until(lambda: not (device.data / "setup-open").exists(), "the page kept open")
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    owner = device.browser()
    assert owner.login(device.pin).status == 204  # from another address
    assert thief.get("/api/session").json["retry_after_s"] == 3600


def test_the_lock_outlives_a_restart_of_the_service(tmp_path):
    with Running(tmp_path) as device:
        pin = device.pin
        for _ in range(FREE_PER_ADDRESS + 1):
            device.browser().login(wrong(device))
    with Running(tmp_path, clock=ManualClock(device.clock.utc())) as again:
        assert again.browser().login(pin).json["retry_after_s"] == 60
        again.clock.advance(60)
        assert again.browser().login(pin).status == 204
        assert json.loads((again.data / "setup-tries.json").read_text("utf-8"))["wrong"] == {}


def test_many_addresses_together_are_locked_too(device):
    codes = [
        device.browser(f"127.0.1.{number}").login(wrong(device)).status for number in range(1, 22)
    ]
    assert codes == [401] * 20 + [429]
    assert device.browser().login(device.pin).status == 429


def test_a_header_does_not_make_another_address_of_it(device):
    thief = device.browser()
    for number in range(FREE_PER_ADDRESS):
        headers = {"x_forwarded_for": f"10.0.0.{number}", "forwarded": f"for=10.0.0.{number}"}
        thief.post("/api/login", {"pin": wrong(device)}, **headers)
    spoofed = thief.post("/api/login", {"pin": wrong(device)}, x_forwarded_for="10.0.0.99")
    assert spoofed.status == 429
    assert {entry["address"] for entry in read_audit(device.data)} <= {"-", LOCAL}


@pytest.mark.parametrize(
    "said",
    [{}, {"pin": ""}, {"pin": 12345678}, {"pin": None}, {"pin": ["1"]}, {"pin": "1" * 100},
     {"pin": "1\n2"}, [], "12345678", None],
)  # fmt: skip
def test_what_is_no_pin_is_refused(shared, said):
    answer = shared.browser().post(
        "/api/login", body=json.dumps(said), content_type="application/json"
    )
    assert answer.status in {400, 422}
    assert set(answer.json["error"]) == {"zh", "en"}


def test_a_new_pin_ends_every_login_and_every_lock(device):
    visitor, old = device.visitor(), device.pin
    for _ in range(FREE_PER_ADDRESS + 1):
        device.browser(NEIGHBOUR).login(wrong(device))
    made = new_pin(device.data)
    assert visitor.get("/api/state").status == 401
    assert device.browser().login(old).status == 401
    assert device.browser(NEIGHBOUR).login(made).status == 204


# --- Sessions ----------------------------------------------------------------------------------


def test_a_session_ends_when_idle_and_polling_does_not_keep_it(device):
    visitor = device.visitor()
    for _ in range(3):
        device.clock.advance(299)
        assert visitor.get("/api/state").status == 200
        assert visitor.get("/api/session").json["logged_in"]
    device.clock.advance(4)
    assert visitor.get("/api/state").status == 401


def test_a_session_ends_after_all_however_busy(device):
    visitor = device.visitor()
    for _ in range(5):
        device.clock.advance(11 * 60)
        assert visitor.post("/api/view/confirm").status == 204
    device.visitor()  # keeps the page open
    device.clock.advance(5 * 60 + 1)
    assert visitor.post("/api/view/confirm").status == 401


def test_only_a_few_are_logged_in_the_oldest_goes(device):
    visitors = []
    for _ in range(5):
        visitors.append(device.visitor())
        device.clock.advance(1)
    assert [v.get("/api/state").status for v in visitors] == [401, 200, 200, 200, 200]


def test_the_cookie_is_for_the_server_and_this_page_only(shared):
    cookie = shared.browser().login(shared.pin).headers["set-cookie"].lower()
    parts = {part.strip() for part in cookie.split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert not any(part.startswith("domain") for part in parts)


# --- Paths, methods, headers -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/static/../lobby.yaml", "/static/..%2f..%2flobby.yaml", "/static/%2e%2e/%2e%2e/pin.py",
     "/static/%252e%252e%252fpin.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
     "/static/..\\..\\pin.py", "/static/..%5cpin.py", "/static/%00", "/static/index.html%00.png",
     "/static/link.html", "/static/.", "/static/", "/static/../../data/setup-pin.json",
     "/..;/data/setup-pin.json", "//etc/passwd", "/static/....//pin.py", "/static/secret.html/"],
)  # fmt: skip
def test_no_path_leads_out_of_the_pages_files(baited, path):
    assert b"the page" in baited.browser().get("/static/index.html").body
    answer = raw(baited, f"GET {path} HTTP/1.1\r\n".encode() + host(baited) + b"\r\n")
    assert answer.split()[1] in {b"404", b"400"}, answer
    assert b"secret" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/api/login", 405), ("DELETE", "/api/drawings", 405), ("POST", "/api/state", 405),
     ("PATCH", "/api/drawings", 405), ("TRACE", "/", 405), ("OPTIONS", "/api/drawings", 405),
     ("CONNECT", "/", 405), ("GET", "/api/tally/start", 405), ("GET", "/api/logout", 405),
     ("POST", "/static/index.html", 405), ("GET", "/api/nothing", 404),
     ("HEAD", "/api/drawings", 401)],
)  # fmt: skip
def test_each_address_takes_its_own_methods_only(shared, method, path, code):
    answer = shared.browser().ask(method, path, origin=f"http://{LOCAL}:{shared.page.port}")
    assert answer.status == code


def test_another_method_in_a_header_or_query_changes_nothing(shared):
    visitor = shared.visitor()
    for header in ("x_http_method_override", "x_method_override"):
        assert visitor.get("/api/logout?_method=POST", **{header: "POST"}).status == 405
    assert visitor.get("/api/session").json["logged_in"]


def test_every_answer_carries_the_headers_and_no_more_than_needed(shared):
    visitor = shared.visitor()
    for answer in (
        visitor.get("/"),
        visitor.get("/api/state"),
        visitor.get("/api/nothing"),
        visitor.get("/", host="evil.example"),
        visitor.post("/api/login", {"pin": 1}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["server"] is None
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "smuggled",
    [b"X: a\rSet-Cookie: b=c\r\n", b"X: a\n b\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n",
     b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"X\x00: a\r\n", b" X: a\r\n",
     b"Content-Length: -1\r\n", b"Content-Length: 1e3\r\n",
     b"Transfer-Encoding: gzip, chunked\r\n"],
)  # fmt: skip
def test_headers_that_could_be_read_in_two_ways_are_refused_or_harmless(shared, smuggled):
    request = b"POST /api/login HTTP/1.1\r\n" + host(shared) + smuggled + b"\r\nhello"
    answer = raw(shared, request)
    assert answer is None or answer.split()[1] in {b"400", b"403", b"413", b"421", b"501"}, answer
    assert b"set-cookie" not in (answer or b"").lower()


# --- Size and patience -------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_refused_by_its_announcement(shared):
    request = b"POST /api/login HTTP/1.1\r\n" + host(shared) + b"Content-Length: 65537\r\n\r\n"
    origin = f"Origin: http://{LOCAL}:{shared.page.port}\r\n".encode()
    assert b" 413 " in raw(shared, request.replace(b"\r\n\r\n", b"\r\n" + origin + b"\r\n"))
    assert "request: too large" in shared.audit()


def test_a_body_that_is_too_large_is_refused_in_chunks_too(shared):
    origin = f"Origin: http://{LOCAL}:{shared.page.port}\r\n".encode()
    head = b"POST /api/login HTTP/1.1\r\n" + host(shared) + origin
    chunks = [b"8000\r\n" + b"x" * 0x8000 + b"\r\n"] * 40
    answer = raw(shared, head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks)
    assert answer is None or b" 413 " in answer
    wait_until(lambda: "request: too large" in shared.audit(), "it written down")


def test_64_kib_are_still_taken(shared):
    visitor = shared.visitor()
    body = b'{"pin": "' + b" " * (65536 - 11) + b'"}'
    answer = visitor.post("/api/login", body=body, content_type="application/json")
    assert answer.status == 422


@pytest.mark.parametrize(
    "body", [b"[" * 60000, b'{"hash":' + b"[" * 60000, b"\xff\xfe", b"NaN", b""]
)
def test_json_that_is_none_is_refused(shared, body):
    visitor = shared.visitor()
    answer = visitor.ask("PUT", "/api/drawings", body=body, content_type="application/json")
    assert answer.status == 400
    assert visitor.ask("PUT", "/api/drawings", body=b"{}", content_type="text/plain").status == 415


def test_a_request_that_does_not_end_is_cut_off(device, monkeypatch):
    monkeypatch.setattr(page_connection, "REQUEST_S", 0.5)
    own = f"Origin: http://{LOCAL}:{device.page.port}\r\n".encode()
    slow = [
        b"GET / HTTP/1.1\r\n" + host(device) + b"X: ",
        b"POST /api/login HTTP/1.1\r\n" + host(device) + own + b"Content-Length: 100\r\n\r\n{",
        b"",
    ]
    for part in slow:
        answer = raw(device, part, until_closed=True)  # would time out where it is not cut off
        assert not answer
    assert device.browser().get("/").status == 200


def test_one_address_has_only_so_many_connections_and_others_are_served(device):
    held = []
    try:
        for _ in range(MOST_PER_ADDRESS + 3):
            held.append(socket.create_connection((LOCAL, device.page.port), WAIT_S))
        for extra in held[MOST_PER_ADDRESS:]:
            assert extra.recv(1) == b""  # hung up
        assert device.browser(NEIGHBOUR).get("/").status == 200
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            device.browser().get("/")
    finally:
        for each in held:
            each.close()
    wait_until(lambda: answers(device), "room again")


def answers(device):
    try:
        return device.browser().get("/").status == 200
    except (ConnectionError, http.client.HTTPException):
        return False


# --- What is written down ----------------------------------------------------------------------


def test_what_is_written_down_names_the_deed_and_no_secret(device, capsys):
    thief = device.browser(NEIGHBOUR)
    thief.login(wrong(device))
    visitor = device.visitor()
    visitor.get("/api/state?pin=hunter2", user_agent="hunter2")
    visitor.post("/api/view/confirm", x_csrf_token="hunter2")
    visitor.get("/hunter2", host="hunter2.example")
    visitor.post("/api/tally/start", {"line": "door", "by": "王芳"})
    visitor.post("/api/logout")
    device.see(3)
    entries = read_audit(device.data)
    assert all(set(entry) <= {"at", "address", "what", "result", "more"} for entry in entries)
    told = [(entry["address"], f"{entry['what']}: {entry['result']}") for entry in entries]
    for expected in (
        (NEIGHBOUR, "login: wrong pin"),
        (LOCAL, "login: ok"),
        (LOCAL, "state: ok"),
        (LOCAL, "view confirm: no csrf token"),
        (LOCAL, "request: foreign host"),
        (LOCAL, "tally start: ok"),
        (LOCAL, "logout: ok"),
    ):
        assert expected in told
    file = device.data / "setup-audit.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    log = capsys.readouterr()
    kept = "".join(path.read_text("utf-8", "replace") for path in device.data.glob("setup-*"))
    for secret in (device.pin, wrong(device), visitor.cookie, visitor.csrf, "hunter2"):
        assert secret not in kept
        assert secret not in log.out + log.err


def test_a_flood_of_the_same_is_written_down_once(device):
    visitor = device.visitor()
    for _ in range(50):
        visitor.get("/api/state")
        device.browser().get("/api/state")
        device.browser().post("/api/login", {"pin": 1})
    assert device.audit().count("login: bad input") == 1
    assert device.audit().count("state: ok") == 1
    assert device.audit().count("state: not logged in") == 1
    device.clock.advance(601)
    device.browser().get("/api/state")
    assert read_audit(device.data)[-1]["more"] == 49


# --- On the LAN --------------------------------------------------------------------------------


def test_on_a_lan_it_is_tls_only_with_a_certificate_of_its_own(tmp_path):
    with Running(tmp_path, ", network: lan") as device:
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        client = http.client.HTTPSConnection(
            LOCAL, device.page.port, timeout=WAIT_S, context=unverified
        )
        origin = f"https://{LOCAL}:{device.page.port}"
        said = json.dumps({"pin": device.pin})
        headers = {"Origin": origin, "Content-Type": "application/json"}
        client.request("POST", "/api/login", said, headers)
        answer = client.getresponse()
        assert answer.status == 204
        assert "secure" in answer.headers["set-cookie"].lower().replace(" ", "").split(";")
        assert client.sock.version() in {"TLSv1.2", "TLSv1.3"}
        client.close()
        assert not raw(device, b"GET / HTTP/1.1\r\n" + host(device) + b"\r\n")
        kept = device.data / "setup-page.pem"
        assert kept.stat().st_mode & 0o777 == 0o600
        first = kept.read_bytes()
    with Running(tmp_path) as again:
        assert (again.data / "setup-page.pem").read_bytes() == first
