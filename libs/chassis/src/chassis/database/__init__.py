"""PostgreSQL and SQLite: engines, short transactions, migrations, the outbox."""
