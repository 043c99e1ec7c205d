"""Images know since when they are pending, which a change of their title leaves alone."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("images", sa.Column("date_pending", UtcDateTime, nullable=True))
    # Not filled in for those that are pending: nobody could use the table meanwhile. Without it date_updated counts.
