"""The handbook says what is there: commands, options, settings, files, tables, reasons."""

import re
from pathlib import Path

import click
import pytest
import typer

from db.schema import metadata
from docs import generate, screenshots
from flows.cli.main import app
from flows.runtime.settings import Settings
from mriad_model.enums import NOTICE, DecisionReason, RejectionReason, Verdict
from tests.support.places import REPOSITORY

README = REPOSITORY / "README.md"
PAGES = [README, *sorted(generate.DOCS.glob("*.md"))]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROOMS = "benchmarks|db|docs|flows|mriad|mriad_model|tasks|tests|web"
FILE = re.compile(rf"`((?:{ROOMS})/[\w./-]*)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#([\w-]+))?\)")
SETTING = re.compile(r"\bMRIAD_[A-Z_]+\b")


def code_of(page: Path) -> list[str]:
    """What a page prints as code: lines of blocks, and what stands in the text."""
    text = page.read_text()
    lines = "\n".join(FENCED.findall(text)).splitlines()
    return lines + [
        " ".join(each.split()) for each in re.findall(r"`([^`]+)`", FENCED.sub("", text))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_that_a_page_names_exist(page: Path) -> None:
    for code in code_of(page):
        found = re.match(r"(?:\$ |\.venv/bin/)?mriad ([a-z]+)(.*)", code)
        if found is None:
            continue
        assert found[1] in COMMANDS, code
        taken = {name for each in COMMANDS[found[1]].params for name in each.opts}
        asked = set(re.findall(r"--[a-z-]+", found[2].partition("#")[0]))
        assert asked <= taken | {"--help"}, code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_settings_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    assert [name for name in FILE.findall(text) if not (REPOSITORY / name).exists()] == []
    known = {f"MRIAD_{name.upper()}" for name in Settings.model_fields}
    assert set(SETTING.findall(text)) - {"MRIAD_"} <= known


def test_what_a_recipe_names_stands_in_the_files_that_it_names() -> None:
    text = (generate.DOCS / "contributing.md").read_text().partition("## Add a file format")[2]
    steps = [step for step in re.split(r"\n(?=\d\. )|\n\n", text) if FILE.search(step)]
    assert len(steps) > 20
    for step in steps:
        places = [REPOSITORY / name for name in FILE.findall(step)]
        files = [
            f for place in places for f in (place.rglob("*.py") if place.is_dir() else [place])
        ]
        there = " ".join(file.read_text() for file in files)
        asked = re.findall(r"`([A-Za-z_]{4,})`", step)
        assert [name for name in asked if name not in there] == [], step


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    for target, anchor in LINK.findall(text):
        assert (REPOSITORY / target).exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (REPOSITORY / target).read_text(), re.MULTILINE)
            assert anchor in [each.lower().replace(" ", "-") for each in headings]


def test_the_page_of_settings_and_the_diagram_are_those_of_the_code() -> None:
    again = "make them again: python -m docs.generate"
    assert generate.SETTINGS_PAGE.read_text() == generate.settings_page(), again
    assert generate.DIAGRAM.read_text() == generate.schema_diagram(), again


def test_every_table_and_every_reason_of_a_rejection_is_explained() -> None:
    text, _, reasons = (generate.DOCS / "record.md").read_text().partition("## Rejections")
    tables, _, verdicts = text.partition("## Verdicts and reasons")
    explained = {
        name for row in re.findall(r"^\| (`.*?) \|", tables, re.MULTILINE) for name in _quoted(row)
    }
    assert explained == set(metadata.tables)
    given = {
        name for row in re.findall(r"^\| (`.*?) \|", reasons, re.MULTILINE) for name in _quoted(row)
    }
    assert given == {each.value for each in RejectionReason}
    told = set(_quoted(verdicts))
    assert told >= {each.value for each in (*Verdict, *DecisionReason)}


def _quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_without_a_browser_no_picture_is_taken_and_a_line_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screenshots.shutil, "which", lambda _: None)
    assert screenshots.main() == 1
    assert capsys.readouterr().err == f"{screenshots.NO_BROWSER}\n"


def test_the_tutorial_can_be_typed() -> None:
    """Each command parses; `make screenshots` types them in earnest."""
    typed = screenshots.typed_commands()
    assert [each[1] for each in typed][:3] == ["draw", "ingest", "train"]
    for _, name, *arguments in typed:
        COMMANDS[name].make_context(name, arguments, parent=click.Context(COMMANDS[name]))
    assert NOTICE in (generate.DOCS / "tutorial.md").read_text()
