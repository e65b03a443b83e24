"""Loaded by every Python process the tests start (conftest puts this folder on PYTHONPATH): no internet socket connects."""

import socket


class BlockedSocket(socket.socket):
    def connect(self, address):
        self._refuse(address)
        return super().connect(address)

    def connect_ex(self, address):
        self._refuse(address)
        return super().connect_ex(address)

    def _refuse(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            raise OSError(f"the tests block sockets: a connection to {address!r} was tried")


socket.socket = BlockedSocket
