"""The text of a config file: read, and as YAML with its line marks; nothing hostile holds it up."""

from itertools import accumulate
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from edge.config_errors import yaml_mistake
from edge.errors import ConfigError, Mistake

LARGEST_BYTES = 131_072
"""Of the file: 32 lines and 32 zones of a hundred corners each fit."""
_DEEPEST = 200
_MOST_VALUES = 50_000
_START, _START_ZH = _BEGIN = (
    "start from config/lobby.example.yaml",
    "请从 config/lobby.example.yaml 开始",
)


def read_text(path: Path) -> str:
    """Read the text of a config file. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        en, zh = unreadable(error)
        raise ConfigError(
            Mistake(
                f"cannot be read: {en}; {_START}", f"无法读取：{zh}；{_START_ZH}", file=str(path)
            )
        ) from error
    if len(content) > LARGEST_BYTES:
        raise ConfigError(
            Mistake(
                f"has more than {LARGEST_BYTES} bytes, which is no config; {_START}",
                f"超过 {LARGEST_BYTES} 字节，不是配置文件；{_START_ZH}",
                file=str(path),
            )
        )
    return text


def unreadable(error: OSError | UnicodeDecodeError) -> tuple[str, str]:
    """Say why a file cannot be read, in English and in Chinese."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text", "不是 UTF-8 文本"
    reason = error.strerror or type(error).__name__
    known = {FileNotFoundError: "文件不存在", PermissionError: "没有读取权限"}
    return reason, known.get(type(error), reason)


def parse(path: Path, text: str, begin: tuple[str, str] = _BEGIN) -> Any:
    """Read YAML, with its line marks. Raises ConfigError, `file:line: …`.

    begin: what to do where nothing of it can be used, in English and in Chinese.
    """
    yaml = YAML(typ="rt", pure=True)
    try:
        _check_depth(text)
        document = yaml.load(text)
    except RecursionError as error:
        raise ConfigError(
            Mistake(
                "not valid YAML: nested too deep",
                "不是正确的 YAML：括号套得太深",
                line=1,
                file=str(path),
            )
        ) from error
    except YAMLError as error:
        raise ConfigError(yaml_mistake(path, error)) from error
    _check_size(path, document)
    if not isinstance(document, dict):
        raise ConfigError(
            Mistake(
                f"must be a list of settings such as `device:`; {begin[0]}",
                f"必须是 `device:` 这样的一组设置；{begin[1]}",
                line=1,
                file=str(path),
            )
        )
    return document


def _check_depth(text: str) -> None:
    """Raise RecursionError for brackets in brackets: the reader's time grows quadratically."""
    ways = {"[": 1, "{": 1, "]": -1, "}": -1}
    if max(accumulate(ways.get(c, 0) for c in text), default=0) > _DEEPEST:
        raise RecursionError


def _check_size(path: Path, document: Any) -> None:
    """Refuse a text whose aliases (&, *) stand for more than anybody would write out."""
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if not isinstance(node, dict | list):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = _MOST_VALUES + 1  # while it is not known: it would hold itself
            parts = node.values() if isinstance(node, dict) else node
            sizes[id(node)] = 1 + sum(map(size, parts))
        return sizes[id(node)]

    try:
        is_too_much = size(document) > _MOST_VALUES
    except RecursionError:
        is_too_much = True
    if is_too_much:
        raise ConfigError(
            Mistake(
                "not a config: its anchors (&) and aliases (*) stand for too much;"
                " write the values out",
                "不是配置文件：锚点 (&) 和引用 (*) 展开后太大；请把值直接写出来",
                line=1,
                file=str(path),
            )
        )
