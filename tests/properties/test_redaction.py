"""Whatever the passwords are, none is in the text that leaves, and the scan agrees."""

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


def double_quoted(text):
    return json.dumps(text, ensure_ascii=False)


def single_quoted(text):
    return "'" + text.replace("'", "''") + "'"


def written(document, quoted):
    lines = []
    for section, settings in document.items():
        lines += [f"{section}:", *(f"  {name}: {quoted(text)}" for name, text in settings.items())]
    return "\n".join(lines) + "\n"


@given(
    st.tuples(PASSWORDS, PASSWORDS, PASSWORDS),
    st.sampled_from([double_quoted, single_quoted]),
    st.booleans(),
)
def test_no_password_of_any_kind_is_left_in_config_and_log(passwords, quoted, is_yaml):
    url, user, plain = passwords
    assume(not any(each in ORDINARY for each in passwords))
    assume(not set("/:@") & set(user))
    document = {
        "device": {"tenant": "t", "id": "lobby-001"},
        "camera": {"source": f"rtsp://{user}:{url}@10.1.2.3:554/stream"},
        "mqtt": {"host": "broker.example.org", "password": plain},
    }
    text = written(document, quoted)
    read = yaml.load(text) if is_yaml else None
    secrets = config_secrets(read, text)
    hide = Redactor(secrets, config_hosts(read, text), public=["lobby-001", "t"])
    if is_yaml:
        assert read == document
    known = [plain, f"{user}:{url}"] if is_yaml else []
    log = "".join(f"login {each} failed, {json.dumps(each)}\n" for each in known)
    shown = hide.text(text) + hide.text(log) + hide.text(f"open {document['camera']['source']}\n")
    for each in passwords:
        if can_be_searched(each) and is_yaml:
            assert each not in shown
    assert "10.1.2.3" not in shown
    assert "broker.example" not in shown
    assert found_in({"all": shown.encode()}, secrets) == []
