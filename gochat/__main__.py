"""`python -m gochat` is `gochat`."""

from gochat.cli import app

app()
