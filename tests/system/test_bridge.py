"""A city's broker passes counts on to a province's, by the lines of docs/growth.md."""

import re
from pathlib import Path

import pytest

from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.vocabulary import Message, Receipt

PAGE = Path("docs/growth.md")
BODY = b'{"v":"1.0"}'


@pytest.fixture
def province():
    if "mosquitto" not in available_kinds():
        pytest.skip("needs mosquitto")
    with LabBroker("mosquitto") as broker:
        yield broker


@pytest.fixture
def city(province):
    [lines] = re.findall(r"```conf\n(connection .*?)```", PAGE.read_text("utf-8"), re.S)
    here = re.sub(r"address .*", f"address {province.host}:{province.port}", lines)
    here = "\n".join(
        line
        for line in here.splitlines()
        if not line.startswith(("bridge_cafile", "bridge_certfile", "bridge_keyfile"))
    )
    with LabBroker("mosquitto", mosquitto_lines=[*here.splitlines()]) as broker:
        yield broker


def publish(broker, topic, body=BODY, retain=False):
    settings = MqttSettings(broker.host, broker.port, insecure_lab=True)
    connection = Connection(settings, "somebody", clean_start=True)
    message = Message(topic, body, qos=1, retain=retain, properties=(("specversion", "1.0"),))
    assert connection.publish(message) is Receipt.ACCEPTED
    connection.leave()


def test_counts_go_up_and_nothing_comes_down(province, city, open_inbox):
    above, below = open_inbox(province.port), open_inbox(city.port)
    publish(city, "pc/v1/hefei/d1/counts")
    publish(city, "pc/v1/hefei/d1/ack", retain=True)
    publish(city, "pc/v1/hefei/d1/status", retain=True)
    above.wait_for(lambda got: len(got) >= 2)
    assert {each.topic for each in above.messages} == {
        "pc/v1/hefei/d1/counts", "pc/v1/hefei/d1/status",
    }  # fmt: skip
    assert all(("specversion", "1.0") in each.user for each in above.messages)
    publish(province, "pc/v1/hefei/d1/cmd/backfill")
    publish(city, "pc/v1/hefei/d1/rsp/backfill")
    below.wait_for(lambda got: any(each.topic.endswith("rsp/backfill") for each in got))
    assert not any("cmd" in each.topic for each in below.messages)
