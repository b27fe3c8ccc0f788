"""The real services that tests run against, each a child process of the tests' own."""
