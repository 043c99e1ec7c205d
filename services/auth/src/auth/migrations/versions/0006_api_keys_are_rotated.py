"""API keys are rotated: the secret that a key had before is accepted for a while."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("previous_digest", sa.String(length=64), nullable=True))
    op.add_column("api_keys", sa.Column("previous_expires_at", UtcDateTime, nullable=True))
