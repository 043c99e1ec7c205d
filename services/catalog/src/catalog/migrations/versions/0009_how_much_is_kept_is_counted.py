"""How much is kept for each user to be answered again is counted by the hour; what is there already is not."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "kept_in_hours",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("date_begins", UtcDateTime, nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "date_begins", name="kept_in_hours_pkey"),
    )
    op.create_index("kept_in_hours_date_begins_idx", "kept_in_hours", ["date_begins"])
