"""An emulated router: a MIPS 24Kc that QEMU runs, and a shell on it.

Nothing of it lasts but its disk, which is what a power cut leaves.
"""

import os
import socket
import subprocess
import time

MEMORY = "64M"
# Generous: the machine that emulates may have much else to do.
PATIENCE = 180


class Failed(Exception):
    """A command on the router ended with another status than 0."""


class Machine:
    """A router that runs, and the shell on it."""

    def __init__(self, folder, shell, forwards):
        """Boots what `folder` holds. `shell` is the port here where its shell is to be reached,
        `forwards` are pairs of ports: here, and on the router."""
        self._shell = shell
        self._console = os.path.join(folder, "console")
        if os.path.exists(self._console):
            # Of an earlier boot.
            os.remove(self._console)
        forwarded = "".join(
            f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in [(shell, 2222), *forwards]
        )
        self._qemu = subprocess.Popen(
            [
                "qemu-system-mipsel", "-M", "malta", "-cpu", "24Kc", "-m", MEMORY,
                "-kernel", os.path.join(folder, "kernel"),
                "-initrd", os.path.join(folder, "root.cpio"),
                "-append", "console=ttyS0 rdinit=/init quiet panic=-1",
                "-netdev", "user,id=wan" + forwarded,
                "-device", "virtio-net-pci,netdev=wan,romfile=",
                "-drive", f"file={os.path.join(folder, 'flash')},format=raw,if=virtio,cache=writethrough",
                "-serial", f"file:{self._console}",
                "-display", "none", "-vga", "none", "-monitor", "none", "-no-reboot",
            ],
            stdin=subprocess.DEVNULL,
        )
        try:
            self._wait_for_boot()
        except BaseException:
            self.cut_power()
            raise

    def _wait_for_boot(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._qemu.poll() is None:
            time.sleep(0.2)
            if "up\n" in self.said().replace("\r", ""):
                try:
                    self.run("true")
                    return
                except Failed:
                    # It does not listen yet.
                    pass
        raise Failed(f"the router does not boot:\n{self.said()}")

    def said(self):
        """What came over the console."""
        if not os.path.exists(self._console):
            return ""
        with open(self._console, encoding="utf-8", errors="replace") as console:
            return console.read()

    def try_run(self, command, patience=PATIENCE):
        """Runs a command line on the router: its status, and all that it wrote."""
        said = b""
        try:
            with socket.create_connection(("127.0.0.1", self._shell), timeout=patience) as shell:
                shell.sendall(f"{{ {command}\n}} </dev/null 2>&1; echo \"==$?\"\n".encode())
                shell.shutdown(socket.SHUT_WR)
                while piece := shell.recv(65536):
                    said += piece
        except OSError as error:
            raise Failed(f"{command}: {error}; it said {said!r}") from None
        text, _, status = said.decode(errors="replace").rpartition("==")
        if not status:
            raise Failed(f"{command}: cut off:\n{self.said()[-2000:]}")
        return int(status), text

    def run(self, command, patience=PATIENCE):
        """Runs a command line that must succeed, and gives what it wrote."""
        status, text = self.try_run(command, patience)
        if status:
            raise Failed(f"{command}: ended with {status}:\n{text}")
        return text

    def cut_power(self):
        """Ends the machine at once, in the middle of whatever it does."""
        self._qemu.kill()
        self._qemu.wait()
