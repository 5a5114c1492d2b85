"""The statement, the page and the sign say what the config says, and nothing else."""

import re
from html.parser import HTMLParser

import privacy_document
import pytest

from edge.config import load
from edge.errors import ConfigError
from edge.privacy_promises import PROMISES, promise
from edge.privacy_statement import statement
from edge.privacy_text import LAB_NOTICE

CONFIG = """
device: {{tenant: t, id: lobby-001, name: 幸福里}}
camera: {{source: "rtsp://admin:hunter2@192.0.2.1/live"}}
lines: [{{id: door, points: [[0.2, 0.6], [0.8, 0.6]], in: down}}]
zones:
  - {{id: a, kind: queue, polygon: [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}}
  - {{id: b, kind: activity, polygon: [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}}
  - {{id: c, kind: activity, polygon: [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}}
records: {{interval_min: 30}}
mqtt: {{host: broker.test, {mqtt}}}
{privacy}
"""
ANSWERED = "privacy: {mode: production, unit: 街道办, purpose: 改进服务, contact: 021-1}"


def made(tmp_path, privacy=ANSWERED, mqtt="tls: {}"):
    path = tmp_path / "lobby.yaml"
    path.write_text(CONFIG.format(privacy=privacy, mqtt=mqtt), "utf-8")
    return load(path)


class Document(HTMLParser):
    """Collects what a document would load, its text, and the tags that are still open."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.words, self.open, self.tags = [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.loads += [v for k, v in attrs if k in {"src", "href", "data", "action", "srcset"}]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_fields_are_those_of_the_config(tmp_path):
    assert statement(made(tmp_path)).fields() == {
        "contact": "021-1",
        "means_suppressed_under": 5,
        "measures": {"lines": 1, "zones": {"queue": 1, "activity": 2}},
        "mode": "production",
        "purpose": "改进服务",
        "responsible": "街道办",
        "setup_page": "off",
        "setup_still": False,
    }


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_text_and_page_say_who_answers_and_every_public_promise(tmp_path, lang):
    said = statement(made(tmp_path))
    text, page = said.text(lang), Document(said.html(lang))
    words = "".join(page.words)
    for each in (text, words):
        assert all(value in each for value in ("幸福里", "街道办", "改进服务", "021-1", "30", "35"))
        assert all((p.said[lang] in each) is p.public for p in PROMISES)
        assert "hunter2" not in each
        assert "192.0.2.1" not in each
        assert "broker.test" not in each
    assert page.open == []
    assert LAB_NOTICE[lang] not in text


def test_lab_plain_text_and_what_is_not_filled_in_are_said(tmp_path):
    said = statement(made(tmp_path, privacy="", mqtt="insecure_lab: true"))
    assert "实验模式" in said.text("zh")
    assert "未加密" in said.text("zh")
    assert "责任单位：未填写" in said.text("zh")
    assert promise("answered-for").said.zh not in said.text("zh")
    assert "Lab mode" in said.text("en")
    assert "plain text" in said.text("en")
    assert "实验模式" in said.sign()
    assert said.fields()["mode"] == "lab"
    assert said.fields()["contact"] is None


@pytest.mark.parametrize("which", ["sign", "zh", "en"])
def test_pages_load_nothing_and_run_nothing(tmp_path, which):
    said = statement(made(tmp_path))
    text = said.sign() if which == "sign" else said.html(which)
    page = Document(text)
    assert page.loads == []
    assert not {"script", "img", "link", "iframe", "object"} & page.tags
    assert not re.search(r"url\(|@import|https?:|//", text)


def test_the_sign_is_chinese_first_and_for_one_page(tmp_path):
    text = statement(made(tmp_path)).sign()
    assert '<html lang="zh-CN">' in text
    assert "@page{size:A4" in text
    assert text.index("此处统计客流人次") < text.index("People are counted here")


@pytest.mark.parametrize("field", ["unit", "purpose", "contact"])
def test_what_comes_from_the_config_is_escaped(tmp_path, field):
    config = made(tmp_path)
    evil = config.privacy.model_copy(update={field: "<script>alert(1)</script>&\"'"})
    said = statement(config.model_copy(update={"privacy": evil}))
    for text in (said.html("zh"), said.html("en"), said.sign()):
        assert "<script" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in text


@pytest.mark.parametrize(
    ("privacy", "mqtt", "said"),
    [
        ("privacy: {mode: production, unit: a, purpose: b}", "tls: {}", "needs contact too"),
        ("privacy: {mode: production}", "tls: {}", "needs unit, purpose, contact too"),
        (ANSWERED, "insecure_lab: true", "do not go together"),
        ("privacy: {mode: test}", "tls: {}", "e.g. mode: production"),
        ("privacy: {unitt: a}", "tls: {}", "did you mean 'unit'?"),
    ],
)
def test_a_config_that_nobody_answers_for_is_refused_by_line(tmp_path, privacy, mqtt, said):
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, privacy, mqtt)
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path}/lobby.yaml:11: privacy")
    assert said in sentence


def test_who_answers_changes_no_hash(tmp_path):
    assert made(tmp_path).hash() == made(tmp_path, privacy="").hash()


def test_the_document_is_not_stale():
    text = privacy_document.DOCUMENT.read_text("utf-8")
    assert privacy_document.render(text) == text, "run scripts/topics"
    for each in PROMISES:
        assert f"`{each.id}`" in text
        for said in (each.said, each.kept, each.checked):
            assert said.zh in text
            assert said.en in text


def test_updates_over_mqtt_are_told_where_they_are_on(tmp_path):
    off = statement(made(tmp_path))
    on = statement(made(tmp_path, privacy=f"{ANSWERED}\nupdates: {{over_mqtt: true}}"))
    assert "updates_over_mqtt" not in off.fields()
    assert on.fields() == {**off.fields(), "updates_over_mqtt": True}
    for lang, words in (
        ("zh", "程序更新：经同一消息服务器接收"),
        ("en", "come over the same broker"),
    ):
        assert words not in off.text(lang)
        assert words in on.text(lang)
