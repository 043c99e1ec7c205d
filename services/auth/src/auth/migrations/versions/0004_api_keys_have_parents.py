"""API keys have parents: the keys that they were made with. Those that are there have none."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # SQLite adds a constraint only to a table that is made anew, as this does there.
    with op.batch_alter_table("api_keys") as table:
        table.add_column(sa.Column("parent_id", sa.String(length=16)))
        table.create_foreign_key("api_keys_parent_id_fkey", "api_keys", ["parent_id"], ["key_id"], ondelete="CASCADE")
