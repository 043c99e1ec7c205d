"""The key that signs tokens in Secrets of Kubernetes: made once, and replaced without a request that fails.

The command and the services are the real ones; of Kubernetes there is what they see of it (`secrets_api`).
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from busy_clients import busy_clients
from chassis import token_keys
from chassis.token_keys import VerifyingKeys
from clients import ValidatingClient
from deadlines import until
from secrets_api import SecretsApi, certificate, kubelets, secrets_api
from web_stack import WebStack

PRIVATE, PUBLIC = "token-private-key", "token-public-key"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[SecretsApi]:
    """Kubernetes with the two Secrets of the manifests, which have no data yet."""
    with secrets_api(tmp_path) as served:
        served.add(PRIVATE)
        served.add(PUBLIC)
        yield served


def begun(api: SecretsApi, command: str, *words: str) -> "subprocess.Popen[str]":
    """Start a command of auth with the keys in Secrets."""
    keys = (f"--private=secret:{PRIVATE}", f"--public=secret:{PUBLIC}")
    where = (f"--kubernetes={api.url}", f"--service-account={api.account}")
    program = str(Path(sys.executable).with_name("auth"))
    return subprocess.Popen(
        [program, command, *keys, *where, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def run(api: SecretsApi, command: str, *words: str) -> tuple[int, str]:
    """Run a command of auth with the keys in Secrets; return its status and what it says on standard error."""
    started = begun(api, command, *words)
    _, said = started.communicate(timeout=120)
    return started.returncode, said


def ids(api: SecretsApi) -> tuple[list[str], list[str]]:
    """Return the ids of the private and of the public keys, in their order."""
    private = [token_keys.key_id(key.public_key()) for key in token_keys.private_keys(api.pem(PRIVATE) or "")]
    return private, list(token_keys.public_keys(api.pem(PUBLIC) or ""))


def test_keys_are_made_once_and_a_second_run_writes_nothing(api: SecretsApi) -> None:
    assert run(api, "create-token-key") == (0, "")
    private, public = ids(api)
    assert private == public
    assert api.writes == [PRIVATE, PUBLIC]
    before = dict(api.secrets)
    assert run(api, "create-token-key") == (0, "")
    assert api.secrets == before


def test_public_half_that_is_missing_is_written_and_the_private_key_stays(api: SecretsApi) -> None:
    run(api, "create-token-key")
    before = ids(api)
    api.add(PUBLIC)
    assert run(api, "create-token-key")[0] == 0
    assert ids(api) == before


def test_what_else_is_in_a_secret_stays(api: SecretsApi) -> None:
    api.secrets[PRIVATE] |= {"type": "Opaque", "data": {"note": "aGVsbG8="}}
    run(api, "create-token-key")
    assert api.secrets[PRIVATE]["data"]["note"] == "aGVsbG8="
    assert api.secrets[PRIVATE]["type"] == "Opaque"


def test_no_request_fails_while_kubelets_learn_of_the_keys_one_after_the_other(
    api: SecretsApi, web_stack: WebStack
) -> None:
    """catalog sees a change much later than auth, so that a key which signs at once would be unknown there."""
    run(api, "create-token-key")
    private, public = web_stack.folder / "private.pem", web_stack.folder / "public.pem"
    for file in (private, public):
        file.unlink()
    with kubelets(api, {private: (PRIVATE, 0.2), public: (PUBLIC, 1.5)}):
        until(lambda: private.exists() and public.exists(), 30, "the keys do not arrive")
        for service in ("auth", "catalog", "gateway"):
            web_stack.start(service)
        key = web_stack.anna().post("/api/api-keys").json()["key"]
        [first], _ = ids(api)

        def ask(client: ValidatingClient) -> int:
            return max(client.get("/api/api-keys").status, client.get("/api/collections").status)

        with busy_clients(web_stack.url(), key, ask) as counts:
            until(lambda: counts.total() > 0, 30, "nothing is answered")
            assert run(api, "rotate-signing-key", "--spread=6", "--keep=6")[0] == 0
            until(lambda: list(VerifyingKeys(public).by_id()) == ids(api)[1], 30, "catalog does not see the new key")
        assert set(counts) == {200}, counts
        new, verifying = ids(api)
        assert new == verifying != [first]


def test_overtaken_rotation_ends_and_the_next_retires_what_it_left(
    api: SecretsApi,
) -> None:
    run(api, "create-token-key")
    first = begun(api, "rotate-signing-key", "--spread=3")
    until(lambda: api.writes[2:] == [PUBLIC, PRIVATE], 60, "the rotation does not begin")
    api.touch(PRIVATE)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "The key is being rotated already." in said
    assert [len(each) for each in ids(api)] == [2, 2]
    assert run(api, "create-token-key")[0] == 0  # as an apply would, meanwhile
    assert [len(each) for each in ids(api)] == [2, 2]
    assert run(api, "rotate-signing-key", "--spread=0", "--keep=0")[0] == 0
    private, public = ids(api)
    assert private == public
    assert len(private) == 1


def test_what_kubernetes_refuses_is_told_in_one_sentence(api: SecretsApi) -> None:
    del api.secrets[PRIVATE]
    assert run(api, "create-token-key") == (
        1,
        f'Error: secret:{PRIVATE}: Kubernetes answers 404: secrets "{PRIVATE}" not found\n',
    )
    (api.account / "token").write_text("another")
    assert "Kubernetes answers 401: Unauthorized" in run(api, "create-token-key")[1]


def test_server_that_another_authority_vouches_for_gets_no_token(api: SecretsApi, tmp_path: Path) -> None:
    certificate(api.account / "ca.crt", tmp_path / "another.pem")
    status, said = run(api, "create-token-key")
    assert (status, api.writes) == (1, [])
    assert "CERTIFICATE_VERIFY_FAILED" in said


def test_keys_that_are_not_there_are_not_replaced(api: SecretsApi) -> None:
    status, said = run(api, "rotate-signing-key", "--spread=0", "--keep=0")
    assert (status, api.writes) == (1, [])
    assert f"secret:{PRIVATE}" in said


def test_one_file_and_one_secret_are_refused(api: SecretsApi, tmp_path: Path) -> None:
    status, said = run(api, "create-token-key", f"--public={tmp_path}/public.pem")
    assert status == 2
    assert "two files or two Secrets" in said
