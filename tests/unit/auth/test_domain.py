import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth import domain
from auth.domain import UnacceptableError


def test_new_key_is_recognisable_and_parses() -> None:
    key = domain.new_key()
    presented = domain.parse_key(key)
    assert key.startswith("imgh_")
    assert presented is not None
    assert key[5:21] == presented.key_id
    assert presented.digest == domain.digest(key)
    assert key[22:] not in presented.digest


def test_keys_do_not_repeat() -> None:
    assert len({domain.new_key() for _ in range(1000)}) == 1000


def test_typing_error_anywhere_in_a_key_is_noticed() -> None:
    key = domain.new_key()
    for position in range(len(key)):
        other = "a" if key[position] != "a" else "b"
        assert domain.parse_key(key[:position] + other + key[position + 1 :]) is None


@given(st.text())
def test_other_texts_are_no_keys(text: str) -> None:
    assert domain.parse_key(text) is None


@pytest.mark.parametrize("username", ["", "a" * 65, "a b", "ä", "a/b", "a\n", "a:b"])
def test_unacceptable_username_is_refused(username: str) -> None:
    with pytest.raises(UnacceptableError):
        domain.check_username(username)


@pytest.mark.parametrize("password", ["", "1234567", "x" * 257, "1234567\0", "1234567\ud800"])
def test_unacceptable_password_is_refused(password: str) -> None:
    with pytest.raises(UnacceptableError):
        domain.check_password(password)


def test_delays_grow_from_one_second_to_the_longest() -> None:
    delays = [domain.delay_s(failures, free=5, longest_s=300) for failures in range(1, 16)]
    assert delays == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
