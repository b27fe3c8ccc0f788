"""The Socket.IO face: connections, handlers, rooms and fan-out."""
