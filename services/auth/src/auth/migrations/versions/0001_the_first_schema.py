"""The first schema. Migrations only go forward: they expand, and contract a release later."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "failures",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("date_blocked_until", UtcDateTime, nullable=False),
        sa.Column("date_forgotten", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="failures_pkey"),
    )
    op.create_index("failures_date_forgotten_idx", "failures", ["date_forgotten"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.Column("date_leased_until", UtcDateTime, nullable=True),
        sa.Column("date_published", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="outbox_pkey"),
    )
    op.create_index("outbox_due", "outbox", ["state", "date_created"], unique=False)
    op.create_index("outbox_published", "outbox", ["state", "date_published"], unique=False)
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="users_pkey"),
        sa.UniqueConstraint("username", name="users_username_key"),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.Column("date_last_used", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="api_keys_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_id", name="api_keys_pkey"),
    )
    op.create_index("api_keys_listing", "api_keys", ["user_id", "date_created", "key_id"], unique=False)
