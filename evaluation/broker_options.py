"""How a verb of the backend's side reaches the broker: its options, and what they mean."""

from pathlib import Path
from typing import Annotated

import typer

from edge.adapters.mqtt_settings import MqttSettings
from edge.config import broker_section
from edge.config_sections import MqttSection, TlsSection
from edge.errors import BadInputError
from edge.station import mqtt_settings

RECEIVE_MAXIMUM = 200
"""Messages that are here at a time; a broker may be set to fewer, as mosquitto is (20)."""
SESSION_DAYS = 7
DAY_S = 86_400

BrokerOption = Annotated[
    str,
    typer.Option(
        envvar="EVALUATION_BROKER",
        help="mqtts://host[:port]; mqtt:// is plain text, labs only. 消息服务器。",
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        envvar="EVALUATION_CA", help="Who signed the broker's certificate. 服务器证书的签发者。"
    ),
]
CertOption = Annotated[
    Path | None,
    typer.Option(envvar="EVALUATION_CERT", help="This client's certificate. 客户端证书。"),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(envvar="EVALUATION_KEY", help="The key of that certificate. 私钥。"),
]
UserOption = Annotated[
    str | None,
    typer.Option(envvar="EVALUATION_USERNAME", help="User name at the broker. 用户名。"),
]
PasswordOption = Annotated[
    Path | None,
    typer.Option(
        envvar="EVALUATION_PASSWORD_FILE",
        help="A file with nothing but the password. 密码文件。",
    ),
]
LabOption = Annotated[
    bool, typer.Option("--insecure-lab", help="Allow plain text. 允许明文，仅限实验室。")
]


def broker_settings(
    url: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    username: str | None,
    password_file: Path | None,
    insecure_lab: bool,
) -> MqttSettings:
    """Return what the options say. Raises BadInputError, and ConfigError for no broker."""
    if "@" in url:
        raise BadInputError(
            "--broker: a password on the command line can be read by everybody on this machine;"
            " use --username and --password-file"
        )
    section = broker_section(url)
    if section.tls is None and not insecure_lab:
        raise BadInputError(
            f"--broker {url}: plain text is for labs only; use mqtts://, or say --insecure-lab"
        )
    changes: dict[str, object] = {"username": username, "password_file": password_file}
    if section.tls is not None:
        changes["tls"] = TlsSection(ca=ca, cert=cert, key=key)
    return mqtt_settings(MqttSection.model_validate(section.model_dump() | changes))
