"""Indexes by which the watchdog finds stuck jobs and images, built concurrently on PostgreSQL."""

from alembic import op

revision = "0003"
down_revision = "0002"

INDEXES = {"jobs_sent": ("jobs", ["date_sent"]), "images_state": ("images", ["status", "date_updated"])}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        for name, (table, columns) in INDEXES.items():
            op.create_index(name, table, columns)
        return
    with op.get_context().autocommit_block():
        for name, (table, columns) in INDEXES.items():
            # A build that was interrupted leaves an invalid index.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, table, columns, postgresql_concurrently=True)
