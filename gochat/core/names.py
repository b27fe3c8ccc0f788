"""How names are compared."""

import unicodedata


def folded(text: str) -> str:
    """A name in the form in which it is compared: NFKC and case folding (Unicode, annexes 15 and 21)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
