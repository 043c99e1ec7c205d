"""Events leave the outbox in two lanes, the later one after all others, by an index of those that are due only."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

DUE, PUBLISHED = sa.text("state = 'due'"), sa.text("state = 'published'")


def upgrade() -> None:
    op.add_column("outbox", sa.Column("lane", sa.SmallInteger(), nullable=False, server_default="0"))
    waiting, sent = ["lane", "date_created", "id"], ["date_published"]
    op.create_index("outbox_waiting", "outbox", waiting, postgresql_where=DUE, sqlite_where=DUE)
    op.create_index("outbox_sent", "outbox", sent, postgresql_where=PUBLISHED, sqlite_where=PUBLISHED)
    op.drop_index("outbox_due", "outbox")
    op.drop_index("outbox_published", "outbox")
