"""Every query of auth; a Store lives as long as one transaction."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from auth.adapters.tables import api_keys, failures, outbox, users
from auth.domain import LAST_USED_EXACT_TO, ApiKey, Failures, User
from auth.errors import UnauthorizedError, UsernameTakenError
from chassis.database import outbox as chassis_outbox
from chassis.database.shared_clock import shared_now
from chassis.envelope import Event


class Store:
    """Users, API keys and failures, within the transaction of CONNECTION."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def now(self) -> datetime:
        """Give the present moment by the clock that all replicas of auth share."""
        return shared_now(self._connection)

    def add_user(self, user: User) -> None:
        """Keep a new user; raises UsernameTakenError."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(users.insert().values(asdict(user)))
        except sa.exc.IntegrityError:
            raise UsernameTakenError(user.username) from None

    def user(self, username: str) -> User | None:
        """Find a user by name."""
        row = self._connection.execute(sa.select(users).where(users.c.username == username)).mappings().first()
        return User(**row) if row else None

    def user_by_id(self, user_id: str) -> User | None:
        """Find a user by id."""
        row = self._connection.execute(sa.select(users).where(users.c.user_id == user_id)).mappings().first()
        return User(**row) if row else None

    def users(self) -> Sequence[User]:
        """Give all users by name."""
        rows = self._connection.execute(sa.select(users).order_by(users.c.username)).mappings()
        return [User(**row) for row in rows]

    def set_password_hash(self, user_id: str, password_hash: str) -> None:
        """Replace the password of USER_ID."""
        self._connection.execute(users.update().where(users.c.user_id == user_id).values(password_hash=password_hash))

    def replace_password_hash(self, user_id: str, known: str, password_hash: str) -> bool:
        """Replace the password of USER_ID if its hash is still the KNOWN one; tell whether it was."""
        replaced = self._connection.execute(
            users.update()
            .where(users.c.user_id == user_id, users.c.password_hash == known)
            .values(password_hash=password_hash)
        )
        return replaced.rowcount == 1

    def delete_user(self, user_id: str) -> None:
        """Delete USER_ID and all its API keys."""
        self._connection.execute(users.delete().where(users.c.user_id == user_id))

    def add_key(self, key: ApiKey) -> None:
        """Keep a new API key; raises UnauthorizedError if its user was deleted since the request was let in."""
        try:
            self._connection.execute(api_keys.insert().values(asdict(key)))
        except sa.exc.IntegrityError:
            raise UnauthorizedError from None

    def key(self, key_id: str, *, locked: bool = False) -> ApiKey | None:
        """Find an API key by its public id; LOCKED holds it until the transaction ends."""
        query = sa.select(api_keys).where(api_keys.c.key_id == key_id)
        row = self._connection.execute(query.with_for_update() if locked else query).mappings().first()
        return ApiKey(**row) if row else None

    def keys(self, user_id: str, limit: int, after: tuple[datetime, str] | None) -> Sequence[ApiKey]:
        """Give up to LIMIT keys of USER_ID, newest first, those after the position AFTER."""
        query = sa.select(api_keys).where(api_keys.c.user_id == user_id)
        if after is not None:
            query = query.where(sa.tuple_(api_keys.c.date_created, api_keys.c.key_id) < after)
        query = query.order_by(api_keys.c.date_created.desc(), api_keys.c.key_id.desc()).limit(limit)
        return [ApiKey(**row) for row in self._connection.execute(query).mappings()]

    def describe_key(self, key_id: str, description: str) -> None:
        """Replace the description of an API key."""
        self._connection.execute(api_keys.update().where(api_keys.c.key_id == key_id).values(description=description))

    def touch_key(self, key_id: str, moment: datetime) -> None:
        """Note that an API key was used at MOMENT, unless that was noted shortly before."""
        known = sa.or_(api_keys.c.date_last_used.is_(None), api_keys.c.date_last_used <= moment - LAST_USED_EXACT_TO)
        self._connection.execute(
            api_keys.update().where(api_keys.c.key_id == key_id, known).values(date_last_used=moment)
        )

    def delete_key(self, key_id: str) -> None:
        """Delete an API key."""
        self._connection.execute(api_keys.delete().where(api_keys.c.key_id == key_id))

    def failures(self, subject: str) -> Failures | None:
        """Give the failures of SUBJECT, over or not."""
        row = self._connection.execute(sa.select(failures).where(failures.c.subject == subject)).first()
        return Failures(row.failed, row.date_blocked_until, row.date_forgotten) if row else None

    def add_failure(self, subject: str, moment: datetime, forgotten: datetime, *, renew: bool) -> int:
        """Count one more failure of SUBJECT at MOMENT and give the new count, in one step that loses none.

        The first is forgotten at FORGOTTEN; RENEW says whether a later one moves that moment.
        """
        over = failures.c.date_forgotten <= moment
        counted = (
            failures.update()
            .where(failures.c.subject == subject)
            .values(
                failed=sa.case((over, 1), else_=failures.c.failed + 1),
                date_forgotten=forgotten if renew else sa.case((over, forgotten), else_=failures.c.date_forgotten),
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
        except sa.exc.IntegrityError:  # another request counted the first failure meanwhile
            return int(self._connection.scalar(counted) or 1)
        return 1

    def block(self, subject: str, until: datetime) -> None:
        """Refuse attempts of SUBJECT UNTIL a moment."""
        self._connection.execute(
            failures.update().where(failures.c.subject == subject).values(date_blocked_until=until)
        )

    def forget_failures(self, subject: str) -> None:
        """Forget the failures of SUBJECT."""
        self._connection.execute(failures.delete().where(failures.c.subject == subject))

    def sweep_failures(self) -> None:
        """Delete what no longer matters."""
        self._connection.execute(failures.delete().where(failures.c.date_forgotten <= self.now()))

    def send(self, event: Event) -> None:
        """Write EVENT into the outbox of this transaction."""
        chassis_outbox.add(self._connection, outbox, event)
