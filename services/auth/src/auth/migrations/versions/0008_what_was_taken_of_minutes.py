"""How much of each user's present minute the processes of auth have taken for themselves."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "taken_of_minutes",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("limit_name", sa.String(length=16), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("date_ends", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "limit_name", name="taken_of_minutes_pkey"),
    )
    op.create_index("taken_of_minutes_date_ends_idx", "taken_of_minutes", ["date_ends"])
