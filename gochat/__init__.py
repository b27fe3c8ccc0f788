"""GoChat: a mobile-first realtime chat backend."""

__version__ = "0.1.0"
