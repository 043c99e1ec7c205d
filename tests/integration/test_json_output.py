"""What commands print with `--json`: one document on standard output, while all else goes to standard error."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import catalog.cli
import imaging.cli
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.upkeep.dead_letters import keep
from catalog_steps import Steps
from chassis.broker.drain import DrainedMessage
from chassis.database.database import Database
from deadlines import until
from embedded.parts.ports import free_ports
from pictures import photo
from web_stack import WebStack

Run = Callable[..., Any]


@pytest.fixture
def run(any_database_url: str, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs a command of catalog with `--json`; it returns the document."""
    steps.register()
    variables = {
        "DATABASE_URL": any_database_url,
        "LOG_LEVEL": "debug",
        "TOKEN_PUBLIC_KEY_FILE": "none",
        "BUCKETS": '{"pics": {}}',
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"CATALOG_{name}", value)

    def invoke(*words: str, status: int = 0, answer: str = "") -> Any:
        done = CliRunner().invoke(catalog.cli.main, [*words, "--json"], input=answer)
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)

    return invoke


def test_migration_says_whether_there_was_anything_to_do(run: Run) -> None:
    assert run("migrate") == {"later_revision": None, "said": []}


def test_reprocessing_says_how_much(run: Run) -> None:
    assert run("reprocess", "--all", "--dry-run", "--rate", "0.5") == {"images": 1, "least_seconds": 2}
    found = run("reprocess", "--all", "--rate", "1000")
    assert found == {"run": found["run"], "images": 1, "queued": 1, "finished": True}


def test_installation_says_which_it_is(run: Run) -> None:
    first = run("installation", "show")
    new = run("installation", "new", answer="y\n")
    assert new == {"id": new["id"], "settled": True, "restarted_keys": 1, "was": first["id"]}
    assert run("installation", "continue", "--id", first["id"])["id"] == first["id"]


def test_dead_letters_say_which_were_replayed_or_dropped(run: Run, catalog_database: Database[Store]) -> None:
    database = Database(catalog_database.engine, OperatorsStore, catalog_database.migrations)
    database.transact(keep, DrainedMessage("imaging.jobs", "m-1", "delivery-limit", b"no message of ours"))
    (letter,) = run("dead-letters", "list")["dead_letters"]
    assert run("dead-letters", "show", str(letter["id"]))["id"] == letter["id"]
    replayed = run("dead-letters", "replay", "--all", status=1)
    assert (replayed["replayed"], [each["code"] for each in replayed["refused"]]) == ([], ["not-replayable"])
    assert run("dead-letters", "drop", "--all", answer="y\n") == {"dropped": [letter["id"]], "refused": []}


def test_storage_that_is_not_there_is_a_document_too(run: Run) -> None:
    assert run("check-storage")["uploads"] == "off"


def test_picture_that_is_inspected(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo(120, 80))
    words = ["inspect", str(tmp_path / "photo.jpg"), "--thumbs", str(tmp_path / "thumbs"), "--json"]
    document = json.loads(CliRunner().invoke(imaging.cli.main, words).stdout)
    assert document["size"] == {"width": 120, "height": 80}
    assert [thumb["size"]["width"] for thumb in document["thumbs"]] == [64, 120, 120, 120]


@pytest.mark.parametrize("service", ["auth", "catalog", "gateway"])
def test_service_prints_its_settings_and_logs_elsewhere(web_stack: WebStack, service: str) -> None:
    environment = web_stack.environment(service) | {f"{service.upper()}_LISTEN_PORT": str(free_ports(1)[0])}
    process = subprocess.Popen(
        [web_stack.program(service), "serve", "--json"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    logs = process.stderr
    assert logs is not None
    until(lambda: "serving" in logs.readline(), 30, "it does not start")
    process.terminate()
    said, _ = process.communicate(timeout=30)
    document = json.loads(said)
    assert document["service"] == service
    assert document["version"]
    assert document["settings"]["log_level"] == "info"
