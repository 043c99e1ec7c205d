"""A web process dies after it has committed: a repeat under the same Idempotency-Key gets the answer that was lost."""

from pathlib import Path
from typing import Any

from chassis import checkpoints
from chassis.database.database import Database
from clients import Answer
from web_stack import WebStack

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
AFTER_COMMIT = f"{checkpoints.COMMITTED}.die"


def send_twice(web_stack: WebStack, armed: Path, target: str, fields: dict[str, str]) -> Answer:
    """Send a POST whose answer is lost; return the answer to its repeat."""
    (armed / AFTER_COMMIT).touch()
    lost = web_stack.anna().post(target, json=fields, headers=KEY)
    assert (lost.status, lost.code) == (503, "outcome-unknown")
    assert not (armed / AFTER_COMMIT).exists(), "nothing was committed"
    return web_stack.anna().post(target, json=fields, headers=KEY)


def test_answer_that_was_lost_after_the_commit_is_given_to_the_repeat(
    web_stack: WebStack, catalog_database: Database[Any], tmp_path: Path
) -> None:
    url = catalog_database.engine.url.render_as_string(hide_password=False)
    web_stack.armed["catalog"] = tmp_path
    web_stack.start("auth")
    web_stack.start("catalog", DATABASE_URL=url)
    web_stack.start("gateway")
    repeat = send_twice(web_stack, tmp_path, "/api/images", {"s3_key": "a"})
    assert (repeat.status, repeat.headers["Location"]) == (201, "/api/images/a")
    assert repeat.headers["Idempotency-Replayed"] == "true"
    assert web_stack.anna().get("/api/images").json() == [repeat.json()]


def test_key_whose_secret_was_lost_after_the_commit_is_named_to_the_repeat(web_stack: WebStack, tmp_path: Path) -> None:
    web_stack.armed["auth"] = tmp_path
    web_stack.start_all()
    repeat = send_twice(web_stack, tmp_path, "/api/api-keys", {"description": "lost"})
    assert (repeat.status, repeat.code) == (409, "secret-not-kept")
    (key,) = web_stack.anna().get("/api/api-keys").json()
    assert repeat.headers["Location"] == key["uri"]
