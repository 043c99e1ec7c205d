"""Composition of catalog: what `settings` describe becomes a database, buckets, a signer of uploads."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import BoundedSemaphore

from catalog.adapters import finding
from catalog.adapters.store import Store
from catalog.adapters.tables import kept_answers, kept_in_hours
from catalog.buckets import Bucket, Buckets, aws_url
from catalog.domain import Limits
from catalog.settings import BucketsSettings, DatabaseSettings, ServeSettings
from catalog.uploads import Uploads
from catalog.use_cases import NO_LIMITS
from chassis.database import engines
from chassis.database.database import Database
from chassis.database.kept_answers import Kept
from chassis.health import CheckFailedError, Checks
from chassis.s3 import client as s3
from chassis.token_keys import VerifyingKeys
from chassis.tokens import Keys

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


@dataclass(frozen=True)
class App:
    """What the views of catalog work with."""

    database: Database[Store]
    buckets: Buckets
    uploads: Uploads | None
    token_keys: Keys
    page_bytes: int
    limits: Limits = NO_LIMITS
    kept: Kept = Kept(kept_answers, kept_in_hours)  # noqa: RUF009 - frozen
    # Batches that this process carries out at a time.
    batches: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(2))


def make_database(settings: DatabaseSettings) -> Database[Store]:
    """Return the database that `settings` name; connections are made when they are needed."""
    engine = engines.connect(settings)
    finding.prepare(engine)
    return Database(engine, Store, MIGRATIONS)


def checks(database: Database[Store]) -> tuple[Checks, Checks]:
    """Return the health checks: those of this process, and those of what it shares with other replicas."""

    def is_settled() -> bool:
        if not database.read(Store.installation).is_settled:
            raise CheckFailedError("restored into another database; see: catalog installation")
        return True

    own, shared = database.checks()
    return own, {**shared, "installation": is_settled}


def make_buckets(settings: BucketsSettings, default: str | None = None) -> Buckets:
    """Return the buckets that `settings` allow; `default` is that of images that are registered without one."""
    by_name = {
        name: Bucket(bucket.url or aws_url(name), bucket.prefixes, bucket.owners)
        for name, bucket in settings.buckets.items()
    }
    return Buckets(by_name, default)


def make_uploads(settings: ServeSettings) -> Uploads | None:
    """Return what signs uploads, or None if the operator has set no default bucket or no credential.

    The credential needs the right to put objects; nothing is asked of S3.
    """
    if settings.default_bucket is None or settings.s3_access_key_id is None or settings.s3_secret_access_key is None:
        return None
    access = s3.Access.from_settings(settings)
    inside = replace(access, endpoint_url=settings.s3_internal_endpoint_url or access.endpoint_url)
    return Uploads(s3.connect(access), s3.connect(inside), settings.default_bucket, settings.upload_max_bytes)


def make_app(settings: ServeSettings) -> App:
    """Return what the views work with. Raise `OSError` if the public keys cannot be read."""
    return App(
        database=make_database(settings),
        buckets=make_buckets(settings, settings.default_bucket),
        uploads=make_uploads(settings),
        token_keys=VerifyingKeys(settings.token_public_key_file),
        page_bytes=settings.page_bytes,
        limits=Limits(settings.images_per_user, settings.bytes_per_user, settings.collections_per_user),
        kept=Kept(kept_answers, kept_in_hours, settings.kept_answers_per_user, settings.kept_bytes_per_user),
        batches=BoundedSemaphore(max(1, settings.web_threads // 4)),
    )
