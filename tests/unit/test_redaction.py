"""What leaves the centre: no secret, no address, and still of use to a developer."""

import pytest
from ruamel.yaml import YAML

from edge.config_secrets import config_hosts, config_secrets
from edge.redaction import Redactor, Secret

CONFIG = r"""
# before: rtsp://root:0ldSecret@10.9.8.7/x
device: {tenant: t, id: lobby-001}
camera: {source: "rtsp://admin:Pa%24s/w#rd?1@cam-3.local:554/ch/102?user=guest77&password=hunter22"}
privacy: {unit: 幸福里, contact: {name: 王芳, phone: 0755-12345678}}
mqtt:
  host: broker.centre.example.cn
  username: mqttuser7        # ask zhang@centre.cn, 13812345678
  password_file: /etc/lobbycount/mqtt.password
  password: 55667788
"""
MUST_STAY = [
    "0ldSecret", "10.9.8.7", "root", "admin", "Pa%24s", "Pa$s", "w#rd", "guest77", "hunter22",
    "cam-3.local", "王芳", "0755-12345678", "broker.centre", "mqttuser7", "zhang", "13812345678",
    "55667788",
]  # fmt: skip


def redactor(text, document=None):
    return Redactor(
        config_secrets(document, text), config_hosts(document, text), public=["lobby-001", "t"]
    )


@pytest.mark.parametrize("is_read", [True, False], ids=["parsed", "not yaml"])
def test_nothing_secret_is_left_of_a_config_whether_it_is_yaml_or_not(is_read):
    text = CONFIG if is_read else CONFIG + "lines: [{{{\n\tbroken"
    document = YAML(typ="safe", pure=True).load(CONFIG) if is_read else None
    shown = redactor(text, document).text(text)
    expected = MUST_STAY if is_read else [each for each in MUST_STAY if each != "王芳"]
    assert [secret for secret in expected if secret in shown] == []
    for kept in ("lobby-001", "password_file: /etc/lobbycount/mqtt.password", "unit: 幸福里"):
        assert kept in shown
    assert "554/ch/102" in shown


def test_an_address_has_the_same_name_everywhere_and_hosts_say_what_they_are():
    document = YAML(typ="safe", pure=True).load(CONFIG)
    hide = redactor(CONFIG, document)
    assert hide.text("camera rtsp://cam-3.local:554/ch: timed out") == (
        "camera rtsp://<camera>:554/ch: timed out"
    )
    assert hide.text("broker.centre.example.cn:8883 refused") == "<broker>:8883 refused"
    first = hide.text("from 192.168.1.7 and fe80::1:2 and aa:bb:cc:dd:ee:ff")
    assert first == "from <address-2> and <address-3> and <address-1>"
    assert hide.text("192.168.1.7 again, 10.0.0.9 new") == "<address-2> again, <address-4> new"


@pytest.mark.parametrize(
    "text",
    [
        "at 12:34:56 on 2026-11-27T17:30:00Z it said 1.5 and [0.52, 0.32]",
        "bound to 127.0.0.1:9464 and [::1]:80",
        "opencv-python==4.10.0.84",
        '{"in": 9, "out": 12, "chain": "aa9c", "frames": 13812345}',
        "until_ms: 1795800000000",
        "outdoors lies lobby-001",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redactor(CONFIG).text(text) == text


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("setup page: PIN 482913, good for 60 min", "482913"),
        ('{"event": "setup.pin", "pin": "482913"}', "482913"),
        ("设置页 PIN 码：482913", "482913"),
        ("PIN（仅显示一次，请记下） setup page PIN, shown only now, note it: 48291377", "48291377"),
        ("password: 'it''s half'", "half"),
        ('{"password": "a\\"half"}', "half"),
        ("Cookie: lobbycount_session=Zk3bQ8", "Zk3bQ8"),
        ('{"csrf": "q8Zk3b"}', "q8Zk3b"),
        ("File /home/zhangsan/lobby.yaml", "zhangsan"),
        ("rtsp://u:p w@d/x@10.0.0.9/s failed", "p w"),
        ("open rtsp://10.0.0.9/user=admin9_password=tlJwpbo6_channel=1", "tlJwpbo6"),
        ("password: |\n  two lines\n  of a secret\nnext: 1", "of a secret"),
    ],
)
def test_what_a_log_line_gives_away_is_hidden_without_knowing_it(line, secret):
    assert secret not in Redactor([], {}).text(line)


def test_a_short_secret_is_hidden_as_a_word_only():
    hide = Redactor([Secret("camera", "door")], {})
    assert hide.text("door, outdoors: door") == "***, outdoors: ***"


def test_a_secret_is_hidden_as_it_stands_in_urls_and_json_too():
    hide = Redactor([Secret("camera", 'p"ä/1234')], {})
    assert hide.text('a p"ä/1234 b p%22%C3%A4%2F1234 c p\\"ä/1234 d p\\"\\u00e4/1234') == (
        "a *** b *** c *** d ***"
    )
