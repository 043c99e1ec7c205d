"""The files of the keys of tokens: what is kept, what is refused, and what a process sees of replaced ones."""

import base64
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chassis import token_keys, tokens
from chassis.errors import TokenRefusedError
from chassis.token_keys import SigningKeys, VerifyingKeys
from chassis.tokens import Principal

ANNA = Principal("id-of-anna", "anna", "password")


def test_private_key_is_for_its_owner_and_the_public_one_for_everybody(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    token_keys.create_files(private, public)
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644


def test_existing_keys_are_kept(tmp_path: Path) -> None:
    token_keys.create_files(tmp_path / "private", tmp_path / "public")
    before = (tmp_path / "private").read_bytes()
    token_keys.create_files(tmp_path / "private", tmp_path / "public")
    assert (tmp_path / "private").read_bytes() == before


def test_private_key_is_kept_if_its_public_half_is_lost(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    token_keys.create_files(private, public)
    before = (private.read_bytes(), public.read_bytes())
    public.unlink()
    token_keys.create_files(private, public)
    assert (private.read_bytes(), public.read_bytes()) == before


@pytest.mark.parametrize(
    ("require", "kind"),
    [
        (token_keys.require_private_file, "private key in PEM without a passphrase"),
        (token_keys.require_public_file, "public key in PEM"),
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
    token_keys.create_files(private, public)
    token_keys.require_private_file(private, "A_SETTING")
    token_keys.require_public_file(public, "A_SETTING")
    with pytest.raises(SystemExit):
        token_keys.require_private_file(public, "A_SETTING")
    with pytest.raises(SystemExit):
        token_keys.require_public_file(private, "A_SETTING")


def test_thumbprint_is_that_of_the_example_of_rfc_8037() -> None:
    # Appendix A.3.
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="))
    assert token_keys.key_id(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_first_key_signs_and_all_of_a_file_verify(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    former, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    token_keys.write_private(private, [new, former])
    token_keys.write_public(public, [former.public_key(), new.public_key()])
    signing, verifying = SigningKeys(private), VerifyingKeys(public)
    assert signing.signing().key_id == token_keys.key_id(new.public_key())
    assert set(signing.by_id()) == set(verifying.by_id())
    by_former = tokens.sign(token_keys.SigningKey(token_keys.key_id(former.public_key()), former), "catalog", ANNA)
    for token in (by_former, tokens.sign(signing.signing(), "catalog", ANNA)):
        assert tokens.verify(verifying, "catalog", f"Bearer {token}") == ANNA


def test_replaced_file_is_read_again_and_kept_in_mind_when_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    token_keys.create_files(private, public)
    signing, verifying = SigningKeys(private), VerifyingKeys(public)
    token = f"Bearer {tokens.sign(signing.signing(), 'catalog', ANNA)}"
    monkeypatch.setattr(token_keys, "RETRY_AFTER_S", 0.0)
    public.write_text("nothing")
    assert tokens.verify(verifying, "catalog", token) == ANNA
    public.unlink()
    assert tokens.verify(verifying, "catalog", token) == ANNA
    other = Ed25519PrivateKey.generate()
    token_keys.write_public(public, [other.public_key()])
    with pytest.raises(TokenRefusedError):
        tokens.verify(verifying, "catalog", token)
    token_keys.write_private(private, [other])
    token = f"Bearer {tokens.sign(signing.signing(), 'catalog', ANNA)}"
    assert tokens.verify(verifying, "catalog", token) == ANNA


def test_file_that_cannot_be_read_for_a_moment_is_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    token_keys.create_files(private, public)
    verifying = VerifyingKeys(public)
    new = Ed25519PrivateKey.generate()
    token_keys.write_public(public, [new.public_key()])
    monkeypatch.setattr(token_keys, "RETRY_AFTER_S", 0.05)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_text", lambda _: (_ for _ in ()).throw(OSError("too many open files")))
        assert token_keys.key_id(new.public_key()) not in verifying.by_id()
    time.sleep(0.1)
    assert list(verifying.by_id()) == [token_keys.key_id(new.public_key())]


def test_files_that_another_process_changes_are_left_to_it(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    token_keys.create_files(private, public)
    public.unlink()
    with token_keys.locked(private) as is_ours:
        assert is_ours
        token_keys.create_files(private, public)
        assert not public.exists()
    token_keys.create_files(private, public)
    assert public.exists()


def test_public_keys_that_are_more_than_those_of_the_private_file_are_kept(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    token_keys.create_files(private, public)
    new = Ed25519PrivateKey.generate()
    token_keys.write_public(public, [*VerifyingKeys(public).by_id().values(), new.public_key()])
    before = public.read_bytes()
    token_keys.create_files(private, public)
    assert public.read_bytes() == before


def test_replaced_file_keeps_its_mode_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    private = tmp_path / "private"
    token_keys.write_private(private, [Ed25519PrivateKey.generate()])
    private.chmod(0o640)
    token_keys.write_private(private, [Ed25519PrivateKey.generate()])
    assert private.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [private]
