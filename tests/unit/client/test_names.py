"""Names of files as the last segment of a key, and which files in folders are pictures."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imghost.names import file_name, is_picture


@pytest.mark.parametrize(
    "name", ["my cat.jpg", "a+b.jpg", "100%25.jpg", "what?.jpg", "tag#1.jpg", "é.jpg", "back\\slash"]
)
def test_name_that_keys_can_have_stays_as_it_is(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize(
    ("name", "as_segment"),
    [("", "_"), (".", "_"), ("..", "_"), ("a/b", "a_b"), ("a\nb", "a_b"), ("a\x7fb", "a_b"), ("\udce9.jpg", "_.jpg")],
)
def test_what_no_key_can_have_is_replaced(name: str, as_segment: str) -> None:
    assert file_name(name) == as_segment


def test_long_name_keeps_its_extension() -> None:
    short = file_name("é" * 300 + ".jpeg")
    assert short.endswith("é.jpeg")
    assert len(short.encode()) == 255


@given(st.text())
def test_every_name_becomes_one_that_the_service_takes(name: str) -> None:
    made = file_name(name)
    assert 1 <= len(made.encode()) <= 255
    assert "/" not in made
    assert made not in {".", ".."}
    assert "${filename}" not in made
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in made)
    assert file_name(made) == made


@pytest.mark.parametrize(("name", "wanted"), [("a.JPG", True), (".a.jpg", False), ("a.txt", False), ("a.heic", True)])
def test_pictures_are_chosen_by_their_extensions(name: str, wanted: bool) -> None:
    assert is_picture(Path(name)) is wanted
