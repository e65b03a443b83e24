"""Models that are reached through a server speaking OpenAI's API: one transport, what the server can do, and an engine on top."""
