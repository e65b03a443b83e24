from loopback import server, settings

__all__ = ["server", "settings"]
