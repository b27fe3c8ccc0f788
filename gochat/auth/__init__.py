"""Who is asking: passwords, tokens, sessions. Adapters behind the ports of core."""
