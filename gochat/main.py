"""The composition root: the only module that knows all parts.

`uvicorn --factory gochat.main:create_app` serves everything; `gochat serve` adds the engine's fast path.
"""

import structlog

log = structlog.get_logger(__name__)
