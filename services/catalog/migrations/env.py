"""How Alembic runs the migrations of catalog: on the connection that the command hands over."""

from alembic import context

from catalog.adapters.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=METADATA, transactional_ddl=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
