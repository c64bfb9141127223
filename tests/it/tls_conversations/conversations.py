"""What a TLS server must refuse, and what it must take, said byte by byte.

    conversations.py PORT      speaks to a TLS listener in front of an upstream that echoes

tlslite-ng does the cryptography where a conversation goes beyond the first message. Every
conversation is over in seconds, or has failed.

The scripts of tlsfuzzer are not run here: PyPI has its library without them, most of those for TLS 1.2
want CBC, which rustls has not, and they expect an answer of HTTP. Tried by hand, their 4,750
conversations met no panic.
"""

import os
import socket
import struct
import sys
import traceback

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.errors import TLSAbruptCloseError, TLSRemoteAlert
from tlslite.messages import Alert, ApplicationData, Message

PORT = int(sys.argv[1])
PATIENCE = 10
SOURCE = "127.66.0.1"

# Content types, and alerts of RFC 8446, 6.
CCS, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24
UNEXPECTED, BAD_MAC, OVERFLOW, FAILURE, ILLEGAL, DECODE, DECRYPT, PROTOCOL = (
    10, 20, 22, 40, 47, 50, 51, 70
)
NO_RENEGOTIATION, MISSING_EXTENSION = 100, 109
# Level, description, its kind and the tag of the cipher: after a ServerHello of 1.3 none can tell more.
SEALED_ALERT = 2 + 1 + 16

SUITES_1_2 = [0xC02B, 0xC02F, 0x00FF]
SUITES_1_3 = [0x1301, 0x1303]
GROUPS = (10, bytes.fromhex("0004001d0017"))
SIGNATURES = (13, bytes.fromhex("0006040308040401"))
VERSIONS = (43, bytes.fromhex("020304"))
SHARE = (51, bytes.fromhex("0024001d0020") + os.urandom(32))
FOR_1_2 = [GROUPS, SIGNATURES]
FOR_1_3 = [GROUPS, SIGNATURES, VERSIONS, SHARE]


CONVERSATIONS = []


def conversation(function):
    CONVERSATIONS.append(function)
    return function


# === The first message, and what comes of it ===


@conversation
def secure_renegotiation_is_said():
    assert 0xFF01 in taken(hello())["extensions"]


@conversation
def a_client_of_1_2_is_told_that_more_was_possible():
    assert taken(hello())["random"].endswith(b"DOWNGRD\x01")


@conversation
def old_versions_are_refused():
    for version in (0x0300, 0x0301, 0x0302):
        refused(hello(version=version), PROTOCOL)
    only_1_1 = (43, bytes.fromhex("020302"))
    refused(hello(SUITES_1_3, [GROUPS, SIGNATURES, only_1_1, SHARE]), PROTOCOL)


@conversation
def a_hello_of_ssl_2_is_refused():
    refused_bytes(bytes.fromhex("802e010002001500000010") + bytes(37))


@conversation
def a_hello_in_pieces_of_a_byte_is_taken():
    for message in (hello(), hello(SUITES_1_3, FOR_1_3)):
        answered(b"".join(record(HANDSHAKE, message[i : i + 1]) for i in range(len(message))))


@conversation
def a_hello_of_unknown_things_is_taken():
    unknown = [(0x0A0A, b""), (0xFAFA, os.urandom(600)), (0x3374, b"")]
    taken(hello([0x0A0A, *SUITES_1_3, 0xFFFF], [*unknown, *FOR_1_3]))


@conversation
def compression_is_refused():
    refused(hello(compression=b"\x01"), FAILURE, ILLEGAL, DECODE)
    refused(hello(compression=b""), FAILURE, ILLEGAL, DECODE)


@conversation
def no_common_cipher_group_or_signature_is_a_failure():
    refused(hello([0x0005, 0x000A, 0x002F]), FAILURE)
    refused(hello([]), FAILURE, DECODE, ILLEGAL)
    refused(hello(extensions=[(10, bytes.fromhex("00020018")), SIGNATURES]), FAILURE)
    refused(hello(extensions=[GROUPS, (13, bytes.fromhex("00020201"))]), FAILURE, ILLEGAL)


@conversation
def extensions_that_are_broken_are_refused():
    for broken in (
        [*FOR_1_3, GROUPS],
        [*FOR_1_3, SHARE],
        [(10, b""), SIGNATURES],
        [(10, b"\x00\x03\x00\x1d\x00"), SIGNATURES],
        [GROUPS, SIGNATURES, VERSIONS, (51, b"\x00\x05\x00\x1d\x00\x01")],
        [*FOR_1_3, (0, b"\x00\x04\x00\x00\xff\xff")],
    ):
        refused(hello(SUITES_1_3 + SUITES_1_2, broken), DECODE, ILLEGAL)
    refused(hello(SUITES_1_3, [GROUPS, SIGNATURES, VERSIONS]), MISSING_EXTENSION, FAILURE)
    refused(hello(SUITES_1_3, [VERSIONS, SHARE]), MISSING_EXTENSION, FAILURE, ILLEGAL)


@conversation
def lengths_that_lie_are_refused():
    message = hello()
    refused(with_length(message + b"\x00", len(message) - 3), DECODE, ILLEGAL)
    refused(with_length(message[:-1], len(message) - 5), DECODE, ILLEGAL)
    # Longer than anyone's, and only its beginning comes: nobody waits for the rest.
    with connect() as peer:
        peer.sendall(record(HANDSHAKE, with_length(message, 0xFFFFFF)))
        read_to_end(peer)


@conversation
def a_share_of_a_wrong_group_is_asked_for_again_and_only_once():
    wrong = (51, bytes.fromhex("0006001800020000"))
    again = hello(SUITES_1_3, [GROUPS, SIGNATURES, VERSIONS, wrong])
    with connect() as peer:
        peer.sendall(record(HANDSHAKE, again))
        retry = server_hello(receive(peer)[1])
        assert retry["random"].startswith(bytes.fromhex("cf21ad74e59a6111")), "no retry"
        peer.sendall(record(HANDSHAKE, again))
        ends_with_alert(peer, ILLEGAL)


@conversation
def a_share_that_is_no_point_is_refused():
    for share in (bytes(32), b"\x01" + bytes(31)):
        low = (51, bytes.fromhex("0024001d0020") + share)
        refused(hello(SUITES_1_3, [GROUPS, SIGNATURES, VERSIONS, low]), ILLEGAL, FAILURE)


@conversation
def records_too_long_or_of_no_kind_are_refused():
    for header in ("1603034801", "160303ffff"):
        refused_bytes(bytes.fromhex(header) + bytes(0x4801), OVERFLOW, DECODE)
    for kind in (0, 25, 255):
        refused_bytes(record(kind, hello()))
    for kind in (CCS, DATA, HEARTBEAT):
        refused_bytes(record(kind, b"\x01"), UNEXPECTED, DECODE, ILLEGAL)


@conversation
def empty_records_are_refused_before_the_keys():
    refused_bytes(record(HANDSHAKE, b"") + record(DATA, b""))


@conversation
def messages_in_the_wrong_order_are_refused():
    for kind in (0, 2, 4, 11, 14, 16, 20, 24, 99):
        refused(struct.pack(">I", kind << 24), UNEXPECTED, DECODE)


@conversation
def who_leaves_amid_a_hello_is_let_go():
    whole = record(HANDSHAKE, hello())
    for end in (0, 1, 5, 6, len(whole) // 2, len(whole) - 1):
        with connect() as peer:
            peer.sendall(whole[:end])
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)


@conversation
def who_leaves_amid_a_handshake_is_let_go():
    for message in (hello(), hello(SUITES_1_3, FOR_1_3)):
        with connect() as peer:
            peer.sendall(record(HANDSHAKE, message))
            server_hello(receive(peer)[1])
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)


@conversation
def an_alert_instead_of_a_hello_ends_it():
    for alert in (b"\x01\x00", b"\x02\x28", b"\x01", b"\x01\x00\x00", b"\x07\x07"):
        with connect() as peer:
            peer.sendall(record(ALERT, alert))
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)


@conversation
def tickets_that_are_none_lead_to_a_whole_handshake():
    for length in (1, 16, 200, 16000):
        assert 35 in taken(hello(extensions=[*FOR_1_2, (35, os.urandom(length))]))["extensions"]
        assert 41 not in taken(hello(SUITES_1_3, [*FOR_1_3, *offer(length)]))["extensions"]


@conversation
def early_data_is_not_read():
    early = hello(SUITES_1_3, [*FOR_1_3, (42, b""), *offer(100)])
    with connect() as peer:
        peer.sendall(record(HANDSHAKE, early) + record(DATA, os.urandom(500)))
        assert 41 not in server_hello(receive(peer)[1])["extensions"]


@conversation
def a_second_hello_amid_a_handshake_is_refused():
    for message in (hello(), hello(SUITES_1_3, FOR_1_3)):
        with connect() as peer:
            peer.sendall(record(HANDSHAKE, message))
            server_hello(receive(peer)[1])
            peer.sendall(record(HANDSHAKE, message))
            ends_with_alert(peer, UNEXPECTED)


@conversation
def only_the_plain_change_of_ciphers_is_let_by():
    first = record(HANDSHAKE, hello(SUITES_1_3, FOR_1_3))
    for change in (b"\x00", b"\x02", b"\x01\x01"):
        with connect() as peer:
            peer.sendall(first)
            server_hello(receive(peer)[1])
            peer.sendall(record(CCS, change))
            ends_with_alert(peer, UNEXPECTED, DECODE, ILLEGAL)


@conversation
def a_finish_that_nobody_sealed_is_refused():
    for message, alerts in (
        (hello(), (UNEXPECTED,)),
        (hello(SUITES_1_3, FOR_1_3), (BAD_MAC, UNEXPECTED, DECRYPT)),
    ):
        with connect() as peer:
            peer.sendall(record(HANDSHAKE, message))
            server_hello(receive(peer)[1])
            peer.sendall(record(CCS, b"\x01") + record(DATA, os.urandom(53)))
            ends_with_alert(peer, *alerts)


# === With keys ===


@conversation
def each_version_carries_bytes():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.echoes(b"hello")


@conversation
def a_client_cannot_renegotiate():
    with Client((3, 3)) as client:
        client.send(Plain(HANDSHAKE, hello()))
        try:
            client.echoes(b"as before")
        except TLSRemoteAlert as alert:
            assert alert.description in (NO_RENEGOTIATION, UNEXPECTED), alert


@conversation
def a_hello_after_the_handshake_is_refused():
    with Client((3, 4)) as client:
        client.send(Plain(HANDSHAKE, hello(SUITES_1_3, FOR_1_3)))
        client.is_refused(UNEXPECTED)


@conversation
def padding_is_taken_off():
    with Client((3, 4)) as client:
        for length in (1, 255, 16000):
            client.record_layer.padding_cb = lambda *_, length=length: length
            client.echoes(b"padded")


@conversation
def nothing_but_padding_is_refused():
    with Client((3, 4)) as client:
        client.send(Plain(0, bytes(200)))
        client.is_over()


@conversation
def empty_data_is_nothing():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            for _ in range(8):
                client.send(ApplicationData().create(bytearray()))
            client.echoes(b"something")


@conversation
def a_sealed_record_too_long_is_refused():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.send(ApplicationData().create(bytearray(16385)))
            client.is_refused(OVERFLOW, DECODE)


@conversation
def a_full_record_is_taken():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.echoes(bytes(16384))


@conversation
def a_change_of_ciphers_after_the_handshake_is_refused():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.raw(record(CCS, b"\x01"))
            client.is_refused(UNEXPECTED, BAD_MAC, DECODE)


@conversation
def what_was_changed_on_the_way_is_refused():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.raw(record(DATA, os.urandom(64)))
            client.is_refused(BAD_MAC)


@conversation
def a_heartbeat_is_refused():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.send(Plain(HEARTBEAT, b"\x01\x40\x00" + bytes(16)))
            client.is_refused(UNEXPECTED, DECODE, ILLEGAL)


@conversation
def an_end_is_answered_by_an_end_and_what_follows_is_ignored():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.echoes(b"last words")
            client.send(Alert().create(0, 1))
            client.raw(record(DATA, os.urandom(64)) + record(ALERT, bytes(20)))
            client.is_over()


@conversation
def one_end_after_another_is_one_end():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.send(Alert().create(0, 1))
            client.send(Alert().create(0, 1))
            client.is_over()


@conversation
def a_fatal_alert_ends_it():
    for version in ((3, 3), (3, 4)):
        with Client(version) as client:
            client.send(Alert().create(80, 2))
            client.is_over()


# === What conversations are made of ===


def hello(suites=None, extensions=None, version=0x0303, compression=b"\x00"):
    """A ClientHello, with its header of a message."""
    suites = SUITES_1_2 if suites is None else suites
    extensions = FOR_1_2 if extensions is None else extensions
    body = struct.pack(">H", version) + os.urandom(32) + b"\x00"
    body += vector(2, b"".join(struct.pack(">H", suite) for suite in suites))
    body += vector(1, compression)
    body += vector(2, b"".join(struct.pack(">H", kind) + vector(2, data) for kind, data in extensions))
    return b"\x01" + vector(3, body)


def offer(length):
    """An offer to resume what never was: a ticket of noise, and how it may be used."""
    identity = vector(2, os.urandom(length)) + os.urandom(4)
    return [(45, b"\x01\x01"), (41, vector(2, identity) + vector(2, vector(1, os.urandom(32))))]


def vector(width, data):
    return len(data).to_bytes(width, "big") + data


def with_length(message, length):
    return message[:1] + length.to_bytes(3, "big") + message[4:]


def record(kind, data):
    """One record, or as many as the bytes take."""
    pieces = [data[at : at + 16384] for at in range(0, len(data), 16384)] or [b""]
    return b"".join(bytes([kind, 3, 3]) + vector(2, piece) for piece in pieces)


def connect():
    return socket.create_connection(("127.0.0.1", PORT), PATIENCE, (SOURCE, 0))


def receive(peer):
    """The next record: its kind and what is in it; nothing at the end."""
    header = exactly(peer, 5)
    return (header[0], exactly(peer, int.from_bytes(header[3:], "big"))) if header else None


def exactly(peer, length):
    data = b""
    while len(data) < length:
        try:
            more = peer.recv(length - len(data))
        except ConnectionResetError:
            more = b""
        if not more:
            assert not data, "an end amid a record"
            return b""
        data += more
    return data


def read_to_end(peer):
    """Whatever comes until the other side ends it, which it must."""
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        pass


def server_hello(data):
    assert data[0] == 2, f"no ServerHello but {data[:8].hex()}"
    random, at = data[6:38], 38
    at += 1 + data[at] + 3
    extensions, end = {}, at + 2 + int.from_bytes(data[at : at + 2], "big")
    at += 2
    while at < end:
        kind, length = struct.unpack(">HH", data[at : at + 4])
        extensions[kind] = data[at + 4 : at + 4 + length]
        at += 4 + length
    return {"random": random, "extensions": extensions}


def answered(data):
    with connect() as peer:
        peer.sendall(data)
        kind, answer = receive(peer)
        assert kind == HANDSHAKE, f"{kind}: {answer.hex()}"
        return server_hello(answer)


def taken(message):
    return answered(record(HANDSHAKE, message))


def refused(message, *alerts):
    refused_bytes(record(HANDSHAKE, message), *alerts)


def refused_bytes(data, *alerts):
    with connect() as peer:
        try:
            peer.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        ends_with_alert(peer, *alerts)


def ends_with_alert(peer, *alerts):
    """Records may come first; then there is a fatal alert, one of these if any are named."""
    last = None
    while got := receive(peer):
        last = got
    if last and last[0] == DATA and len(last[1]) == SEALED_ALERT:
        return
    assert last and last[0] == ALERT, f"{last and last[1][:40].hex()} and no alert"
    level, description = last[1]
    assert level == 2 and (not alerts or description in alerts), f"alert {level} {description}"


class Plain(Message):
    """Any bytes as a record of any kind."""

    def __init__(self, kind, data):
        super().__init__(kind, bytearray(data))


class Client:
    """A connection with its handshake done."""

    def __init__(self, version):
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = version
        self._socket = connect()
        self._tls = TLSConnection(self._socket)
        self._tls.handshakeClientCert(settings=settings)
        assert self._tls.version == version
        # What tlslite would answer an end with is for the conversation to say.
        self._tls.closeSocket = False
        self.record_layer = self._tls._recordLayer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, message):
        for _ in self.record_layer.sendRecord(message):
            pass

    def raw(self, data):
        self._socket.sendall(data)

    def echoes(self, data):
        self.send(ApplicationData().create(bytearray(data)))
        got = bytearray()
        while len(got) < len(data):
            more = self._tls.read(max=len(data) - len(got), min=1)
            assert more, "an end"
            got += more
        assert got == data, "other bytes came back"

    def is_refused(self, *alerts):
        try:
            got = self._tls.read(max=1, min=1)
        except TLSRemoteAlert as alert:
            assert alert.description in alerts, alert
            read_to_end(self._socket)
            return
        raise AssertionError(f"no alert but {got!r}")

    def is_over(self):
        """An end, be it a proper one or not, and no byte."""
        try:
            got = self._tls.read(max=1, min=1)
        except (TLSAbruptCloseError, ConnectionResetError):
            return
        assert not got, got
        read_to_end(self._socket)


def main():
    failed = 0
    for each in CONVERSATIONS:
        try:
            each()
        except Exception:
            failed += 1
            print(f"{each.__name__}:\n{traceback.format_exc()}")
    each_version_carries_bytes()
    print(f"{len(CONVERSATIONS)} conversations, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
