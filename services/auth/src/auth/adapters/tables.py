"""The tables of auth, as the migrations leave them."""

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect

from auth.domain import SCOPES
from chassis.database import audit_notes as chassis_audit_notes
from chassis.database import kept_answers as chassis_kept_answers
from chassis.database import outbox as chassis_outbox
from chassis.database.columns import UtcDateTime


class Words(sa.types.TypeDecorator[tuple[str, ...]]):
    """Words in their order, stored as a text with spaces between them."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the text that is stored."""
        return None if value is None else " ".join(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:  # noqa: ARG002
        """Return the words of a stored text."""
        return None if value is None else tuple(value.split())


METADATA = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
    }
)

users = sa.Table(
    "users",
    METADATA,
    sa.Column("user_id", sa.String(36), primary_key=True),
    sa.Column("username", sa.String(64), nullable=False, unique=True),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("date_created", UtcDateTime, nullable=False),
    sa.Column("date_disabled", UtcDateTime),
)

api_keys = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("key_id", sa.String(16), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("date_created", UtcDateTime, nullable=False),
    sa.Column("date_last_used", UtcDateTime),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("scopes", Words(64), nullable=False, server_default=" ".join(SCOPES)),
    sa.Column("parent_id", sa.ForeignKey("api_keys.key_id", ondelete="CASCADE"), index=True),
    sa.Column("previous_digest", sa.String(64)),
    sa.Column("previous_expires_at", UtcDateTime),
    sa.Index("api_keys_listing", "user_id", "date_created", "key_id"),
)

# One row for each account and source, or each source, with recent failures. The subject is hashed: people type their
# password into the field for the username.
failures = sa.Table(
    "failures",
    METADATA,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("date_blocked_until", UtcDateTime, nullable=False),
    sa.Column("date_forgotten", UtcDateTime, nullable=False, index=True),
)

# How much of the minute that ends at `date_ends` the processes of auth have taken for themselves, to let requests of a
# user pass without asking here each time; see `auth.rate_limits`.
taken_of_minutes = sa.Table(
    "taken_of_minutes",
    METADATA,
    sa.Column("user_id", sa.String(36), primary_key=True),
    sa.Column("limit_name", sa.String(16), primary_key=True),
    sa.Column("taken", sa.Integer, nullable=False),
    sa.Column("date_ends", UtcDateTime, nullable=False, index=True),
)

outbox = chassis_outbox.table(METADATA)

kept_answers = chassis_kept_answers.table(METADATA)
kept_in_hours = chassis_kept_answers.hours_table(METADATA)

audit_notes = chassis_audit_notes.table(METADATA)
