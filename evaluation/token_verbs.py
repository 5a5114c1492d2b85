"""The verbs of tokens: `evaluation token add | list | revoke`."""

import time
from contextlib import closing
from typing import Annotated

import typer
from rich.table import Table

from edge.errors import BadInputError
from edge.messages import checked_name
from edge.terminal import ERR, OUT
from evaluation.database import Database
from evaluation.options import DatabaseOption, OwnerOption
from evaluation.pages.render import moment
from evaluation.pages.tokens import Tokens
from evaluation.register_messages import KINDS

NameArgument = Annotated[str, typer.Argument(help="The system, e.g. kiosk. 系统的名称。")]
HEADINGS = ("token 令牌", "tenant 租户", "sites 中心", "registers 台账", "until 至", "state 状态")
_tokens = typer.Typer(
    help="Tokens of other systems, which hand registers in over HTTP. 其他系统的令牌。",
    no_args_is_help=True,
)


def add_token_verbs(cli: typer.Typer) -> None:
    """Add the verbs of this module."""
    for verb, name in ((add_token, "add"), (list_tokens, "list"), (revoke_token, "revoke")):
        _tokens.command(name)(verb)
    cli.add_typer(_tokens, name="token")


def add_token(
    name: NameArgument,
    database: DatabaseOption,
    tenant: OwnerOption,
    site: Annotated[
        list[str] | None, typer.Option(help="Only this site, may be repeated. 仅此中心，可重复。")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help=f"Only {' | '.join(KINDS)}, may be repeated. 仅此台账，可重复。"),
    ] = None,
    days: Annotated[int, typer.Option(help="How long it holds. 有效天数。")] = 365,
) -> None:
    """Make a token and show it this once; only its hash is kept.

    生成令牌，只显示这一次；数据库只保存其哈希。
    """
    try:
        checked_name(tenant, "tenant")
    except ValueError as error:
        raise BadInputError(f"{error}; e.g. heping-street 租户名有误") from None
    with closing(Database(database)) as db:
        db.prepare()
        token = Tokens(db, _now_ms).add(name, tenant, site or (), kind or (), days)
    ERR.print(
        f"Shown this once; keep it where {name} alone can read it. 只显示这一次，请妥善保存：",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    OUT.print(token, markup=False, highlight=False, soft_wrap=True)


def list_tokens(database: DatabaseOption) -> None:
    """Show every token and what it is for, never the token itself.

    列出令牌及其范围，不显示令牌本身。
    """
    table = Table()
    for name in HEADINGS:
        table.add_column(name, overflow="fold")  # not one id of them is cut off
    now_ms = _now_ms()
    with closing(Database(database)) as db:
        db.check()
        for each in Tokens(db, _now_ms).all():
            limits = (
                ", ".join(sorted(of)) if of else "all 全部" for of in (each.sites, each.kinds)
            )
            state = each.ended(now_ms) or "holds 有效"
            table.add_row(each.name, each.tenant, *limits, moment(each.until_ms), state)
    OUT.print(table)


def revoke_token(name: NameArgument, database: DatabaseOption) -> None:
    """Let a token not hold any more, from the next request on.

    撤销令牌，从下一次请求起无效。
    """
    with closing(Database(database)) as db:
        db.check()
        Tokens(db, _now_ms).revoke(name)
    OUT.print(f"{name}: revoked 已撤销", markup=False, highlight=False)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
