"""What GoChat costs, beside what others do for the same: `python -m benchmarks`."""
