"""Databases on a MySQL or MariaDB server, given as the URL of a user who may create them."""

import secrets
from contextlib import closing

import pymysql
from sqlalchemy import make_url


def connect(url: str) -> pymysql.Connection:
    """Open a connection of its own, in autocommit; the URL may name a database."""
    at = make_url(url)
    return pymysql.connect(
        host=at.host,
        port=at.port or 3306,
        user=at.username,
        password=at.password or "",
        database=at.database,
        autocommit=True,
        # However the server is set up, tests see all rows and may change all of them, for good: PyMySQL
        # believes the greeting, which says autocommit also where the server begins without it.
        init_command="SET autocommit = 1, completion_type = NO_CHAIN, sql_safe_updates = 0,"
        " sql_select_limit = 18446744073709551615, sql_big_selects = 1",
        connect_timeout=5,
        read_timeout=30,
        write_timeout=30,
    )


def create_database(server_url: str) -> str:
    """Create an empty database with a new name; return its SQLAlchemy URL, `mysql+pymysql://...`."""
    name = f"gochat_test_{secrets.token_hex(6)}"
    with closing(connect(server_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    url = make_url(server_url).set(drivername="mysql+pymysql", database=name)
    return url.render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Drop the database that `url` names, and end whatever connections still hold its locks."""
    at = make_url(url)
    server_url = at._replace(database=None).render_as_string(hide_password=False)
    with closing(connect(server_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (at.database,))
        for (connection_id,) in cursor.fetchall():
            kill_connection(cursor, connection_id)
        cursor.execute(f"DROP DATABASE {at.database}")


def kill_connections(url: str) -> int:
    """End every other connection to the database that `url` names; return how many."""
    at = make_url(url)
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()",
            (at.database,),
        )
        return sum(kill_connection(cursor, row[0]) for row in cursor.fetchall())


def kill_connection(cursor: pymysql.cursors.Cursor, connection_id: int) -> bool:
    """End a connection, whatever it is doing; tell whether it was still there."""
    try:
        cursor.execute(f"KILL {connection_id}")
    except pymysql.err.OperationalError as error:
        if error.args[0] != pymysql.constants.ER.NO_SUCH_THREAD:
            raise
        return False
    return True
