"""MQTT 5 packets as paho builds them: their properties, and how large they will be."""

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.vocabulary import Message

_VARIABLE_LENGTH_BITS = 7
"""Bits of a length in each of its bytes, MQTT 5 section 1.5.5."""


def connect_properties(session_expiry_s: int) -> Properties:
    """Return the properties of a CONNECT; the broker keeps the session so long after its end."""
    properties = _empty(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = session_expiry_s
    return properties


def publish_properties(message: Message) -> Properties:
    """Return the properties of a PUBLISH."""
    return _of(message, PacketTypes.PUBLISH)


def will_properties(message: Message, delay_s: int) -> Properties:
    """Return the properties of a last will that the broker publishes after `delay_s`.

    It does not when the same client comes back to the same session before that.
    """
    properties = _of(message, PacketTypes.WILLMESSAGE)
    properties.WillDelayInterval = delay_s
    return properties


def publish_size(message: Message, properties: Properties) -> int:
    """Return the bytes of the whole PUBLISH packet, MQTT 5 section 3.3.

    Topic and payload, two bytes for the length of the topic, two for the packet identifier
    where there is one, the properties with their length, and the fixed header.
    """
    packed: bytes = properties.pack()  # type: ignore[no-untyped-call]
    identifier = 2 if message.qos else 0
    rest = 2 + len(message.topic.encode()) + identifier + len(packed) + len(message.payload)
    length_bytes = max(1, -(-rest.bit_length() // _VARIABLE_LENGTH_BITS))
    return 1 + length_bytes + rest


def _of(message: Message, packet: int) -> Properties:
    properties = _empty(packet)
    if not message.packed:
        properties.PayloadFormatIndicator = 1
    properties.ContentType = "application/json"
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    if message.properties:
        properties.UserProperty = list(message.properties)
    return properties


def _empty(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]
