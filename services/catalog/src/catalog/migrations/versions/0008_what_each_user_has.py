"""What each user has is counted.

By triggers, so that processes of the release before count, too, which run while this one is being installed. Who makes
or deletes an image or a collection meanwhile waits until what is there is counted: a second for a million images.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "use_of_users",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("collections", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="use_of_users_pkey"),
    )
    # In the order in which the deletion of a user locks these tables, so that neither waits for the other.
    _count_from_now_on("collection_made", "INSERT ON collections", _add("NEW", collections="1"))
    _count_from_now_on("collection_deleted", "DELETE ON collections", _add("OLD", collections="-1"))
    _count_from_now_on("image_made", "INSERT ON images", _add("NEW", images="1", size="coalesce(NEW.bytes, 0)"))
    _count_from_now_on("image_deleted", "DELETE ON images", _add("OLD", images="-1", size="-coalesce(OLD.bytes, 0)"))
    _count_from_now_on(
        "image_measured",
        "UPDATE OF bytes ON images",
        _add("NEW", size="coalesce(NEW.bytes, 0) - coalesce(OLD.bytes, 0)"),
        only_if="coalesce(NEW.bytes, 0) <> coalesce(OLD.bytes, 0)",
    )
    op.execute("""
        INSERT INTO use_of_users (user_id, images, bytes, collections)
        SELECT user_id, sum(images), sum(bytes), sum(collections)
        FROM (
            SELECT user_id, count(*) AS images, coalesce(sum(bytes), 0) AS bytes, 0 AS collections
            FROM images GROUP BY user_id
            UNION ALL
            SELECT user_id, 0, 0, count(*) FROM collections GROUP BY user_id
        ) AS found
        GROUP BY user_id
    """)


def _add(row: str, images: str = "0", size: str = "0", collections: str = "0") -> str:
    """Return the statement of a trigger that adds to what the user of `row` has."""
    return f"""
        INSERT INTO use_of_users (user_id, images, bytes, collections)
        VALUES ({row}.user_id, {images}, {size}, {collections})
        ON CONFLICT (user_id) DO UPDATE SET
            images = use_of_users.images + excluded.images,
            bytes = use_of_users.bytes + excluded.bytes,
            collections = use_of_users.collections + excluded.collections
    """  # noqa: S608 - nothing in it comes from outside


def _count_from_now_on(name: str, event: str, statement: str, only_if: str = "1 = 1") -> None:
    """Have the database execute `statement` after each `event`."""
    when = f"AFTER {event} FOR EACH ROW WHEN ({only_if})"
    if op.get_bind().dialect.name != "postgresql":
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN {statement}; END")
        return
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {statement}; RETURN NULL; END$$")
    op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()")
