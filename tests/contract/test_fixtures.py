"""What the other contract tests stand on: each gets a database, or a Redis, that holds nothing."""

import pytest
from redis import Redis
from sqlalchemy import inspect, text

from gochat.storage.engines import write_engine
from gochat.storage.tables import METADATA


@pytest.mark.parametrize("_run", range(2))
def test_every_test_has_an_empty_database(empty_database_url: str, _run: int) -> None:
    engine = write_engine(empty_database_url)
    try:
        assert inspect(engine).get_table_names() == []
        with engine.connect() as connection:
            connection.execute(text("CREATE TABLE trace (n INT PRIMARY KEY)"))
    finally:
        engine.dispose()


@pytest.mark.parametrize("run", ["rows", "table", "nothing"])
def test_every_test_has_all_tables_and_no_rows(database_url: str, run: str) -> None:
    engine = write_engine(database_url)
    try:
        assert set(inspect(engine).get_table_names()) == {table.name for table in METADATA.sorted_tables} | {
            "alembic_version"
        }
        with engine.begin() as connection:
            assert not connection.execute(text("SELECT * FROM blocks")).all()
            if run == "rows":
                connection.execute(
                    text("INSERT INTO blocks (user_id, blocked_id, created_at) VALUES (1, 2, 3)")
                )
            if run == "table":
                connection.execute(text("CREATE TABLE trace (n INT PRIMARY KEY)"))
    finally:
        engine.dispose()


@pytest.mark.parametrize("_run", range(2))
def test_every_test_has_an_empty_redis(redis_url: str, _run: int) -> None:
    with Redis.from_url(redis_url, socket_timeout=5) as client:
        assert client.dbsize() == 0
        client.set("trace", 1)
