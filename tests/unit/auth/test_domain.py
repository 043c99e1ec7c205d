import unicodedata
from datetime import timedelta

import pytest

from auth import domain
from auth.errors import UnacceptableError, UnacceptableFieldError
from chassis.clock import now


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


@pytest.mark.parametrize(
    "password",
    ["12345678", "iloveyou", "Password1", "QWERTYUIOP", "imghost2026!", "...ImgHost...", "imgh_aaaaaaaaaaaaaaaa_bbbb"],
)
def test_password_that_is_guessed_first_or_never_works_is_refused(password: str) -> None:
    with pytest.raises(UnacceptableError):
        domain.check_password(password)


@pytest.mark.parametrize(
    "password", ["hjq7 2xw", "x" * 256, "demo-on-this-machine", "87263549871", "aaaaaaab", "ÄÄÄÄÄÄÄÄ", "my imghost 1"]
)
def test_any_other_password_is_accepted_whatever_it_consists_of(password: str) -> None:
    domain.check_password(password)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("text", ["Größe é ǘ", "Å\u2126", "각", "ᾂ" * 256, "ﬁ Ⅳ \uff21 ½", "e\u0301\u0323"])
def test_password_is_the_same_in_every_form_that_is_typed(text: str, form: str) -> None:
    prepared = domain.prepare_password(text)
    assert domain.prepare_password(unicodedata.normalize(form, text)) == prepared  # type: ignore[arg-type]
    assert domain.prepare_password(prepared) == prepared
    assert unicodedata.is_normalized("NFC", prepared)


def test_spaces_of_all_kinds_are_a_space() -> None:
    assert domain.prepare_password("a\u00a0b\u2003c\u3000d e\tf") == "a b c d e\tf"


@pytest.mark.parametrize("text", ["ﬁ", "Ⅳ", "\uff21", "A", " a ", "\u200b", "ß"])
def test_case_width_and_what_only_looks_alike_stay(text: str) -> None:
    assert domain.prepare_password(text) == text


def test_text_that_is_too_long_takes_no_time() -> None:
    """Accents of alternating classes are sorted one by one: this takes seconds where it is normalised."""
    text = "a" + "\u0301\u0323" * 30_000
    assert domain.prepare_password(text) == text


@pytest.mark.parametrize("ahead", [timedelta(microseconds=1), timedelta(days=1), domain.LONGEST_LIFE])
def test_key_may_expire_at_any_moment_of_the_next_hundred_years(ahead: timedelta) -> None:
    moment = now()
    domain.check_expiry(moment + ahead, moment)
    domain.check_expiry(None, moment)


@pytest.mark.parametrize("ahead", [timedelta(0), -timedelta(days=1), domain.LONGEST_LIFE + timedelta(microseconds=1)])
def test_key_that_has_expired_already_or_in_centuries_is_refused(ahead: timedelta) -> None:
    moment = now()
    with pytest.raises(UnacceptableFieldError) as told:
        domain.check_expiry(moment + ahead, moment)
    assert told.value.field == "expires_at"
    assert "at most 100 years" in str(told.value)
