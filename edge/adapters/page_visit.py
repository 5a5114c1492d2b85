"""A visit to the setup page as a browser makes it, for `privacy-check`: everything it answers."""

import http.client
import json
from collections.abc import Sequence

HOST = "127.0.0.1"
Answer = tuple[str, int, str, bytes]
"""Path, status, content type and body."""
_TIMEOUT_S = 10.0


def visit(port: int, pin: str, paths: Sequence[str]) -> list[Answer]:
    """Return what a page answers without and with a login. Raises OSError when it does not."""
    before = [_get(port, path, {}) for path in paths]
    name = f"{HOST}:{port}"
    headers = {"Origin": f"http://{name}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", "/api/login", json.dumps({"pin": pin}), headers)
        answer = connection.getresponse()
        cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
        before.append(("/api/login", answer.status, "", answer.read()))
    except http.client.HTTPException as error:
        raise OSError(f"no answer to the login ({type(error).__name__})") from error
    finally:
        connection.close()
    return before + [_get(port, path, {"Cookie": cookie}) for path in paths]


def _get(port: int, path: str, headers: dict[str, str]) -> Answer:
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return path, answer.status, answer.getheader("content-type") or "", answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"{path}: no answer ({type(error).__name__})") from error
    finally:
        connection.close()
