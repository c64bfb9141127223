"""relay.py COMMAND...: has a daemon carry bytes, plain and over TLS, and fails where one is wrong.

COMMAND is the program, with an emulator before it where another machine's is tried. Then the clock
jumps by years, too, and bytes are carried again: `faketime` lies to the emulator, as it cannot to a
static program. Both sides are on loopback; the upstream sends back what it gets.
"""

import glob
import json
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
# Past the end of 32 bits, and to before any certificate.
JUMPS = ("+20y", "-25y")
YEAR = 365 * 86_400

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

        clock = Clock(os.path.join(folder, "clock"))
        run(command + ["--version"])
        daemon = subprocess.Popen(command + ["run"] + where, stdout=subprocess.DEVNULL, env=clock.lies)

        def not_after():
            return json.loads(run(command + ["status", "--json"] + where))["certificate"]["not_after_unix"]

        try:
            wait_for(daemon, ports["tls"])
            run(["openssl", "s_client", "-brief", "-connect", f"127.0.0.1:{ports['tls']}"])
            carry(ports)
            for jump in JUMPS if len(command) > 1 else ():
                before = not_after()
                clock.jump(jump)
                run(command + ["certificate", "--new"] + where)
                assert abs(not_after() - before) > YEAR, f"{jump}: the daemon does not see that clock"
                carry(ports)
            run(command + ["status"] + where)
        finally:
            daemon.send_signal(signal.SIGTERM)
            ended = daemon.wait(SOON)
        assert ended == 0, f"the daemon ended with {ended}"


class Clock:
    """What time it is for an emulator that is started with the environment `lies`."""

    def __init__(self, file):
        self._file = file
        self.jump("+0")
        self.lies = os.environ | {
            "LD_PRELOAD": glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0],
            "FAKETIME_TIMESTAMP_FILE": file,
            "FAKETIME_NO_CACHE": "1",
            # What timeouts go by is left alone, as by the kernel.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, offset):
        """To an offset from the true time."""
        draft = self._file + ".draft"
        with open(draft, "w", encoding="ascii") as file:
            file.write(f"{offset}\n")
        os.rename(draft, self._file)


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


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


def carry(ports):
    """Sends bytes and reads them back, plain and over TLS, until each way has carried SIZE."""
    for connection in (connect(ports["plain"]), connect(ports["tls"], tls=True)):
        with connection:
            for _ in range(SIZE // CHUNK):
                ping(connection, CHUNK)


main(sys.argv[1:])
