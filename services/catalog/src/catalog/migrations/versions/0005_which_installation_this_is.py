"""The database records which installation it is of, and in which database that was settled."""

import uuid

import sqlalchemy as sa
from alembic import op

from chassis.clock import now
from chassis.database import fingerprint
from chassis.database.columns import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    installation = op.create_table(
        "installation",
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("fingerprint", sa.String(length=255), nullable=False),
        sa.Column("owns_unmarked", sa.Boolean(), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("installation_id", name="installation_pkey"),
    )
    op.bulk_insert(
        installation,
        [
            {
                "installation_id": str(uuid.uuid4()),
                "fingerprint": fingerprint.of(op.get_bind()),
                "owns_unmarked": True,
                "date_created": now(),
            }
        ],
    )
