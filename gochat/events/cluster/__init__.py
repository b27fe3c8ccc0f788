"""Between processes: the doorbell (pub/sub wake-up) over Redis, and the relay of sessions."""
