"""The pages of the outbox have room for updates on PostgreSQL, and it is vacuumed by the number of dead rows.

Half of each page is left free: so most rows that are leased stay on their page, and no index has to be written. By
default a table is vacuumed when a fifth of it has changed, which is a lot after an outage, and it never shrinks.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("""
            ALTER TABLE outbox SET (
                fillfactor = 50,
                autovacuum_vacuum_scale_factor = 0,
                autovacuum_vacuum_threshold = 5000,
                autovacuum_vacuum_cost_delay = 0
            )
        """)
