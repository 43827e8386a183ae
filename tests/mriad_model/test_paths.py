import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mriad_model.paths import escape_path, recorded_path, source_path, unescape_path

names = st.binary(min_size=1).map(lambda raw: raw.replace(b"\0", b"x"))
parts = names.map(lambda raw: raw.replace(b"/", b"_")).filter(lambda raw: raw not in (b".", b".."))


@given(names)
def test_any_bytes_come_back_from_printable_text(raw):
    text = escape_path(raw)
    assert text.isprintable()
    assert text.encode("utf-8")
    assert os.fsencode(unescape_path(text)) == raw


@given(names, names)
def test_two_names_never_share_a_text(one, other):
    assert (escape_path(one) == escape_path(other)) == (one == other)


@given(st.lists(parts, min_size=1, max_size=4))
def test_a_recorded_path_leads_back_to_the_file_wherever_the_home_has_gone(pieces):
    inside = Path("/data/home", *(os.fsdecode(piece) for piece in pieces))
    recorded = recorded_path(inside, Path("/data/home"))
    assert not recorded.startswith("/")
    moved = source_path(recorded, Path("/elsewhere"))
    assert moved == Path("/elsewhere") / inside.relative_to("/data/home")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain name.png", "plain name.png"),
        ("Käse 脑.png".encode(), "Käse 脑.png"),
        (b"caf\xe9.png", r"caf\xe9.png"),
        (b"a\nb\tc\x7f", r"a\x0ab\x09c\x7f"),
        (rb"a\x0ab", r"a\\x0ab"),
        ("evil\u202egnp.exe".encode(), r"evil\u202egnp.exe"),
        ("\U000e0001".encode(), r"\U000e0001"),
    ],
)
def test_what_does_not_print_as_itself_is_escaped(raw, text):
    assert escape_path(raw) == text
    assert os.fsencode(unescape_path(text)) == raw


def test_an_impossible_name_can_still_be_printed():
    assert escape_path("\ud800.png") == r"\xed\xa0\x80.png"


@pytest.mark.parametrize("text", [r"\q", r"\x4", r"\U00110000", r"\ud800", "\\"])
def test_a_text_that_nobody_escaped_is_taken_as_it_stands(text):
    assert unescape_path(text) == text


def test_a_path_outside_the_home_is_recorded_whole(tmp_path):
    home = tmp_path / "home"
    assert recorded_path(tmp_path / "scan.png", home) == escape_path(tmp_path / "scan.png")
    assert recorded_path(home / ".." / "scan.png", home) == escape_path(tmp_path / "scan.png")
    assert source_path(recorded_path(tmp_path / "a\n", home), home) == tmp_path / "a\n"


def test_a_folder_with_the_home_as_prefix_of_its_name_is_outside(tmp_path):
    assert Path(recorded_path(tmp_path / "home2" / "a", tmp_path / "home")).is_absolute()


def test_a_relative_path_is_taken_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recorded_path(Path("home/inbox/a.png"), Path("home")) == "inbox/a.png"
