"""Images may have a display picture, which pages show instead of the original; null until they are processed again."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("images", sa.Column("display", sa.JSON(none_as_null=True), nullable=True))
