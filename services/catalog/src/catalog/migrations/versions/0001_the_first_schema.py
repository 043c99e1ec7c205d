"""The first schema. Migrations only go forward: they expand, and contract a release later."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("collection_id", name="collections_pkey"),
        sa.UniqueConstraint("name", name="collections_name_key"),
    )
    op.create_index("collections_listing", "collections", ["user_id", "date_created", "collection_id"], unique=False)
    op.create_table(
        "deleted_users",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="deleted_users_pkey"),
    )
    op.create_table(
        "images",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("s3_bucket", sa.String(length=255), nullable=False),
        sa.Column("s3_key", sa.String(length=1000), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.Column("date_updated", UtcDateTime, nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("colors", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("thumbs", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("placeholder", sa.String(length=64), nullable=True),
        sa.Column("content_type", sa.String(length=64), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("source_etag", sa.String(length=128), nullable=True),
        sa.Column("recipe", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("image_id", name="images_pkey"),
        sa.UniqueConstraint("s3_key", name="images_s3_key_key"),
    )
    op.create_index("images_listing", "images", ["user_id", "date_created", "image_id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("s3_bucket", sa.String(length=255), nullable=False),
        sa.Column("s3_key", sa.String(length=1000), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="jobs_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_of_key", "jobs", ["s3_key", "s3_bucket", "job_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.Column("date_leased_until", UtcDateTime, nullable=True),
        sa.Column("date_published", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="outbox_pkey"),
    )
    op.create_index("outbox_due", "outbox", ["state", "date_created"], unique=False)
    op.create_index("outbox_published", "outbox", ["state", "date_published"], unique=False)
    op.create_table(
        "upload_prefixes",
        sa.Column("prefix", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("prefix", name="upload_prefixes_pkey"),
    )
    op.create_table(
        "memberships",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.collection_id"], name="memberships_collection_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.image_id"], name="memberships_image_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("position", name="memberships_pkey"),
        sa.UniqueConstraint("collection_id", "image_id", name="memberships_pair_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("memberships_image_id_idx", "memberships", ["image_id"], unique=False)
    op.create_index("memberships_listing", "memberships", ["collection_id", "position"], unique=False)
