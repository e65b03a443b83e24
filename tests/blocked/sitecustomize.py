"""Loaded by every Python process the tests start (conftest puts this folder on PYTHONPATH): no internet socket connects.

A test that runs its own server sets HOLDFAST_TEST_LOOPBACK=1 for the process it starts: 127.0.0.1 may then be reached, nothing else.
"""

import os
import socket


class BlockedSocket(socket.socket):
    def connect(self, address):
        self._refuse(address)
        return super().connect(address)

    def connect_ex(self, address):
        self._refuse(address)
        return super().connect_ex(address)

    def _refuse(self, address):
        loopback = os.environ.get("HOLDFAST_TEST_LOOPBACK") == "1" and address[0] == "127.0.0.1"
        if self.family in (socket.AF_INET, socket.AF_INET6) and not loopback:
            raise OSError(f"the tests block sockets: a connection to {address!r} was tried")


socket.socket = BlockedSocket
