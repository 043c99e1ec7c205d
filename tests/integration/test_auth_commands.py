"""The commands of auth, as an operator runs them, on both databases."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from auth import keys, use_cases
from auth.adapters.store import Store
from auth.cli import main
from auth.passwords import Verifier
from chassis.database.database import Database
from chassis.tokens import Principal

Run = Callable[..., Result]


@pytest.fixture
def run(any_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs a command of auth on an empty, migrated database."""
    monkeypatch.setenv("AUTH_DATABASE_URL", any_database_url)
    monkeypatch.setenv("AUTH_LOG_LEVEL", "error")

    def invoke(*words: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(main, words, input=answer)

    assert invoke("migrate").exit_code == 0
    return invoke


def password_is(database: Database[Store], username: str, password: str) -> bool:
    user = database.read(Store.user, username)
    assert user is not None
    return Verifier(1, 1, 1, 1).is_right(user.user_id, password, user.password_hash, "192.0.2.1")


def test_first_user_comes_from_the_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_FIRST_USERNAME", "first")
    monkeypatch.setenv("AUTH_FIRST_PASSWORD", "first password")
    assert "made the first user first" in run("migrate").output
    assert run("migrate").output == ""
    assert [user["username"] for user in json.loads(run("list-users", "--json").output)] == ["first"]


def test_operators_passwords_are_the_same_however_they_are_typed(
    run: Run, auth_database: Database[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Größe é ǘ") for form in ("NFC", "NFD"))
    monkeypatch.setenv("AUTH_FIRST_USERNAME", "first")
    monkeypatch.setenv("AUTH_FIRST_PASSWORD", decomposed)
    run("migrate")
    assert run("migrate").output == "", "it is still the password of the first user"
    run("create-user", "second", "--password-stdin", answer=decomposed)
    run("create-user", "third", "--password-stdin", answer="another password")
    run("set-password", "third", "--password-stdin", answer=decomposed)
    for username in ("first", "second", "third"):
        assert password_is(auth_database, username, composed)
    assert run("create-user", "fourth", "--password-stdin", answer="e\u0301" * 7).exit_code != 0


@pytest.mark.parametrize(
    ("username", "password", "advice"),
    [
        ("first", "the second one", "first has another password; auth set-password first"),
        ("second", "first password", "auth create-user makes another"),
        ("first", "short", "first has another password; auth set-password first"),
    ],
)
def test_first_password_that_no_longer_counts_is_told(
    run: Run,
    auth_database: Database[Store],
    monkeypatch: pytest.MonkeyPatch,
    username: str,
    password: str,
    advice: str,
) -> None:
    run("create-user", "first", "--password-stdin", answer="first password")
    monkeypatch.setenv("AUTH_FIRST_USERNAME", username)
    monkeypatch.setenv("AUTH_FIRST_PASSWORD", password)
    told = run("migrate")
    assert told.exit_code == 0
    assert told.output.startswith("AUTH_FIRST_PASSWORD is ignored")
    assert advice in told.output
    assert len(told.output.splitlines()) == 1
    assert password not in told.output
    assert password_is(auth_database, "first", "first password")


def test_first_user_with_the_default_password_is_loud_until_it_is_changed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_FIRST_USERNAME", "demo")
    monkeypatch.setenv("AUTH_FIRST_PASSWORD", "demo-on-this-machine")
    for lines in (2, 1):
        said = run("migrate").output.splitlines()
        assert len(said) == lines
        assert said[-1].startswith("WARNING: demo HAS THE DEFAULT PASSWORD")
    run("set-password", "demo", "--password-stdin", answer="another password")
    assert "WARNING" not in run("migrate").output


def test_first_user_without_a_password_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_FIRST_USERNAME", "first")
    assert "no first user is made" in run("migrate").output
    run("create-user", "first", "--password-stdin", answer="first password")
    assert run("migrate").output == ""


def test_users_are_made_listed_and_deleted(run: Run) -> None:
    assert "no users" in run("list-users").output
    assert run("create-user", "anna", "--password-stdin", answer="a password\n").exit_code == 0
    assert run("create-user", "bert", answer="another one\nanother one\n").exit_code == 0
    assert [line.split()[-1] for line in run("list-users").output.splitlines()] == ["anna", "bert"]
    assert run("delete-user", "bert", answer="n\n").exit_code != 0
    assert run("delete-user", "anna", "--yes").exit_code == 0
    assert [user["username"] for user in json.loads(run("list-users", "--json").output)] == ["bert"]


def test_password_is_set(run: Run, auth_database: Database[Store]) -> None:
    run("create-user", "anna", "--password-stdin", answer="old password")
    assert run("set-password", "anna", "--password-stdin", answer="new password\n").exit_code == 0
    assert password_is(auth_database, "anna", "new password")
    assert not password_is(auth_database, "anna", "old password")


def make_key(database: Database[Store], username: str, parent: str | None = None) -> tuple[str, str]:
    """Return the id of a new API key, made with the password or with the key `parent`, and its text."""
    user = database.read(Store.user, username)
    assert user is not None
    caller = Principal(user.user_id, username, "key" if parent else "password", key_id=parent)
    key, text = database.transact(use_cases.create_key, caller, f"of {username}\r\nforged row\x1b]0;title\x07")
    return key.key_id, text


def key_ids(run: Run, *options: str) -> list[str]:
    return [key["id"] for key in json.loads(run("keys", "list", "--json", *options).output)]


def test_keys_are_listed_and_revoked(run: Run, auth_database: Database[Store]) -> None:
    assert "no API keys" in run("keys", "list").output
    for username in ("anna", "bert"):
        run("create-user", username, "--password-stdin", answer="a password")
    first, text = make_key(auth_database, "anna")
    child, _ = make_key(auth_database, "anna", parent=first)
    other, _ = make_key(auth_database, "bert")
    assert key_ids(run) == [first, child, other]
    assert key_ids(run, "--user", "bert") == [other]
    table = run("keys", "list").output
    assert "never used" in table
    assert len(table.splitlines()) == 3
    assert "\x1b" not in table
    assert run("keys", "revoke", keys.new_key(first)).exit_code == 3, "it never had this secret"
    assert text not in table + run("keys", "list", "--json").output
    assert run("keys", "revoke", f" {text}\n").exit_code == 0  # as it was found somewhere
    assert key_ids(run) == [other], "a key is revoked with its parent"
    assert "of bert" in run("keys", "revoke", other).output
    assert key_ids(run) == []


def test_password_is_set_and_keys_are_revoked(run: Run, auth_database: Database[Store]) -> None:
    for username in ("anna", "bert"):
        run("create-user", username, "--password-stdin", answer="a password")
        make_key(auth_database, username)
    run("set-password", "anna", "--password-stdin", answer="new password")
    assert len(key_ids(run)) == 2
    run("set-password", "anna", "--password-stdin", "--revoke-api-keys", answer="new password")
    assert len(key_ids(run, "--user", "bert")) == len(key_ids(run)) == 1


def test_users_are_disabled_and_enabled(run: Run) -> None:
    run("create-user", "anna", "--password-stdin", answer="a password")
    assert json.loads(run("disable-user", "anna", "--json").stdout)["date_disabled"]
    assert run("list-users").stdout.endswith("anna  disabled\n")
    again = run("disable-user", "anna")
    assert (again.exit_code, again.stdout) == (5, "")
    assert again.stderr == "Error: The user anna is disabled already.\n"
    assert json.loads(run("enable-user", "anna", "--json").stdout)["date_disabled"] is None
    assert run("list-users").stdout.endswith("anna\n")
    assert run("enable-user", "anna").exit_code == 5


def test_users_are_renamed(run: Run) -> None:
    made = json.loads(run("create-user", "anna", "--password-stdin", "--json", answer="a password").stdout)
    run("create-user", "bert", "--password-stdin", answer="a password")
    taken = run("rename-user", "anna", "bert")
    assert (taken.exit_code, taken.stderr) == (4, "Error: There is a user bert already.\n")
    assert run("rename-user", "anna", "anna").exit_code == 4
    assert run("rename-user", "anna", "a b").exit_code == 1
    renamed = json.loads(run("rename-user", "anna", "berta", "--json").stdout)
    assert renamed == {**made, "username": "berta"}
    assert run("rename-user", "anna", "carla").exit_code == 3
    again = json.loads(run("create-user", "anna", "--password-stdin", "--json", answer="a password").stdout)
    assert again["id"] != made["id"]


@pytest.mark.parametrize(
    "words",
    [
        ("create-user", "new", "--password-stdin"),
        ("set-password", "anna", "--password-stdin", "--revoke-api-keys"),
        ("list-users",),
        ("delete-user", "anna"),  # asks
        ("keys", "list"),
        ("migrate",),
        ("create-token-key", "--private", "private", "--public", "public"),
        ("completion", "bash"),
    ],
)
def test_json_is_alone_on_standard_output(
    run: Run, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTH_LOG_LEVEL", "debug")
    run("create-user", "anna", "--password-stdin", answer="a password")
    done = run(*words, "--json", answer="y\n" if words[0] == "delete-user" else "new password")
    assert done.exit_code == 0
    json.loads(done.stdout)


@pytest.mark.parametrize(
    ("words", "answer", "said", "status"),
    [
        (("keys", "revoke", "none"), None, "There is no such API key", 3),
        (("keys", "revoke", "a" * 16), None, "There is no such API key", 3),
        (("keys", "revoke", "\udcff"), None, "There is no such API key", 3),
        (("keys", "list", "--user", "\udcff"), None, "There is no such user", 3),
        (("keys", "list", "--user", "nobody"), None, "There is no such user", 3),
        (("create-user", "a b", "--password-stdin"), "a password", "A username is", 1),
        (("create-user", "anna", "--password-stdin"), "short", "A password has 8 to 256 characters", 1),
        (("create-user", "taken", "--password-stdin"), "a password", "There is a user taken already", 4),
        (("set-password", "nobody", "--password-stdin"), "a password", "There is no such user", 3),
        (("delete-user", "nobody", "--yes"), None, "There is no such user", 3),
        (("disable-user", "nobody"), None, "There is no such user", 3),
        (("enable-user", "nobody"), None, "There is no such user", 3),
        (("rename-user", "nobody", "anna"), None, "There is no such user", 3),
        (("rename-user", "\udcff", "anna"), None, "There is no such user", 3),
    ],
)
def test_refusal_is_one_line_and_changes_nothing(
    run: Run, words: tuple[str, ...], answer: str | None, said: str, status: int
) -> None:
    run("create-user", "taken", "--password-stdin", answer="a password")
    before = run("list-users").output
    refused = run(*words, answer=answer)
    assert refused.exit_code == status
    assert said in refused.output
    assert "Traceback" not in refused.output
    assert run("list-users").output == before
