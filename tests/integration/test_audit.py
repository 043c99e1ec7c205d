"""Who did what is in the audit log: of requests through the gateway, of operators' commands, of deleted users."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auth import use_cases
from auth.adapters.store import Store
from auth.adapters.tables import audit_notes
from auth.cli import main
from catalog.adapters.store import Store as CatalogStore
from catalog.users import forget_user
from catalog_steps import ANNA as OWNER
from catalog_steps import Steps
from chassis import logs, request_ids
from chassis.database.audit_notes import write
from chassis.database.database import Database
from chassis.tokens import Principal
from clients import ValidatingClient, path
from gateway.web.docs import document
from web_stack import ANNA, BUCKET, WebStack

Run = Callable[..., Result]
Line = dict[str, Any]


def audited(stack: WebStack, service: str) -> list[Line]:
    """Return the lines of the audit log of a service, whose other logs are off but for errors."""
    lines = [json.loads(line) for line in stack.said(service).splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("logger") == "audit"]


@pytest.fixture
def anna(web_stack: WebStack) -> ValidatingClient:
    web_stack.start("auth", LOG_LEVEL="error")
    web_stack.start("catalog", LOG_LEVEL="error")
    web_stack.start("gateway")
    return web_stack.anna()


def test_failed_logins_tell_whose_account_it_was_and_no_more(web_stack: WebStack, anna: ValidatingClient) -> None:
    key = anna.post("/api/api-keys").json()["key"]
    assert anna.delete(path("api-keys", key)).status == 204
    attempts: list[tuple[str, str] | str | None] = [
        (ANNA[0], "wrong password"),
        ("typed password", "wrong password"),
        key,
        "no token at all",  # these two try nobody's account
        None,
    ]
    for credentials in attempts:
        assert ValidatingClient(web_stack.url(), credentials).get("/api/images").status == 401
    web_stack.run("auth", "disable-user", ANNA[0])
    assert anna.get("/api/images", headers={"X-Request-ID": "the-last"}).status == 403
    failed = [line for line in audited(web_stack, "auth") if line["action"] == "login"]
    assert [(line["username"], line["key_id"], line["reason"]) for line in failed] == [
        (ANNA[0], None, "unauthorized"),
        (None, None, "unauthorized"),
        (None, key.split("_")[1], "unauthorized"),
        (ANNA[0], None, "user-disabled"),
    ]
    assert {line["outcome"] for line in failed} == {"refused"}
    assert {line["source"] for line in failed} == {"127.0.0.1"}
    assert failed[-1]["request_id"] == "the-last"


def test_api_keys_and_passwords(web_stack: WebStack, anna: ValidatingClient) -> None:
    made = anna.post("/api/api-keys", json={"description": "secret plans", "scopes": ["keys"]}).json()
    by_key = ValidatingClient(web_stack.url(), made["key"])
    child = by_key.post("/api/api-keys").json()
    assert by_key.post("/api/images", json={"s3_key": "a.jpg"}).status == 403
    assert anna.post(f"/api/api-keys/{child['id']}/rotation").status == 200
    assert anna.delete(path("api-keys", made["id"]), headers={"If-Match": '"stale"'}).status == 412
    assert anna.delete(path("api-keys", made["key"])).status == 204
    kept = anna.post("/api/api-keys").json()
    change = {"current_password": "wrong password", "password": "another password", "revoke_api_keys": True}
    assert anna.put(path("users", ANNA[0]), json=change).status == 403
    assert anna.put(path("users", ANNA[0]), json={**change, "current_password": ANNA[1]}).status == 200
    lines = audited(web_stack, "auth")
    assert [(line["action"], line["outcome"], line["key_id"]) for line in lines] == [
        ("api-key.create", "done", None),
        ("api-key.create", "done", made["id"]),
        ("api-key.rotate", "done", None),
        ("api-key.revoke", "done", None),
        ("api-key.create", "done", None),
        ("password.change", "refused", None),
        ("password.change", "done", None),
    ]
    assert {(line["actor"], line["username"], line["source"]) for line in lines} == {("user", ANNA[0], "127.0.0.1")}
    assert lines[1]["target"] == {"api_key": child["id"], "parent": made["id"], "scopes": ["keys"]}
    assert lines[3]["target"] == {"api_key": made["id"], "descendants": [child["id"]]}
    assert lines[6]["target"]["revoked_api_keys"] == [kept["id"]]
    (refused,) = audited(web_stack, "catalog")
    assert (refused["action"], refused["reason"], refused["key_id"]) == ("request", "insufficient-scope", made["id"])
    assert refused["target"] == {"operation": "POST /images"}


def test_what_a_caller_is_refused_is_told_once_however_often_they_ask(web_stack: WebStack) -> None:
    web_stack.start("auth", LOG_LEVEL="error", API_KEYS_PER_USER="2", FREE_FAILURES="2")
    web_stack.start("catalog", LOG_LEVEL="error", IMAGES_PER_USER="1")
    web_stack.start("gateway")
    anna, wrong = web_stack.anna(), ValidatingClient(web_stack.url(), (ANNA[0], "wrong password"))
    made, other = (anna.post("/api/api-keys").json() for _ in range(2))
    by_key = ValidatingClient(web_stack.url(), made["key"])
    change = {"current_password": ANNA[1], "password": "another password"}
    assert anna.post("/api/images", json={"s3_key": "a.jpg"}).status == 201
    for _ in range(3):
        assert anna.post("/api/api-keys").code == "quota-exceeded"
        assert anna.post("/api/images", json={"s3_key": "b.jpg"}).code == "quota-exceeded"
        assert by_key.put(path("users", ANNA[0]), json=change).code == "password-required"
        assert by_key.post(f"{other['uri']}/rotation").code == "rotation-refused"
    assert [wrong.get("/api/images").status for _ in range(6)] == [401] * 2 + [429] * 4
    told = [line for line in audited(web_stack, "auth") if line["outcome"] == "refused"]
    assert [(line["action"], line["reason"], line["key_id"], line["count"]) for line in told] == [
        ("request", "quota-exceeded", None, 1),
        ("request", "password-required", made["id"], 1),
        ("request", "rotation-refused", made["id"], 1),
        ("login", "unauthorized", None, 1),
        ("login", "unauthorized", None, 1),
        ("login", "too-many-attempts", None, 1),
    ]
    assert {line["username"] for line in told} == {ANNA[0]}
    assert told[2]["target"] == {"operation": "POST /api-key/rotation", "api_key": other["id"]}
    assert [line["reason"] for line in audited(web_stack, "catalog")] == ["quota-exceeded"]
    process = web_stack.processes.pop("auth")
    process.terminate()  # then what was counted is told, without waiting for the end of the minute
    process.wait(20)
    rest = audited(web_stack, "auth")[2 + len(told) :]
    assert [(line["reason"], line["count"]) for line in rest] == [
        ("quota-exceeded", 2),
        ("password-required", 2),
        ("rotation-refused", 2),
        ("too-many-attempts", 3),
    ]


def test_deletions_tell_from_where(web_stack: WebStack, anna: ValidatingClient) -> None:
    for key in ("a.jpg", "b.jpg"):
        assert anna.post("/api/images", json={"s3_key": key, "s3_bucket": BUCKET}).status == 201
    assert anna.post("/api/collections", json={"name": "holidays"}).status == 201
    for key in ("a.jpg", "b.jpg"):
        assert anna.put(f"/api/collections/holidays/images/{key}").status == 200
    for _ in range(2):  # the second time there is nothing to delete
        assert anna.delete("/api/collections/holidays/images/a.jpg").status == 204
    assert anna.delete("/api/images/b.jpg", headers={"If-Match": '"stale"'}).status == 412
    assert anna.delete("/api/images/b.jpg").status == 204
    assert anna.delete("/api/images/b.jpg").status == 404
    assert anna.put("/api/collections/holidays/images/a.jpg").status == 200
    assert anna.delete("/api/collections/holidays").status == 204
    lines = audited(web_stack, "catalog")
    image = lines[1]["target"].pop("image")
    assert image
    assert [(line["action"], line["target"]) for line in lines] == [
        ("membership.delete", {"collection": "holidays", "s3_key": "a.jpg"}),
        ("image.delete", {"s3_key": "b.jpg", "s3_bucket": BUCKET, "collections": ["holidays"]}),
        ("collection.delete", {"collection": "holidays", "images": 1}),
    ]
    assert {(line["outcome"], line["username"], line["source"]) for line in lines} == {("done", ANNA[0], "127.0.0.1")}


def test_every_operation_that_deletes_is_known_here() -> None:
    """Another one needs a line in the audit log, and its place in the tests above."""
    assert {template for template, item in document()["paths"].items() if "delete" in item} == {
        "/api/api-keys/{key}",
        "/api/collections/{name}",
        "/api/collections/{name}/images/{s3_key}",
        "/api/images/{s3_key}",
    }


@pytest.fixture
def run(auth_database: Database[Store], monkeypatch: pytest.MonkeyPatch) -> Run:
    url = auth_database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("AUTH_DATABASE_URL", url)
    return lambda *words, answer="a password": CliRunner().invoke(main, words, input=answer)


def test_commands_are_noted_with_their_effect_and_written_once(
    run: Run, auth_database: Database[Store], capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ("create-user", "anna", "--password-stdin"),
        ("create-user", "anna", "--password-stdin"),  # refused
        ("disable-user", "anna"),
        ("disable-user", "anna"),  # refused
        ("enable-user", "anna"),
        ("set-password", "anna", "--password-stdin", "--revoke-api-keys"),
        ("rename-user", "anna", "berta"),
        ("keys", "revoke", "a" * 16),  # refused
        ("delete-user", "berta", "--yes"),
        ("delete-user", "berta", "--yes"),  # refused
    ):
        run(*words)
    logs.configure("auth", "error", "json")
    capsys.readouterr()
    write(auth_database.engine, audit_notes)
    write(auth_database.engine, audit_notes)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["action"] for line in lines] == [
        "user.create",
        "user.disable",
        "user.enable",
        "password.change",
        "user.rename",
        "user.delete",
    ]
    assert {(line["actor"], line["user_id"]) for line in lines} == {("operator", None)}
    assert all(" at " in line["source"] for line in lines)
    assert len({line["target"]["user"] for line in lines}) == 1
    assert (lines[4]["target"]["was"], lines[4]["target"]["username"]) == ("anna", "berta")
    assert len({line["entry_id"] for line in lines}) == 6
    assert not auth_database.read(Store.has_notes)


def test_key_that_an_operator_revokes_is_named_with_its_descendants(
    run: Run, auth_database: Database[Store], capsys: pytest.CaptureFixture[str]
) -> None:
    run("create-user", "anna", "--password-stdin")
    user = auth_database.read(use_cases.find_user, "anna")
    ids: list[str] = []
    for _ in range(3):
        caller = Principal(user.user_id, "anna", "key" if ids else "password", key_id=ids[-1] if ids else None)
        ids.append(auth_database.transact(use_cases.create_key, caller, "")[0].key_id)
    run("keys", "revoke", ids[0])
    logs.configure("auth", "info", "json")
    capsys.readouterr()
    write(auth_database.engine, audit_notes)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    revoked = lines[-1]
    assert revoked["target"] == {
        "api_key": ids[0],
        "user": user.user_id,
        "username": "anna",
        "descendants": ids[1:],
    }


def test_note_of_a_process_that_dies_before_it_is_written_stays(run: Run, auth_database: Database[Store]) -> None:
    run("create-user", "anna", "--password-stdin")

    class Dying(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise SystemExit(record.msg)

    logs.configure("auth", "info", "json")
    logging.getLogger("audit").handlers[:] = [Dying()]
    with pytest.raises(SystemExit):
        write(auth_database.engine, audit_notes)
    assert auth_database.read(Store.has_notes)


def test_what_a_deleted_user_owned_is_named_with_the_request_that_deleted_them(
    steps: Steps, catalog_database: Database[CatalogStore], capsys: pytest.CaptureFixture[str]
) -> None:
    image = steps.register()
    logs.configure("catalog-worker", "error", "json")
    request_ids.adopt("deletion-1")
    capsys.readouterr()
    assert forget_user(catalog_database.transact, OWNER.user_id, 10)
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert (line["action"], line["actor"], line["request_id"]) == ("image.delete", "service", "deletion-1")
    assert line["target"] == {
        "image": image.image_id,
        "s3_bucket": image.s3_bucket,
        "s3_key": image.s3_key,
        "user": OWNER.user_id,
    }
