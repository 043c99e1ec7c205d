"""How Alembic runs the migrations of catalog: on the connection of whoever runs it."""

from alembic import context

from catalog.adapters.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    transactional_ddl=True,
    transaction_per_migration=True,
    user_module_prefix="",  # of `UtcDateTime` in a generated migration, which imports it by name
)
with context.begin_transaction():
    context.run_migrations()
