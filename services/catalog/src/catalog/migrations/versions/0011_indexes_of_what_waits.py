"""Indexes of what waits, however much else there is, and of dead letters; built concurrently on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

PENDING, WAITING = "status = 'pending'", "date_sent IS NULL"
INDEXES = {
    "images_pending": ("images", ["date_pending", "date_updated"], PENDING),
    "images_pending_keys": ("images", ["s3_key", "s3_bucket"], PENDING),
    "jobs_waiting": ("jobs", ["date_created", "job_id"], WAITING),
    "dead_letters_queue": ("dead_letters", ["queue", "dead_letter_id"], None),
    "dead_letters_given_up": ("dead_letters", ["queue", "reason", "dead_letter_id"], None),
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        for name, (table, columns, which) in INDEXES.items():
            op.create_index(name, table, columns, sqlite_where=None if which is None else sa.text(which))
        return
    with op.get_context().autocommit_block():
        for name, (table, columns, which) in INDEXES.items():
            # A build that was interrupted leaves an invalid index.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name,
                table,
                columns,
                postgresql_where=None if which is None else sa.text(which),
                postgresql_concurrently=True,
            )
