"""The two languages of the page say the same things, and nothing is said that has no text."""

import re
from pathlib import Path

STATIC = Path("edge/setup_page/static")
TEXT = re.compile(r"^  (\w+):", re.MULTILINE)
USED = re.compile(r"\bt\(\"(\w+)\"")


def names(language):
    return TEXT.findall((STATIC / f"texts_{language}.js").read_text("utf-8"))


def test_both_languages_have_the_same_texts_once():
    assert sorted(names("zh")) == sorted(set(names("en")))
    assert len(names("zh")) == len(set(names("zh"))) > 100


def test_every_text_that_is_used_is_there():
    scripts = [path.read_text("utf-8") for path in STATIC.glob("*.js")]
    used = {name for script in scripts for name in USED.findall(script)}
    assert len(used) > 80
    assert used <= set(names("zh"))


def test_nothing_is_fetched_from_elsewhere_and_nothing_is_inline():
    """The page works without the internet, under a policy that allows its own files only."""
    for path in STATIC.glob("*"):
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|url\(|\bon[a-z]+=\"| style=|innerHTML", text), (
            path
        )
    page = (STATIC / "index.html").read_text("utf-8")
    assert "<style" not in page
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == [""]
