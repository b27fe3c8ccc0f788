"""The rules: pure decisions over frozen values. Standard library only; no I/O, no clock."""
