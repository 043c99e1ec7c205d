"""HEAD changes nothing."""

import sqlite3

from web_stack import WebStack

UPLOADS = {"S3_ACCESS_KEY_ID": "id", "S3_SECRET_ACCESS_KEY": "secret", "S3_ENDPOINT_URL": "http://127.0.0.1:9"}


def test_head_of_the_signed_post_records_no_prefix(web_stack: WebStack) -> None:
    web_stack.start("auth")
    web_stack.start("catalog", 0, **UPLOADS)
    web_stack.start("gateway")
    anna = web_stack.anna()

    def recorded() -> int:
        with sqlite3.connect(web_stack.folder / "catalog.db") as connection:
            return int(connection.execute("SELECT count(*) FROM upload_prefixes").fetchone()[0])

    for target in ("/api/signed-post", "/api/signed-post?filename=a.png"):
        before = recorded()
        assert (anna.head(target).status, recorded()) == (200, before)
        assert (anna.get(target).status, recorded()) == (200, before + 1)
