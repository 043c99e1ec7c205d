"""Users whom the operator has disabled, enabled again or renamed, on both databases and through the gateway."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from auth import keys, use_cases
from auth.adapters.store import Store
from auth.adapters.tables import outbox
from auth.authentication import Authenticator, Policy
from auth.domain import User, mark_of
from auth.errors import (
    AlreadyDisabledError,
    NotDisabledError,
    TooManyAttemptsError,
    UnauthorizedError,
    UserDisabledError,
    UsernameTakenError,
    UserNotFoundError,
    WrongPasswordError,
)
from auth.keys import KeyName
from auth.passwords import Verifier, hash_password
from chassis.database.database import Database
from chassis.tokens import Principal
from clients import ValidatingClient, path
from databases import PASSWORD
from web_stack import ANNA, BUCKET, WebStack

HERE = "192.0.2.1"


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.fixture
def authenticator(auth_database: Database[Store]) -> Authenticator:
    return Authenticator(auth_database, Verifier(2, 9, 5, 10), Policy(3, 300, 1000, 100))


def with_password(user: User) -> Principal:
    return Principal(user.user_id, user.username, "password", credential_mark=mark_of(user.password_hash))


def new_key(database: Database[Store], user: User) -> tuple[Principal, str]:
    """Return who calls with a new key of `user`, and the key."""
    key, text = database.transact(use_cases.create_key, with_password(user), "")
    caller = Principal(user.user_id, user.username, "key", frozenset(key.scopes), key.key_id, mark_of(key.digest))
    return caller, text


def error(attempt: Callable[[], object]) -> type[Exception] | None:
    try:
        attempt()
    except (UnauthorizedError, TooManyAttemptsError, UserDisabledError) as fault:
        return UnauthorizedError if isinstance(fault, UnauthorizedError) else type(fault)
    return None


# --- disabled ---


def test_right_credentials_of_a_disabled_user_are_told_from_wrong_ones(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    caller, key = new_key(auth_database, anna)
    authenticator.authenticate(basic("anna", PASSWORD), HERE)  # a process that remembers the password refuses it, too
    auth_database.transact(use_cases.disable_user, "anna")
    for right in (basic("anna", PASSWORD), basic("any", key), f"Bearer {key}"):
        assert error(partial(authenticator.authenticate, right, HERE)) is UserDisabledError
    assert caller.key_id is not None
    body = f"imgh_{caller.key_id}_{'a' * 32}"
    for wrong in (basic("anna", "wrong"), f"Bearer {keys.new_key()}", f"Bearer {body}{keys.checksum(body)}"):
        assert error(partial(authenticator.authenticate, wrong, HERE)) is UnauthorizedError
    used = auth_database.read(Store.key, caller.key_id)
    assert used is not None
    assert used.date_last_used is None, "what is refused is no use"


def test_right_credentials_of_a_disabled_user_cause_no_work_without_bound(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    _, key = new_key(auth_database, anna)
    auth_database.transact(use_cases.disable_user, "anna")
    bounded = replace(authenticator, policy=Policy(3, 300, 1000, key_failures_a_minute=4))
    sent = [basic("anna", PASSWORD), f"Bearer {key}"] * 3
    errors = [error(partial(bounded.authenticate, each, HERE)) for each in sent]
    assert errors == [UserDisabledError] * 4 + [TooManyAttemptsError] * 2
    assert error(partial(bounded.authenticate, basic("anna", PASSWORD), "192.0.2.2")) is UserDisabledError
    assert error(partial(bounded.authenticate, f"Bearer {keys.new_key()}", HERE)) is UnauthorizedError


def test_guesses_at_a_disabled_user_are_answered_as_those_at_nobody(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    auth_database.transact(use_cases.disable_user, anna.username)
    for name in ("anna", "nobody"):
        answers = [error(partial(authenticator.authenticate, basic(name, "wrong"), HERE)) for _ in range(4)]
        assert answers == [UnauthorizedError] * 3 + [TooManyAttemptsError]


def test_revoked_and_expired_keys_of_a_disabled_user_are_wrong_ones(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    caller, revoked = new_key(auth_database, anna)
    kept, _ = new_key(auth_database, anna)
    assert caller.key_id is not None
    assert kept.key_id is not None
    auth_database.transact(use_cases.delete_key, caller, KeyName(caller.key_id), lambda _: None)
    previous = auth_database.transact(
        use_cases.rotate_key, with_password(anna), KeyName(kept.key_id), timedelta(0), lambda _: None
    )
    _, old = new_key(auth_database, anna)
    presented = keys.parse_key(old)
    assert presented is not None
    auth_database.transact(
        use_cases.rotate_key, with_password(anna), KeyName(presented.key_id), timedelta(0), lambda _: None
    )
    auth_database.transact(use_cases.disable_user, "anna")
    assert error(lambda: authenticator.authenticate(f"Bearer {revoked}", HERE)) is UnauthorizedError
    assert error(lambda: authenticator.authenticate(f"Bearer {old}", HERE)) is UnauthorizedError
    assert error(lambda: authenticator.authenticate(f"Bearer {previous[1]}", HERE)) is UserDisabledError


def test_enabling_restores_everything_as_it_was(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    caller, key = new_key(auth_database, anna)
    before = auth_database.read(use_cases.list_keys, caller, 9, None)
    auth_database.transact(use_cases.disable_user, "anna")
    assert auth_database.read(use_cases.list_keys, caller, 9, None) == before
    assert auth_database.transact(use_cases.enable_user, "anna") == anna
    assert authenticator.authenticate(basic("anna", PASSWORD), HERE).user_id == anna.user_id
    assert authenticator.authenticate(f"Bearer {key}", HERE).user_id == anna.user_id


def test_only_one_of_two_operators_disables_or_enables(auth_database: Database[Store], anna: User) -> None:
    assert anna.username == "anna"
    auth_database.transact(use_cases.disable_user, "anna")
    with pytest.raises(AlreadyDisabledError):
        auth_database.transact(use_cases.disable_user, "anna")
    auth_database.transact(use_cases.enable_user, "anna")
    with pytest.raises(NotDisabledError):
        auth_database.transact(use_cases.enable_user, "anna")


def test_who_came_before_is_left_with_no_key_and_no_new_password(auth_database: Database[Store], anna: User) -> None:
    """A request that was authenticated before, and whose body comes slowly, is one of a disabled user by then."""
    by_key, _ = new_key(auth_database, anna)
    auth_database.transact(use_cases.disable_user, "anna")
    assert by_key.key_id is not None
    name = KeyName(by_key.key_id)
    for caller in (with_password(anna), by_key, replace(with_password(anna), credential_mark=None)):
        with pytest.raises(UserDisabledError):
            auth_database.transact(use_cases.create_key, caller, "")
        with pytest.raises(UserDisabledError):
            auth_database.transact(use_cases.rotate_key, caller, name, timedelta(0), lambda _: None)
    with pytest.raises(UserDisabledError):
        auth_database.transact(use_cases.change_password, anna, "hash of the new one")
    auth_database.transact(use_cases.enable_user, "anna")
    assert auth_database.read(use_cases.find_user, "anna") == anna


def test_user_who_is_deleted_meanwhile_is_not_found(auth_database: Database[Store], anna: User) -> None:
    """The command has found the user when another one deletes them."""

    class Meanwhile(Store):
        def user(self, username: str) -> User | None:
            found = super().user(username)
            if found is not None:
                super().delete_user(found.user_id)
            return found

    racing = Database(auth_database.engine, Meanwhile, auth_database.migrations)
    for attempt in (
        partial(racing.transact, use_cases.disable_user, anna.username),
        partial(racing.transact, use_cases.enable_user, anna.username),
        partial(racing.transact, use_cases.rename_user, anna.username, "berta"),
    ):
        with pytest.raises(UserNotFoundError):
            attempt()
    assert auth_database.read(Store.users) == [anna], "a refused command changes nothing"


def test_disabled_user_can_be_deleted_and_given_a_password_and_a_name(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    auth_database.transact(use_cases.disable_user, "anna")
    auth_database.transact(use_cases.set_password, "anna", hash_password("another one"))
    auth_database.transact(use_cases.rename_user, "anna", "berta")
    assert error(lambda: authenticator.authenticate(basic("berta", "another one"), HERE)) is UserDisabledError
    auth_database.transact(use_cases.delete_user, "berta")
    assert error(lambda: authenticator.authenticate(basic("berta", "another one"), HERE)) is UnauthorizedError
    with auth_database.engine.connect() as connection:
        (row,) = connection.execute(sa.select(outbox)).all()
    assert anna.user_id.encode() in row.body


# --- renamed ---


def test_renamed_user_is_the_same_under_another_name(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    _, key = new_key(auth_database, anna)
    renamed = auth_database.transact(use_cases.rename_user, "anna", "berta")
    assert renamed == replace(anna, username="berta")
    assert error(lambda: authenticator.authenticate(basic("anna", PASSWORD), HERE)) is UnauthorizedError
    for credentials in (basic("berta", PASSWORD), f"Bearer {key}"):
        caller = authenticator.authenticate(credentials, HERE)
        assert (caller.user_id, caller.username) == (anna.user_id, "berta")


def test_new_user_of_the_old_name_has_nothing_of_the_one_who_had_it(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    caller, key = new_key(auth_database, anna)
    auth_database.transact(use_cases.rename_user, "anna", "berta")
    again = auth_database.transact(use_cases.create_user, "anna", hash_password("another one"))
    assert auth_database.read(use_cases.list_keys, with_password(again), 9, None) == []
    assert authenticator.authenticate(f"Bearer {key}", HERE).username == "berta"
    assert error(lambda: authenticator.authenticate(basic("anna", PASSWORD), HERE)) is UnauthorizedError
    # A request of the old anna that was under way: it is theirs, and finds nothing at the name any more.
    with pytest.raises(UserNotFoundError):
        auth_database.read(use_cases.own_user, caller, "anna")
    assert auth_database.transact(use_cases.create_key, caller, "")[0].user_id == anna.user_id


def test_password_of_a_new_user_does_not_confirm_a_change_for_the_one_who_had_the_name(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    auth_database.transact(use_cases.rename_user, "anna", "berta")
    auth_database.transact(use_cases.create_user, "anna", hash_password("another one"))
    with pytest.raises(WrongPasswordError):
        authenticator.confirm_password(anna, "another one", HERE)


def test_name_that_another_has_is_refused_also_if_both_ask_at_once(auth_database: Database[Store], anna: User) -> None:
    auth_database.transact(use_cases.create_user, "bert", "hash")
    for taken in ("bert", anna.username):
        with pytest.raises(UsernameTakenError):
            auth_database.transact(use_cases.rename_user, "anna", taken)
    assert [user.username for user in auth_database.read(Store.users)] == ["anna", "bert"]


# --- through the gateway ---


PRIVATE = [
    ("GET", "/api/images"),
    ("HEAD", "/api/images"),
    ("POST", "/api/images"),
    ("PUT", "/api/images/a.jpg"),
    ("DELETE", "/api/images/a.jpg"),
    ("DELETE", "/api/collections/holidays"),
    ("PUT", "/api/collections/holidays/images/a.jpg"),
    ("DELETE", "/api/collections/holidays/images/a.jpg"),
    ("GET", "/api/api-keys"),
    ("POST", "/api/api-keys"),
    ("GET", "/api/signed-post"),
    ("GET", "/api/users/anna"),
    ("PUT", "/api/users/anna"),
]


def test_disabled_user_can_do_nothing_and_what_is_public_stays(web_stack: WebStack) -> None:
    web_stack.start_all()
    anna, anyone = web_stack.anna(), ValidatingClient(web_stack.url())
    assert anna.post("/api/images", json={"s3_key": "a.jpg", "s3_bucket": BUCKET}).status == 201
    assert anna.post("/api/collections", json={"name": "holidays"}).status == 201
    assert anna.put("/api/collections/holidays/images/a.jpg").status == 200
    by_key = ValidatingClient(web_stack.url(), anna.post("/api/api-keys").json()["key"])
    wrong = ValidatingClient(web_stack.url(), (ANNA[0], "wrong"))
    web_stack.run("auth", "disable-user", "anna")
    for client in (anna, by_key):
        for method, target in PRIVATE:
            answer = client.send(method, target)
            assert (answer.status, answer.code) == (403, "user-disabled" if method != "HEAD" else ""), target
    assert (wrong.get("/api/images").status, wrong.get("/api/images").code) == (401, "unauthorized")
    assert anyone.get("/api/i/a.jpg").status == 200
    assert len(anyone.get("/api/c/holidays").json()["images"]) == 1
    web_stack.run("auth", "enable-user", "anna")
    for client in (anna, by_key):
        assert len(client.get("/api/collections/holidays/images").json()) == 1
        assert client.get(path("users", "anna")).status == 200


def test_names_follow_everywhere_and_a_new_user_of_the_old_name_sees_nothing(web_stack: WebStack) -> None:
    web_stack.start_all()
    anna = web_stack.anna()
    for key in ("a.jpg", "b.jpg"):
        assert anna.post("/api/images", json={"s3_key": key, "s3_bucket": BUCKET}).status == 201
    assert anna.post("/api/collections", json={"name": "holidays"}).status == 201
    tag = anna.get("/api/images/a.jpg").headers["ETag"]
    page = anna.get("/api/images?limit=1").next_page
    assert page is not None
    web_stack.run("auth", "rename-user", "anna", "berta")
    assert anna.get("/api/images").status == 401
    berta = ValidatingClient(web_stack.url(), ("berta", ANNA[1]))
    changed = berta.get("/api/images/a.jpg", headers={"If-None-Match": tag})
    assert (changed.status, changed.json()["user"]) == (200, "berta"), "what is shown has changed"
    assert berta.delete("/api/images/a.jpg", headers={"If-Match": tag}).status == 412
    assert berta.get("/api/collections/holidays").json()["user"] == "berta"
    assert berta.get(path("users", "berta")).status == 200
    assert berta.get(path("users", "anna")).status == 404
    assert [image["user"] for image in berta.get(page).json()] == ["berta"]
    web_stack.run("auth", "create-user", "anna", "--password-stdin", answer="another one")
    again = ValidatingClient(web_stack.url(), ("anna", "another one"))
    assert (
        again.get("/api/images").json()
        == again.get("/api/collections").json()
        == again.get("/api/api-keys").json()
        == []
    )
    assert again.get("/api/images/a.jpg").status == 404
    assert again.get(page).status == 422, "a cursor is of the one who got it"
