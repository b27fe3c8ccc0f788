"""What the REST face is made of, handed in by the composition root."""

from dataclasses import dataclass

from gochat.contract.cursor import Cursors
from gochat.core.measures import Measures
from gochat.core.ports.accounts import Accounts
from gochat.core.ports.health import Health
from gochat.core.ports.logins import Authenticator, Logins, Sessions
from gochat.core.ports.reading import Reader
from gochat.core.ports.writing import Receipts, Writer
from gochat.core.rates import Rates
from gochat.rest.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Deps:
    """The ports, and the few settings that REST needs.

    `allowed_origins`: of browsers, or `*`. `localhost_allowed`: pages from this machine too, on any port.
    """

    writer: Writer
    reader: Reader
    accounts: Accounts
    logins: Logins
    sessions: Sessions
    authenticator: Authenticator
    receipts: Receipts
    health: Health
    cursors: Cursors
    rates: Rates
    measures: Measures
    metrics: Metrics | None = None
    allowed_origins: tuple[str, ...] = ()
    localhost_allowed: bool = False
