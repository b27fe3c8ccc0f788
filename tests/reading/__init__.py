"""What the tests of the reading side share: a reader beside a writer, and a phone that believes deltas."""
