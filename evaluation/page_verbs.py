"""The verbs of the pages: `evaluation serve`, `evaluation user add | list | …`."""

import logging
import sys
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from edge.errors import BadInputError
from edge.setup_page.hosts import own_names
from edge.terminal import OUT, log_to_stderr
from evaluation.chores import Pulse
from evaluation.database import Database
from evaluation.options import DatabaseOption, OwnerOption, SchemeOption, read_wanted_scheme
from evaluation.pages.accounts import Accounts
from evaluation.pages.desk import desk_of
from evaluation.pages.render import moment
from evaluation.pages.roles import ROLE_WORDS, Role
from evaluation.pages.server import HANGS_AFTER_S, listener, serve, server_of
from evaluation.service import ready

NameArgument = Annotated[str, typer.Argument(help="The user, e.g. zhang.wei. 用户名。")]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(help="A file whose first line is the password; else it is asked for. 密码文件。"),
]
_users = typer.Typer(help="Who may look at the pages. 页面用户。", no_args_is_help=True)


def add_page_verbs(cli: typer.Typer) -> None:
    """Add the verbs of this module."""
    cli.command("serve")(serve_pages)
    for verb, name in (
        (add_user, "add"),
        (list_users, "list"),
        (set_role, "role"),
        (disable_user, "disable"),
        (set_password, "password"),
    ):
        _users.command(name)(verb)
    cli.add_typer(_users, name="user")


def serve_pages(
    database: DatabaseOption,
    scheme: SchemeOption = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, envvar="EVALUATION_PORT", help="0 takes a free one. 端口。"),
    ] = 8443,
    host: Annotated[
        str, typer.Option(envvar="EVALUATION_HOST", help="Where to listen, e.g. 0.0.0.0. 监听。")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(
            envvar="EVALUATION_NAME",
            help="A host name that people open it by, may be repeated. 访问域名。",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(envvar="EVALUATION_TLS_CERT", help="Certificate, PEM. 证书。")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(envvar="EVALUATION_TLS_KEY", help="Its key, PEM. 私钥。")
    ] = None,
    insecure_lab: Annotated[
        bool, typer.Option("--insecure-lab", help="Without TLS: labs only. 无加密，仅限实验。")
    ] = False,
) -> None:
    """Serve the pages: league, centres, months, users.

    提供评估网页：排行、中心、月份、用户。
    """
    tls = _tls(tls_cert, tls_key, insecure_lab=insecure_lab)
    log_to_stderr(logging.INFO)
    rules = read_wanted_scheme(scheme)
    names = own_names() | {each.lower() for each in name or ()}
    pulse = Pulse(hangs_after_s=HANGS_AFTER_S)
    with closing(Database(database)) as db, closing(listener(host, port)) as listening:
        desk = desk_of(db, rules, _now_ms, secure=tls is not None)
        server = server_of(desk, names, tls, partial(pulse.beat, "pages"))
        # Nobody sets the event: until it serves, a signal ends the process as it ends any.
        with ready(db, pulse, threading.Event()):
            if not Accounts(db, _now_ms).all():
                OUT.print(
                    "nobody may log in yet 还没有用户: evaluation user add NAME --tenant T",
                    markup=False, highlight=False,
                )  # fmt: skip
            serve(desk, server, listening)


def add_user(
    name: NameArgument,
    database: DatabaseOption,
    tenant: OwnerOption,
    role: Annotated[Role, typer.Option(help="What they may do. 角色。")] = Role.VIEWER,
    password_file: PasswordFileOption = None,
) -> None:
    """Make a user of a tenant, or with --tenant '*' of all.

    添加用户；--tenant '*' 为全部租户。
    """
    with closing(Database(database)) as db:
        db.prepare()
        Accounts(db, _now_ms).add(name, _password(password_file), tenant, role)
    OUT.print(f"{name}: {role.value} of {tenant} {ROLE_WORDS[role][0]}", highlight=False)


def list_users(database: DatabaseOption) -> None:
    """Show every user, and what each may do where.

    列出用户和角色。
    """
    table = Table("user 用户", "roles 角色", "since 创建", "disabled 停用")
    with closing(Database(database)) as db:
        db.check()
        for each in Accounts(db, _now_ms).all():
            roles = ", ".join(f"{tenant}: {role.value}" for tenant, role in each.roles.items())
            disabled = "" if each.disabled_ms is None else moment(each.disabled_ms)
            table.add_row(each.name, roles, moment(each.made_ms), disabled)
    OUT.print(table)


def set_role(
    name: NameArgument,
    database: DatabaseOption,
    tenant: OwnerOption,
    role: Annotated[Role | None, typer.Option(help="None takes it away. 不填则取消。")] = None,
) -> None:
    """Give a user a role in a tenant, or take it away; ends the user's sessions.

    设置或取消用户在某租户的角色。
    """
    with closing(Database(database)) as db:
        db.check()
        Accounts(db, _now_ms).set_role(name, tenant, role)
    OUT.print(f"{name}: {role.value if role else 'no role'} of {tenant}", highlight=False)


def disable_user(
    name: NameArgument,
    database: DatabaseOption,
    enable: Annotated[bool, typer.Option("--enable", help="Let them in again. 重新启用。")] = False,
) -> None:
    """Let a user not log in any more; ends the user's sessions. Nothing is deleted.

    停用用户，不删除任何记录。
    """
    with closing(Database(database)) as db:
        db.check()
        Accounts(db, _now_ms).disable(name, is_disabled=not enable)
    OUT.print(f"{name}: {'enabled 已启用' if enable else 'disabled 已停用'}", highlight=False)


def set_password(
    name: NameArgument, database: DatabaseOption, password_file: PasswordFileOption = None
) -> None:
    """Set a user's password; ends the user's sessions.

    设置密码。
    """
    with closing(Database(database)) as db:
        db.check()
        Accounts(db, _now_ms).set_password(name, _password(password_file))
    OUT.print(f"{name}: password set 密码已设置", highlight=False)


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            return next(iter(file.read_text("utf-8").splitlines()), "")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"{file}: cannot be read ({error}) 无法读取") from None
    if not sys.stdin.isatty():
        raise BadInputError("give the password as a file: --password-file FILE 请用密码文件")
    return str(typer.prompt("password 密码", hide_input=True, confirmation_prompt=True))


def _tls(cert: Path | None, key: Path | None, *, insecure_lab: bool) -> tuple[Path, Path] | None:
    if cert is not None and key is not None:
        for path in (cert, key):
            if not path.is_file():
                raise BadInputError(f"{path}: there is no such file 没有这个文件")
        return cert, key
    if cert is not None or key is not None or not insecure_lab:
        raise BadInputError(
            "passwords need TLS: give --tls-cert cert.pem and --tls-key key.pem, or in a lab say"
            " --insecure-lab 请提供证书和私钥，或仅在实验时使用 --insecure-lab"
        )
    return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
