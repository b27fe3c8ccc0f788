"""What an error of the database means for whoever was writing.

Numbers are those of MySQL's and MariaDB's error references (from 1000), and SQLite's primary result codes.
"""

import sqlite3
import ssl
from enum import Enum, auto

import orjson
import pymysql
from sqlalchemy.exc import DBAPIError

_AGAIN = {
    5,  # SQLite: busy
    6,  # SQLite: locked
    19,  # SQLite: constraint
    1020,  # row changed since it was read
    1062,  # duplicate key: another process was faster
    1213,  # deadlock
    1317,  # query interrupted
    3101,  # rolled back by the plugin of group replication
}
_HELD = {
    1205,  # lock wait timeout
    1969,  # max_statement_time (MariaDB)
    3024,  # max_execution_time (MySQL)
}
_LOST = {
    0,  # PyMySQL: the connection is closed already
    1040,  # too many connections
    1053,  # server shutdown in progress
    1077,  # normal shutdown
    1290,  # read only: no longer the primary
    1792,  # read only transaction
    1836,  # read only mode
    1927,  # connection was killed (MariaDB)
    2002,  # can't connect
    2003,  # can't connect
    2006,  # server has gone away
    2013,  # lost connection during a query
    2014,  # commands out of sync
    2055,  # lost connection
    3169,  # session was killed
    4031,  # closed because of inactivity (MySQL)
}
_DATA = {
    18,  # SQLite: too big
    20,  # SQLite: mismatch
    1153,  # packet bigger than max_allowed_packet
    1264,  # out of range
    1366,  # not a character of the column's
    1406,  # too long for the column
    3140,  # invalid JSON
    4038,  # invalid JSON (MariaDB)
}

_REFUSED = {
    8: "the file can't be written",  # SQLite: readonly
    14: "the file can't be opened or made; its folder has to exist",  # SQLite: cantopen
    26: "the file is no SQLite database",  # SQLite: notadb
    1044: "the database refuses this user",
    1045: "the database refuses this user or password",
    1049: "the server has no database of this name",
    1130: "the database lets nobody in from this machine",
    1698: "the database refuses this user or password",  # MariaDB
    3159: "the database lets in encrypted connections only",
}
"""What waiting does not mend: the address, the user or the file that was named is wrong."""


class Fault(Enum):
    """What may help."""

    AGAIN = auto()
    """The same once more, after a rollback."""
    HELD = auto()
    """Time: somebody else has locked a row."""
    LOST = auto()
    """The same on a new connection."""
    DATA = auto()
    """Nothing: it can't be stored."""
    UNKNOWN = auto()


def fault_of(error: Exception) -> Fault:
    """What kind of fault an exception is that came from running statements, or from preparing them.

    Raised by SQLAlchemy, or by the driver itself.
    """
    cause = _driver_error(error)
    if isinstance(cause, UnicodeEncodeError | orjson.JSONEncodeError):
        return Fault.DATA
    if isinstance(cause, OSError):
        return Fault.LOST
    if not isinstance(cause, pymysql.Error | sqlite3.Error):
        return Fault.UNKNOWN
    number = number_of(error)
    if number in _LOST or isinstance(cause, pymysql.InterfaceError | sqlite3.InterfaceError):
        return Fault.LOST
    if number in _DATA or isinstance(cause, pymysql.DataError | sqlite3.DataError):
        return Fault.DATA
    if number in _HELD:
        return Fault.HELD
    return Fault.AGAIN if number in _AGAIN else Fault.UNKNOWN


def number_of(error: Exception) -> int:
    """The database's own number of an error; -1 if it has none."""
    cause = _driver_error(error)
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & 0xFF
    number = cause.args[0] if isinstance(cause, pymysql.Error) and cause.args else None
    return number if isinstance(number, int) else -1


def refusal(error: Exception) -> str | None:
    """Why a database can't be used as it was named, for the operator; None: it is away, or something else."""
    if (text := _REFUSED.get(number_of(error))) is not None:
        return text
    cause = getattr(_driver_error(error), "original_exception", None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted ({cause.verify_message})"
    return None


def summary(error: Exception) -> str:
    """An error for the log: never its text, which may hold what users wrote."""
    name, number = type(error).__name__, number_of(error)
    return name if number == -1 else f"{name} {number}"


def _driver_error(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
