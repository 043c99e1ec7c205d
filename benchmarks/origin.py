"""flask-imghost, from which imghost comes, as a peer: its own code and server, on PostgreSQL with as many images.

Where the variable `ORIGIN` names a checkout of it, with its dependencies in the virtual environment `.venv` there,
`make bench` measures it in the same run.
"""

import base64
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import requests
import sqlalchemy as sa

from benchmarks.chain import free_port

VARIABLE = "ORIGIN"
# As many processes as each of ours has. They are of gunicorn's first worker class, as in its Dockerfile.
PROCESSES = 2
# Its images are those of sample.sql.
SAMPLE = """
INSERT INTO "user" (username, password, email, date_created) VALUES ('anna', '', 'anna@example.com', now());
INSERT INTO apikey (key, user_id, description, date_created) SELECT 'benchmark', id, '', now() FROM "user";
INSERT INTO image (user_id, s3_key, s3_bucket, title, description, colors, size, thumbs, date_created)
SELECT "user".id, 'bench/' || to_char(n, 'FM000000') || '.jpg', 'imghost', 'Picture ' || n,
       'A picture of the benchmark',
       '["#4a6b8a", "#d2c3a1", "#2e2b26", "#8b7355", "#a9b7c6", "#5f7f5a", "#c08f6a", "#e9e4da", "#31475e", "#7a6a58"]',
       '{"width": 4000, "height": 3000}',
       '{"64": {"size": {"width": 64, "height": 48}, "url": "https://s3.example/bench/t64/picture.jpg"},
         "128": {"size": {"width": 128, "height": 96}, "url": "https://s3.example/bench/t128/picture.jpg"},
         "256": {"size": {"width": 256, "height": 192}, "url": "https://s3.example/bench/t256/picture.jpg"},
         "512": {"size": {"width": 512, "height": 384}, "url": "https://s3.example/bench/t512/picture.jpg"}}', now()
  FROM "user", generate_series(1, 100000) n;
VACUUM ANALYZE;
"""
AUTHORIZATION = "Basic " + base64.b64encode(b":benchmark").decode()


@dataclass(frozen=True)
class Origin:
    """The origin's server, at a port of this machine."""

    port: int

    # What anybody may read, and the least that it does for a request with a key: all its images are public.
    image = "/api/i/bench/%N.jpg"
    with_key = "/api/users/anna"


def folder() -> Path | None:
    """Return the checkout that is to be measured, if any."""
    named = os.environ.get(VARIABLE)
    return Path(named).resolve() if named else None


@contextmanager
def started(checkout: Path, database_url: str) -> Iterator[Origin]:
    """Start the server of `checkout` on the empty database at `database_url`, with the sample in it."""
    url, port = sa.make_url(database_url), free_port()
    programs = checkout / ".venv" / "bin"
    environment = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "benchmark",
        "S3_BUCKET": "imghost",
        "BUCKET_CDN": "{}",
        "PG_NAME": url.database or "",
        "PG_HOST": url.host or "",
        "PG_USER": url.username or "",
        "PG_PASSWORD": url.password or "",
        "PGPORT": str(url.port),  # of libpq: the server has no variable for it
    }
    migrate = [str(programs / "python"), "-c", "import app; app.migrate()"]
    subprocess.run(migrate, cwd=checkout, env=environment, check=True, timeout=60)
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as on:
        for statement in SAMPLE.split(";")[:-1]:
            on.execute(statement.encode())
    serve = [str(programs / "gunicorn"), "--workers", str(PROCESSES), "--bind", f"127.0.0.1:{port}", "app:app"]
    server = subprocess.Popen(serve, cwd=checkout, env=environment)
    try:
        _wait(port)
        yield Origin(port)
    finally:
        server.terminate()
        server.wait()


def _wait(port: int) -> None:
    url, ends = f"http://127.0.0.1:{port}{Origin.image.replace('%N', '000001')}", time.monotonic() + 30
    while time.monotonic() < ends:
        with suppress(requests.ConnectionError):
            requests.get(url, timeout=10).raise_for_status()
            return
        time.sleep(0.1)
    raise TimeoutError("the origin's server does not answer")
