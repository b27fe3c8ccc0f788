"""The Starlette face: login, history, conversations and health."""
