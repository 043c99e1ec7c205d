import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from chassis import tokens
from chassis.errors import ClocksApartError, TokenRefusedError
from chassis.tokens import Principal

ANNA = Principal("id-of-anna", "anna", "password")


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    tokens.create_key_files(private, public)
    assert private.stat().st_mode & 0o077 == 0
    assert tokens.public_key_of(private.read_text()) == public.read_text()
    return private.read_text(), public.read_text()


def test_token_names_the_caller_to_its_audience(keys: tuple[str, str]) -> None:
    token = tokens.sign(keys[0], "catalog", ANNA)
    assert tokens.verify(keys[1], "catalog", f"Bearer {token}") == ANNA


@pytest.mark.parametrize("scopes", [frozenset(), frozenset({"read"}), frozenset({"read", "keys"})])
def test_token_tells_the_key_of_the_caller_and_its_scopes(keys: tuple[str, str], scopes: frozenset[str]) -> None:
    caller = Principal("id-of-anna", "anna", "key", scopes, "id-of-the-key")
    assert tokens.verify(keys[1], "catalog", f"Bearer {tokens.sign(keys[0], 'catalog', caller)}") == caller


def test_token_tells_which_password_the_caller_used(keys: tuple[str, str]) -> None:
    caller = Principal("id-of-anna", "anna", "password", credential_mark="abc")
    assert tokens.verify(keys[1], "auth", f"Bearer {tokens.sign(keys[0], 'auth', caller)}") == caller


def test_caller_may_do_what_takes_one_of_the_scopes_and_with_a_password_everything() -> None:
    reader = Principal("id-of-anna", "anna", "key", frozenset({"read", "keys"}), "id-of-the-key")
    assert reader.has_any(("write", "read"))
    assert not reader.has_any(("write", "upload"))
    assert not reader.has_any(())
    assert ANNA.has_any(("write",))


def test_key_may_do_everything_where_auth_is_of_an_earlier_release(keys: tuple[str, str]) -> None:
    caller = tokens.verify(keys[1], "catalog", issued(keys, 0))
    assert (caller.method, caller.scopes, caller.key_id) == ("key", None, None)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer a.b.c", "Basic abc"])
def test_absent_or_malformed_token_is_refused(keys: tuple[str, str], header: str | None) -> None:
    with pytest.raises(TokenRefusedError):
        tokens.verify(keys[1], "catalog", header)


def test_token_for_another_service_is_refused(keys: tuple[str, str]) -> None:
    token = tokens.sign(keys[0], "auth", ANNA)
    with pytest.raises(TokenRefusedError):
        tokens.verify(keys[1], "catalog", f"Bearer {token}")


@pytest.mark.parametrize(
    "forgery",
    ["another key", "public key as secret", "no algorithm", "no expiry", "no moment of issue", "times that are none"],
)
def test_forged_token_is_refused(keys: tuple[str, str], tmp_path: Path, forgery: str) -> None:
    now = int(time.time())
    claims: dict[str, object] = {"aud": "catalog", "iat": now, "exp": now + 30, "sub": "x", "name": "x"}
    claims["method"] = "password"
    match forgery:
        case "another key":
            tokens.create_key_files(tmp_path / "other" / "private", tmp_path / "other" / "public")
            token = tokens.sign((tmp_path / "other" / "private").read_text(), "catalog", ANNA)
        case "public key as secret":
            import base64  # noqa: PLC0415
            import hashlib  # noqa: PLC0415
            import hmac  # noqa: PLC0415
            import json  # noqa: PLC0415

            def part(document: object) -> str:
                return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

            signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
            mac = hmac.digest(keys[1].encode(), signed.encode(), hashlib.sha256)
            token = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        case "no algorithm":
            token = jwt.encode(claims, None, algorithm="none")  # type: ignore[arg-type] # as a forger would
        case "no moment of issue":
            del claims["iat"]
            token = jwt.encode(claims, keys[0], algorithm="EdDSA")
        case "times that are none":
            token = jwt.encode({**claims, "iat": "soon"}, keys[0], algorithm="EdDSA")
        case _:
            del claims["exp"]
            token = jwt.encode(claims, keys[0], algorithm="EdDSA")
    with pytest.raises(TokenRefusedError):
        tokens.verify(keys[1], "catalog", f"Bearer {token}")


def issued(keys: tuple[str, str], ago_s: int) -> str:
    """Return a token as auth signs it, on a clock that is `ago_s` seconds behind this one."""
    now = int(time.time()) - ago_s
    claims = {"aud": "catalog", "iat": now, "exp": now + tokens.LIFETIME_S, "sub": "x", "name": "x", "method": "key"}
    return f"Bearer {jwt.encode(claims, keys[0], algorithm='EdDSA')}"


@pytest.mark.parametrize("ago_s", [-58, -8, 0, 8, 58, 60 + 28])
def test_clocks_may_be_a_minute_apart(keys: tuple[str, str], ago_s: int) -> None:
    assert tokens.verify(keys[1], "catalog", issued(keys, ago_s)).user_id == "x"


@pytest.mark.parametrize("ago_s", [-62, 60 + 32, 100_000])
def test_token_outside_of_its_time_is_refused_as_clocks_that_differ(keys: tuple[str, str], ago_s: int) -> None:
    with pytest.raises(ClocksApartError):
        tokens.verify(keys[1], "catalog", issued(keys, ago_s))


def test_existing_keys_are_kept(tmp_path: Path) -> None:
    tokens.create_key_files(tmp_path / "private", tmp_path / "public")
    before = (tmp_path / "private").read_bytes()
    tokens.create_key_files(tmp_path / "private", tmp_path / "public")
    assert (tmp_path / "private").read_bytes() == before


def test_private_key_is_kept_if_its_public_half_is_lost(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    tokens.create_key_files(private, public)
    before = (private.read_bytes(), public.read_bytes())
    public.unlink()
    tokens.create_key_files(private, public)
    assert (private.read_bytes(), public.read_bytes()) == before


@pytest.mark.parametrize(
    ("require", "kind"),
    [
        (tokens.require_private_key_file, "private key in PEM without a passphrase"),
        (tokens.require_public_key_file, "public key in PEM"),
    ],
)
def test_file_without_a_key_ends_the_process_with_one_sentence_that_does_not_show_its_text(
    require: Callable[[Path, str], None], kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "key.pem"
    with pytest.raises(SystemExit, match=r"no key at A_SETTING=.*/key.pem: No such file or directory; see auth create"):
        require(file, "A_SETTING")
    file.write_text("a secret")
    with pytest.raises(SystemExit) as ended:
        require(file, "A_SETTING")
    assert ended.value.code == f"no key at A_SETTING={file}: this is no {kind}; see auth create-token-key"


def test_private_and_public_key_files_are_not_confused(tmp_path: Path) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    tokens.create_key_files(private, public)
    tokens.require_private_key_file(private, "A_SETTING")
    tokens.require_public_key_file(public, "A_SETTING")
    with pytest.raises(SystemExit):
        tokens.require_private_key_file(public, "A_SETTING")
    with pytest.raises(SystemExit):
        tokens.require_public_key_file(private, "A_SETTING")
