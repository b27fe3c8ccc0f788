"""What the REST face is made of, handed in by the composition root."""

from collections.abc import Callable

from gochat.contract import shapes
from gochat.contract.cursor import Cursors
from gochat.contract.speech import Speech
from gochat.core.limits import Limits
from gochat.core.measures import Measures
from gochat.core.model import Millis
from gochat.core.ports.accounts import Accounts, Contacts
from gochat.core.ports.backend import Backend, Exchange
from gochat.core.ports.health import Health
from gochat.core.ports.logins import Authenticator, Logins, Sessions
from gochat.core.ports.reading import Reader
from gochat.core.ports.registration import Registration
from gochat.core.ports.safety import Reports
from gochat.core.ports.writing import Receipts, Writer
from gochat.core.rates import Rates, SharedRates
from gochat.core.values import value
from gochat.rest.metrics import Metrics


@value(frozen=True, slots=True)
class Deps:
    """The ports, and which pages of browsers, by their origin, may read answers."""

    writer: Writer
    reader: Reader
    accounts: Accounts
    logins: Logins
    sessions: Sessions
    registration: Registration
    authenticator: Authenticator
    receipts: Receipts
    health: Health
    cursors: Cursors
    speech: Speech
    reports: Reports
    backend: Backend
    exchange: Exchange
    contacts: Contacts
    terms: shapes.Terms
    limits: Limits
    clock: Callable[[], Millis]
    rates: Rates
    shared_rates: SharedRates
    measures: Measures
    metrics: Metrics | None = None
    origin_allowed: Callable[[str], bool] = lambda _origin: False
    lets_in: Callable[[], bool] = lambda: True
    """Whether the event loop is not too late for the request that comes now."""
