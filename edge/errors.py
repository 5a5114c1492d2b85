"""Everything the counter raises on purpose.

Each message is one sentence for the person at the keyboard: the place, the
reason, and what works instead. `exit_code` is what the command line returns.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing in the config file that cannot be used, with what works, in both languages.

    setting: its dotted path. line: of the file. Each is left out where it is not known.
    """

    en: str
    zh: str
    setting: str = ""
    line: int | None = None
    file: str = ""

    def __str__(self) -> str:
        """Return `file:line: setting: what is wrong; what works`, in English."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.setting, self.en) if part)

    @property
    def chinese(self) -> str:
        """The same in Chinese; it names the file only where no line is known."""
        place = f"第 {self.line} 行" if self.line else self.file
        where = " ".join(part for part in (place, self.setting) if part)
        return f"{where}：{self.zh}" if where else self.zh


class SettingError(ValueError):
    """A setting that cannot be used, for the checks in the models of the config."""

    def __init__(self, en: str, zh: str) -> None:
        """Both say what is wrong and what works; the place is added by `config_errors`."""
        super().__init__(en, zh)
        self.en, self.zh = en, zh

    def __str__(self) -> str:
        """Return it in English."""
        return self.en


class LobbyCountError(Exception):
    """Root of all errors of this package."""

    exit_code: ClassVar[int] = 1

    @property
    def told(self) -> str:
        """What the command line says of it."""
        return str(self)


class BadInputError(LobbyCountError):
    """Something the user gave cannot be used; nothing was started."""

    exit_code: ClassVar[int] = 2


class ConfigError(BadInputError):
    """The config file cannot be used; the message has one line per mistake."""

    def __init__(self, *mistakes: Mistake) -> None:
        """Name at least one."""
        super().__init__(*mistakes)
        self.mistakes = mistakes

    def __str__(self) -> str:
        """Return them in English, each in a line."""
        return "\n".join(map(str, self.mistakes))

    @property
    def told(self) -> str:
        """Each in English, and below it in Chinese."""
        return "\n".join(f"{each}\n    {each.chinese}" for each in self.mistakes)


class AcknowledgementError(ConfigError):
    """In production nobody answers for the device as it is configured now."""


class ModelError(BadInputError):
    """The model file is missing, damaged or not of the shape its catalog entry says."""


class DownloadError(LobbyCountError):
    """A model file cannot be had from where it was asked for; the message says what to copy."""


class ProviderError(BadInputError):
    """What the config wants the model to run on is not there or does not run it."""


class CameraError(BadInputError):
    """The camera or clip cannot be opened, or a clip cannot be decoded."""


class OutboxError(LobbyCountError):
    """The outbox cannot be written or read."""


class DeviceKeyError(LobbyCountError):
    """The device's key cannot be made or used; records are counted and sent all the same."""


class BrokerError(LobbyCountError):
    """The broker cannot be reached or refused the connection."""


class MessageError(LobbyCountError):
    """A received payload is not a message of this contract."""


class CertificateError(BadInputError):
    """A key, a certificate or an authority's certificate is not what the device needs."""


class EnrolmentError(BadInputError):
    """The enrolment endpoint refuses the device, or is not the one it should be."""


class NoNetworkError(LobbyCountError):
    """The enrolment endpoint cannot be reached now; it is tried again."""


class ClockError(LobbyCountError):
    """The device's clock is wrong, so that no certificate can be checked; it is tried again."""


class SitePackageError(BadInputError):
    """A site package cannot be written, or is not one that this board can take."""


class UpdateError(BadInputError):
    """An update that is refused; nothing was changed. Both say why and what to do."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        """Take the code of `edge.updating.words` and its sentence."""
        super().__init__(code, zh, en)
        self.code, self.zh, self.en = code, zh, en

    def __str__(self) -> str:
        """Return it in English."""
        return self.en

    @property
    def told(self) -> str:
        """In English, and below it in Chinese."""
        return f"{self.en}\n    {self.zh}"


class BusyError(LobbyCountError):
    """An installation or an update is at work already; it is tried again."""

    exit_code: ClassVar[int] = 75


class BundleError(LobbyCountError):
    """The support bundle cannot be written, or must not leave the device as it is."""
