"""A browser of few words for the evaluation's pages, and a system that sends registers."""

import http.client
import json
import re
from http.cookies import SimpleCookie
from typing import NamedTuple
from urllib.parse import urlencode

BOUNDARY = "limit-of-a-part"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self, port: int, language: str = "en") -> None:
        self.port, self.cookies, self.language = port, {}, language

    def ask(self, method, path, body=None, **headers) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Accept-Language": self.language}
        sent |= {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if method == "POST":
            sent["Origin"] = f"http://127.0.0.1:{self.port}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {k: v for k, v in sent.items() if v})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                for key, morsel in SimpleCookie(value).items():
                    self.cookies[key] = morsel.value
        given = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, given, content)

    def get(self, path) -> Answer:
        return self.ask("GET", path)

    def post(self, path, fields, **headers) -> Answer:
        body = urlencode(fields)
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, body, **(kind | headers))

    def upload(self, path, fields, name, content) -> Answer:
        parts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        ]
        parts.append(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: text/csv\r\n\r\n"
        )
        body = "".join(parts).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return self.ask("POST", path, body, Content_Type=kind)

    def csrf(self, path="/password") -> str:
        """The token of this visitor's forms."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found, "there is no form"
        return found[1]

    def log_in(self, name, password) -> Answer:
        page = self.get("/login").text
        before = re.search(r'name="before" value="([^"]+)"', page)
        assert before
        return self.post("/login", {"before": before[1], "name": name, "password": password})


class System:
    """A kiosk, a portal: it has a token, and neither cookies nor a page that it comes from."""

    def __init__(self, port: int, token: str, tenant: str = "t") -> None:
        self.port, self.token, self.tenant = port, token, tenant

    def ask(self, method, path, body=None, **headers) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return Visitor(self.port).ask(method, path, body, **({"Origin": ""} | sent | headers))

    def send(self, site, kind, message, **headers) -> tuple[int, dict]:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self._post(site, kind, body, **({"Content_Type": "application/json"} | headers))

    def send_table(self, site, kind, table, query="", **headers) -> tuple[int, dict]:
        kind_of_content = {"Content_Type": "text/csv; charset=utf-8"}
        return self._post(site, f"{kind}{query}", table, **(kind_of_content | headers))

    def _post(self, site, kind, body, **headers) -> tuple[int, dict]:
        answer = self.ask("POST", f"/reg/v1/{self.tenant}/{site}/{kind}", body, **headers)
        assert answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(answer.body)
