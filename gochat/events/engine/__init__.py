"""The Engine.IO and Socket.IO engine: how packets move."""
