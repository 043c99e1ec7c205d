"""The place of a member is unique in its collection, and the key of its row; its index is built concurrently.

It is the index of lists, too. On SQLite the table was made anew so.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

PLACE = "memberships_place"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    with op.get_context().autocommit_block():
        # A build that was interrupted leaves an invalid index.
        op.drop_index(PLACE, "memberships", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            PLACE, "memberships", ["collection_id", "position", "shift"], unique=True, postgresql_concurrently=True
        )
        op.execute(f"""
            ALTER TABLE memberships DROP CONSTRAINT memberships_pkey,
                ADD CONSTRAINT memberships_pkey PRIMARY KEY USING INDEX {PLACE}
        """)
        op.drop_index("memberships_listing", "memberships", if_exists=True, postgresql_concurrently=True)
