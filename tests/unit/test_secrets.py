"""`make secrets`: good passwords for the compose stack, which never replace those that are there."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "make_secrets.py"
DEFAULTS = set(re.findall(r"\$\{(\w+):-[^}]*-on-this-machine\}", (ROOT / "docker-compose.yml").read_text()))
SECRETS = DEFAULTS | {"POSTGRES_REPLICATION_PASSWORD", "RABBITMQ_ERLANG_COOKIE"}


def make(file: Path, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], **variables}
    # -I: it needs nothing that is installed.
    done = subprocess.run(
        [sys.executable, "-I", str(TOOL), str(file)], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def values(file: Path) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in file.read_text().splitlines())}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_every_default_password_is_replaced_by_one_of_its_own_that_nobody_can_guess(file: Path) -> None:
    said = make(file)
    written = values(file)
    assert set(written) == SECRETS
    assert len(DEFAULTS) == 9
    assert len(set(written.values())) == 11
    assert all(re.fullmatch(r"[0-9a-f]{40}", value) for value in written.values())
    assert not any(value in said for value in written.values())


def test_only_its_owner_may_read_the_file(file: Path) -> None:
    before = os.umask(0)
    try:
        make(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    make(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_there_stays(file: Path) -> None:
    file.write_text("POSTGRES_IMAGE=stand-in\nexport RABBITMQ_PASSWORD='mine'\n# S3_PORT=1\nPORT=9999")  # no newline
    make(file)
    first = file.read_text()
    assert first.startswith("POSTGRES_IMAGE=stand-in\nexport RABBITMQ_PASSWORD='mine'\n# S3_PORT=1\nPORT=9999\n")
    assert first.count("RABBITMQ_PASSWORD") == 1
    assert set(values(file)) >= SECRETS - {"RABBITMQ_PASSWORD"}
    assert "nothing was changed" in make(file)
    assert file.read_text() == first


@pytest.mark.parametrize("nothing", ["", "  ", "''", '""', " # later"])
def test_variable_without_a_value_is_not_set(file: Path, nothing: str) -> None:
    """Docker compose would take the default for it."""
    file.write_text(f"RABBITMQ_PASSWORD={nothing}\nPOSTGRES_PASSWORD=mine\n")
    make(file)
    assert len(values(file)["RABBITMQ_PASSWORD"]) == 40  # the last one counts
    assert values(file)["POSTGRES_PASSWORD"] == "mine"


def test_credential_of_an_s3_of_ones_own_is_left_to_its_owner(file: Path) -> None:
    file.write_text("COMPOSE_FILE=docker-compose.yml:containers/own-s3.yml\n")
    make(file)
    assert not any("S3" in name for name in values(file))


def test_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(TOOL), str(tmp_path)], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path) in done.stderr
