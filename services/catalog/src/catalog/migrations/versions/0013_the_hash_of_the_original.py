"""Images have the SHA-256 of their original; null until they are processed again."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("images", sa.Column("sha256", sa.String(length=64), nullable=True))
