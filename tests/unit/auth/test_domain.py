import pytest

from auth import domain
from auth.errors import UnacceptableError


@pytest.mark.parametrize("username", ["", "a" * 65, "a b", "ä", "a/b", "a\n", "a:b", ".", ".."])
def test_unacceptable_username_is_refused(username: str) -> None:
    with pytest.raises(UnacceptableError):
        domain.check_username(username)


@pytest.mark.parametrize("username", ["a", "...", ".a", "a.", "-", "_", "A.b-c_9", "x" * 64])
def test_acceptable_username_is_accepted(username: str) -> None:
    domain.check_username(username)


@pytest.mark.parametrize("password", ["", "1234567", "x" * 257, "1234567\0", "1234567\ud800"])
def test_unacceptable_password_is_refused(password: str) -> None:
    with pytest.raises(UnacceptableError):
        domain.check_password(password)
