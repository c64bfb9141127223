"""What a daemon on another machine talks to: an upstream that sends back what it gets, and clients.

The upstream stands in for WhatsApp's hosts. All of it is on loopback.
"""

import hashlib
import random
import select
import socket
import ssl
import threading

# A transfer that stands still for so long has failed.
PATIENCE = 120


class Upstream:
    """Echoes on a port of its own. `headers` are the PROXY headers that came."""

    def __init__(self, has_header=False):
        self._has_header = has_header
        self.headers = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                if self._has_header:
                    self.headers.append(stream.readline().decode())
                while piece := stream.read1(65536):
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                # The router was cut off, or cut the client off; who sent it sees that.
                pass


def connect(port, tls=False):
    """A client, as a phone would be: it looks at no certificate."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return plain
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, suppress_ragged_eofs=False)


def ping(client, size=64):
    """Sends some bytes and wants them back."""
    sent = random.randbytes(size)
    client.sendall(sent)
    received = b""
    while len(received) < size:
        piece = client.recv(size - len(received))
        if not piece:
            raise EOFError(f"{len(received)} bytes of {size} came back")
        received += piece
    assert received == sent, "other bytes came back"


def exchange(client, size):
    """Sends `size` bytes and gets as many back at the same time; says whether they are the same."""
    # In one thread: a TLS connection is not to be used by two.
    client.setblocking(False)
    source = random.Random(1)
    sent, received = hashlib.sha256(), hashlib.sha256()
    going, rest, come = b"", size, 0
    while come < size:
        stuck = True
        if not going and rest:
            going = source.randbytes(min(rest, 65536))
            sent.update(going)
            rest -= len(going)
        try:
            if going:
                going = going[client.send(going):]
                stuck = False
        except WOULD_BLOCK:
            pass
        try:
            piece = client.recv(65536)
            if not piece:
                raise EOFError(f"{come} bytes of {size} came back")
            received.update(piece)
            come += len(piece)
            stuck = False
        except WOULD_BLOCK:
            pass
        if stuck and not any(select.select([client], [client] if going else [], [], PATIENCE)):
            raise TimeoutError(f"{come} bytes of {size} came back, then nothing")
    return sent.digest() == received.digest()


WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
