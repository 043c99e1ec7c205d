import base64
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth import credentials, keys
from auth.credentials import PresentedPassword
from auth.errors import CredentialsRequiredError, MalformedCredentialsError, UnauthorizedError
from auth.keys import PresentedKey

KEY = keys.new_key()


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_password_may_contain_colons_and_any_letter() -> None:
    assert credentials.read(basic("anna:a:b ä🔑")) == PresentedPassword("anna", "a:b ä🔑")


def test_password_is_the_same_in_every_form_that_keyboards_send() -> None:
    assert credentials.read(basic("anna:Gro\u0308ße\u00a0e\u0301")) == PresentedPassword("anna", "Größe é")


def test_what_is_sent_after_a_password_makes_it_another_one() -> None:
    """The longest password is sent as 1024 characters by some keyboards: what is cut must not be the rest."""
    longest = "\u1f82" * 256
    sent = unicodedata.normalize("NFD", longest)
    assert len(sent) == 1024
    assert credentials.read(basic(f"anna:{sent}")) == PresentedPassword("anna", longest)
    for more in ("x", "x" * 2000):
        read = credentials.read(basic(f"anna:{sent}{more}"))
        assert isinstance(read, PresentedPassword)
        assert read.password != longest
        assert len(read.password) < 1100


@pytest.mark.parametrize("username", ["", "anything", "anna"])
def test_key_is_recognised_whatever_the_username(username: str) -> None:
    assert credentials.read(basic(f"{username}:{KEY}")) == keys.parse_key(KEY)


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER {KEY} "])
def test_key_as_bearer_token(header: str) -> None:
    assert isinstance(credentials.read(header), PresentedKey)


@pytest.mark.parametrize("header", [None, ""])
def test_missing_credentials_are_told_from_others(header: str | None) -> None:
    with pytest.raises(CredentialsRequiredError, match="Send a username and password"):
        credentials.read(header)


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        basic(b"anna:\xff"),
        "Digest username=anna",
        "Bearer anna:password",
        f"Bearer {KEY[:-1]}",
        basic("anna:pw") + ", " + basic("bert:pw"),
    ],
)
def test_what_is_malformed_or_of_another_scheme_is_told_from_wrong_credentials(header: str) -> None:
    with pytest.raises(MalformedCredentialsError) as refused:
        credentials.read(header)
    assert refused.value.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Digest username=anna", "Basic or Bearer"),
        ("Bearer anna:password", "API key"),
        (basic(f"anna:{KEY[:-1]}"), "mistyped"),
        (basic(f"anna:{KEY[:22]}X"), "mistyped"),
        ("Basic !!!", "base64"),
        (basic(b"anna:\xff"), "UTF-8"),
        (basic("no colon"), "colon"),
    ],
)
def test_refusal_says_what_is_malformed(header: str, told: str) -> None:
    with pytest.raises(MalformedCredentialsError, match=told):
        credentials.read(header)


@given(st.text(max_size=80))
def test_no_header_does_worse_than_unauthorized(header: str) -> None:
    for candidate in (header, f"Basic {header}", basic(header.encode("utf-8", "replace"))):
        try:
            credentials.read(candidate)
        except UnauthorizedError:
            continue
