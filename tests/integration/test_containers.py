"""The servers of the fixtures are real: here it is tested once what other tests rely on."""

import pika
import sqlalchemy


def test_postgres_is_the_major_version_that_production_runs(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SHOW server_version_num")).startswith("17")
        assert connection.scalar(sqlalchemy.text("SELECT count(*) FROM pg_class WHERE relname = 'left_behind'")) == 0
        connection.execute(sqlalchemy.text("CREATE TABLE left_behind ()"))
        connection.commit()


def test_each_test_has_a_database_of_its_own(database_url: str) -> None:
    test_postgres_is_the_major_version_that_production_runs(database_url)


def test_broker_confirms_what_a_quorum_queue_took(broker_url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("taken", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", "taken", b"body", mandatory=True)
        _, _, body = channel.basic_get("taken", auto_ack=True)
        assert body == b"body"
        channel.queue_delete("taken")
