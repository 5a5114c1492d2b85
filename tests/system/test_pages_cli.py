"""`evaluation serve`, `user` and `token` as an operator starts them."""

import http.client
import json
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.errors import BadInputError
from evaluation import registry
from evaluation.database import Database
from evaluation.pages.accounts import Accounts
from evaluation.pages.roles import Role
from evaluation.pages.tokens import Tokens
from evaluation.register_messages import example_of
from evaluation.registry_rows import site_rows
from evaluation.verbs import cli
from tests.system.pages_city import PASSWORD, SCHEME, make_city, wait_until


@pytest.fixture
def database(tmp_path):
    url = f"sqlite:///{tmp_path}/city.db"
    with closing(Database(url)) as db:
        make_city(db)
    return url


def evaluation(*arguments):
    # Wide enough for a table's words to stay in one piece.
    done = CliRunner().invoke(cli, list(map(str, arguments)), env={"COLUMNS": "160"})
    if isinstance(done.exception, BadInputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_users_are_made_changed_and_disabled(database, tmp_path):
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n", "utf-8")
    of = ("--database", database)
    add = ("user", "add", "zhang", "--tenant", "t", "--password-file", secret, *of)
    evaluation(*add)
    with pytest.raises(BadInputError, match="already"):
        evaluation(*add)
    evaluation("user", "role", "zhang", "--tenant", "u", "--role", "evaluator", *of)
    evaluation("user", "disable", "zhang", *of)
    with closing(Database(database)) as db:
        accounts = Accounts(db, lambda: 0)
        [zhang] = accounts.all()
        assert zhang.roles == {"t": Role.VIEWER, "u": Role.EVALUATOR}
        assert accounts.log_in("zhang", PASSWORD) is None
        evaluation("user", "disable", "zhang", "--enable", *of)
        assert accounts.log_in("zhang", PASSWORD)
    secret.write_text("short", "utf-8")
    change = ("user", "password", "zhang", *of)
    with pytest.raises(BadInputError, match="密码"):
        evaluation(*change, "--password-file", secret)
    with pytest.raises(BadInputError, match="--password-file"):
        evaluation(*change)  # nobody is there to ask


SITE = "site,name,residents,hours,time_zone\nsite-001,One,2000,Mon-Fri 09:00-13:00,UTC\n"
KEPT_AT = "sqlite:////var/lib/evaluation/records.db"


def token_commands():
    """Those of the page, in its order."""
    page = Path("docs/evaluation-pages.md").read_text("utf-8").replace("\\\n", " ")
    return [
        shlex.split(line)[1:] for line in re.findall(r"^evaluation token .*$", page, re.MULTILINE)
    ]


def test_tokens_are_made_listed_and_revoked_as_the_docs_say(database):
    of = "heping-street"
    with closing(Database(database)) as db:
        registry.take_over(db, of, site_rows(SITE.encode(), "sites.csv", of))
    add, show, revoke = (
        [database if word == KEPT_AT else word for word in command] for command in token_commands()
    )
    done = CliRunner().invoke(cli, add)
    token = done.stdout.strip()
    assert (done.exit_code, done.stdout) == (0, f"{token}\n")  # so that a script can take it
    with closing(Database(database)) as db:
        found = Tokens(db, lambda: 0).find(token)
    assert (found.tenant, found.sites, found.kinds) == (of, {"site-001"}, {"ratings"})
    with pytest.raises(BadInputError, match="kiosk-2"):
        evaluation(*add)
    with pytest.raises(BadInputError, match="heping-street"):
        evaluation("token", "add", "x-1", "--tenant", "*", "--database", database)
    listed = evaluation(*show)
    assert all(word in listed for word in ("kiosk", of, "site-001", "ratings", "holds 有效"))
    assert token.partition(".")[2] not in listed
    evaluation(*revoke)
    assert "revoked" in evaluation(*show)
    with pytest.raises(BadInputError, match="no token"):
        evaluation(*revoke)


def test_what_cannot_be_served_is_told(database, tmp_path):
    serve = ("serve", "--database", database, "--scheme", SCHEME)
    with pytest.raises(BadInputError, match="--tls-cert"):
        evaluation(*serve)
    none = tmp_path / "none.pem"
    with pytest.raises(BadInputError, match="no such file"):
        evaluation(*serve, "--tls-cert", none, "--tls-key", none)
    none.write_text("nothing", "ascii")
    with pytest.raises(BadInputError, match="both are PEM"):
        evaluation(*serve, "--tls-cert", none, "--tls-key", none)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInputError, match="cannot be listened at"):
            evaluation(*serve, "--insecure-lab", "--port", port)


def test_it_serves_over_tls_until_stopped_and_the_cookie_never_goes_without(
    database, tmp_path, lab_ca
):
    with closing(Database(database)) as db:
        token = Tokens(db, lambda: time.time_ns() // 1_000_000).add("kiosk", "t", [], [], 1)
        wrong = Tokens(db, lambda: 0).add("other", "t", [], [], 1)  # expired long ago
    command = [sys.executable, "-m", "evaluation", "serve", "--database", database, "--port", "0"]
    command += ["--scheme", str(SCHEME), "--tls-cert", str(lab_ca / "broker.pem")]
    command += ["--tls-key", str(lab_ca / "broker.key")]
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out)

    def port():
        assert server.poll() is None, log.read_text("utf-8")
        lines = [line for line in log.read_text("utf-8").splitlines() if "pages.open" in line]
        return lines and json.loads(lines[0])["port"]

    try:
        trust = ssl.create_default_context(cafile=str(lab_ca / "ca.pem"))
        at = wait_until(port, "the pages are open", 60.0)
        connection = http.client.HTTPSConnection("127.0.0.1", at, context=trust, timeout=20)
        connection.request("GET", "/login")
        answer = connection.getresponse()
        answer.read()
        taken = []
        for said in (token, wrong):
            head = {"Authorization": f"Bearer {said}", "Content-Type": "application/json"}
            connection.request("POST", "/reg/v1/t/s1/ratings", example_of("ratings"), head)
            got = connection.getresponse()
            taken.append((got.status, b'"taken"' in got.read()))
        connection.close()
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0, log.read_text("utf-8")
    assert answer.status == 200
    assert "Secure" in answer.getheader("set-cookie")
    assert answer.getheader("strict-transport-security")
    assert taken == [(200, True), (401, False)]
    told = log.read_text("utf-8")
    assert "evaluation user add" in told  # nobody may log in yet
    assert not any(said.partition(".")[2] in told for said in (token, wrong))
