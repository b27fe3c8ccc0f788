"""The operator's way into a running process: a Unix socket that only its own user (and root) can open."""
