"""What the page answers: JSON, and errors in both languages."""

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
        " object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""On every answer; nothing may come from elsewhere, be framed or be stored."""

_WORDS = {
    400: ("请求有误", "The request cannot be understood"),
    401: ("请先输入 PIN 登录", "Log in with the PIN first"),
    403: ("不允许", "Not allowed"),
    404: ("没有这个页面", "There is no such page"),
    405: ("此处不能这样请求", "That cannot be done here"),
    408: ("请求太慢", "The request took too long"),
    411: ("请求缺少长度", "The request does not say how long it is"),
    413: ("内容过大，最多 64 KiB", "Too large; at most 64 KiB are taken"),
    415: ("只接受 JSON", "Only JSON is taken, content-type: application/json"),
    421: (
        "此地址不可用：请用设备的 IP 地址打开",
        "Not reachable under this name: open the page by the device's IP address",
    ),
    500: (
        "页面出错，计数不受影响；请看服务日志",
        "The page failed, the counting goes on; see the log",
    ),
    503: ("暂时不可用，请稍后再试", "Not available now, try again soon"),
}


class Refusal(HTTPException):
    """A request that is answered with an error; `result` is the word for the audit."""

    def __init__(
        self,
        status: int,
        zh: str = "",
        en: str = "",
        *,
        result: str = "refused",
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        """Words left out are the usual ones of the status."""
        usual = _WORDS.get(status, _WORDS[400])
        super().__init__(status, headers=headers)
        self.body = {"error": {"zh": zh or usual[0], "en": en or usual[1]}, **(more or {})}
        self.result = result


def refused(refusal: Refusal) -> JSONResponse:
    """Return the answer to a request that is refused."""
    return JSONResponse(refusal.body, refusal.status_code, refusal.headers)


def nothing() -> Response:
    """Return that it is done."""
    return Response(status_code=204)


def object_in(request: Request, body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body of a request. Raises Refusal."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, result="not json")
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(
            400, "内容不是 JSON", "The body is not JSON in UTF-8", result="not json"
        ) from None
    if not isinstance(value, dict):
        raise Refusal(
            400, "内容必须是 JSON 对象", "The body must be a JSON object", result="not json"
        )
    return value


def word_in(said: dict[str, Any], name: str, example: str, longest: int = 64) -> str:
    """Return a printable text of what was sent. Raises Refusal naming it, with an example."""
    value = said.get(name)
    word = value.strip() if isinstance(value, str) else ""
    if not 0 < len(word) <= longest or not word.isprintable():
        raise Refusal(
            422,
            f"{name}：必须是 1 到 {longest} 个字符，例如 {example}",
            f"{name}: must be 1 to {longest} printable characters, e.g. {example}",
            result="bad input",
        )
    return word


def _no_constant(name: str) -> None:
    raise ValueError(name)
