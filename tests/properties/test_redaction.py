"""Whatever the passwords are, none is in the text that leaves, and the scan agrees."""

import io
import json

from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from edge.bundle_scan import found_in
from edge.config_secrets import config_hosts, config_secrets
from edge.redaction import Redactor, can_be_searched

ORDINARY = (
    "device tenant camera source mqtt host username password rtsp lobby-001 stream login failed"
)
CHARACTERS = st.characters(
    min_codepoint=33, max_codepoint=0x9FFF, exclude_categories=["C", "Z"], exclude_characters="\x85"
)
PASSWORDS = st.text(CHARACTERS, min_size=4, max_size=20)
yaml = YAML(typ="safe", pure=True)


def written(document, *, flow):
    dumper = YAML(typ="safe", pure=True)
    dumper.default_flow_style, dumper.allow_unicode, dumper.width = flow, True, 10_000
    stream = io.StringIO()
    dumper.dump(document, stream)
    return stream.getvalue()


@given(st.tuples(PASSWORDS, PASSWORDS, PASSWORDS), st.booleans(), st.booleans())
def test_no_password_of_any_kind_is_left_in_config_and_log(passwords, flow, is_yaml):
    url, user, plain = passwords
    assume(not any(each in ORDINARY for each in passwords))
    assume(not set("/:@") & set(user))
    document = {
        "device": {"tenant": "t", "id": "lobby-001"},
        "camera": {"source": f"rtsp://{user}:{url}@10.1.2.3:554/stream"},
        "mqtt": {"host": "broker.example.org", "password": plain},
    }
    text = written(document, flow=flow)
    read = yaml.load(text) if is_yaml else None
    secrets = config_secrets(read, text)
    hide = Redactor(secrets, config_hosts(read, text), public=["lobby-001", "t"])
    known = [plain, f"{user}:{url}"] if is_yaml else []
    log = "".join(f"login {each} failed, {json.dumps(each)}\n" for each in known)
    shown = hide.text(text) + hide.text(log) + hide.text(f"open {document['camera']['source']}\n")
    for each in passwords:
        if can_be_searched(each) and is_yaml:
            assert each not in shown
    assert "10.1.2.3" not in shown
    assert "broker.example" not in shown
    assert found_in({"all": shown.encode()}, secrets) == []
