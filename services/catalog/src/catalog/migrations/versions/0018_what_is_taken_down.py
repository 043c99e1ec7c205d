"""Keys are blocked at which an operator has taken something down, and what operators do is noted for the audit log."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "blocked_keys",
        sa.Column("s3_key", sa.String(length=1000), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("s3_key", name="blocked_keys_pkey"),
    )
    op.create_table(
        "audit_notes",
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="audit_notes_pkey"),
    )
