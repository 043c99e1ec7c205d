import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import keys
from catalog.errors import UnacceptableKeyError
from imaging import keys as imaging_keys


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "a" * 1000,
        "ä" * 500,
        "dir/name.jpg",
        "t64",
        "a/t64x/b",
        "t/b",
        "a b+c%d?e#f\\g",
        "🏔️",
        "...",
        "a/.../b",
        ".a/b.",
        "t512/a/b",
    ],
)
def test_acceptable_key(key: str) -> None:
    keys.check_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a" * 1001,
        "ä" * 501,
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "./a",
        "a/.",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "\ud800",
        "t64/a",
        "a/t512/b",
        "t1/x",
    ],
)
def test_unacceptable_key(key: str) -> None:
    with pytest.raises(UnacceptableKeyError):
        keys.check_key(key)


def test_thumb_keys_are_those_of_the_seeds_example() -> None:
    assert keys.thumb_key("01V9PaTx/my_image.jpg", 512) == "01V9PaTx/t512/my_image.jpg"
    assert keys.thumb_key("my_image.jpg", 64) == "t64/my_image.jpg"


segments = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/"), min_size=1, max_size=8
)
acceptable_keys = st.lists(segments, min_size=1, max_size=4).map("/".join).filter(keys.is_acceptable_key)


@given(acceptable_keys, acceptable_keys)
def test_two_images_never_share_a_thumb_key_nor_is_a_thumb_key_an_image_key(one: str, other: str) -> None:
    thumbs = {square: keys.thumb_key(one, square) for square in (64, 128, 256, 512)}
    assert len(set(thumbs.values())) == 4
    for square, thumb in thumbs.items():
        assert not keys.is_acceptable_key(thumb)
        assert thumb == imaging_keys.thumb_key(one, square)
        if one != other:
            assert thumb not in {keys.thumb_key(other, any_square) for any_square in (64, 128, 256, 512)}
        assert len(thumb.encode()) <= 1024


@given(st.text(min_size=1, max_size=40).filter(keys.is_acceptable_key), st.integers(1, 99999))
def test_thumb_key_tells_its_image_and_square(key: str, square: int) -> None:
    assert keys.thumb_of(keys.thumb_key(key, square)) == (key, square)


@pytest.mark.parametrize(
    "key",
    [
        *("", "a", "a/b", "t64", "a/t64", "t64/", "t/b", "t0/b", "t064/b", "x64/b", "t9999999999/b", "t\u0663/b"),
        *("a/t64/b/c", "/t64/b", "a//t64/b", "t64/a\n", "t64/t128/a"),
    ],
)
def test_other_keys_are_no_thumb_keys(key: str) -> None:
    assert keys.thumb_of(key) is None
