"""Users, API keys and throttling, on both databases."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest
import sqlalchemy as sa

from auth import keys, use_cases
from auth.adapters.store import Store
from auth.adapters.tables import api_keys, outbox, users
from auth.authentication import Authenticator, Policy
from auth.domain import SCOPES, ApiKey, User, mark_of
from auth.errors import (
    ApiKeyNotFoundError,
    QuotaExceededError,
    TooManyAttemptsError,
    UnauthorizedError,
    UsernameTakenError,
    WrongPasswordError,
)
from auth.keys import KeyName
from auth.passwords import Verifier, hash_password
from chassis import health
from chassis.clock import now
from chassis.database.columns import UtcDateTime
from chassis.database.database import Database
from chassis.tokens import Principal
from databases import PASSWORD
from races import while_open

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.fixture
def authenticator(auth_database: Database[Store]) -> Authenticator:
    verifier = Verifier(slots=2, queue=9, wait_s=5, memory_s=10)
    return Authenticator(auth_database, verifier, Policy(3, 300, 1000, key_failures_a_minute=4))


def principal(user: User) -> Principal:
    return Principal(user.user_id, user.username, "password")


def by_password(user: User) -> Principal:
    """Return who calls with the password that `user` has at present."""
    return replace(principal(user), credential_mark=mark_of(user.password_hash))


def refused(attempt: Callable[[], object]) -> type[Exception] | None:
    try:
        attempt()
    except (UnauthorizedError, TooManyAttemptsError) as fault:
        return UnauthorizedError if isinstance(fault, UnauthorizedError) else type(fault)
    return None


def expire(database: Database[Store]) -> None:
    """Let the time of all keys that expire be over by now."""
    with database.engine.begin() as connection:
        connection.execute(api_keys.update().where(api_keys.c.expires_at.is_not(None)).values(expires_at=now()))


def test_names_of_users_are_unique(auth_database: Database[Store], anna: User) -> None:
    with pytest.raises(UsernameTakenError):
        auth_database.transact(use_cases.create_user, anna.username, "hash")


def test_first_user_is_made_only_where_there_is_none(auth_database: Database[Store], anna: User) -> None:
    assert auth_database.transact(use_cases.create_first_user, "demo", "hash") is None
    assert [user.username for user in auth_database.read(Store.users)] == [anna.username]


def test_password_and_key_tell_who_calls(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    assert authenticator.authenticate(basic("anna", PASSWORD), HERE) == by_password(anna)
    key, secret = auth_database.transact(use_cases.create_key, principal(anna), "", scopes=("read", "keys"))
    mark = mark_of(key.digest)
    expected = Principal(anna.user_id, "anna", "key", frozenset({"read", "keys"}), key.key_id, credential_mark=mark)
    assert authenticator.authenticate(basic("anything", secret), HERE) == expected
    assert authenticator.authenticate(f"Bearer {secret}", HERE) == expected


def test_changed_password_is_refused_on_the_next_request_by_every_process(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    other_process = Authenticator(auth_database, Verifier(2, 9, 5, 10), authenticator.policy)
    for process in (authenticator, other_process):
        process.authenticate(basic("anna", PASSWORD), HERE)
    auth_database.transact(use_cases.set_password, anna.username, hash_password("another one"))
    for process in (authenticator, other_process):
        assert refused(partial(process.authenticate, basic("anna", PASSWORD), HERE))
        process.authenticate(basic("anna", "another one"), HERE)


def test_revoked_key_is_refused_on_the_next_request(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    key, secret = auth_database.transact(use_cases.create_key, principal(anna), "")
    authenticator.authenticate(f"Bearer {secret}", HERE)
    auth_database.transact(use_cases.delete_key, principal(anna), KeyName(key.key_id), lambda _: None)
    assert refused(lambda: authenticator.authenticate(f"Bearer {secret}", HERE)) is UnauthorizedError


def test_key_is_refused_from_the_moment_on_at_which_it_expires(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    _, secret = auth_database.transact(use_cases.create_key, principal(anna), "", expires_at=now() + timedelta(hours=1))
    authenticator.authenticate(f"Bearer {secret}", HERE)
    expire(auth_database)
    assert refused(lambda: authenticator.authenticate(f"Bearer {secret}", HERE)) is UnauthorizedError
    assert refused(lambda: authenticator.authenticate(basic("any", secret), HERE)) is UnauthorizedError


def test_expired_key_is_no_guess(auth_database: Database[Store], authenticator: Authenticator, anna: User) -> None:
    """A program whose key has expired must not have others at its address refused. It is itself, after a while."""
    _, secret = auth_database.transact(use_cases.create_key, principal(anna), "", expires_at=now() + timedelta(hours=1))
    expire(auth_database)
    answers = [refused(lambda: authenticator.authenticate(f"Bearer {secret}", HERE)) for _ in range(9)]
    assert answers == [UnauthorizedError] * 4 + [TooManyAttemptsError] * 5
    assert refused(lambda: authenticator.authenticate(f"Bearer {keys.new_key()}", HERE)) is UnauthorizedError


def test_use_of_an_expired_key_is_not_noted(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    key, secret = auth_database.transact(
        use_cases.create_key, principal(anna), "", expires_at=now() + timedelta(hours=1)
    )
    expire(auth_database)
    refused(lambda: authenticator.authenticate(f"Bearer {secret}", HERE))
    (found,) = auth_database.read(use_cases.list_keys, principal(anna), 9, None)
    assert (found.key_id, found.date_last_used) == (key.key_id, None)


def test_key_of_an_earlier_release_never_expires_and_has_all_scopes(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    """Such a release may go on making keys while this one runs beside it."""
    secret = keys.new_key()
    presented = keys.parse_key(secret)
    assert presented is not None
    row = {"key_id": presented.key_id, "user_id": anna.user_id, "digest": presented.digest, "description": ""}
    columns = ", ".join((*row, "date_created"))
    values = ", ".join(f":{name}" for name in (*row, "date_created"))
    with auth_database.engine.begin() as connection:
        statement = sa.text(f"INSERT INTO api_keys ({columns}) VALUES ({values})")  # noqa: S608 - names of columns
        connection.execute(
            statement.bindparams(sa.bindparam("date_created", type_=UtcDateTime)), {**row, "date_created": now()}
        )
    assert authenticator.authenticate(f"Bearer {secret}", HERE).has_any(("write",))
    found = auth_database.read(use_cases.get_key, principal(anna), KeyName(presented.key_id))
    assert (found.expires_at, found.scopes) == (None, SCOPES)


def test_key_with_the_right_id_and_another_secret_is_refused(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    key, secret = auth_database.transact(use_cases.create_key, principal(anna), "")
    forged = keys.new_key()
    body = f"imgh_{key.key_id}_{forged[22:54]}"
    forged = body + keys.checksum(body)  # well-formed, as a forger would make it
    assert keys.parse_key(forged) is not None
    assert refused(lambda: authenticator.authenticate(f"Bearer {forged}", HERE)) is UnauthorizedError
    by_forged = KeyName(key.key_id, keys.digest(forged))
    with pytest.raises(ApiKeyNotFoundError):
        auth_database.read(use_cases.get_key, principal(anna), by_forged)
    auth_database.read(use_cases.get_key, principal(anna), KeyName(key.key_id, keys.digest(secret)))


def test_secret_of_a_key_is_not_stored(auth_database: Database[Store], anna: User) -> None:
    _, secret = auth_database.transact(use_cases.create_key, principal(anna), "description")
    with auth_database.engine.connect() as connection:
        stored = str(connection.execute(sa.select(api_keys)).all())
    assert secret[22:] not in stored


def test_wrong_passwords_delay_the_account_at_that_source_only(authenticator: Authenticator, anna: User) -> None:
    for _ in range(3):
        assert refused(lambda: authenticator.authenticate(basic("anna", "wrong"), HERE)) is UnauthorizedError
    with pytest.raises(TooManyAttemptsError) as told:
        authenticator.authenticate(basic("anna", PASSWORD), HERE)
    assert int(told.value.headers["Retry-After"]) >= 1
    assert authenticator.authenticate(basic("anna", PASSWORD), ELSEWHERE) == by_password(anna)


def test_account_that_does_not_exist_is_delayed_alike(authenticator: Authenticator, anna: User) -> None:  # noqa: ARG001
    for name in ("anna", "nobody", "no such name ever \0", "x" * 500):
        attempt = partial(authenticator.authenticate, basic(name, "wrong"), HERE)
        answers = [refused(attempt) for _ in range(4)]
        assert answers == [UnauthorizedError] * 3 + [TooManyAttemptsError]


def test_valid_key_is_never_throttled_and_unknown_ones_are_after_a_while(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    _, secret = auth_database.transact(use_cases.create_key, principal(anna), "")
    unknown = [refused(lambda: authenticator.authenticate(f"Bearer {keys.new_key()}", HERE)) for _ in range(6)]
    assert unknown == [UnauthorizedError] * 4 + [TooManyAttemptsError] * 2
    authenticator.authenticate(f"Bearer {secret}", HERE)
    assert refused(lambda: authenticator.authenticate(f"Bearer {keys.new_key()}", ELSEWHERE)) is UnauthorizedError


def test_use_of_a_key_is_noted_once_in_five_minutes(auth_database: Database[Store], anna: User) -> None:
    key, _ = auth_database.transact(use_cases.create_key, principal(anna), "")
    moment = now()
    for later in (timedelta(0), timedelta(minutes=4), timedelta(minutes=5)):
        auth_database.transact(Store.touch_key, key.key_id, moment + later)
    used = auth_database.read(Store.key, key.key_id)
    assert used is not None
    assert used.date_last_used == moment + timedelta(minutes=5)
    auth_database.transact(Store.touch_key, key.key_id, moment + timedelta(minutes=9))
    assert auth_database.read(Store.key, key.key_id) == used


def test_deleted_user_takes_the_keys_along_and_is_told_of(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    _, secret = auth_database.transact(use_cases.create_key, principal(anna), "")
    auth_database.transact(use_cases.delete_user, "anna")
    assert refused(lambda: authenticator.authenticate(f"Bearer {secret}", HERE)) is UnauthorizedError
    assert refused(lambda: authenticator.authenticate(basic("anna", PASSWORD), HERE)) is UnauthorizedError
    with auth_database.engine.connect() as connection:
        (row,) = connection.execute(sa.select(outbox)).all()
    assert row.type == "user.deleted"
    assert json.loads(row.body)["data"] == {"user_id": anna.user_id}


def test_new_user_of_an_old_name_is_somebody_else(auth_database: Database[Store], anna: User) -> None:
    auth_database.transact(use_cases.delete_user, "anna")
    again = auth_database.transact(use_cases.create_user, "anna", hash_password(PASSWORD))
    assert again.user_id != anna.user_id


def test_password_that_was_changed_meanwhile_is_not_changed_back(auth_database: Database[Store], anna: User) -> None:
    """Two concurrent changes have confirmed the old password: the later one must not undo the one already answered."""
    auth_database.transact(use_cases.change_password, anna, "hash of the first")
    with pytest.raises(WrongPasswordError):
        auth_database.transact(use_cases.change_password, anna, "hash of the second")
    assert auth_database.read(use_cases.find_user, "anna").password_hash == "hash of the first"


def test_all_keys_of_the_user_are_revoked_with_the_old_password_and_nobody_elses(
    auth_database: Database[Store], anna: User
) -> None:
    bert = auth_database.transact(use_cases.create_user, "bert", "hash")
    for user in (anna, anna, bert):
        auth_database.transact(use_cases.create_key, principal(user), "")
    outdated = replace(anna, password_hash="another")
    with pytest.raises(WrongPasswordError):
        auth_database.transact(use_cases.change_password, outdated, "new", revoke_api_keys=True)
    auth_database.transact(use_cases.change_password, anna, "hash", revoke_api_keys=False)
    assert len(auth_database.read(use_cases.list_keys, principal(anna), 9, None)) == 2
    anna = auth_database.read(use_cases.find_user, "anna")
    auth_database.transact(use_cases.change_password, anna, "hash", revoke_api_keys=True)
    assert auth_database.read(use_cases.list_keys, principal(anna), 9, None) == []
    assert len(auth_database.read(use_cases.list_keys, principal(bert), 9, None)) == 1


def test_who_came_with_the_old_password_makes_no_key_after_its_change(
    auth_database: Database[Store], authenticator: Authenticator, anna: User
) -> None:
    """A request that was authenticated before, and whose body comes slowly, would leave a key behind."""
    caller = authenticator.authenticate(basic("anna", PASSWORD), HERE)
    auth_database.transact(use_cases.create_key, caller, "")
    auth_database.transact(use_cases.change_password, anna, hash_password("another one"), revoke_api_keys=True)
    with pytest.raises(UnauthorizedError):
        auth_database.transact(use_cases.create_key, caller, "")
    assert auth_database.read(use_cases.list_keys, caller, 9, None) == []
    auth_database.transact(use_cases.create_key, authenticator.authenticate(basic("anna", "another one"), HERE), "")


def test_password_change_of_a_deleted_user_misses_the_new_user_of_the_name(
    auth_database: Database[Store], anna: User
) -> None:
    auth_database.transact(use_cases.delete_user, "anna")
    again = auth_database.transact(use_cases.create_user, "anna", "hash of the new one")
    with pytest.raises(WrongPasswordError):
        auth_database.transact(use_cases.change_password, anna, "hash of the old one")
    assert auth_database.read(use_cases.find_user, "anna") == again


def test_user_deleted_under_a_request_gets_no_key(auth_database: Database[Store], anna: User) -> None:
    auth_database.transact(use_cases.delete_user, "anna")
    with pytest.raises(UnauthorizedError):
        auth_database.transact(use_cases.create_key, principal(anna), "")


def test_failed_statement_shows_no_hash_in_the_log(auth_database: Database[Store], anna: User) -> None:
    with auth_database.engine.connect() as connection, pytest.raises(sa.exc.IntegrityError) as told:
        connection.execute(users.insert().values(asdict(anna)))
    assert anna.password_hash not in str(told.value)


def test_readiness_outlives_a_database_that_is_away(auth_database: Database[Store]) -> None:
    own, shared = auth_database.checks()
    assert health.examine(own, shared)[0]
    with auth_database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    assert health.examine(own, shared)[0]
    assert not health.examine(*auth_database.checks())[0]


# --- the quota of API keys ---


def make_keys(database: Database[Store], user: User, most: int, count: int) -> int:
    """Make `count` keys at the same moment; return how many were not refused."""
    begin = Barrier(count)

    def make(_: int) -> bool:
        begin.wait()
        try:
            database.transact(use_cases.create_key, by_password(user), "", most=most)
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(make, range(count)))


@pytest.mark.parametrize("before", [0, 3])
def test_of_many_keys_at_the_limit_as_many_are_made_as_there_is_room_for(
    auth_database: Database[Store], anna: User, before: int
) -> None:
    for _ in range(before):
        auth_database.transact(use_cases.create_key, by_password(anna), "")
    assert make_keys(auth_database, anna, before + 2, 6) == 2
    with pytest.raises(QuotaExceededError) as refused:
        auth_database.transact(use_cases.create_key, by_password(anna), "", most=2)
    assert refused.value.members == {"quota": "api_keys", "limit": 2, "use": before + 2}


def test_key_is_refused_while_the_last_one_is_being_made(auth_database: Database[Store], anna: User) -> None:
    parent, _ = auth_database.transact(use_cases.create_key, by_password(anna), "")
    by_key = Principal(anna.user_id, "anna", "key", key_id=parent.key_id)
    for first, second in ((by_password(anna), by_password(anna)), (by_password(anna), by_key)):
        most = auth_database.read(Store.count_keys, anna.user_id) + 1
        with pytest.raises(QuotaExceededError):
            while_open(
                auth_database,
                partial(use_cases.create_key, caller=first, description="", most=most),
                partial(
                    auth_database.transact, partial(use_cases.create_key, caller=second, description="", most=most)
                ),
            )


def test_revoked_key_makes_room_with_its_children(auth_database: Database[Store], anna: User) -> None:
    def make(caller: Principal) -> ApiKey:
        return auth_database.transact(use_cases.create_key, caller, "", most=3)[0]

    parent = make(by_password(anna))
    make(Principal(anna.user_id, "anna", "key", key_id=parent.key_id))
    make(by_password(anna))
    with pytest.raises(QuotaExceededError):
        make(by_password(anna))
    auth_database.transact(use_cases.delete_key, by_password(anna), KeyName(parent.key_id), lambda _: None)
    assert make_keys(auth_database, anna, 3, 4) == 2


def test_expired_keys_do_not_count_and_the_last_of_them_stay(auth_database: Database[Store], anna: User) -> None:
    """Otherwise keys for an hour would use up the limit, or without one the disk."""
    later = now() + timedelta(hours=1)

    def make(number: int) -> str:
        expires_at = later + timedelta(minutes=number)
        key, _ = auth_database.transact(use_cases.create_key, by_password(anna), "", expires_at=expires_at, most=2)
        return key.key_id

    def expire() -> None:
        with auth_database.engine.begin() as connection:
            for key_id, expires_at in connection.execute(sa.select(api_keys.c.key_id, api_keys.c.expires_at)).all():
                of_key = api_keys.update().where(api_keys.c.key_id == key_id)
                connection.execute(of_key.values(expires_at=expires_at - timedelta(days=1)))

    made = []
    for number in range(0, 6, 2):
        made += [make(number), make(number + 1)]
        with pytest.raises(QuotaExceededError):
            make(9)
        expire()
    assert auth_database.read(Store.count_keys, anna.user_id) == 0
    listed = auth_database.read(use_cases.list_keys, by_password(anna), 9, None)
    assert {key.key_id for key in listed} == set(made[2:])


def test_limit_of_keys_is_of_each_user(auth_database: Database[Store], anna: User) -> None:
    bert = auth_database.transact(use_cases.create_user, "bert", "unusable")
    for user in (anna, bert):
        auth_database.transact(use_cases.create_key, by_password(user), "", most=1)
