"""Fingerprints of databases: they differ between a database and another one that a dump of it is restored into.

No row can show the difference, because a dump contains all rows, ids included.
"""

from pathlib import Path

import sqlalchemy as sa

from chassis.database.engines import keeps_sessions

_KEPT = "chassis_fingerprint"


def of(connection: sa.Connection) -> str:
    """Return the fingerprint of the database of `connection`.

    PostgreSQL: the system identifier of the cluster, which initdb makes and standbys share, and the object id of the
    database. SQLite: the inode of the file.
    """
    kept = connection.info.get(_KEPT)
    if kept is None:
        kept = _ask(connection)
        if keeps_sessions(connection):  # else a pooler may connect it to another server later
            connection.info[_KEPT] = kept
    return str(kept)


def _ask(connection: sa.Connection) -> str:
    if connection.dialect.name != "postgresql":
        path = connection.engine.url.database
        return f"sqlite/{Path(path).stat().st_ino if path and path != ':memory:' else 'memory'}"
    # Some managed servers do not show the system identifier; there the object id has to be enough.
    number = connection.scalar(sa.text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    may_ask = connection.scalar(sa.text("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"))
    cluster = connection.scalar(sa.text("SELECT system_identifier FROM pg_control_system()")) if may_ask else "unknown"
    return f"postgresql/{cluster}/{number}"
