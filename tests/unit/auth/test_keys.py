from hypothesis import given
from hypothesis import strategies as st

from auth import keys


def test_new_key_is_recognisable_and_parses() -> None:
    key = keys.new_key()
    presented = keys.parse_key(key)
    assert key.startswith("imgh_")
    assert presented is not None
    assert key[5:21] == presented.key_id
    assert presented.digest == keys.digest(key)
    assert key[22:] not in presented.digest


def test_keys_do_not_repeat() -> None:
    assert len({keys.new_key() for _ in range(1000)}) == 1000


def test_typing_error_anywhere_in_a_key_is_noticed() -> None:
    key = keys.new_key()
    for position in range(len(key)):
        other = "a" if key[position] != "a" else "b"
        assert keys.parse_key(key[:position] + other + key[position + 1 :]) is None


@given(st.text())
def test_other_texts_are_no_keys(text: str) -> None:
    assert keys.parse_key(text) is None
