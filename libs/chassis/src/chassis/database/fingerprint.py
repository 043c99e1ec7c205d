"""Fingerprints of databases: which database a connection leads to, whatever was copied into it.

A dump that is restored elsewhere brings all rows along, ids included; where it lies now no row can tell.
"""

from pathlib import Path

import sqlalchemy as sa

from chassis.database.engines import keeps_sessions

_KEPT = "chassis_fingerprint"


def of(connection: sa.Connection) -> str:
    """Give the fingerprint of the database behind CONNECTION.

    PostgreSQL: the identifier that its cluster was given by initdb, which standbys share and copies of rows do not, and
    the object id of the database in it. SQLite: the inode of the file.
    """
    kept = connection.info.get(_KEPT)
    if kept is None:
        kept = _ask(connection)
        if keeps_sessions(connection):  # else a pooler may lead this connection to another server tomorrow
            connection.info[_KEPT] = kept
    return str(kept)


def _ask(connection: sa.Connection) -> str:
    if connection.dialect.name != "postgresql":
        path = connection.engine.url.database
        return f"sqlite/{Path(path).stat().st_ino if path and path != ':memory:' else 'memory'}"
    # Some managed servers keep control data to themselves; there the object id has to do.
    number = connection.scalar(sa.text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    may_ask = connection.scalar(sa.text("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"))
    cluster = connection.scalar(sa.text("SELECT system_identifier FROM pg_control_system()")) if may_ask else "unknown"
    return f"postgresql/{cluster}/{number}"
