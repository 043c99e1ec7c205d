"""Images record since when they are pending, which a change of their title does not affect."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("images", sa.Column("date_pending", UtcDateTime, nullable=True))
    # No values for existing images: that would lock the table. `date_updated` counts where it is null.
