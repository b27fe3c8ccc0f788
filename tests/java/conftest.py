from tests.wire.conftest import ann, ben, direct, http, own, server

__all__ = ["ann", "ben", "direct", "http", "own", "server"]
