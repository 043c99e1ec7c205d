"""The images of each user are counted by status and by format.

By triggers, as in 0008, so that processes of the release before count, too. Who makes, changes or deletes an image
meanwhile waits until what is there is counted. The counts are in tables of their own, of
which nobody holds a row while they wait for `images`; the rows of `use_of_users` are held by registrations.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

STATUSES = ("pending", "ready", "failed")
CHANGED = """
    NEW.status <> OLD.status OR coalesce(NEW.content_type, '') <> coalesce(OLD.content_type, '')
    OR coalesce(NEW.bytes, 0) <> coalesce(OLD.bytes, 0)
"""


def upgrade() -> None:
    op.create_table(
        "images_of_users",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        *(sa.Column(status, sa.BigInteger(), nullable=False) for status in STATUSES),
        sa.PrimaryKeyConstraint("user_id", name="images_of_users_pkey"),
    )
    op.create_table(
        "formats_of_users",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "content_type", name="formats_of_users_pkey"),
    )
    # PostgreSQL calls triggers in the order of their names: after those of 0008, so that all who change images take the
    # rows of a user in one order, `use_of_users` first. The row of `images_of_users` is the lock of those by format.
    _count_from_now_on("image_made_of_kind", "INSERT", _status(NEW="+"), _format("NEW", "+"))
    _count_from_now_on("image_deleted_of_kind", "DELETE", _status(OLD="-"), _format("OLD", "-"))
    _count_from_now_on(
        "image_of_other_kind",
        "UPDATE OF status, content_type, bytes",
        _status(NEW="+", OLD="-"),
        _format("OLD", "-"),
        _format("NEW", "+"),
        only_if=CHANGED,
    )
    counts = ", ".join(f"sum(CASE status WHEN '{status}' THEN 1 ELSE 0 END)" for status in STATUSES)
    op.execute(f"INSERT INTO images_of_users SELECT user_id, {counts} FROM images GROUP BY user_id")  # noqa: S608
    op.execute("""
        INSERT INTO formats_of_users SELECT user_id, content_type, count(*), coalesce(sum(bytes), 0)
        FROM images WHERE content_type IS NOT NULL GROUP BY user_id, content_type
    """)


def _status(**rows: str) -> str:
    """Return the statement that adds one, or takes it away, for the status of each of `rows`: NEW and OLD."""
    counts = (
        " ".join(f"{sign} CASE {row}.status WHEN '{status}' THEN 1 ELSE 0 END" for row, sign in rows.items())
        for status in STATUSES
    )
    sums = ", ".join(f"{status} = images_of_users.{status} + excluded.{status}" for status in STATUSES)
    return f"""
        INSERT INTO images_of_users (user_id, {", ".join(STATUSES)})
        VALUES ({next(iter(rows))}.user_id, {", ".join(counts)})
        ON CONFLICT (user_id) DO UPDATE SET {sums}
    """  # noqa: S608 - nothing in it comes from outside


def _format(row: str, sign: str) -> str:
    """Return the statement that adds one image and its bytes, or takes them away, for the format of `row`, if known."""
    return f"""
        INSERT INTO formats_of_users (user_id, content_type, images, bytes)
        SELECT {row}.user_id, {row}.content_type, {sign}1, {sign}coalesce({row}.bytes, 0)
        WHERE {row}.content_type IS NOT NULL
        ON CONFLICT (user_id, content_type) DO UPDATE SET
            images = formats_of_users.images + excluded.images, bytes = formats_of_users.bytes + excluded.bytes
    """


def _count_from_now_on(name: str, event: str, *statements: str, only_if: str = "1 = 1") -> None:
    """Have the database execute `statements` after each `event` on an image."""
    when, body = f"AFTER {event} ON images FOR EACH ROW WHEN ({only_if})", "; ".join(statements)
    if op.get_bind().dialect.name != "postgresql":
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN {body}; END")
        return
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NULL; END$$")
    op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()")
