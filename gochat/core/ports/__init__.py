"""Where the faces, storage and the outside meet, a file for each subject. A port states what it guarantees.

All are safe to call from the event loop, and only from there; none blocks it.
"""
