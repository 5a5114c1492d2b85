"""What pydantic and the YAML reader find in a config file, in Chinese; pure.

`FINDINGS` has every kind of finding that the models of the config can have; a test looks for more.
"""

from collections.abc import Mapping
from typing import Any

_NUMBER, _WHOLE, _TEXT = "必须是数字", "必须是整数", "必须是文字，纯数字请加引号"
_LIST, _SETTINGS = "必须是列表，写在 [ ] 中", "必须是一组设置，写成 名称: 值"
_SWITCH, _DATE = "只能是 true 或 false", "必须是日期，如 2026-10-01"

FINDINGS: Mapping[str, str] = {
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "string_too_short": "至少要有 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "string_pattern_mismatch": "只能用 a-z、0-9 和 '-'，以字母或数字开头，最多 63 个",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "必须是有限的数字",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "数字太大",
    "greater_than_equal": "不能小于 {ge:g}",
    "less_than_equal": "不能大于 {le:g}",
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "literal_error": "只能是 {expected}",
    "enum": "只能是 {expected}",
    "tuple_type": _LIST,
    "too_short": "至少要有 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "model_type": _SETTINGS,
    "dict_type": _SETTINGS,
    "invalid_key": "设置的名称必须是文字",
    "path_type": "必须是文件路径",
    "date_type": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
}
"""By pydantic's type of the error; in braces what its context says."""

_YAML = (
    ("expected ',' or", "括号没有配对，或少了逗号"),
    ("mapping values are not allowed", "冒号的位置不对，或缩进没有对齐"),
    ("could not find expected ':'", "少了冒号，冒号后面要有空格"),
    ("expected <block end>", "缩进没有对齐，或括号、引号没有配对"),
    ("found character '\\t'", "不能用制表符 (Tab) 缩进，请用空格"),
    ("cannot start any token", "有不能用在开头的字符，请把文字放进引号"),
    ("duplicate key", "同一个设置写了两次，请删去一个"),
    ("unexpected end of stream", "引号没有配对"),
    ("special characters are not allowed", "有看不见的特殊字符，请删去"),
    ("found undefined alias", "引用 (*) 没有对应的锚点 (&)"),
)


def finding_zh(kind: str, context: Mapping[str, Any]) -> str:
    """Say what a setting must be, for a type of pydantic's errors and the error's context."""
    said = dict(context)
    if "expected" in said:
        said["expected"] = str(said["expected"]).replace(", ", "、").replace(" or ", " 或 ")
    return FINDINGS.get(kind, "这样写不能用").format_map(said)


def yaml_zh(problem: str) -> str:
    """Say what kind of mistake the YAML reader means."""
    return next((zh for part, zh in _YAML if part in problem), "写法有误")
