"""Which library a socket comes with, by what it says of itself: for measures and the log, never for a
rule."""

_MARKS = (
    ("CFNetwork", "swift"),
    ("Starscream", "swift"),
    ("okhttp", "java"),
    ("Dalvik", "java"),
    ("Mozilla", "browser"),
    ("node", "node"),
    ("aiohttp", "python"),
    ("python", "python"),
    (".NET", "dotnet"),
    ("Dart", "dart"),
)
"""The first that is found. A websocket of the Java and Swift libraries says nothing of itself: `other`."""


def client_of(user_agent: str) -> str:
    """One of a few words."""
    return next((client for mark, client in _MARKS if mark in user_agent), "other")
