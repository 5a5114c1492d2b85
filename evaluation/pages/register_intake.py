"""Registers from other systems over HTTP: the path is the topic, the body that of MQTT, or a table.

A token is the only thing that lets somebody in; cookies are not looked at. Every request is in
the journal, under the token's name; what shows no token that there is, is counted by address.
"""

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.errors import BadInputError, MessageError
from evaluation import registers
from evaluation.errors import StoreError, UnstorableError
from evaluation.mqtt_link import LARGEST_PACKET
from evaluation.pages.desk import Desk
from evaluation.pages.forms import body_of
from evaluation.pages.journal import Who
from evaluation.pages.reception import as_refusal, client_of
from evaluation.pages.refusal import Refusal
from evaluation.pages.system_answers import refused
from evaluation.pages.tokens import Token
from evaluation.register_messages import RegisterMessage, place_of, read_register, read_table_of

WHAT = "register"
"""The word for the journal."""
_SCHEME = "bearer"
_NO_TOKEN = (
    "没有令牌，或令牌不对；用 evaluation token add 生成",
    "No token, or none that there is; evaluation token add makes one",
)
_ENDED = {
    "revoked": ("令牌已撤销", "This token was revoked"),
    "expired": ("令牌已过期", "This token has expired"),
}


class RegisterIntake:
    """The endpoint."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, request: Request) -> Response:
        """Take the rows of one request over."""
        address = client_of(request)
        token = await run_in_threadpool(self._desk.tokens.find, _bearer(request))
        if token is None:
            return await run_in_threadpool(self._turn_away, address)
        who = Who(f"token:{token.name}", address, token.tenant)
        place, content = request.path_params, _content_type(request)
        about = f"{place['site']} {place['kind']}"
        try:
            topic = self._allowed(token, place)
            body = await _body(request)
            message = await run_in_threadpool(_read, content, topic, body, request)
            taken = await run_in_threadpool(self._take, message)
        except (Refusal, BadInputError, StoreError) as error:
            refusal = as_refusal(error)
            await run_in_threadpool(self._desk.journal.note, who, WHAT, about, refusal.result)
            return refused(refusal, place["kind"], content)
        await run_in_threadpool(self._desk.journal.note, who, WHAT, f"{about} {taken}")
        self._desk.keeper.wake()
        return JSONResponse({"taken": taken})

    def _turn_away(self, address: str) -> Response:
        desk, tries = self._desk, self._desk.token_tries
        wait_s = tries.retry_after_s(address, "")
        if wait_s:
            desk.journal.note_look(Who("", address), WHAT, "too many tries")
            return refused(Refusal(429, headers={"retry-after": str(wait_s)}))
        tries.failed(address, "")
        desk.journal.note(Who("", address), WHAT, result="no token")
        return refused(Refusal(401, *_NO_TOKEN, headers={"www-authenticate": "Bearer"}))

    def _allowed(self, token: Token, place: Mapping[str, str]) -> str:
        """Return the topic of a place that a token is for. Raises Refusal."""
        ended = token.ended(self._desk.now_ms())
        if ended:
            raise Refusal(401, *_ENDED[ended], result=ended, headers={"www-authenticate": "Bearer"})
        topic = "/".join(("reg/v1", place["tenant"], place["site"], place["kind"]))
        try:
            tenant, site, kind = place_of(topic)
        except (MessageError, ValueError) as error:
            raise Refusal(404, "没有这个地址", f"{topic}: {error}", result="place") from None
        if not token.is_for(tenant, site, kind):
            raise Refusal(
                403, "令牌不包括这个租户、中心或台账",
                "This token is not for this tenant, site or register", result="not for this",
            )  # fmt: skip
        return topic

    def _take(self, message: RegisterMessage) -> int:
        try:
            return registers.take_over(
                self._desk.database, message.tenant, message.kind, message.rows,
                complete_for=message.complete_for, only_site=message.site,
            )  # fmt: skip
        except UnstorableError:
            raise BadInputError(
                "the database refuses a value; texts are up to 200 characters that can be shown"
                " 数据库拒绝其中的值；文字应为 200 个以内的可见字符"
            ) from None


def _bearer(request: Request) -> str:
    """Return the token that a request shows; empty where it shows none, or several."""
    said = request.headers.getlist("authorization")
    scheme, _, token = said[0].partition(" ") if len(said) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == _SCHEME else ""


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _body(request: Request) -> bytes:
    try:
        return await body_of(request, LARGEST_PACKET)
    except Refusal as refusal:
        raise Refusal(
            413,
            f"内容过大，最多 {LARGEST_PACKET} 字节；请分几次发送",
            f"Too large: {LARGEST_PACKET} bytes at most; send it in parts",
            result="too large", headers=dict(refusal.headers or {}),
        ) from None  # fmt: skip


def _read(content: str, topic: str, body: bytes, request: Request) -> RegisterMessage:
    if content == "application/json":
        return read_register(topic, body)
    if content == "text/csv":
        return read_table_of(topic, body, request.query_params.get("complete_for"))
    raise Refusal(
        415, "应为 application/json 或 text/csv", "Send application/json, or text/csv",
        result="content type",
    )  # fmt: skip
