"""The secrets of the trial: good, private, consistent, and never replaced."""

import subprocess
import sys
from pathlib import Path

from chassis.token_keys import key_id, private_keys, public_keys
from manifests import ROOT


def make(folder: Path) -> str:
    """Run the command, and return what it prints."""
    command = [sys.executable, str(ROOT / "tools" / "trial_secrets.py"), str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def variables(folder: Path) -> dict[str, str]:
    lines = [line for file in folder.glob("*.env") for line in file.read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines)


def test_only_the_owner_reads_them_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert "wrote 14 secrets" in make(folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "nothing was changed" in make(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_addresses_have_the_passwords_that_the_servers_are_made_with(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    found = variables(tmp_path / "secrets")
    for service in ("AUTH", "CATALOG"):
        assert f":{found[f'{service}_DATABASE_PASSWORD']}@postgres:5432/" in found[f"{service}_DATABASE_URL"]
    for service in ("AUTH", "CATALOG", "IMAGING"):
        assert f":{found['RABBITMQ_DEFAULT_PASS']}@rabbitmq:5672/" in found[f"{service}_BROKER_URL"]
    secret = [value for name, value in found.items() if "PASSWORD" in name or "SECRET" in name or "PASS" in name]
    assert len(secret) == len(set(secret)) == 9
    assert min(map(len, secret)) >= 20


def test_the_public_key_is_that_of_the_private_key(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    [private] = private_keys((tmp_path / "secrets" / "token-private-key.pem").read_text())
    assert list(public_keys((tmp_path / "secrets" / "token-public-key.pem").read_text())) == [
        key_id(private.public_key())
    ]


def test_git_ignores_them() -> None:
    file = "k8s/overlays/trial/secrets/postgres.env"
    assert subprocess.run(["git", "check-ignore", "-q", file], cwd=ROOT, check=False).returncode == 0
