"""What Windows Notepad and a Chinese keyboard leave in an installer's file."""

import pytest

from edge.provision_text import as_meant, decoded, has_wide_quotes, without_token

NAMES = ["device", "id", "name", "wifi", "ssid", "password", "dns", "mon", "token", "url", "source"]
TOKEN = "GOOD-token-0123456789abcdef"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"])
def test_every_way_of_saving_is_read_and_loses_its_token(encoding):
    text = f"name: 幸福里\r\ntoken： “{TOKEN}”\r\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    content = (mark + text).encode(encoding)
    assert decoded(content) == text.replace("\r\n", "\n")
    spent = without_token(content, TOKEN)
    assert len(spent) == len(content)
    assert decoded(spent) == decoded(content).replace(TOKEN, "used".ljust(len(TOKEN), "-"))


def test_what_is_no_text_is_not_read():
    for content in (b"\xff\xff\xff: 1", b"PK\x03\x04\xff\xff"):
        with pytest.raises(UnicodeDecodeError):
            decoded(content)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("device：", "device: "),
        ("device：{id：a，name：幸福里}", "device: {id: a, name: 幸福里}"),
        ("\u3000\u3000id： a", "    id: a"),
        ("\u00a0\u00a0id: a", "  id: a"),
        ("id:a", "id: a"),
        ("token：“abc”", 'token: "abc"'),
        (
            "wifi：｛ssid：‘办公室’，password：“p;w 1”｝",
            'wifi: {ssid: "办公室", password: "p;w 1"}',
        ),
        ("dns: [192.168.1.1，192.168.1.2]", "dns: [192.168.1.1, 192.168.1.2]"),
        ("mon：［“09:00-12:00”，“13:00-17:00”］", 'mon: ["09:00-12:00", "13:00-17:00"]'),
        ("id: a ＃ 注释", "id: a # 注释"),
    ],
)
def test_punctuation_between_settings_is_read_as_it_was_meant(written, meant):
    assert as_meant(f"# 注释：，\n{written}\n", NAMES) == (f"# 注释：，\n{meant}\n", (2,))


@pytest.mark.parametrize(
    "text",
    [
        "id: a",
        "name: 幸福里（大厅），一楼：“东”门",
        'password: "my id：5，name：x"',
        "password: 'a，b：c'",
        "source: rtsp://admin:pw@192.168.1.64:554/102",
        "url: https://broker.example.org:8443/enrol",
        "dns:",
        "name: a  # 注释 id：5",
    ],
)
def test_what_is_said_stays_as_it_is(text):
    assert as_meant(text, NAMES) == (text, ())


def test_quotes_around_a_whole_value_are_found():
    assert has_wide_quotes("password: “abc”")
    assert has_wide_quotes("wifi: {ssid: ‘a’, password: b}")
    assert not has_wide_quotes("name: 幸福里“东”门")
    assert not has_wide_quotes("# 注释“abc”\nname: a")
