"""Users may be disabled; those that are there are not."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("users", sa.Column("date_disabled", UtcDateTime, nullable=True))
