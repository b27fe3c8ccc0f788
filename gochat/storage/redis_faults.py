"""What redis-py raises when Redis can't be asked."""

from redis.exceptions import RedisError

REDIS_FAULTS = (RedisError, OSError, RuntimeError)
"""RuntimeError is uvloop's, on a connection that ended in the middle of a command; redis-py passes it on."""
