"""Whether somebody answers for a device: production only starts with an acknowledgement."""

from edge.acknowledgement import Covered, camera_hash, what_is_wrong
from edge.adapters.acknowledgement_file import read_acknowledgement
from edge.adapters.camera_address import shown
from edge.config import Config
from edge.errors import AcknowledgementError, Mistake
from edge.privacy_page import SIGN_VERSION
from edge.privacy_promises import Said

_WHAT_TO_DO = Said(
    "请安装人员运行 lobbycount privacy acknowledge -c 配置文件；试用请设 privacy.mode: lab",
    "the installer runs lobbycount privacy acknowledge -c FILE; to try it out, set"
    " privacy: {mode: lab}",
)


def covered_by(config: Config) -> Covered:
    """Return what an acknowledgement made with this config holds for."""
    return Covered(
        device=config.device.id,
        site=config.device.name,
        unit=config.privacy.unit,
        purpose=config.privacy.purpose,
        contact=config.privacy.contact,
        camera=camera_hash(shown(config.camera.source)),
        sign=SIGN_VERSION,
    )


def what_is_missing(config: Config) -> Said | None:
    """Say why nobody answers for this config in production; None when somebody does."""
    return what_is_wrong(read_acknowledgement(config.records.data_dir), covered_by(config))


def require_acknowledgement(config: Config) -> None:
    """Refuse a config in production that nobody answers for. Raises AcknowledgementError.

    Called at the start, and before an edited config comes into force while it runs: then the
    edit is refused and told, and counting goes on with the config before.
    """
    if config.privacy.mode != "production":
        return
    if config.mqtt.insecure_lab:
        raise AcknowledgementError(
            Mistake(
                "production needs a broker with TLS; give mqtt: {tls: {ca:"
                " /etc/lobbycount/ca.pem}}",
                "正式使用必须加密传输，请设置 mqtt: {tls: {ca: /etc/lobbycount/ca.pem}}",
                "privacy.mode",
            )
        )
    if (problem := what_is_missing(config)) is not None:
        raise AcknowledgementError(
            Mistake(
                f"production: {problem.en}; {_WHAT_TO_DO.en}",
                f"正式模式须先确认：{problem.zh}。{_WHAT_TO_DO.zh}",
                "privacy.mode",
            )
        )
