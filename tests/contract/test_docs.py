"""What the operators' pages quote is what the program says, and their commands are its verbs."""

import ast
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from shutil import which

import pytest
import typer
from ruamel.yaml import YAML

from edge import cli
from edge.config import load
from evaluation import verbs

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import install_sheet

yaml = YAML(typ="safe", pure=True)
PAGES = [
    Path("docs") / name for name in ("install-sheet.md", "operations.md", "troubleshooting.md")
]
EVERY_PAGE = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
WILDCARD = "…"
SHORTEST_BYTES = 4  # ": " says nothing, 正常 does
_BEFORE = re.compile(r"^(?:sudo (?:-u \S+ )?|ssh (?:-t )?\S+ )*")
PROGRAMS = {"lobbycount": cli.cli, "evaluation": verbs.cli}


def templates_in(source):
    """Every text of a module; what is filled in later is a wildcard."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else WILDCARD for p in node.values)
            yield "".join(parts)


@cache
def templates():
    found = []
    for path in sorted(Path("edge").rglob("*.py")):
        found += templates_in(path.read_text("utf-8"))
    for path in sorted(Path("edge").rglob("static/*")):
        if path.suffix in {".html", ".js"}:
            found.append(path.read_text("utf-8"))
    plain = (re.sub(r"\{\w+(?::[^}]*)?\}", WILDCARD, text) for text in found)
    return [re.sub(r"\s+", " ", text) for text in plain]


def is_said(message):
    """Whether one text of the program has all pieces of a message, in this order."""
    pieces = [piece.strip() for piece in message.split(WILDCARD)]
    pieces = [re.escape(piece) for piece in pieces if len(piece.encode()) >= SHORTEST_BYTES]
    pattern = re.compile(".*".join(pieces))
    return bool(pieces) and any(pattern.search(text) for text in templates())


def quoted(path):
    """The program's words in a page: block quotes, and code in the first column of a table."""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("> "):
            yield line[2:].strip()
        elif match := re.match(r"\| `([^`]+)`[^|]*\|", line):
            yield match[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_quoted_message_is_in_the_program(page):
    messages = list(quoted(page))
    assert messages
    assert [message for message in messages if not is_said(message)] == []


def test_a_message_that_nothing_says_is_found_out():
    assert is_said("the service has not reported for … s: is it running?")
    assert not is_said("the service has not reported for … s: is it jogging?")
    assert not is_said("is it running? … the service has not reported for")


def commands_in(path):
    """The command lines of our programs in a page, in its code blocks and in its sentences."""
    text = path.read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in re.sub(r"\\\n", " ", block).splitlines()]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    for line in lines:
        command = _BEFORE.sub("", line.partition("  #")[0].strip())
        if re.match(rf"(?:\S*/)?(?:{'|'.join(PROGRAMS)})(?:\s|$)", command):
            yield command


def problem_of(command):
    """What is wrong with a command line by `--help`: an unknown verb or option."""
    program, *words = shlex.split(command)
    here = typer.main.get_command(PROGRAMS[program.rpartition("/")[2]])
    while names := getattr(here, "commands", None):
        name = words.pop(0) if words else "…"
        if name == "…" or "|" in words:
            return None  # the page speaks of several
        if name not in names:
            return f"{command}: there is no {name}"
        here = names[name]
    known = {option for each in here.params for option in (*each.opts, *each.secondary_opts)}
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("-") and option not in {*known, "--help"}:
            return f"{command}: there is no {option}"
    return None


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda path: path.stem)
def test_every_command_is_a_verb_with_its_options(page):
    commands = list(commands_in(page))
    if page in PAGES:
        assert commands
    assert [problem for each in commands if (problem := problem_of(each))] == []


def test_a_command_that_is_none_is_found_out():
    assert problem_of("lobbycount health --json -c x") is None
    assert problem_of("lobbycount doctor speed --seconds 5") is None
    assert "no healt" in problem_of("lobbycount healt")
    assert "no --jason" in problem_of("lobbycount health --jason")
    assert "no sped" in problem_of("lobbycount doctor sped")
    assert problem_of("evaluation scheme write scheme.yaml") is None
    assert "no --schema" in problem_of("evaluation report 2026-01 --schema x")


def test_every_setting_shown_to_operators_can_be_used(tmp_path):
    text = "".join(page.read_text("utf-8") for page in PAGES)
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    # And the settings within a sentence, as `setup_page: {enabled: true}`.
    blocks += re.findall(r"`(\w+: \{[^`]*\})`", text)
    assert len(blocks) > 3
    example = Path("config/lobby.example.yaml").read_text("utf-8")
    for number, block in enumerate(blocks):
        document = yaml.load(example) | {}
        for section, settings in yaml.load(block).items():
            document[section] = {**document.get(section, {}), **settings}
        path = tmp_path / f"{number}.yaml"
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(document, file)
        load(path)


@pytest.mark.parametrize("page", [*EVERY_PAGE, Path("docs/README.md")], ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors_of(path)):
            broken.append(target)
    assert broken == []


@cache
def anchors_of(path):
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_the_sheet_to_print_is_what_the_page_says_and_needs_nothing_from_elsewhere():
    shown = install_sheet.PAGE.read_text("utf-8")
    assert shown == install_sheet.page_of(install_sheet.SOURCE.read_text("utf-8"))
    assert shown.count("<section") == 2
    assert not re.search(r"<(?:script|link|img|iframe)|url\(|@import|src=|href=", shown)


@pytest.mark.skipif(which("chromium") is None, reason="needs Debian's chromium")
def test_each_language_of_the_sheet_is_one_page_of_paper(tmp_path):
    paper = tmp_path / "sheet.pdf"
    sheet = install_sheet.PAGE.absolute().as_uri()
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
    options = [f"--user-data-dir={tmp_path}/profile", f"--print-to-pdf={paper}", sheet]
    subprocess.run([*command, *options], check=True, capture_output=True, timeout=120)
    assert len(re.findall(rb"/Type /Page\b(?!s)", paper.read_bytes())) == 2


def test_the_index_names_every_page():
    index = Path("docs/README.md").read_text("utf-8")
    missing = [p.name for p in Path("docs").glob("*.md") if f"({p.name})" not in index]
    assert [name for name in missing if name != "README.md"] == []
