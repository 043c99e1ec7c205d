"""Answers to requests with an idempotency key are kept for a day."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("key_digest", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key_digest", name="kept_answers_pkey"),
    )
    op.create_index("kept_answers_date_created_idx", "kept_answers", ["date_created"], unique=False)
