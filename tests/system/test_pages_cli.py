"""`evaluation serve` and `evaluation user` as an operator starts them."""

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import closing

import pytest
from typer.testing import CliRunner

from edge.errors import BadInputError
from evaluation.database import Database
from evaluation.pages.accounts import Accounts
from evaluation.pages.roles import Role
from evaluation.verbs import cli
from tests.system.pages_city import PASSWORD, SCHEME, make_city, wait_until


@pytest.fixture
def database(tmp_path):
    url = f"sqlite:///{tmp_path}/city.db"
    with closing(Database(url)) as db:
        make_city(db)
    return url


def evaluation(*arguments):
    done = CliRunner().invoke(cli, list(map(str, arguments)))
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
        connection.close()
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0, log.read_text("utf-8")
    assert answer.status == 200
    assert "Secure" in answer.getheader("set-cookie")
    assert answer.getheader("strict-transport-security")
    assert "evaluation user add" in log.read_text("utf-8")  # nobody may log in yet
