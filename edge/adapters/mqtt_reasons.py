"""What a broker answers, in words: reason codes of MQTT 5 (its section 2.4) for people."""

from dataclasses import dataclass

from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

FAILURE = 0x80
"""Reason codes from here on are refusals."""
_LONGEST_WORDS = 200

_CREDENTIALS = "check user name, password and client certificate"
_LATER = "it is tried again later"
_CONNECT_HINTS = {
    0x84: "it must speak MQTT 5",
    0x85: "another device id may help, this broker does not accept it as client id",
    0x88: _LATER,
    0x89: _LATER,
    0x97: _LATER,
    0x9A: "it must allow retained messages, which the state of a device is",
    0x9B: "it must allow quality of service 1, without which nothing can be acknowledged",
    0x9F: _LATER,
}
_USED_TWICE = "is this client id, or its certificate, used twice?"
_END_HINTS = {
    0x8E: _USED_TWICE,
    0x95: "a message was larger than it takes",
    0x98: "by its administrator",
}

ENDED_SILENTLY = f"the other side closed it without a reason; if it does again, {_USED_TWICE}"
"""mosquitto 2.0 says nothing when it stops and when the same client id connects again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reason code and, as its text, what it means and what the broker adds to it."""

    value: int
    words: str

    @property
    def is_refusal(self) -> bool:
        """Whether the broker did not do what it was asked to."""
        return self.value >= FAILURE

    def __str__(self) -> str:
        """Return the words."""
        return self.words


def answer_of(reason: ReasonCode, properties: Properties | None) -> Answer:
    """Return a reason code with the broker's own Reason String, if it sent one."""
    words = str(reason)
    said = " ".join(str(getattr(properties, "ReasonString", "")).split())
    if said:
        words = f"{words}: {said[:_LONGEST_WORDS]}"
    return Answer(reason.value, words)


def refused_connection(given: Answer) -> str:
    """Return what to tell a person whose connection was refused."""
    hint = _CONNECT_HINTS.get(given.value, _CREDENTIALS)
    return f"the broker refused the connection ({given}); {hint}"


def ended_connection(given: Answer) -> str:
    """Return what to tell a person whose connection the broker ended."""
    hint = _END_HINTS.get(given.value)
    return f"the broker ended it ({given})" + (f"; {hint}" if hint else "")
