"""Collections have a title, a description, a cover and a revision; members have a shift beside their position.

What a process of the release before adds meanwhile has a position of the table's sequence, and no shift.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("collections", sa.Column("title", sa.String(length=255), nullable=False, server_default=""))
    op.add_column("collections", sa.Column("description", sa.Text(), nullable=False, server_default=""))
    op.add_column("collections", sa.Column("cover_id", sa.String(length=36), nullable=True))
    op.add_column("collections", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "postgresql":
        op.add_column("memberships", sa.Column("shift", sa.BigInteger(), nullable=False, server_default="0"))
        # Positions are counted per collection now. So that one of a process of the release before is not the next one
        # of the same collection here, its positions are far apart.
        op.execute("ALTER SEQUENCE memberships_position_seq INCREMENT BY 1000000")
        return
    op.rename_table("memberships", "former_memberships")
    op.create_table(
        "memberships",
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("shift", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.collection_id"], name="memberships_collection_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.image_id"], name="memberships_image_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "position", "shift", name="memberships_pkey"),
        sa.UniqueConstraint("collection_id", "image_id", name="memberships_pair_key"),
    )
    op.execute("""
        INSERT INTO memberships (collection_id, position, shift, image_id)
        SELECT collection_id, position, 0, image_id FROM former_memberships
    """)
    op.drop_table("former_memberships")
    op.create_index("memberships_image_id_idx", "memberships", ["image_id"], unique=False)
