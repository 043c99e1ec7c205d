"""The tables of catalog; a test compares them with what the migrations make."""

import sqlalchemy as sa

from catalog.domain import TAKEN_DOWN
from chassis.database import audit_notes as chassis_audit_notes
from chassis.database import kept_answers as chassis_kept_answers
from chassis.database import outbox as chassis_outbox
from chassis.database.columns import UtcDateTime

METADATA = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
    }
)

# SQLite generates ids only in a column whose type is exactly INTEGER.
_Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Written into each statement: a database uses a partial index where it sees that its condition holds.
_PENDING, _WAITING = sa.text("status = 'pending'"), sa.text("date_sent IS NULL")
_UNREADY = sa.text("status <> 'ready'")
_KNOWN_FORMAT, _KNOWN_BYTES = sa.text("content_type IS NOT NULL"), sa.text("sha256 IS NOT NULL")

_NEWEST = ("date_created", "image_id")

images = sa.Table(
    "images",
    METADATA,
    sa.Column("image_id", sa.String(36), primary_key=True),
    sa.Column("user_id", sa.String(36), nullable=False),
    sa.Column("s3_bucket", sa.String(255), nullable=False),
    sa.Column("s3_key", sa.String(1000), nullable=False, unique=True),
    sa.Column("title", sa.String(255), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("date_created", UtcDateTime, nullable=False),
    sa.Column("date_updated", UtcDateTime, nullable=False),
    # The last good result; all of these are null together.
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("colors", sa.JSON(none_as_null=True)),
    sa.Column("thumbs", sa.JSON(none_as_null=True)),
    sa.Column("placeholder", sa.String(64)),
    sa.Column("content_type", sa.String(64)),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("source_etag", sa.String(128)),
    sa.Column("recipe", sa.Integer),
    # Why it failed; both null otherwise.
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_detail", sa.Text),
    # Since when it is pending; null if it is not, or was written by a release that did not know of it.
    sa.Column("date_pending", UtcDateTime),
    # Of the bytes of the original, in hexadecimal digits; null too if an earlier release has processed it.
    sa.Column("sha256", sa.String(64)),
    # The installation that handed out the prefix under which it was uploaded; null if it came to S3 in another way, or
    # was registered by a release that did not tell.
    sa.Column("upload_of", sa.String(36)),
    # What pages show instead of the original; null if they show that.
    sa.Column("display", sa.JSON(none_as_null=True)),
    sa.Index("images_listing", "user_id", "date_created", "image_id"),
    sa.Index("images_state", "status", "date_updated"),
    sa.Index("images_pending", "date_pending", "date_updated", postgresql_where=_PENDING, sqlite_where=_PENDING),
    sa.Index("images_pending_keys", "s3_key", "s3_bucket", postgresql_where=_PENDING, sqlite_where=_PENDING),
    # Nearly all images are ready, and are found by `images_listing`.
    sa.Index("images_unready", "user_id", "status", *_NEWEST, postgresql_where=_UNREADY, sqlite_where=_UNREADY),
    sa.Index(
        "images_of_format",
        "user_id",
        "content_type",
        *_NEWEST,
        postgresql_where=_KNOWN_FORMAT,
        sqlite_where=_KNOWN_FORMAT,
    ),
    sa.Index("images_same", "user_id", "sha256", *_NEWEST, postgresql_where=_KNOWN_BYTES, sqlite_where=_KNOWN_BYTES),
)
# The words of an image: of its title, description and key, and one for its user. PostgreSQL has an index of them, which
# it uses for this very expression; SQLite has none. What the parser would take for a part of an address, a path, a
# number or markup is a space.
WORDS_OF_IMAGE = """to_tsvector('simple', 'u' || replace(user_id, '-', '') || ' ' ||
    translate(title || ' ' || description || ' ' || s3_key, '/._-+@:&<>~', '           '))"""
is_pending = images.c.status == sa.literal_column("'pending'")
# Not taken down. There are few others, so no index is needed.
is_shown = images.c.error_code.is_distinct_from(TAKEN_DOWN)

collections = sa.Table(
    "collections",
    METADATA,
    sa.Column("collection_id", sa.String(36), primary_key=True),
    sa.Column("user_id", sa.String(36), nullable=False),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("date_created", UtcDateTime, nullable=False),
    sa.Column("title", sa.String(255), nullable=False, server_default=""),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    # An image, which may have been deleted, or taken out of the collection.
    sa.Column("cover_id", sa.String(36)),
    sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("collections_listing", "user_id", "date_created", "collection_id"),
)

# Members are added and moved with the row of their collection locked; `places` says what position and shift are.
memberships = sa.Table(
    "memberships",
    METADATA,
    sa.Column("collection_id", sa.ForeignKey("collections.collection_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("shift", sa.BigInteger, primary_key=True, autoincrement=False, server_default="0"),
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), nullable=False, index=True),
    sa.UniqueConstraint("collection_id", "image_id", name="memberships_pair_key"),
)

jobs = sa.Table(
    "jobs",
    METADATA,
    sa.Column("job_id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("s3_bucket", sa.String(255), nullable=False),
    sa.Column("s3_key", sa.String(1000), nullable=False),
    sa.Column("image_id", sa.String(36), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    # Of the request that asked for the job, which may be long over when the job is sent.
    sa.Column("request_id", sa.String(128)),
    # Null without a trace.
    sa.Column("traceparent", sa.String(55)),
    sa.Column("date_created", UtcDateTime, nullable=False),
    # When it was last sent to imaging; null while it waits for the jobs of its key before it.
    sa.Column("date_sent", UtcDateTime),
    # Whether a deletion takes the original, too; null if it was queued by a release that did not know of it.
    sa.Column("takes_original", sa.Boolean),
    sa.Index("jobs_of_key", "s3_key", "s3_bucket", "job_id"),
    sa.Index("jobs_sent", "date_sent"),
    sa.Index("jobs_waiting", "date_created", "job_id", postgresql_where=_WAITING, sqlite_where=_WAITING),
    sqlite_autoincrement=True,
)

# Messages that the broker or a consumer gave up. `body` is as it came, and need not be an event.
dead_letters = sa.Table(
    "dead_letters",
    METADATA,
    sa.Column("dead_letter_id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("queue", sa.String(255), nullable=False),
    sa.Column("message_id", sa.String(255), nullable=False),
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("s3_key", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("date_created", UtcDateTime, nullable=False),
    # A message may be delivered twice; the first row is kept.
    sa.UniqueConstraint("queue", "message_id", name="dead_letters_message_key"),
    sa.Index("dead_letters_reason", "reason", "dead_letter_id"),
    sa.Index("dead_letters_queue", "queue", "dead_letter_id"),
    sa.Index("dead_letters_given_up", "queue", "reason", "dead_letter_id"),
    sqlite_autoincrement=True,
)

# Runs of `catalog reprocess`: `cursor` moves in the transaction that queues the images up to it, so an interrupted run
# goes on exactly behind the last of them.
reprocess_runs = sa.Table(
    "reprocess_runs",
    METADATA,
    sa.Column("run_id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("selection", sa.JSON, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("cursor", sa.String(36), nullable=False),
    sa.Column("date_created", UtcDateTime, nullable=False),
    sa.Column("date_finished", UtcDateTime),
    sqlite_autoincrement=True,
)

# One row: which installation this is, and the fingerprint of the database in which an operator, or the first migration,
# settled that. In a copy restored elsewhere the row is the same, but the fingerprint does not match. `owns_unmarked`:
# thumbs without an installation in their metadata, as earlier releases wrote them, are of this one.
installation = sa.Table(
    "installation",
    METADATA,
    sa.Column("installation_id", sa.String(36), primary_key=True),
    sa.Column("fingerprint", sa.String(255), nullable=False),
    sa.Column("owns_unmarked", sa.Boolean, nullable=False),
    sa.Column("date_created", UtcDateTime, nullable=False),
)

upload_prefixes = sa.Table(
    "upload_prefixes",
    METADATA,
    sa.Column("prefix", sa.String(32), primary_key=True),
    sa.Column("user_id", sa.String(36), nullable=False),
    sa.Column("date_created", UtcDateTime, nullable=False, index=True),
)

# Keys at which an operator has taken something down: no image may be registered there, also when its image is deleted.
blocked_keys = sa.Table(
    "blocked_keys",
    METADATA,
    sa.Column("s3_key", sa.String(1000), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("date_created", UtcDateTime, nullable=False),
)

# Of each key the image that was deleted there last, for a day.
deleted_images = sa.Table(
    "deleted_images",
    METADATA,
    sa.Column("s3_key", sa.String(1000), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("takes_original", sa.Boolean, nullable=False),
    sa.Column("date_deleted", UtcDateTime, nullable=False, index=True),
)

deleted_users = sa.Table(
    "deleted_users",
    METADATA,
    sa.Column("user_id", sa.String(36), primary_key=True),
    sa.Column("date_created", UtcDateTime, nullable=False),
)

# What each user has. Triggers keep it (migration 0008), so that processes of a release that knew nothing of it count,
# too. `bytes` is of the originals whose size is known, as a picture's is that imaging has processed.
use_of_users = sa.Table(
    "use_of_users",
    METADATA,
    sa.Column("user_id", sa.String(36), primary_key=True),
    sa.Column("images", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("collections", sa.BigInteger, nullable=False),
)

# How many images each user has by status, and by format; triggers keep these as well (migration 0014). The row of
# `images_of_users` is always changed first, so it is the lock of the user's rows of `formats_of_users`.
images_of_users = sa.Table(
    "images_of_users",
    METADATA,
    sa.Column("user_id", sa.String(36), primary_key=True),
    sa.Column("pending", sa.BigInteger, nullable=False),
    sa.Column("ready", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
)
formats_of_users = sa.Table(
    "formats_of_users",
    METADATA,
    sa.Column("user_id", sa.String(36), primary_key=True),
    sa.Column("content_type", sa.String(64), primary_key=True),
    sa.Column("images", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
)

outbox = chassis_outbox.table(METADATA)

audit_notes = chassis_audit_notes.table(METADATA)

kept_answers = chassis_kept_answers.table(METADATA)
kept_in_hours = chassis_kept_answers.hours_table(METADATA)
