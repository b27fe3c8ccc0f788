"""What processes measure of themselves, as Prometheus reads it."""
