"""A catalog on PostgreSQL with the rows of an installation that has grown, made by SQL in some seconds.

150,000 images of 9,000 users, one of whom has 60,000, or as many as `Sizes` says; and after an outage a backlog of
everything that can pile up: pending images with their jobs, jobs that wait, unpublished and published events, dead
letters, kept answers.
"""

from dataclasses import asdict, dataclass
from typing import Self

import sqlalchemy as sa

BUCKET = "pics"
# The one user with very many images, and a collection with many; between its last members are many of others.
OWNER = "00000000-0000-0000-0000-000000000001"
COLLECTION = "holidays"
SMALL_COLLECTION = "album-10"
MEMBERS_AFTER_GAP = 1_500


@dataclass(frozen=True)
class Sizes:
    """How much there is. `members` are those of the large collection before its gap; `rest` is that of other tables."""

    images: int = 150_000
    pending: int = 12_000
    members: int = 20_000
    users: int = 9_000
    collections: int = 20_000
    events: int = 80_100
    published: int = 60_000
    rest: int = 40_000

    @classmethod
    def in_proportion(cls, images: int) -> Self:
        """Return the sizes of an installation with `images`, where everything else has grown with them."""
        return cls(
            images=images,
            pending=images // 50,
            members=(images - MEMBERS_AFTER_GAP) // 4,
            users=max(100, images // 20),
            collections=max(100, images // 10),
            events=images // 25,
            published=images // 50,
            rest=images // 10,
        )


# Triggers would count row by row what each user has. Ids are as random as those of the code.
_FILL = f"""
SET session_replication_role = replica;
CREATE FUNCTION pg_temp.id_of(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT md5($1)::uuid::text';
CREATE FUNCTION pg_temp.user_of(bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT CASE WHEN $1 % 5 < 2 THEN '{OWNER}' ELSE pg_temp.id_of('user' || $1 % :users) END$$;

INSERT INTO images (image_id, user_id, s3_bucket, s3_key, title, description, status, generation, date_created,
                    date_updated, width, height, colors, thumbs, placeholder, content_type, bytes, source_etag, recipe,
                    error_code, error_detail, date_pending, sha256)
SELECT pg_temp.id_of('image' || n), pg_temp.user_of(n), '{BUCKET}', 'folder' || n % 977 || '/' || n || '.jpg',
       'Picture ' || n || CASE WHEN n % 50 = 1 THEN ' of a beach' ELSE '' END, 'A picture', status, 1, moment, moment,
       CASE status WHEN 'ready' THEN 4000 END, CASE status WHEN 'ready' THEN 3000 END,
       CASE status WHEN 'ready' THEN '["#4a6b8a"]'::json END,
       CASE status WHEN 'ready' THEN '[{{"square": 64, "width": 64, "height": 48}}]'::json END,
       CASE status WHEN 'ready' THEN 'LEHV6nWB2yk8' END,
       CASE status WHEN 'ready' THEN CASE WHEN n % 100 = 0 THEN 'image/gif' ELSE 'image/jpeg' END END,
       CASE status WHEN 'ready' THEN 3456789 END, CASE status WHEN 'ready' THEN md5('etag' || n) END,
       CASE status WHEN 'ready' THEN 1 END,
       CASE status WHEN 'failed' THEN 'malformed' END, CASE status WHEN 'failed' THEN 'broken' END,
       CASE status WHEN 'pending' THEN moment END,
       CASE status WHEN 'ready' THEN repeat(md5('bytes' || n % 20000), 2) END
  FROM generate_series(1, :images) n,
       LATERAL (SELECT now() - n * interval '1 minute' AS moment,
                       CASE WHEN n > :images - :pending THEN 'pending' WHEN n % 60 = 7 THEN 'failed' ELSE 'ready' END
                       AS status) each;

-- The latest images wait behind the deletion of an earlier one at their key.
INSERT INTO jobs (kind, s3_bucket, s3_key, image_id, generation, request_id, date_created, date_sent)
SELECT 'image.deleted', s3_bucket, s3_key, pg_temp.id_of('gone' || image_id), 1, 'request', date_created, date_created
  FROM (SELECT * FROM images WHERE status = 'pending' ORDER BY date_created DESC LIMIT :pending / 2) latest;
INSERT INTO jobs (kind, s3_bucket, s3_key, image_id, generation, request_id, date_created, date_sent)
SELECT 'image.created', s3_bucket, s3_key, image_id, 1, 'request', date_created,
       CASE WHEN row_number() OVER (ORDER BY date_created DESC) > :pending / 2 THEN date_created END
  FROM images WHERE status = 'pending';

INSERT INTO outbox (id, type, body, state, date_created, date_leased_until, date_published)
SELECT pg_temp.id_of('event' || n), (ARRAY['image.created', 'image.reprocess', 'image.deleted'])[1 + n % 3],
       convert_to(repeat('body', 100), 'UTF8'), CASE WHEN n > :published THEN 'due' ELSE 'published' END, moment,
       CASE WHEN n <= :published OR n > :events - 100 THEN moment END, CASE WHEN n <= :published THEN moment END
  FROM generate_series(1, :events) n, LATERAL (SELECT now() - interval '1 hour' + n * interval '30 ms' AS moment) each;

INSERT INTO dead_letters (queue, message_id, reason, type, s3_key, body, date_created)
SELECT CASE WHEN n % 4 = 0 THEN 'catalog.results' ELSE 'imaging.jobs' END, pg_temp.id_of('letter' || n),
       (ARRAY['unroutable', 'crashed', 'malformed-message'])[1 + n % 3], 'image.created', 'folder/' || n,
       convert_to(repeat('body', 100), 'UTF8'), now() - n * interval '1 second'
  FROM generate_series(1, :pending) n;

INSERT INTO collections (collection_id, user_id, name, date_created)
SELECT pg_temp.id_of('collection' || n), pg_temp.user_of(n), CASE n WHEN 5 THEN '{COLLECTION}' ELSE 'album-' || n END,
       now() - n * interval '1 minute'
  FROM generate_series(1, :collections) n;
-- One by one into many collections, as users do; then long into others than the large one, and again into that.
INSERT INTO memberships (collection_id, position, image_id)
SELECT pg_temp.id_of('collection' || CASE WHEN n <= 2 * :members AND n % 2 = 0 OR n > 4 * :members THEN 5
                                          ELSE 6 + n % (:collections * 19 / 20) END), n, pg_temp.id_of('image' || n)
  FROM generate_series(1, 4 * :members + {MEMBERS_AFTER_GAP}) n ORDER BY n;

INSERT INTO use_of_users (user_id, images, bytes, collections)
SELECT user_id, count(*), coalesce(sum(bytes), 0), 0 FROM images GROUP BY user_id;
INSERT INTO images_of_users (user_id, pending, ready, failed)
SELECT user_id, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'ready'),
       count(*) FILTER (WHERE status = 'failed') FROM images GROUP BY user_id;
INSERT INTO formats_of_users (user_id, content_type, images, bytes)
SELECT user_id, content_type, count(*), sum(bytes) FROM images WHERE content_type IS NOT NULL GROUP BY 1, 2;
INSERT INTO deleted_images (s3_key, generation, takes_original, date_deleted)
SELECT 'gone/' || n || '.jpg', 1, n % 4 = 0, now() - n * interval '2 seconds' FROM generate_series(1, :rest) n;
INSERT INTO jobs (kind, s3_bucket, s3_key, image_id, generation, request_id, date_created, date_sent, takes_original)
SELECT 'image.deleted', '{BUCKET}', s3_key, pg_temp.id_of(s3_key), 1, 'request', date_deleted, date_deleted, true
  FROM deleted_images WHERE takes_original ORDER BY date_deleted LIMIT 400;
INSERT INTO deleted_users SELECT pg_temp.id_of('former' || n), now() FROM generate_series(1, :collections) n;
INSERT INTO upload_prefixes
SELECT substr(md5('prefix' || n), 1, 26), pg_temp.user_of(n), now() - n * interval '2 seconds'
  FROM generate_series(1, :rest) n;
INSERT INTO kept_answers (user_id, key_digest, fingerprint, status, headers, body, date_created)
SELECT pg_temp.user_of(n), md5('key' || n), md5('print' || n), 201, '{{}}', convert_to(repeat('body', 50), 'UTF8'),
       now() - n * interval '2.2 seconds'
  FROM generate_series(1, :rest) n;
INSERT INTO kept_in_hours (user_id, date_begins, answers, bytes)
SELECT user_id, date_trunc('hour', date_created), count(*), sum(length(body)) FROM kept_answers GROUP BY 1, 2;
INSERT INTO reprocess_runs (selection, total, done, cursor, date_created, date_finished)
SELECT '{{}}', 10, 10, '', now(), now() FROM generate_series(1, 20) n;
RESET session_replication_role;
"""  # noqa: S608 - nothing in it comes from outside


# All indexes but those of constraints.
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
"""


def fill(engine: sa.Engine, sizes: Sizes | None = None) -> None:
    """Fill the migrated, empty database of `engine`; let the planner learn what is in it."""
    text = _FILL.replace("%", "%%")
    for name, size in asdict(sizes or Sizes()).items():
        text = text.replace(f":{name}", str(size))
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # on a machine that has much else to do
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        # Their memory would be shared, of which a container has 64 MiB.
        connection.exec_driver_sql("SET LOCAL max_parallel_maintenance_workers = 0")
        # With millions of rows it takes many times as long to insert into an index as to make it afterwards.
        indexes = connection.exec_driver_sql(_INDEXES).all()
        for name, _ in indexes:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        connection.exec_driver_sql(text)
        for _, definition in indexes:
            connection.exec_driver_sql(definition.replace("%", "%%"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM (ANALYZE)")
        connection.exec_driver_sql("RESET statement_timeout")
