"""Dead letters and runs of reprocessing; jobs record when they were sent, and for which request."""

import sqlalchemy as sa
from alembic import op

from chassis.database.columns import UtcDateTime

revision = "0002"
down_revision = "0001"

Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("dead_letter_id", Serial, autoincrement=True, nullable=False),
        sa.Column("queue", sa.String(length=255), nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("s3_key", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("dead_letter_id", name="dead_letters_pkey"),
        sa.UniqueConstraint("queue", "message_id", name="dead_letters_message_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("dead_letters_reason", "dead_letters", ["reason", "dead_letter_id"], unique=False)
    op.create_table(
        "reprocess_runs",
        sa.Column("run_id", Serial, autoincrement=True, nullable=False),
        sa.Column("selection", sa.JSON(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.String(length=36), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.Column("date_finished", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="reprocess_runs_pkey"),
        sqlite_autoincrement=True,
    )
    op.add_column("jobs", sa.Column("request_id", sa.String(length=128), nullable=True))
    op.add_column("jobs", sa.Column("date_sent", UtcDateTime, nullable=True))
    # No values for existing jobs: that would lock the table. `date_created` counts where it is null.
