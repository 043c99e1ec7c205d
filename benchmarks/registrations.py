"""Two connections that write what a registration writes: `python -m benchmarks.registrations URL SECONDS`.

Each registration is a transaction of its own, in one message; prints how many there are a second.
"""

import sys
import threading
import time
import uuid

import psycopg

CONNECTIONS = 2
USER = "00000000-0000-4000-8000-000000000000"


def write(url: str, ends: float, counts: list[int]) -> None:
    """Write registrations until `ends`, and add to `counts` how many."""
    count = 0
    with psycopg.connect(url) as connection:
        while time.monotonic() < ends:
            with connection.pipeline():
                image, key = str(uuid.uuid4()), f"written/{uuid.uuid4()}.jpg"
                connection.execute(
                    "INSERT INTO images (image_id, user_id, s3_bucket, s3_key, title, description, status, generation,"
                    " date_created, date_updated, date_pending)"
                    " VALUES (%s, %s, 'imghost', %s, '', '', 'pending', 1, now(), now(), now())",
                    [image, USER, key],
                )
                connection.execute(
                    "INSERT INTO jobs (kind, s3_bucket, s3_key, image_id, generation, date_created, date_sent)"
                    " VALUES ('image.created', 'imghost', %s, %s, 1, now(), now())",
                    [key, image],
                )
                connection.execute(
                    "INSERT INTO outbox (id, type, body, state, date_created)"
                    " VALUES (%s, 'image.created', %s, 'due', now())",
                    [str(uuid.uuid4()), b"x" * 500],
                )
                connection.commit()
            count += 1
    counts.append(count)


def main() -> None:
    """Print how many registrations a second are written."""
    url, seconds = sys.argv[1], float(sys.argv[2])
    counts: list[int] = []
    ends = time.monotonic() + seconds
    threads = [threading.Thread(target=write, args=(url, ends, counts)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(f"{sum(counts) / seconds}\n")


if __name__ == "__main__":
    main()
