"""Where the parts of catalog meet: settings become a database, the allowed buckets, a signer of uploads."""

from dataclasses import dataclass
from pathlib import Path

from catalog.adapters.signing import make_uploads
from catalog.adapters.store import Store
from catalog.buckets import Bucket, Buckets, aws_url
from catalog.settings import DatabaseSettings, ServeSettings
from catalog.uploads import Uploads
from chassis.database import engines
from chassis.database.database import Database
from chassis.health import CheckFailedError, Checks

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


@dataclass(frozen=True)
class App:
    """What the views of catalog work with."""

    database: Database[Store]
    buckets: Buckets
    uploads: Uploads | None
    token_public_key: str


def make_database(settings: DatabaseSettings) -> Database[Store]:
    """Connect to the database of SETTINGS."""
    return Database(engines.connect(settings), Store, MIGRATIONS)


def checks(database: Database[Store]) -> tuple[Checks, Checks]:
    """Give the checks for health: our own, and of what is shared."""

    def is_settled() -> bool:
        if not database.read(Store.installation).is_settled:
            raise CheckFailedError("restored into another database; see: catalog installation")
        return True

    own, shared = database.checks()
    return own, {**shared, "installation": is_settled}


def make_buckets(settings: ServeSettings) -> Buckets:
    """Give the buckets that SETTINGS allow."""
    by_name = {
        name: Bucket(bucket.url or aws_url(name), bucket.prefixes, bucket.owners)
        for name, bucket in settings.buckets.items()
    }
    return Buckets(by_name, settings.default_bucket)


def make_app(settings: ServeSettings) -> App:
    """Make what the views work with; raises OSError where the public key cannot be read."""
    return App(
        database=make_database(settings),
        buckets=make_buckets(settings),
        uploads=make_uploads(settings),
        token_public_key=settings.token_public_key_file.read_text(),
    )
