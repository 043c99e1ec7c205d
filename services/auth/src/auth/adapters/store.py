"""Every query of auth. A `Store` lives as long as one transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from auth.adapters.tables import (
    api_keys,
    audit_notes,
    failures,
    kept_answers,
    kept_in_hours,
    outbox,
    taken_of_minutes,
    users,
)
from auth.domain import LAST_USED_EXACT_TO, ApiKey, Failures, TakenOfMinute, User
from auth.errors import UnauthorizedError, UsernameTakenError
from chassis.audit import Entry
from chassis.database import audit_notes as chassis_audit_notes
from chassis.database import outbox as chassis_outbox
from chassis.database.shared_clock import shared_now
from chassis.envelope import Event

# What nearly every request asks for, so that it is put together once.
_KEY_WITH_USER = (
    sa.select(*api_keys.c, *users.c).join_from(api_keys, users).where(api_keys.c.key_id == sa.bindparam("key_id"))
)
_KEYS_WITH_USERS = (
    sa.select(*api_keys.c, *users.c)
    .join_from(api_keys, users)
    .where(api_keys.c.key_id.in_(sa.bindparam("key_ids", expanding=True)))
)
_USER_WITH_FAILURES = sa.select(
    *users.c, failures.c.failed, failures.c.date_blocked_until, failures.c.date_forgotten
).select_from(
    sa.select(sa.literal(1))
    .subquery()
    .outerjoin(users, users.c.username == sa.bindparam("username"))
    .outerjoin(failures, failures.c.subject == sa.bindparam("subject"))
)

_USERS = sa.select(users).where(users.c.username.in_(sa.bindparam("usernames", expanding=True)))
_FAILED = sa.select(failures.c.subject).where(failures.c.subject.in_(sa.bindparam("subjects", expanding=True)))


class Store:
    """Users, API keys and failures, within the transaction of `connection`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def now(self) -> datetime:
        """Return the present moment by the database's clock, which all replicas of auth share."""
        return shared_now(self._connection)

    def add_user(self, user: User) -> None:
        """Insert a new user. Raise `UsernameTakenError` if another user has the name."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(users.insert().values(asdict(user)))
        except sa.exc.IntegrityError:
            raise UsernameTakenError(user.username) from None

    def user(self, username: str) -> User | None:
        """Return the user with this name, or None."""
        row = self._connection.execute(sa.select(users).where(users.c.username == username)).mappings().first()
        return User(**row) if row else None

    def user_by_id(self, user_id: str, *, locked: bool = False) -> User | None:
        """Return the user with this id, or None; `locked` keeps others from changing it until the transaction ends."""
        query = sa.select(users).where(users.c.user_id == user_id)
        row = self._connection.execute(query.with_for_update(read=True) if locked else query).mappings().first()
        return User(**row) if row else None

    def lock_new_keys(self, user_id: str) -> None:
        """Have other transactions that call this for the same user wait until this one ends."""
        of_user = sa.select(users.c.user_id).where(users.c.user_id == user_id)
        self._connection.execute(of_user.with_for_update(key_share=True))

    def users(self) -> Sequence[User]:
        """Return all users, sorted by name."""
        rows = self._connection.execute(sa.select(users).order_by(users.c.username)).mappings()
        return [User(**row) for row in rows]

    def set_password_hash(self, user_id: str, password_hash: str) -> None:
        """Replace a user's password hash."""
        self._connection.execute(users.update().where(users.c.user_id == user_id).values(password_hash=password_hash))

    def replace_password_hash(self, user_id: str, known: str, password_hash: str) -> bool:
        """Replace a user's password hash if it is still `known` and they are not disabled. Return whether it was so."""
        replaced = self._connection.execute(
            users.update()
            .where(users.c.user_id == user_id, users.c.password_hash == known, users.c.date_disabled.is_(None))
            .values(password_hash=password_hash)
        )
        return replaced.rowcount == 1

    def disable_user(self, user_id: str, moment: datetime) -> bool:
        """Disable a user as of `moment`. Return whether there is one who was not disabled."""
        enabled = users.update().where(users.c.user_id == user_id, users.c.date_disabled.is_(None))
        return self._connection.execute(enabled.values(date_disabled=moment)).rowcount == 1

    def enable_user(self, user_id: str) -> bool:
        """Enable a user. Return whether there is one who was disabled."""
        disabled = users.update().where(users.c.user_id == user_id, users.c.date_disabled.is_not(None))
        return self._connection.execute(disabled.values(date_disabled=None)).rowcount == 1

    def rename_user(self, user_id: str, username: str) -> bool:
        """Give a user another name. Return whether there is one. Raise `UsernameTakenError` if another has the name."""
        renamed = users.update().where(users.c.user_id == user_id).values(username=username)
        try:
            with self._connection.begin_nested():
                return self._connection.execute(renamed).rowcount == 1
        except sa.exc.IntegrityError:
            raise UsernameTakenError(username) from None

    def lock_user(self, user_id: str) -> bool:
        """Keep others from changing a user, and from making keys for them, until the transaction ends.

        Return whether there is one.
        """
        query = sa.select(users.c.user_id).where(users.c.user_id == user_id).with_for_update()
        return self._connection.execute(query).first() is not None

    def delete_user(self, user_id: str) -> None:
        """Delete a user, all their API keys, and the answers that are kept for them."""
        self._connection.execute(users.delete().where(users.c.user_id == user_id))
        # Last: rotations that have locked one of the keys are over now, and what they have kept can be seen.
        self._connection.execute(kept_answers.delete().where(kept_answers.c.user_id == user_id))
        self._connection.execute(kept_in_hours.delete().where(kept_in_hours.c.user_id == user_id))

    def add_key(self, key: ApiKey) -> None:
        """Insert a new API key. Raise `UnauthorizedError` if its user or parent was deleted after authentication."""
        try:
            self._connection.execute(api_keys.insert().values(asdict(key)))
        except sa.exc.IntegrityError:
            raise UnauthorizedError from None

    def key(self, key_id: str, *, locked: bool = False) -> ApiKey | None:
        """Return the API key with this public id, or None; `locked` locks its row until the transaction ends."""
        query = sa.select(api_keys).where(api_keys.c.key_id == key_id)
        row = self._connection.execute(query.with_for_update() if locked else query).mappings().first()
        return ApiKey(**row) if row else None

    def key_with_user(self, key_id: str) -> tuple[ApiKey, User] | None:
        """Return the API key with this public id, and its user, or None."""
        row = self._connection.execute(_KEY_WITH_USER, {"key_id": key_id}).first()
        return _key_with_user(row) if row else None

    def keys_with_ids(self, key_ids: Sequence[str]) -> Mapping[str, tuple[ApiKey, User]]:
        """Return those API keys that there are by their public ids, each with its user."""
        rows = self._connection.execute(_KEYS_WITH_USERS, {"key_ids": key_ids})
        return {key.key_id: (key, user) for key, user in map(_key_with_user, rows)}

    def user_with_failures(self, username: str, subject: str) -> tuple[User | None, Failures | None]:
        """Return the user with this name, and the failures of `subject`, each None if there are none."""
        row = self._connection.execute(_USER_WITH_FAILURES, {"username": username, "subject": subject}).one()
        user, failed = row[: len(users.c)], row[len(users.c) :]
        return User(*user) if user[0] is not None else None, Failures(*failed) if failed[0] is not None else None

    def users_with_names(self, usernames: Iterable[str]) -> Mapping[str, User]:
        """Return those users that there are by their names."""
        rows = self._connection.execute(_USERS, {"usernames": list(usernames)})
        return {user.username: user for user in (User(*row) for row in rows)}

    def failed_subjects(self, subjects: Iterable[str]) -> Collection[str]:
        """Return those of `subjects` that have failures, also if these are to be forgotten by now."""
        return set(self._connection.scalars(_FAILED, {"subjects": list(subjects)}))

    def keys(self, user_id: str, limit: int, after: tuple[datetime, str] | None) -> Sequence[ApiKey]:
        """Return up to `limit` keys of a user, newest first, starting behind the position `after`."""
        query = sa.select(api_keys).where(api_keys.c.user_id == user_id)
        if after is not None:
            query = query.where(sa.tuple_(api_keys.c.date_created, api_keys.c.key_id) < after)
        query = query.order_by(api_keys.c.date_created.desc(), api_keys.c.key_id.desc()).limit(limit)
        return [ApiKey(**row) for row in self._connection.execute(query).mappings()]

    def count_keys(self, user_id: str) -> int:
        """Return how many API keys a user has that have not expired."""
        count = sa.select(sa.func.count()).select_from(api_keys)
        not_expired = sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > self.now())
        return int(self._connection.scalar(count.where(api_keys.c.user_id == user_id, not_expired)) or 0)

    def forget_expired_keys(self, user_id: str, keep: int) -> None:
        """Delete the expired API keys of a user but for the `keep` that expired last."""
        expired = sa.and_(api_keys.c.user_id == user_id, api_keys.c.expires_at <= self.now())
        latest = (api_keys.c.expires_at.desc(), api_keys.c.key_id)
        kept = sa.select(api_keys.c.key_id).where(expired).order_by(*latest).limit(keep)
        self._connection.execute(api_keys.delete().where(expired, api_keys.c.key_id.not_in(kept)))

    def keys_with_users(self, user_id: str | None) -> Sequence[tuple[User, ApiKey]]:
        """Return all API keys with their users, or those of one user, by name of the user and the oldest first."""
        query = sa.select(users, api_keys).join_from(api_keys, users)
        if user_id is not None:
            query = query.where(api_keys.c.user_id == user_id)
        rows = self._connection.execute(query.order_by(users.c.username, api_keys.c.date_created, api_keys.c.key_id))
        return [
            (
                User(**{column.name: row[column] for column in users.c}),
                ApiKey(**{column.name: row[column] for column in api_keys.c}),
            )
            for row in rows.mappings()
        ]

    def line(self, key_id: str) -> Sequence[str]:
        """Return the ids of an API key, of its parent, of the parent of that, and so on."""
        columns = sa.select(api_keys.c.key_id, api_keys.c.parent_id)
        line = columns.where(api_keys.c.key_id == key_id).cte("line", recursive=True)
        line = line.union_all(columns.join(line, api_keys.c.key_id == line.c.parent_id))
        return self._connection.scalars(sa.select(line.c.key_id)).all()

    def descendants(self, key_id: str) -> Sequence[str]:
        """Return the ids of the API keys that were made with this one, of those that were made with them, and so on."""
        below = sa.select(api_keys.c.key_id).where(api_keys.c.parent_id == key_id).cte("below", recursive=True)
        below = below.union_all(sa.select(api_keys.c.key_id).join(below, api_keys.c.parent_id == below.c.key_id))
        return self._connection.scalars(sa.select(below.c.key_id)).all()

    def describe_key(self, key_id: str, description: str) -> None:
        """Replace the description of an API key."""
        self._connection.execute(api_keys.update().where(api_keys.c.key_id == key_id).values(description=description))

    def replace_secret(self, key_id: str, digest: str, previous_digest: str, previous_expires_at: datetime) -> None:
        """Replace the secrets of an API key: the one that it has from now on, and the one that it had."""
        secrets = {
            "digest": digest,
            "previous_digest": previous_digest,
            "previous_expires_at": previous_expires_at,
        }
        self._connection.execute(api_keys.update().where(api_keys.c.key_id == key_id).values(secrets))

    def touch_key(self, key_id: str, moment: datetime) -> None:
        """Note that an API key was used at `moment`, unless a use was noted less than `LAST_USED_EXACT_TO` before."""
        is_due = sa.or_(api_keys.c.date_last_used.is_(None), api_keys.c.date_last_used <= moment - LAST_USED_EXACT_TO)
        self._connection.execute(
            api_keys.update().where(api_keys.c.key_id == key_id, is_due).values(date_last_used=moment)
        )

    def delete_key(self, key_id: str) -> None:
        """Delete an API key and all that descend from it."""
        self._connection.execute(api_keys.delete().where(api_keys.c.key_id == key_id))

    def delete_keys(self, user_id: str) -> Sequence[str]:
        """Delete all API keys of a user, whose row is locked. Return their ids."""
        ids = self._connection.scalars(sa.select(api_keys.c.key_id).where(api_keys.c.user_id == user_id)).all()
        self._connection.execute(api_keys.delete().where(api_keys.c.user_id == user_id))
        return ids

    def failures(self, subject: str) -> Failures | None:
        """Return the failures of `subject`, also if they are to be forgotten by now."""
        row = self._connection.execute(sa.select(failures).where(failures.c.subject == subject)).first()
        return Failures(row.failed, row.date_blocked_until, row.date_forgotten) if row else None

    def add_failure(self, subject: str, moment: datetime, forgotten: datetime, *, renew: bool) -> int:
        """Count one more failure of `subject` and return the new count, atomically: concurrent failures all count.

        All are forgotten together, at the `forgotten` of the first failure, or with `renew` at that of the latest.
        """
        is_over = failures.c.date_forgotten <= moment
        counted = (
            failures.update()
            .where(failures.c.subject == subject)
            .values(
                failed=sa.case((is_over, 1), else_=failures.c.failed + 1),
                date_forgotten=forgotten if renew else sa.case((is_over, forgotten), else_=failures.c.date_forgotten),
            )
            .returning(failures.c.failed)
        )
        count: int | None = self._connection.scalar(counted)
        if count is not None:
            return count
        try:
            with self._connection.begin_nested():
                self._connection.execute(
                    failures.insert().values(
                        subject=subject, failed=1, date_blocked_until=moment, date_forgotten=forgotten
                    )
                )
        except sa.exc.IntegrityError:  # another request inserted the first failure meanwhile
            return int(self._connection.scalar(counted) or 1)
        return 1

    def block(self, subject: str, until: datetime) -> None:
        """Refuse attempts of `subject` until a moment."""
        self._connection.execute(
            failures.update().where(failures.c.subject == subject).values(date_blocked_until=until)
        )

    def sweep_failures(self) -> None:
        """Delete the failures whose time to be forgotten has come."""
        self._connection.execute(failures.delete().where(failures.c.date_forgotten <= self.now()))

    def take_of_minute(self, user_id: str, limit_name: str, count: int, length: timedelta) -> TakenOfMinute:
        """Take `count` of a user's present minute, atomically, and return what was taken by then, these included.

        A minute of the given `length` begins when the first is taken after the one before. How many there are is not
        looked at here: whoever takes more than are left gets only those.
        """
        moment = self.now()
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        added = insert(taken_of_minutes).values(
            user_id=user_id, limit_name=limit_name, taken=count, date_ends=moment + length
        )
        known = taken_of_minutes.c
        # The second: the clock was put back, and not by a moment only: who has looked at it later may have been first.
        is_over = (known.date_ends <= moment) | (known.date_ends > moment + 2 * length)
        counted = added.on_conflict_do_update(
            index_elements=[known.user_id, known.limit_name],
            set_={
                "taken": sa.case((is_over, count), else_=known.taken + count),
                "date_ends": sa.case((is_over, added.excluded.date_ends), else_=known.date_ends),
            },
        )
        row = self._connection.execute(counted.returning(known.taken, known.date_ends)).one()
        return TakenOfMinute(row.taken, row.date_ends - moment)

    def taken_of_minutes(self, user_id: str) -> Mapping[str, int]:
        """Return how much of a user's present minute is taken, by the names of the limits."""
        of_user = (taken_of_minutes.c.user_id == user_id) & (taken_of_minutes.c.date_ends > self.now())
        query = sa.select(taken_of_minutes.c.limit_name, taken_of_minutes.c.taken).where(of_user)
        return {row.limit_name: row.taken for row in self._connection.execute(query)}

    def forget_minutes(self) -> None:
        """Delete what was taken of minutes that are over."""
        self._connection.execute(taken_of_minutes.delete().where(taken_of_minutes.c.date_ends <= self.now()))

    def note(self, entry: Entry) -> None:
        """Have the worker write `entry` into the audit log once this transaction is committed."""
        chassis_audit_notes.add(self._connection, audit_notes, entry, self.now())

    def has_notes(self) -> bool:
        """Return whether there is anything to be written into the audit log."""
        return chassis_audit_notes.are_there(self._connection, audit_notes)

    def send(self, event: Event) -> None:
        """Write `event` into the outbox, in this transaction."""
        chassis_outbox.add(self._connection, outbox, event)


def _key_with_user(row: sa.Row[Any]) -> tuple[ApiKey, User]:
    return ApiKey(*row[: len(api_keys.c)]), User(*row[len(api_keys.c) :])
