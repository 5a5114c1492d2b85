"""Everything the counter raises on purpose.

Each message is one sentence for the person at the keyboard: the place, the
reason, and what works instead. `exit_code` is what the command line returns.
"""

from typing import ClassVar


class LobbyCountError(Exception):
    """Root of all errors of this package."""

    exit_code: ClassVar[int] = 1


class BadInputError(LobbyCountError):
    """Something the user gave cannot be used; nothing was started."""

    exit_code: ClassVar[int] = 2


class ConfigError(BadInputError):
    """The config file cannot be used; the message has one line per problem."""


class AcknowledgementError(BadInputError):
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


class BundleError(LobbyCountError):
    """The support bundle cannot be written, or must not leave the device as it is."""
