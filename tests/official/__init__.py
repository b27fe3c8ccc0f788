"""What apps on the official client libraries lean on: one suite, for each library."""
