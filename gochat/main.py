"""The composition root: the only module that knows all parts.

`uvicorn --factory gochat.main:create_app` serves everything; `gochat serve` adds the engine's fast path.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from starlette.applications import Starlette

from gochat.auth.authenticator import TokenAuthenticator
from gochat.auth.login import PasswordLogins
from gochat.config import Settings, load_settings
from gochat.contract.cursor import Cursors
from gochat.core.limits import Limits
from gochat.events.connection import Roster
from gochat.events.dispatch import Dispatcher
from gochat.events.doorbell import Doorbell, NoDoorbell, RedisDoorbell, Ring
from gochat.events.engine import EngineApp, EngineOptions, EngineServer
from gochat.events.fanout import Fanout
from gochat.events.handlers import Handlers
from gochat.events.server import Connections, EngineSockets
from gochat.events.typing import Typing
from gochat.storage.database import Database
from gochat.storage.receipts import ReceiptGatherer

log = structlog.get_logger(__name__)
