"""relay.py COMMAND...: has a daemon carry bytes, plain and over TLS, and fails where one is wrong.

COMMAND is the program, with an emulator before it where another machine's is tried. Both sides are
on loopback; the upstream sends back what it gets.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from far_side import Upstream, connect, ping

SIZE = 320_000
CHUNK = 64_000
# An emulated handshake takes seconds on a busy machine.
SOON = 60

CONFIG = """
config waproxy 'main'
    option enabled '1'
    option firewall '0'

config listener 'chat_tls'
    option enabled '1'
    option port '443'
    option bind_address '127.0.0.1'
    option bind_port '{tls}'
    option service 'echo'
    option tls '1'

config listener 'chat'
    option enabled '1'
    option port '5222'
    option bind_address '127.0.0.1'
    option bind_port '{plain}'
    option service 'echo'

config upstream 'echo'
    list address '127.0.0.1:{upstream}'
    option proxy_header 'none'
    option allow_private '1'
"""


def main(command):
    with tempfile.TemporaryDirectory() as folder:
        ports = {"tls": free_port(), "plain": free_port(), "upstream": Upstream().port}
        config = os.path.join(folder, "config")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(**ports))
        where = ["-c", config, "--state-dir", folder, "--control", os.path.join(folder, "control.sock")]

        run(command + ["--version"])
        daemon = subprocess.Popen(command + ["run"] + where, stdout=subprocess.DEVNULL)
        try:
            wait_for(daemon, ports["tls"])
            run(["openssl", "s_client", "-brief", "-connect", f"127.0.0.1:{ports['tls']}"])
            carry(connect(ports["plain"]))
            carry(connect(ports["tls"], tls=True))
            run(command + ["status"] + where)
        finally:
            daemon.send_signal(signal.SIGTERM)
            ended = daemon.wait(SOON)
        assert ended == 0, f"the daemon ended with {ended}"


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(daemon, port):
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        assert daemon.poll() is None, f"the daemon ended with {daemon.returncode}"
        try:
            return connect(port).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("the daemon does not listen")


def carry(connection):
    """Sends bytes and reads them back, until each way has carried SIZE."""
    with connection:
        for _ in range(SIZE // CHUNK):
            ping(connection, CHUNK)


main(sys.argv[1:])
