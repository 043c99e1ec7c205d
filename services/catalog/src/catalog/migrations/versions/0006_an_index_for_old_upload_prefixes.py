"""An index by which old upload prefixes are found, built concurrently on PostgreSQL."""

from alembic import op

revision = "0006"
down_revision = "0005"

NAME = "upload_prefixes_date_created_idx"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.create_index(NAME, "upload_prefixes", ["date_created"])
        return
    with op.get_context().autocommit_block():
        # A build that was interrupted leaves an invalid index.
        op.drop_index(NAME, "upload_prefixes", if_exists=True, postgresql_concurrently=True)
        op.create_index(NAME, "upload_prefixes", ["date_created"], postgresql_concurrently=True)
