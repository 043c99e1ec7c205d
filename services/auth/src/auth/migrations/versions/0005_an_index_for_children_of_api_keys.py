"""An index by which the children of an API key are found, built concurrently on PostgreSQL."""

from alembic import op

revision = "0005"
down_revision = "0004"

NAME = "api_keys_parent_id_idx"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.create_index(NAME, "api_keys", ["parent_id"])
        return
    with op.get_context().autocommit_block():
        # A build that was interrupted leaves an invalid index.
        op.drop_index(NAME, "api_keys", if_exists=True, postgresql_concurrently=True)
        op.create_index(NAME, "api_keys", ["parent_id"], postgresql_concurrently=True)
