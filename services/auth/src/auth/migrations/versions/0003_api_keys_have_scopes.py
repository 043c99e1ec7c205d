"""API keys have scopes; those that are there, and those that an earlier release makes, have all."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    scopes = sa.Column("scopes", sa.String(length=64), server_default="read write upload keys", nullable=False)
    op.add_column("api_keys", scopes)
