"""A phone as an app would be built: a local store, an outbox, and a driver on an official client library."""
