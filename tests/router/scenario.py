"""What a volunteer's router goes through, from the first start to a power cut.

    scenario.py FOLDER      boots what tests/router/run has made there
"""

import json
import re
import subprocess
import sys
import time

from far_side import Upstream, connect, exchange, ping
from machine import Failed, Machine

# Ports here that lead to those of the router.
SHELL, CHAT, MEDIA, WEB = 20022, 20443, 20587, 20080
FORWARDS = [(CHAT, 10443), (MEDIA, 10587), (WEB, 10080)]
BULK = 20_000_000
HELD = 500
CRASHES = 10
# It rests in some 1,660, most of which are pages of its file, which the kernel can drop.
MOST_AT_REST_KIB = 1792


def main():
    folder = sys.argv[1]
    start = time.monotonic()
    router = Router(folder)
    try:
        for step in STEPS:
            name = step.__name__.replace("_", " ")
            print(f"-- {name}", flush=True)
            step(router)
    except BaseException:
        print(f"of the router's console:\n{router.machine.said()[-3000:]}")
        print(router.machine.try_run("logread | tail -n 40", patience=20)[1])
        raise
    finally:
        router.machine.cut_power()
    print(f"router: {len(STEPS)} steps passed in {time.monotonic() - start:.0f} s")


class Router:
    """The machine, and what it leads to."""

    def __init__(self, folder):
        self._folder = folder
        self.chat, self.media = Upstream(has_header=True), Upstream()
        self.boot()

    def boot(self):
        """Switches the power on; the disk is as it was left."""
        self.machine = Machine(self._folder, SHELL, FORWARDS)
        self.run = self.machine.run

    def status(self):
        """What the daemon says of itself."""
        return json.loads(self.run("waproxy status --json"))

    def pid(self):
        """The daemon's process. `pidof` would find the init script too."""
        return int(self.run("cat /var/run/procd/waproxy/pid"))

    def is_running(self):
        return self.machine.try_run("kill -0 $(cat /var/run/procd/waproxy/pid)")[0] == 0

    def pss(self):
        """KiB of memory of the daemon, shared pages in proportion."""
        return int(self.run(f"awk '/^Pss:/ {{ print $2 }}' /proc/{self.pid()}/smaps_rollup"))


def wait_for(what, condition, patience=60):
    """Tries until it is so."""
    deadline = time.monotonic() + patience
    last = None
    while time.monotonic() < deadline:
        try:
            if condition():
                return
            last = None
        except (Failed, OSError, EOFError, ValueError) as error:
            last = error
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {patience} s" + (f"; at last {last}" if last else ""))


def serves(tls=True):
    """Whether a new client gets its bytes back."""
    with connect(CHAT if tls else MEDIA, tls) as client:
        ping(client)
    return True


# === The steps, in order ===


def it_does_not_run_before_it_is_switched_on(router):
    router.run("/etc/init.d/waproxy start")
    assert not router.is_running()


def it_is_switched_on_as_the_readme_says(router):
    for service, upstream in (("chat", router.chat), ("media", router.media)):
        router.run(
            f"uci -q delete waproxy.{service}.address;"
            f"uci add_list waproxy.{service}.address=10.0.2.2:{upstream.port};"
            f"uci set waproxy.{service}.allow_private=1"
        )
    router.run("uci set waproxy.main.enabled='1'")
    router.run("uci set waproxy.main.host='proxy.example.org'")
    router.run("uci commit waproxy")
    router.run("/etc/init.d/waproxy start")
    wait_for("it serves", serves)


def it_rests_in_little_memory(router):
    # Not after a handshake, which brings in what TLS needs.
    router.run("/etc/init.d/waproxy restart")
    wait_for("it is back", router.status)
    time.sleep(3)
    at_rest = router.pss()
    print(f"   memory at rest: {at_rest} KiB")
    assert at_rest <= MOST_AT_REST_KIB, f"more than {MOST_AT_REST_KIB}"


def it_runs_as_its_own_user(router):
    uid = router.run(f"awk '/^Uid:/ {{ print $2 }}' /proc/{router.pid()}/status").strip()
    assert uid == router.run("id -u waproxy").strip() != "0", uid


def every_thread_of_it_is_in_the_sandbox(router):
    # One that has looked up a name, too: the workers and the first are older.
    threads = router.run(f"cat /proc/{router.pid()}/task/*/status").split("Name:")[1:]
    assert len(threads) >= 2, threads
    for thread in threads:
        for what in ("NoNewPrivs: 1", "Seccomp: 2", "CapEff: 0000000000000000", "CapPrm: 0000000000000000"):
            assert what in thread.replace("\t", " "), f"not {what}:\n{thread}"


def the_sandbox_stops_what_it_should_and_nothing_else(router):
    status, said = router.machine.try_run("trial")
    assert status == 0, said
    print(f"   {said.splitlines()[-1]}")


def openssl_shakes_hands_in_both_versions(_router):
    for version in ("1_2", "1_3"):
        said = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{CHAT}", f"-tls{version}", "-brief"],
            input=b"", capture_output=True, timeout=60, check=True,
        ).stderr.decode()
        assert f"Protocol version: TLSv{version.replace('_', '.')}" in said, said


def megabytes_go_both_ways(router):
    for tls in (False, True):
        begin = time.monotonic()
        with connect(CHAT if tls else MEDIA, tls) as client:
            assert exchange(client, BULK), "the bytes differ"
        rate = 2 * BULK / 1e6 / (time.monotonic() - begin)
        print(f"   {'TLS' if tls else 'plain'}: {BULK / 1e6:.0f} MB each way, {rate:.1f} MB a second")
    assert router.chat.headers[-1].startswith("PROXY TCP4 10.0.2.2 "), router.chat.headers[-1]
    listeners = {listener["name"]: listener for listener in router.status()["listeners"]}
    for name in ("chat_tls", "media_main"):
        assert listeners[name]["bytes_up"] >= BULK <= listeners[name]["bytes_down"], listeners[name]


def status_and_share_tell_how_it_is(router):
    status = router.run("waproxy status")
    print("   " + status.rstrip().replace("\n", "\n   "))
    assert re.search(r"chat_tls +443->10443 +chat +yes", status), status
    link = "https://wa.me/proxy?host=proxy.example.org&chatPort=443&mediaPort=587&chatTLS=true"
    assert link in router.run("waproxy share"), "another link"


def a_right_change_is_followed_and_nobody_is_cut(router):
    before = router.pid()
    with connect(CHAT, tls=True) as held:
        ping(held)
        router.run("uci set waproxy.web_plain.enabled=1; uci set waproxy.web_plain.service=media")
        router.run("uci set waproxy.main.max_connections_per_client=0; uci set waproxy.main.max_rate_per_client=0")
        router.run("uci commit waproxy")
        router.run("/etc/init.d/waproxy reload")

        def web_serves():
            with connect(WEB) as client:
                ping(client)
            return True

        wait_for("the new listener serves", web_serves)
        ping(held)
    assert router.pid() == before, "it was started anew"


def a_wrong_change_changes_nothing(router):
    before = router.pid()
    router.run("uci set waproxy.main.idle_timeout=soon; uci commit waproxy")
    router.machine.try_run("/etc/init.d/waproxy reload")
    wait_for("status says what is wrong", lambda: "idle_timeout" in router.run("waproxy status"))
    assert "idle_timeout" in router.run("logread"), "nothing in the log"
    assert serves() and router.pid() == before


def it_comes_back_after_a_kill_with_what_was_right(router):
    before = router.pid()
    router.run(f"kill -9 {before}")
    wait_for("another runs", lambda: router.pid() != before)
    wait_for("it serves", serves)
    assert "idle_timeout" in router.run("waproxy status"), "it forgot what is wrong"
    router.run("uci set waproxy.main.idle_timeout=200; uci commit waproxy")
    router.run("/etc/init.d/waproxy reload")
    wait_for("it is mended", lambda: "idle_timeout" not in router.run("waproxy status"))


def it_comes_back_from_crash_after_crash(router):
    longest = 0
    for _ in range(CRASHES):
        before = router.pid()
        # As a panic ends it.
        router.run(f"kill -ABRT {before}")
        begin = time.monotonic()
        wait_for("another runs", lambda: router.pid() != before)
        wait_for("it serves", serves)
        longest = max(longest, time.monotonic() - begin)
    print(f"   {CRASHES} crashes in a row, the longest absence {longest:.1f} s")
    # A second of procd's, and an emulator on a busy machine.
    assert longest < 5, "it takes too long to come back"


def a_clock_that_jumps_by_years_ends_nothing(router):
    before, now = router.pid(), int(router.run("date +%s"))
    with connect(CHAT, tls=True) as held:
        ping(held)
        # Past the end of 32 bits, to before any certificate, and back.
        for moment in (2**31 - 3, 10**9, now):
            router.run(f"date -s @{moment}")
            time.sleep(4)
            ping(held)
            assert serves()
    assert router.pid() == before, "it was started anew"


def many_are_held(router):
    before = router.pss()
    clients = []
    try:
        for index in range(HELD):
            clients.append(connect(MEDIA if index % 2 else CHAT, tls=index % 2 == 0))
            ping(clients[-1])
        held = router.pss()
        each = (held - before) / HELD
        print(f"   {HELD} connections, half of them TLS: {before} to {held} KiB, {each:.1f} each")
        assert router.status()["connections"]["now"] == HELD
        for client in clients:
            ping(client)
    finally:
        for client in clients:
            client.close()
    wait_for("all have ended", lambda: router.status()["connections"]["now"] == 0)


def a_neighbour_eats_all_memory(router):
    before = router.pid()
    # Reads one endless line.
    status, _ = router.machine.try_run("tail -n 1 /dev/zero")
    assert status != 0, "memory has no end"
    assert "Out of memory" in router.run("dmesg"), "there was enough"
    wait_for("it serves", serves)
    print("   it " + ("survived" if router.pid() == before else "was killed and came back"))


def power_is_cut_while_a_certificate_is_made(router):
    # The first that is ever made, once there is anything of it; then one that replaces another.
    first = "rm -f /etc/waproxy/*; sync; /etc/init.d/waproxy start"
    again = "/etc/init.d/waproxy start; while :; do waproxy certificate --new; done"
    moments = [(first, 0), (first, 0.05), (again, 0.2), (again, 0.6), (again, 1)]
    for what, delay in moments:
        router.run("/etc/init.d/waproxy stop")
        router.run("rm -f /tmp/mark; touch /tmp/mark; sleep 1")
        router.run(f"sh -c '{what}' >/dev/null 2>&1 &")
        router.run("until [ -n \"$(find /etc/waproxy -type f -newer /tmp/mark)\" ]; do :; done")
        time.sleep(delay)
        router.machine.cut_power()
        router.boot()
        left = router.run("ls -s /etc/waproxy").replace("\n", ", ").rstrip(", ")
        print(f"   cut {delay} s after the first file, left: {left}")
        router.run("/etc/init.d/waproxy start")
        wait_for("it serves", serves)


def the_certificate_outlives_a_reboot(router):
    before = router.status()["certificate"]
    router.run("sync")
    router.machine.cut_power()
    router.boot()
    router.run("/etc/init.d/waproxy start")
    wait_for("it serves", serves)
    assert router.status()["certificate"] == before, "another certificate"


def no_client_is_in_anything_that_was_written(router):
    # All come from the address of the upstreams, which may be named: those have ports of theirs.
    written = router.run(
        "logread; waproxy status --json; waproxy metrics;"
        "cd / && for file in $(find etc/waproxy overlay tmp -type f); do cat $file; done"
    )
    ports = "|".join(str(upstream.port) for upstream in (router.chat, router.media))
    client = rf"10\.0\.2\.2(?!:({ports})\b)|0a:?00:?02:?02"
    lines = [line for line in written.splitlines() if re.search(client, line, re.IGNORECASE)]
    assert not lines, "\n".join(lines)
    assert f"10.0.2.2:{router.chat.port}" in written, "nothing was written at all"


def it_stops(router):
    router.run("/etc/init.d/waproxy stop")
    wait_for("it ends", lambda: not router.is_running())


STEPS = [
    it_does_not_run_before_it_is_switched_on,
    it_is_switched_on_as_the_readme_says,
    it_rests_in_little_memory,
    it_runs_as_its_own_user,
    every_thread_of_it_is_in_the_sandbox,
    the_sandbox_stops_what_it_should_and_nothing_else,
    openssl_shakes_hands_in_both_versions,
    megabytes_go_both_ways,
    status_and_share_tell_how_it_is,
    a_right_change_is_followed_and_nobody_is_cut,
    a_wrong_change_changes_nothing,
    it_comes_back_after_a_kill_with_what_was_right,
    it_comes_back_from_crash_after_crash,
    a_clock_that_jumps_by_years_ends_nothing,
    many_are_held,
    a_neighbour_eats_all_memory,
    power_is_cut_while_a_certificate_is_made,
    the_certificate_outlives_a_reboot,
    no_client_is_in_anything_that_was_written,
    it_stops,
]

if __name__ == "__main__":
    main()
