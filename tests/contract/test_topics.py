"""The documents of the contract: fresh, well formed, and true of what is sent and allowed.

`asyncapi validate` (npm, @asyncapi/cli) finds no fault in config/asyncapi.yaml; here its
structure is checked without node: every reference leads somewhere, operations, channels and
messages belong together, and the golden payloads fit the schemas that are referred to.
"""

import json
import re
from pathlib import Path

import pytest
import topics
import topics_asyncapi
import topics_markdown
import topics_table
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from edge.adapters.mqtt_settings import MqttSettings
from edge.messages import (
    Health,
    ack_message,
    counts_message,
    health_message,
    info_message,
    privacy_message,
    status_message,
)
from edge.station import HEALTH_S
from edge.vocabulary import Line, Provenance, StoredRecord

CONFIG = Path("config")
TOPICS = topics_table.load()
BY_LEAF = {topic.leaf: topic for topic in TOPICS}
DOCUMENT = YAML(typ="safe").load((CONFIG / "asyncapi.yaml").read_text("utf-8"))
ROOT_FIELDS = {
    "asyncapi", "id", "info", "defaultContentType", "servers", "channels", "operations",
    "components",
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "render"),
    [(topics.DOCUMENT, topics_markdown.render), (topics.ASYNCAPI, topics_asyncapi.render)],
)
def test_the_documents_are_not_stale(path, render):
    assert path.read_text("utf-8") == render(TOPICS), "run scripts/topics"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_has_a_schema_that_its_golden_payloads_fit(topic):
    schema = topic.schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "urn:lobbycount:pc:v1:" + topic.leaf.replace("/", ":")
    assert schema["description"]
    assert schema["additionalProperties"] is False
    goldens = topic.goldens(TOPICS)
    assert goldens
    for golden in goldens:
        Draft202012Validator(schema).validate(json.loads(golden.read_text("utf-8")))


def test_no_schema_and_no_golden_payload_is_without_a_topic():
    others = {"lobby.schema.json", "scheme.schema.json"}
    others |= {path.name for path in CONFIG.glob("schemas/register-*")}
    schemas = {path.name for path in topics_table.SCHEMAS.iterdir()} - others
    assert schemas == {topic.schema_file.name for topic in TOPICS}
    goldens = [path for topic in TOPICS for path in topic.goldens(TOPICS)]
    assert sorted(goldens) == sorted(topics_table.GOLDEN.glob("*.json"))


def test_a_topic_whose_name_begins_with_another_keeps_its_golden_payloads(tmp_path, monkeypatch):
    monkeypatch.setattr(topics_table, "GOLDEN", tmp_path)
    for name in ("counts-1.0", "counts-1.10", "counts-1.9", "counts-zones-1.10", "counts-late-1.0"):
        (tmp_path / f"{name}.json").write_text("{}", "utf-8")
    common = {"sender": "device", "qos": 1, "retain": False, "expiry_s": None, "what": "", "zh": ""}
    counts = topics_table.Topic(leaf="counts", name="counts", **common)
    late = topics_table.Topic(leaf="counts/late", name="counts-late", **common)
    found = [path.stem for path in counts.goldens([counts, late])]
    assert found == ["counts-1.0", "counts-1.10", "counts-1.9", "counts-zones-1.10"]
    assert counts.newest_golden([counts, late]).stem == "counts-1.10"
    assert [path.stem for path in late.goldens([counts, late])] == ["counts-late-1.0"]


# --- AsyncAPI --------------------------------------------------------------------------------


def references(node, path=()):
    if isinstance(node, dict):
        if "$ref" in node:
            yield "/".join(path), node["$ref"]
        for key, value in node.items():
            yield from references(value, (*path, str(key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from references(value, (*path, str(index)))


def resolved(reference):
    file, _, pointer = reference.partition("#")
    node = DOCUMENT
    if file:
        node = json.loads((CONFIG / file).read_text("utf-8"))
    for step in pointer.strip("/").split("/") if pointer else ():
        node = node[step]
    return node


def test_every_reference_leads_somewhere():
    found = list(references(DOCUMENT))
    assert len(found) >= 6 * len(TOPICS)
    for _, reference in found:
        assert resolved(reference)


def test_the_document_has_the_parts_of_asyncapi_3():
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT.keys() == ROOT_FIELDS
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    [server] = DOCUMENT["servers"].values()
    assert {"host", "protocol", "security"} <= server.keys()
    [security] = [resolved(each["$ref"]) for each in server["security"]]
    assert security["type"] == "X509"
    for name in (*DOCUMENT["channels"], *DOCUMENT["operations"]):
        assert re.fullmatch(r"[\w.-]+", name)


def test_every_topic_is_a_channel_an_operation_and_a_message():
    assert list(DOCUMENT["channels"]) == [topic.name for topic in TOPICS]
    assert len(DOCUMENT["operations"]) == len(TOPICS)
    for topic, operation in zip(TOPICS, DOCUMENT["operations"].values(), strict=True):
        channel = resolved(operation["channel"]["$ref"])
        assert channel is DOCUMENT["channels"][topic.name]
        assert channel["address"] == f"pc/v1/{{tenant}}/{{dev}}/{topic.leaf}"
        named = set(re.findall(r"{(\w+)}", channel["address"]))
        assert channel["parameters"].keys() == named
        assert operation["action"] == ("send" if topic.sender == "device" else "receive")
        [message] = operation["messages"]
        assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")
        binding = operation["bindings"]["mqtt"]
        assert (binding["qos"], binding["retain"]) == (topic.qos, topic.retain)
        assert binding.get("messageExpiryInterval") == topic.expiry_s


def test_golden_payloads_and_headers_fit_what_the_document_refers_to():
    for topic in TOPICS:
        message = resolved(resolved(f"#/channels/{topic.name}/messages/{topic.name}")["$ref"])
        schema = resolved(message["payload"]["$ref"])
        for golden in topic.goldens(TOPICS):
            Draft202012Validator(schema).validate(json.loads(golden.read_text("utf-8")))
    for leaf, sent in SENT.items():
        message = DOCUMENT["components"]["messages"][BY_LEAF[leaf].name]
        assert ("headers" in message) == (len(sent.properties) > 1), leaf
        if "headers" in message:
            headers = resolved(message["headers"]["$ref"])
            Draft202012Validator(headers).validate(dict(sent.properties))


# --- True of the code and of the broker's config -----------------------------------------------

GOLDEN_RECORD = json.loads((topics_table.GOLDEN / "counts-1.0.json").read_text("utf-8"))
SENT = {
    "counts": counts_message(
        "t", "d", "0" * 16, [StoredRecord("0" * 16, 1, json.dumps(GOLDEN_RECORD["records"][0]))]
    ),
    "ack": ack_message("t", "d", stream="0" * 16, upto=1),
    "status": status_message("t", "d", 0, "online"),
    "info": info_message(
        "t", "d", 0, software="1", stream="0" * 16, provenance=Provenance("c", "m"),
        lines=[Line("door", ((0, 0), (1, 1)), 1)], interval_s=900,
    ),
    "health": health_message("t", "d", 0, Health(0, 0), interval_s=HEALTH_S),
    "privacy": privacy_message("t", "d", 0, interval_s=900, insecure_lab=False),
}  # fmt: skip


@pytest.mark.parametrize("leaf", SENT)
def test_what_is_sent_is_what_the_table_says(leaf):
    sent, topic = SENT[leaf], BY_LEAF[leaf]
    assert (sent.qos, sent.retain, sent.expiry_s) == (topic.qos, topic.retain, topic.expiry_s)
    assert sent.topic == topic.address.format(tenant="t", dev="d")


def granted(lines, kind):
    """Return the leaves that lines of an access list grant, with the tenant and device cut off."""
    found = [line.split()[2] for line in lines if line.split()[1:2] == [kind]]
    return {leaf.split("/", 4)[4] for leaf in found if leaf.startswith("pc/v1/+/")}


def covers(leaves, leaf):
    return leaf in leaves or f"{leaf.rsplit('/', 1)[0]}/+" in leaves


def test_the_access_list_lets_everybody_do_their_part_and_no_more():
    text = (CONFIG / "mosquitto" / "acl").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    devices = [line for line in lines if line.startswith("pattern ")]
    assert all(line.split()[2].startswith("pc/v1/+/%u/") for line in devices)
    at = lines.index("user backend.evaluation")
    backend = lines[at + 1 : lines.index("user backend.monitor")]
    for topic in TOPICS:
        from_device = topic.sender == "device"
        assert covers(granted(devices, "write"), topic.leaf) is from_device, topic.leaf
        assert covers(granted(devices, "read"), topic.leaf) is not from_device, topic.leaf
        assert covers(granted(backend, "write"), topic.leaf) is not from_device, topic.leaf
    assert "topic read pc/v1/#" in backend
    watch = lines[lines.index("user backend.watch") + 1 :]
    assert watch == ["topic read pc/v1/#", "topic read reg/v1/#"]


def test_the_numbers_of_the_brokers_config_are_those_of_the_documents():
    conf = (CONFIG / "mosquitto" / "lobbycount.conf").read_text("utf-8")
    assert f"\nmax_packet_size {topics_asyncapi.LARGEST_PACKET}\n" in conf
    delay_s = MqttSettings("h").will_delay_s
    assert f"last will, {delay_s} s after" in BY_LEAF["status"].what
    assert MqttSettings("h").session_expiry_s > delay_s
