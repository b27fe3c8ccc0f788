"""Load under faults against real processes, and a checker of everything that the product promises.

python -m tests.soak --help
"""
