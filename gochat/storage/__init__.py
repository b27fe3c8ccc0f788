"""Tables, repositories and the conversation writer."""
