"""A request that is answered with an error, in words of both languages."""

from starlette.exceptions import HTTPException

_WORDS = {
    400: ("请求有误", "The request cannot be understood"),
    403: ("没有权限", "You may not do this"),
    404: ("没有这个页面", "There is no such page"),
    405: ("此处不能这样请求", "That cannot be done here"),
    413: ("文件过大，最多 20 MB", "Too large; at most 20 MB are taken"),
    415: ("不支持的内容类型", "This kind of content is not taken"),
    421: ("此地址不可用", "Not reachable under this name; see evaluation serve --name"),
    429: ("尝试次数过多，请稍后再试", "Too many tries; wait and try again"),
    500: ("页面出错，请看服务日志", "The page failed; see the log of the service"),
    503: ("数据库暂时不可用，请稍后再试", "The database is not available; try again soon"),
}


class Refusal(HTTPException):
    """Words left out are the usual ones of the status; `result` is the word for the journal."""

    def __init__(
        self,
        status: int,
        zh: str = "",
        en: str = "",
        *,
        result: str = "refused",
        headers: dict[str, str] | None = None,
    ) -> None:
        usual = _WORDS.get(status, _WORDS[400])
        super().__init__(status, headers=headers)
        self.zh, self.en, self.result = zh or usual[0], en or usual[1], result
