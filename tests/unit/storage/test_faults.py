"""What an error of the database means."""

import errno
import sqlite3

import orjson
import pymysql
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from gochat.storage.faults import Fault, fault_of, summary


def _wrapped(error: pymysql.Error) -> DBAPIError:
    wrapped = DBAPIError.instance("INSERT secret", ("secret",), error, pymysql.Error)
    assert isinstance(wrapped, DBAPIError)
    return wrapped


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (pymysql.OperationalError(1213, "secret"), Fault.AGAIN),
        (pymysql.OperationalError(1205, "secret"), Fault.HELD),
        (pymysql.OperationalError(1969, "secret"), Fault.HELD),
        (pymysql.OperationalError(3024, "secret"), Fault.HELD),
        (pymysql.IntegrityError(1062, "secret"), Fault.AGAIN),
        (pymysql.OperationalError(2006, "secret"), Fault.LOST),
        (pymysql.OperationalError(2013, "secret"), Fault.LOST),
        (pymysql.OperationalError(1927, "secret"), Fault.LOST),
        (pymysql.OperationalError(4031, "secret"), Fault.LOST),
        (pymysql.InterfaceError(0, ""), Fault.LOST),
        (pymysql.DataError(1406, "secret"), Fault.DATA),
        (pymysql.DataError(1366, "secret"), Fault.DATA),
        (pymysql.OperationalError(1040, "secret"), Fault.UNABLE),
        (pymysql.OperationalError(1021, "secret"), Fault.UNABLE),
        (pymysql.OperationalError(1114, "secret"), Fault.UNABLE),
        (pymysql.OperationalError(1203, "secret"), Fault.UNABLE),
        (pymysql.OperationalError(1226, "secret"), Fault.UNABLE),
        (pymysql.OperationalError(1045, "secret"), Fault.UNABLE),
        (pymysql.ProgrammingError(1064, "secret"), Fault.UNKNOWN),
        (pymysql.InternalError("secret"), Fault.UNKNOWN),
    ],
)
def test_mysql(error: pymysql.Error, fault: Fault) -> None:
    wrapped = _wrapped(error)
    assert fault_of(wrapped) is fault
    assert "secret" not in summary(wrapped)


def test_sqlite() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE trace (n INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO trace VALUES (1)")
        with pytest.raises(DBAPIError) as duplicate:
            connection.exec_driver_sql("INSERT INTO trace VALUES (1)")
        with pytest.raises(DBAPIError) as unknown:
            connection.exec_driver_sql("SELECT 1 FROM nowhere")
    engine.dispose()
    assert fault_of(duplicate.value) is Fault.AGAIN
    assert fault_of(unknown.value) is Fault.UNKNOWN


def test_texts_that_no_statement_holds() -> None:
    with pytest.raises(orjson.JSONEncodeError) as no_json:
        orjson.dumps("\ud800")
    assert fault_of(no_json.value) is Fault.DATA
    with pytest.raises(UnicodeEncodeError) as no_text:
        "\ud800".encode()
    assert fault_of(no_text.value) is Fault.DATA


@pytest.mark.parametrize("number", [8, 10, 13, 14])
def test_a_file_that_can_not_be_used(number: int) -> None:
    error = sqlite3.OperationalError("secret")
    error.sqlite_errorcode = number | 1 << 8  # an extended code tells more
    assert fault_of(error) is Fault.UNABLE
    assert summary(error).startswith(f"OperationalError {number} (")


def test_the_two_databases_numbers_are_not_mixed_up() -> None:
    busy = sqlite3.OperationalError("secret")
    busy.sqlite_errorcode = 5
    assert fault_of(busy) is Fault.AGAIN
    assert fault_of(pymysql.OperationalError(5, "secret")) is Fault.UNABLE


def test_a_process_without_descriptors_is_named() -> None:
    error = pymysql.OperationalError(2003, "secret")
    error.original_exception = OSError(errno.EMFILE, "secret")
    assert fault_of(error) is Fault.LOST
    assert summary(error) == "OperationalError 2003 (EMFILE)"
