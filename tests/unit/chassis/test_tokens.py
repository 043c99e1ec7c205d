import time
from dataclasses import dataclass, replace
from pathlib import Path

import jwt
import pytest

from chassis import token_keys, tokens
from chassis.errors import ClocksApartError, TokenRefusedError
from chassis.token_keys import SigningKeys, VerifyingKeys
from chassis.tokens import SAME_FOR_S, Principal

ANNA = Principal("id-of-anna", "anna", "password")


@dataclass(frozen=True)
class Keys:
    """A pair of key files, as auth reads the private and the other services the public one."""

    private: Path
    public: Path

    def sign(self, audience: str, caller: Principal) -> str:
        return tokens.sign(SigningKeys(self.private).signing(), audience, caller)

    def verify(self, audience: str, authorization: str | None) -> Principal:
        return tokens.verify(VerifyingKeys(self.public), audience, authorization)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path / "private.pem", tmp_path / "public.pem")
    token_keys.create_files(made.private, made.public)
    return made


def test_token_names_the_caller_to_its_audience(keys: Keys) -> None:
    token = keys.sign("catalog", ANNA)
    assert keys.verify("catalog", f"Bearer {token}") == ANNA


@pytest.mark.parametrize("scopes", [frozenset(), frozenset({"read"}), frozenset({"read", "keys"})])
def test_token_tells_the_key_of_the_caller_and_its_scopes(keys: Keys, scopes: frozenset[str]) -> None:
    caller = Principal("id-of-anna", "anna", "key", scopes, "id-of-the-key")
    assert keys.verify("catalog", f"Bearer {keys.sign('catalog', caller)}") == caller


def test_token_tells_which_password_the_caller_used(keys: Keys) -> None:
    caller = Principal("id-of-anna", "anna", "password", credential_mark="abc")
    assert keys.verify("auth", f"Bearer {keys.sign('auth', caller)}") == caller


def test_caller_may_do_what_takes_one_of_the_scopes_and_with_a_password_everything() -> None:
    reader = Principal("id-of-anna", "anna", "key", frozenset({"read", "keys"}), "id-of-the-key")
    assert reader.has_any(("write", "read"))
    assert not reader.has_any(("write", "upload"))
    assert not reader.has_any(())
    assert ANNA.has_any(("write",))


def test_key_may_do_everything_where_auth_is_of_an_earlier_release(keys: Keys) -> None:
    caller = keys.verify("catalog", issued(keys, 0))
    assert (caller.method, caller.scopes, caller.key_id) == ("key", None, None)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer a.b.c", "Basic abc"])
def test_absent_or_malformed_token_is_refused(keys: Keys, header: str | None) -> None:
    with pytest.raises(TokenRefusedError):
        keys.verify("catalog", header)


def test_token_for_another_service_is_refused(keys: Keys) -> None:
    token = keys.sign("auth", ANNA)
    with pytest.raises(TokenRefusedError):
        keys.verify("catalog", f"Bearer {token}")


@pytest.mark.parametrize(
    "forgery",
    ["another key", "public key as secret", "no algorithm", "no expiry", "no moment of issue", "times that are none"],
)
def test_forged_token_is_refused(keys: Keys, tmp_path: Path, forgery: str) -> None:
    now = int(time.time())
    claims: dict[str, object] = {"aud": "catalog", "iat": now, "exp": now + 30, "sub": "x", "name": "x"}
    claims["method"] = "password"
    match forgery:
        case "another key":
            others = Keys(tmp_path / "other" / "private", tmp_path / "other" / "public")
            token_keys.create_files(others.private, others.public)
            token = others.sign("catalog", ANNA)
        case "public key as secret":
            import base64  # noqa: PLC0415
            import hashlib  # noqa: PLC0415
            import hmac  # noqa: PLC0415
            import json  # noqa: PLC0415

            def part(document: object) -> str:
                return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

            signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
            mac = hmac.digest(keys.public.read_bytes(), signed.encode(), hashlib.sha256)
            token = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        case "no algorithm":
            token = jwt.encode(claims, None, algorithm="none")  # type: ignore[arg-type] # as a forger would
        case "no moment of issue":
            del claims["iat"]
            token = jwt.encode(claims, keys.private.read_text(), algorithm="EdDSA")
        case "times that are none":
            token = jwt.encode({**claims, "iat": "soon"}, keys.private.read_text(), algorithm="EdDSA")
        case _:
            del claims["exp"]
            token = jwt.encode(claims, keys.private.read_text(), algorithm="EdDSA")
    with pytest.raises(TokenRefusedError):
        keys.verify("catalog", f"Bearer {token}")


def issued(keys: Keys, ago_s: int) -> str:
    """Return a token as auth signs it, on a clock that is `ago_s` seconds behind this one."""
    now = int(time.time()) - ago_s
    claims = {"aud": "catalog", "iat": now, "exp": now + tokens.LIFETIME_S, "sub": "x", "name": "x", "method": "key"}
    return f"Bearer {jwt.encode(claims, keys.private.read_text(), algorithm='EdDSA')}"


@pytest.mark.parametrize("ago_s", [-58, -8, 0, 8, 58, 60 + 28])
def test_clocks_may_be_a_minute_apart(keys: Keys, ago_s: int) -> None:
    assert keys.verify("catalog", issued(keys, ago_s)).user_id == "x"


@pytest.mark.parametrize("ago_s", [-62, 60 + 32, 100_000])
def test_token_outside_of_its_time_is_refused_as_clocks_that_differ(keys: Keys, ago_s: int) -> None:
    with pytest.raises(ClocksApartError):
        keys.verify("catalog", issued(keys, ago_s))


def test_frequent_client_gets_the_same_token_for_a_while(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = int(time.time()) // SAME_FOR_S * SAME_FOR_S
    monkeypatch.setattr(time, "time", lambda: moment)
    signing = SigningKeys(keys.private).signing()
    first = tokens.sign(signing, "catalog", ANNA)
    assert tokens.sign(signing, "auth", ANNA) != first
    assert tokens.sign(signing, "catalog", replace(ANNA, credential_mark="another")) != first
    monkeypatch.setattr(time, "time", lambda: moment + SAME_FOR_S - 1)
    assert tokens.sign(signing, "catalog", ANNA) == first
    monkeypatch.setattr(time, "time", lambda: moment + SAME_FOR_S)
    assert tokens.sign(signing, "catalog", ANNA) != first


def test_token_that_was_verified_before_is_refused_once_it_is_over_or_its_key_is_gone(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = f"Bearer {keys.sign('catalog', ANNA)}"
    others = Keys(tmp_path / "other-private.pem", tmp_path / "other-public.pem")
    token_keys.create_files(others.private, others.public)
    for _ in range(2):
        assert keys.verify("catalog", header) == ANNA
        with pytest.raises(TokenRefusedError):
            keys.verify("auth", header)
        with pytest.raises(TokenRefusedError):
            others.verify("catalog", header)
        with pytest.raises(TokenRefusedError):
            keys.verify("catalog", header[:-2] + ("AA" if not header.endswith("AA") else "BB"))
    late = time.time() + tokens.LIFETIME_S + tokens.LEEWAY_S + 1
    monkeypatch.setattr(time, "time", lambda: late)
    with pytest.raises(ClocksApartError):
        keys.verify("catalog", header)
