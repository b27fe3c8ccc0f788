"""What an error of the database means."""

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
