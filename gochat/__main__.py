"""`python -m gochat` is `gochat`."""

from gochat.cli import main

main()
