"""`python -m tests.wire.released FILE URL`."""

from tests.wire.released import main

main()
