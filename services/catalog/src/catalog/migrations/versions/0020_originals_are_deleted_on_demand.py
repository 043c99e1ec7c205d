"""Originals are deleted on demand, and of each key the image is remembered that was deleted there last."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("images", sa.Column("upload_of", sa.String(length=36), nullable=True))
    op.add_column("jobs", sa.Column("takes_original", sa.Boolean(), nullable=True))
    op.create_table(
        "deleted_images",
        sa.Column("s3_key", sa.String(length=1000), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("takes_original", sa.Boolean(), nullable=False),
        sa.Column("date_deleted", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("s3_key", name="deleted_images_pkey"),
    )
    op.create_index("deleted_images_date_deleted_idx", "deleted_images", ["date_deleted"], unique=False)
