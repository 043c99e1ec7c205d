"""A process whose schema is missing or older is not ready, says so in its log, and gets ready when it is migrated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from auth.bootstrap import make_database as make_auth
from auth.settings import DatabaseSettings as AuthSettings
from catalog.bootstrap import make_database as make_catalog
from catalog.settings import DatabaseSettings as CatalogSettings
from chassis.database.database import Database
from chassis.settings import load


@pytest.mark.parametrize(
    ("variable", "make"),
    [
        ("AUTH_DATABASE_URL", lambda: make_auth(load(AuthSettings))),
        ("CATALOG_DATABASE_URL", lambda: make_catalog(load(CatalogSettings))),
    ],
)
def test_readiness_that_waits_for_the_schema_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, make: Callable[[], Database[Any]]
) -> None:
    monkeypatch.setenv(variable, f"sqlite:///{tmp_path / 'data.db'}")
    database = make()
    own, _ = database.checks()
    with capture_logs() as logged:
        assert own["schema"]() is False
    assert [line["event"] for line in logged] == ["waiting for the schema"]
    database.migrate()
    with capture_logs() as logged:
        assert own["schema"]() is True
    assert logged == []
    database.engine.dispose()
