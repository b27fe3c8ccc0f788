"""What an error of the database means for whoever was writing.

Numbers are those of MySQL's and MariaDB's error references (from 1000), and SQLite's primary result codes.
"""

import errno
import sqlite3
import ssl
from collections.abc import Mapping
from enum import Enum, auto

import orjson
import pymysql
from sqlalchemy.exc import DBAPIError

DATABASE_ERRORS = (DBAPIError, pymysql.Error, sqlite3.Error)
"""What running statements raises: SQLAlchemy's, or the driver's own where that is called at once."""


class PacketTooLargeError(Exception):
    """A script is larger than what the server takes: sent all the same, it would cost the connection."""


class Fault(Enum):
    """What may help."""

    AGAIN = auto()
    """The same once more, after a rollback."""
    HELD = auto()
    """Time: somebody else has locked a row."""
    LOST = auto()
    """The same on a new connection."""
    UNABLE = auto()
    """The same when somebody has made room, or given the right back: it is the fault of neither side."""
    DATA = auto()
    """Nothing: it can't be stored."""
    UNKNOWN = auto()


_SQLITE: Mapping[int, tuple[Fault, str]] = {
    5: (Fault.AGAIN, "busy"),
    6: (Fault.AGAIN, "locked"),
    7: (Fault.UNABLE, "no memory is left"),
    8: (Fault.UNABLE, "the file can't be written"),
    10: (Fault.UNABLE, "the disk fails"),
    11: (Fault.UNABLE, "the file is damaged"),
    13: (Fault.UNABLE, "the disk is full"),
    14: (Fault.UNABLE, "the file can't be opened or made; its folder has to exist"),
    15: (Fault.AGAIN, "the file is locked by too many"),
    18: (Fault.DATA, "too big"),
    19: (Fault.AGAIN, "a constraint"),
    20: (Fault.DATA, "of a wrong type"),
    26: (Fault.UNABLE, "the file is no SQLite database"),
}
_MYSQL: Mapping[int, tuple[Fault, str]] = {
    0: (Fault.LOST, "the connection is closed"),
    1: (Fault.UNABLE, "a file can't be made"),
    3: (Fault.UNABLE, "a file can't be written"),
    5: (Fault.UNABLE, "no memory is left"),
    1020: (Fault.AGAIN, "changed since it was read"),
    1021: (Fault.UNABLE, "the disk is full"),
    1026: (Fault.UNABLE, "a file can't be written"),
    1030: (Fault.UNABLE, "the storage engine fails"),
    1037: (Fault.UNABLE, "no memory is left"),
    1038: (Fault.UNABLE, "no memory is left to sort"),
    1040: (Fault.UNABLE, "too many connections"),
    1041: (Fault.UNABLE, "no memory is left"),
    1044: (Fault.UNABLE, "the database refuses this user"),
    1045: (Fault.UNABLE, "the database refuses this user or password"),
    1047: (Fault.UNABLE, "the node is not ready for use"),
    1049: (Fault.UNABLE, "the server has no database of this name"),
    1053: (Fault.LOST, "the server shuts down"),
    1062: (Fault.AGAIN, "a duplicate key: another process was faster"),
    1077: (Fault.LOST, "the server shuts down"),
    1114: (Fault.UNABLE, "a table is full: the disk, or a quota"),
    1129: (Fault.UNABLE, "the database lets this machine in no more: too many errors"),
    1130: (Fault.UNABLE, "the database lets nobody in from this machine"),
    1135: (Fault.UNABLE, "the server can make no thread"),
    1142: (Fault.UNABLE, "the user may not do this"),
    1143: (Fault.UNABLE, "the user may not do this"),
    1153: (Fault.DATA, "larger than max_allowed_packet"),
    1180: (Fault.UNABLE, "the commit failed"),
    1203: (Fault.UNABLE, "too many connections of this user"),
    1205: (Fault.HELD, "waited too long for a lock"),
    1206: (Fault.AGAIN, "too many locks"),
    1213: (Fault.AGAIN, "a deadlock"),
    1226: (Fault.UNABLE, "the user has used up a quota"),
    1227: (Fault.UNABLE, "the user may not do this"),
    1264: (Fault.DATA, "out of range"),
    1290: (Fault.LOST, "read only: no longer the primary"),
    1317: (Fault.AGAIN, "interrupted"),
    1366: (Fault.DATA, "no character of the column's"),
    1406: (Fault.DATA, "too long for the column"),
    1598: (Fault.UNABLE, "the binary log can't be written"),
    1637: (Fault.UNABLE, "too many transactions"),
    1698: (Fault.UNABLE, "the database refuses this user or password"),  # MariaDB
    1792: (Fault.LOST, "a read only transaction"),
    1820: (Fault.UNABLE, "the user's password has expired"),
    1836: (Fault.LOST, "read only"),
    1862: (Fault.UNABLE, "the user's password has expired"),
    1927: (Fault.LOST, "the connection was killed"),  # MariaDB
    1969: (Fault.HELD, "took too long"),  # MariaDB
    2002: (Fault.LOST, "can't connect"),
    2003: (Fault.LOST, "can't connect"),
    2006: (Fault.LOST, "the server has gone away"),
    2013: (Fault.LOST, "the connection broke during a query"),
    2014: (Fault.LOST, "commands out of sync"),
    2026: (Fault.UNABLE, "the server has no TLS"),
    2055: (Fault.LOST, "the connection broke"),
    3024: (Fault.HELD, "took too long"),  # MySQL
    3032: (Fault.UNABLE, "the server is offline"),
    3101: (Fault.AGAIN, "rolled back by the plugin of group replication"),
    3118: (Fault.UNABLE, "the user is locked"),
    3140: (Fault.DATA, "invalid JSON"),
    3159: (Fault.UNABLE, "the database lets in encrypted connections only"),
    3169: (Fault.LOST, "the session was killed"),
    4031: (Fault.LOST, "closed because of inactivity"),  # MySQL
    4038: (Fault.DATA, "invalid JSON"),  # MariaDB
    4151: (Fault.UNABLE, "the user is locked"),  # MariaDB
}
_REFUSED_SQLITE = {8, 14, 26}
_REFUSED_MYSQL = {1044, 1045, 1049, 1130, 1698, 2026, 3159}
"""What waiting does not mend at a start: the address, the user or the file that was named is wrong."""
_BROKEN = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


def fault_of(error: Exception) -> Fault:
    """What kind of fault an exception is that came from running statements, or from preparing them.

    Raised by SQLAlchemy, or by the driver itself.
    """
    cause = _driver_error(error)
    if isinstance(cause, UnicodeEncodeError | orjson.JSONEncodeError | PacketTooLargeError):
        return Fault.DATA
    if isinstance(cause, OSError):
        return Fault.LOST
    if not isinstance(cause, pymysql.Error | sqlite3.Error):
        return Fault.UNKNOWN
    if isinstance(cause, pymysql.InterfaceError | sqlite3.InterfaceError):
        return Fault.LOST
    if isinstance(cause, pymysql.DataError | sqlite3.DataError):
        return Fault.DATA
    return _known(cause).get(number_of(error), (Fault.UNKNOWN, ""))[0]


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
    cause, number = _driver_error(error), number_of(error)
    if number in (_REFUSED_SQLITE if isinstance(cause, sqlite3.Error) else _REFUSED_MYSQL):
        return _known(cause)[number][1]
    return tls_refusal(getattr(cause, "original_exception", None))


def tls_refusal(reason: object) -> str | None:
    """Why TLS can't be had with a server; None: it can, or the connection broke."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted ({reason.verify_message.rstrip('.')})"
    if isinstance(reason, ssl.SSLError) and not isinstance(reason, _BROKEN):
        return f"the server speaks no TLS that is understood here ({reason.reason})"
    return None


def lacks_table(error: Exception) -> bool:
    """Whether a table or a column is missing: the schema is older than the code."""
    cause = _driver_error(error)
    missing = isinstance(cause, sqlite3.OperationalError) and "no such " in str(cause)
    return missing or number_of(error) in {1054, 1146}


def summary(error: Exception) -> str:
    """An error for the log: never its text, which may hold what users wrote."""
    name, number, cause = type(error).__name__, number_of(error), _driver_error(error)
    if number == -1:
        return name if not isinstance(cause, OSError) else f"{name} ({_os_name(cause)})"
    reason = getattr(cause, "original_exception", None)
    text = _os_name(reason) if isinstance(reason, OSError) else _known(cause).get(number, (None, ""))[1]
    return f"{name} {number}" + (f" ({text})" if text else "")


def _known(cause: BaseException | None) -> Mapping[int, tuple[Fault, str]]:
    """The numbers of the database that an error comes from: they overlap."""
    return _SQLITE if isinstance(cause, sqlite3.Error) else _MYSQL


def _os_name(error: OSError) -> str:
    """Such as EMFILE, of which a process has to open no more files."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _driver_error(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
