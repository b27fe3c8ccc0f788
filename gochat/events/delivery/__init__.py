"""From what was committed to the sockets of this process: fan-out, gates, the poll, typing and presence."""
