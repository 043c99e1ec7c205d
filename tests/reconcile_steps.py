"""What the tests of `catalog reconcile` share: the command, images and thumbs to compare, and ways to spoil them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from catalog.adapters import thumbs
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.adapters.tables import installation, jobs
from catalog.cli import main
from catalog.domain import Image, Thumb
from catalog.keys import thumb_key
from catalog.settings import ReconcileSettings
from catalog.upkeep import reconciliation
from catalog.upkeep.findings import Batch, Finding
from catalog.upkeep.reconciliation import Comparison
from catalog_steps import Steps
from chassis.clock import now
from chassis.database.database import Database
from s3 import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KEY = "a/b.jpg"
INSTALLATION = "5f1d5e0a-8a53-4c8e-9f0b-3c2f6f8d7e21"
SQUARES = (64, 128)  # those of catalog_steps.picture
DISPLAY = Thumb(2048, 640, 480)
LONG_AGO, SOON = now() - timedelta(hours=1), now() + timedelta(hours=1)

Reconcile = Callable[..., Result]


def settings_for(url: str) -> ReconcileSettings:
    return ReconcileSettings(
        database_url="sqlite:///unused.db",
        reconcile_s3_endpoint_url=url,
        reconcile_s3_access_key_id="test",
        reconcile_s3_secret_access_key="test",
    )


def ignored(_bucket: str, _conditions: object) -> None:
    """Ignore which conditions S3 keeps."""


@pytest.fixture
def known_installation(catalog_database: Database[Store]) -> None:
    """Make `INSTALLATION` the id of this installation, so that thumbs can be marked with it."""
    with catalog_database.engine.begin() as connection:
        connection.execute(installation.update().values(installation_id=INSTALLATION))


@pytest.fixture
def comparison(
    catalog_database: Database[Store],
    known_installation: None,  # noqa: ARG001
    s3_endpoint: str,
    s3: "S3Client",  # noqa: ARG001
) -> Iterator[Comparison]:
    """The catalog and the bucket side by side, for tests of single steps."""
    database = Database(catalog_database.engine, OperatorsStore, catalog_database.migrations)
    with thumbs.connect(settings_for(s3_endpoint), ignored) as storage:
        yield Comparison(database, storage, BUCKET)


@pytest.fixture
def reconcile(
    any_database_url: str,
    s3_endpoint: str,
    s3: "S3Client",  # noqa: ARG001
    known_installation: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> Reconcile:
    """The command `catalog reconcile` on the database and the bucket of the test."""
    monkeypatch.setenv("CATALOG_DATABASE_URL", any_database_url)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("CATALOG_RECONCILE_S3_SECRET_ACCESS_KEY", "test")
    return lambda *words: CliRunner().invoke(main, ["reconcile", "--bucket", BUCKET, *words])


def put_thumb(
    s3: "S3Client",
    image: Image,
    square: int,
    body: bytes = b"thumb",
    *,
    by: str | None = INSTALLATION,
    generation: int | None = None,
    etag: str = "etag",
) -> str:
    """Write a thumb as imaging does for the installation `by`, named on the thumb unless it is None; return its key."""
    key = thumb_key(image.s3_key, square)
    metadata = {
        "imghost-image-id": image.image_id,
        "imghost-generation": str(generation or image.generation),
        "imghost-etag": etag,
    }
    if by is not None:
        metadata["imghost-installation"] = by
    s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)
    return key


def ready_image(steps: Steps, s3: "S3Client", key: str = KEY, display: Thumb | None = None) -> Image:
    """Make an image that is ready, with its original, all thumbs and, if given, its display picture."""
    image = steps.register(key)
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"original")
    for square in (*SQUARES, *([display.square] if display else [])):
        put_thumb(s3, image, square)
    steps.processed(image, display=display)
    return steps.image(key)


def deleted_image(steps: Steps, s3: "S3Client", key: str = KEY) -> Image:
    """Register an image and delete it, but leave one of its thumbs in the bucket: an orphan."""
    image = steps.register(key)
    steps.processed(image)
    steps.delete(key)
    steps.thumbs_deleted(image)
    put_thumb(s3, image, 64)
    return image


def keys(s3: "S3Client") -> set[str]:
    return {found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def findings(pages: Iterator[Batch]) -> list[Finding]:
    return [finding for page in pages for finding in page.findings]


def all_findings(comparison: Comparison) -> list[Finding]:
    return [
        *findings(reconciliation.find_stuck(comparison, LONG_AGO)),
        *findings(reconciliation.find_in_images(comparison)),
        *findings(reconciliation.find_in_bucket(comparison)),
    ]


def sent_long_ago(comparison: Comparison, *, column: str = "date_sent") -> None:
    """Let all open jobs be sent two hours ago."""
    with comparison.database.engine.begin() as connection:
        connection.execute(jobs.update().values({column: now() - timedelta(hours=2)}))


def restored_elsewhere(comparison: Comparison) -> None:
    """Make the database look like one that was copied from another."""
    with comparison.database.engine.begin() as connection:
        connection.execute(installation.update().values(fingerprint="of the database before"))
