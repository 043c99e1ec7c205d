"""Indexes by which the images of a user are found, built concurrently on PostgreSQL.

That of words is on PostgreSQL only: SQLite looks at each image.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

NEWEST = ["date_created", "image_id"]
INDEXES = {
    "images_unready": (["user_id", "status", *NEWEST], "status <> 'ready'"),
    "images_of_format": (["user_id", "content_type", *NEWEST], "content_type IS NOT NULL"),
    "images_same": (["user_id", "sha256", *NEWEST], "sha256 IS NOT NULL"),
}
WORDS = """to_tsvector('simple', 'u' || replace(user_id, '-', '') || ' ' ||
    translate(title || ' ' || description || ' ' || s3_key, '/._-+@:&<>~', '           '))"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        for name, (columns, which) in INDEXES.items():
            op.create_index(name, "images", columns, sqlite_where=sa.text(which))
        return
    with op.get_context().autocommit_block():
        # A build that was interrupted leaves an invalid index.
        for name in (*INDEXES, "images_words"):
            op.drop_index(name, "images", if_exists=True, postgresql_concurrently=True)
        for name, (columns, which) in INDEXES.items():
            op.create_index(name, "images", columns, postgresql_where=sa.text(which), postgresql_concurrently=True)
        op.execute(sa.text(f"CREATE INDEX CONCURRENTLY images_words ON images USING gin (({WORDS}))"))
