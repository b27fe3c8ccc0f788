"""What an operator can mend, told in lines that name it, with a status for scripts (sysexits.h)."""

from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from gochat.cli.serve import EX_CONFIG
from gochat.config import ConfigError
from gochat.control.place import PlaceError
from gochat.core.errors import ChatError, Unavailable
from gochat.listening import PortTakenError
from gochat.storage import faults
from gochat.storage.alone import AlreadyServedError
from gochat.storage.migrate import MigrationError

EX_UNAVAILABLE = 69
"""Something that is leaned on is away: the same again later may do."""


class Mistake(NamedTuple):
    """How a command ends."""

    status: int
    text: str


def told(error: Exception) -> Mistake | None:
    """What to say of an error; None: it is a fault of the program, whose place has to be seen."""
    match error:
        case ConfigError() | AlreadyServedError() | PortTakenError():
            return Mistake(EX_CONFIG, str(error))
        case MigrationError():
            return Mistake(EX_CONFIG, f"the schema: {error}")
        case PlaceError():
            return Mistake(EX_CONFIG, str(error))
        case Unavailable(__cause__=DBAPIError() as cause) if (mistake := told(cause)) is not None:
            return mistake
        case Unavailable():
            return Mistake(EX_UNAVAILABLE, "the database does not answer")
        case ChatError():
            return Mistake(1, str(error))
        case DBAPIError():
            if faults.lacks_table(error):
                return Mistake(EX_CONFIG, "the schema: it is not there, or too old. Run `gochat migrate`.")
            refused = faults.refusal(error)
            if refused is not None:
                return Mistake(EX_CONFIG, f"MYSQL_URL or SQLITE_PATH: {refused}")
            if faults.fault_of(error) in {faults.Fault.LOST, faults.Fault.UNABLE}:
                return Mistake(EX_UNAVAILABLE, f"the database does not answer ({faults.summary(error)})")
            return None
        case _:
            return None
