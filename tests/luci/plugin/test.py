"""Calls the plugin's methods, with daemons that do what they should or what they should not."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import unittest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
PLUGIN = ROOT / "luci/luci-app-waproxy/root/usr/share/rpcd/ucode/luci.waproxy"
STATUS = json.loads((ROOT / "src/control/status.json").read_text())
UCODE = os.environ.get("UCODE")

CONTROL = "/var/run/waproxy/control.sock"
UBUS = pathlib.Path("/run/ubus.json")
DEFERRED = pathlib.Path("/run/ubus.json.deferred")

RUNNING = {"service list": {"waproxy": {"instances": {"instance1": {"running": True}}}}}

# What all of LuCI may have to wait for us.
PATIENCE_MS = 500


class Daemon:
    """Listens at the control socket; each connection is given to `talk`."""

    def __init__(self, talk, backlog=16):
        self.asked = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(CONTROL)
        self.listener.listen(backlog)
        self.talk = talk
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                try:
                    self.asked.append(json.loads(lines.readline()))
                    self.talk(connection)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def says(answer):
    return lambda connection: connection.sendall((json.dumps(answer) + "\n").encode())


def sends(data):
    return lambda connection: connection.sendall(data)


def silent(_connection):
    time.sleep(2)


def dripping(connection):
    for _ in range(40):
        connection.sendall(b" ")
        time.sleep(0.05)


@unittest.skipUnless(UCODE, "no ucode")
class Case(unittest.TestCase):
    daemon = None

    def setUp(self):
        for path in UBUS, DEFERRED, "/var/etc/waproxy/problems":
            pathlib.Path(path).unlink(missing_ok=True)
        for folder in "/etc/config", "/etc/rc.d":
            for path in pathlib.Path(folder).iterdir():
                path.unlink()
        self.config("waproxy", "config waproxy main\n\toption enabled 1\n")
        self.ubus({})

    def tearDown(self):
        self.end()

    def end(self):
        if self.daemon:
            self.daemon.close()
            self.daemon = None
        pathlib.Path(CONTROL).unlink(missing_ok=True)

    def start(self, talk, **how):
        self.daemon = Daemon(talk, **how)

    def config(self, name, text):
        pathlib.Path("/etc/config", name).write_text(text)

    def ubus(self, answers):
        UBUS.write_text(json.dumps(answers))

    def call(self, method, **arguments):
        return self.calls(method, json.dumps(arguments))[0]["answer"]

    def calls(self, *methods_and_arguments):
        self.caller = subprocess.Popen(
            [UCODE, HERE / "call.uc", PLUGIN, *methods_and_arguments],
            env={**os.environ, "UBUS": str(UBUS)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        output, errors = self.caller.communicate(timeout=30)
        self.assertEqual((self.caller.returncode, errors), (0, ""))
        said = [json.loads(line) for line in output.splitlines()]
        for one in said:
            self.assertLess(one["ms"], PATIENCE_MS)
        return said

    def deferred(self):
        return [json.loads(line)["message"] for line in DEFERRED.read_text().splitlines()]


class Status(Case):
    def daemon_error(self):
        answer = self.call("status")
        self.assertIsNone(answer["daemon"])
        return answer["daemon_error"]

    def test_is_the_daemons_with_that_of_the_service(self):
        self.start(says(STATUS))
        self.ubus(RUNNING)
        pathlib.Path("/etc/rc.d/S95waproxy").touch()
        answer = self.call("status")
        self.assertEqual(answer["daemon"], STATUS)
        self.assertIsNone(answer["daemon_error"])
        self.assertEqual(answer["service"], {"running": True, "boot": True, "enabled": True})
        self.assertEqual(self.daemon.asked, [{"request": "status"}])

    def test_is_not_of_what_is_about_to_change(self):
        change = pathlib.Path("/tmp/.uci/waproxy")
        change.write_text("waproxy.main.enabled='0'\n")
        self.assertTrue(self.call("status")["service"]["enabled"])
        change.unlink()

    def test_of_a_service_that_is_off(self):
        self.config("waproxy", "config waproxy main\n\toption enabled 0\n")
        answer = self.call("status")
        self.assertEqual(answer["service"], {"running": False, "boot": False, "enabled": False})

    def test_of_a_service_that_ended(self):
        self.ubus({"service list": {"waproxy": {"instances": {"a": {"running": False}}}}})
        self.assertFalse(self.call("status")["service"]["running"])

    def test_without_a_configuration(self):
        pathlib.Path("/etc/config/waproxy").unlink()
        self.assertFalse(self.call("status")["service"]["enabled"])

    def test_without_a_socket(self):
        self.assertEqual(self.daemon_error(), "not_running")

    def test_of_a_daemon_that_died(self):
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(CONTROL)
            gone.listen()
        self.assertEqual(self.daemon_error(), "not_running")

    def test_names_problems_where_the_daemon_does_not_run(self):
        pathlib.Path("/var/etc/waproxy/problems").write_text("port 443 not open\nno zone\n")
        self.assertEqual(self.call("status")["problems"], ["port 443 not open", "no zone"])
        self.start(says(STATUS))
        self.assertEqual(self.call("status")["problems"], [])

    def test_of_a_daemon_that_never_answers(self):
        self.start(silent)
        self.assertEqual(self.daemon_error(), "no_answer")

    def test_is_not_waited_for_twice_in_a_row(self):
        self.start(silent)
        waited = [one["ms"] for one in self.calls("status", "{}", "history", "{}", "status", "{}")]
        self.assertGreater(waited[0], 300)
        self.assertLess(max(waited[1:]), 100)

    def test_is_asked_for_again_after_a_slow_answer(self):
        def slow(connection):
            time.sleep(0.25)
            says(STATUS)(connection)

        self.start(slow)
        said = self.calls("status", "{}", "status", "{}")
        self.assertEqual([one["answer"]["daemon"] for one in said], [STATUS, STATUS])

    def test_is_waited_for_again_after_garbage(self):
        answers = iter([b"garbage", json.dumps(STATUS).encode()])
        self.start(lambda connection: connection.sendall(next(answers)))
        self.assertEqual([one["answer"]["daemon"] for one in self.calls("status", "{}", "status", "{}")], [None, STATUS])

    def test_of_a_daemon_that_does_not_even_accept(self):
        with socket.socket(socket.AF_UNIX) as hung:
            hung.bind(CONTROL)
            hung.listen(0)
            with socket.socket(socket.AF_UNIX) as queued:
                queued.connect(CONTROL)
                self.assertEqual(self.daemon_error(), "no_answer")

    def test_of_a_daemon_that_answers_too_slowly(self):
        self.start(dripping)
        self.assertEqual(self.daemon_error(), "no_answer")

    def test_of_a_daemon_that_answers_in_parts(self):
        def talk(connection):
            for part in json.dumps(STATUS).encode().partition(b"uptime"):
                connection.sendall(part)
                time.sleep(0.05)

        self.start(talk)
        self.assertEqual(self.call("status")["daemon"], STATUS)

    def test_is_right_although_a_process_ends_meanwhile(self):
        def talk(connection):
            for _ in range(3):
                time.sleep(0.03)
                self.caller.send_signal(signal.SIGCHLD)
            connection.sendall(json.dumps(STATUS).encode())

        self.start(talk)
        self.assertEqual(self.call("status")["daemon"], STATUS)

    def test_of_garbage(self):
        for garbage in b"", b"\0\xff\xfe\n", b"{", b"[]\n", b"17\n", b"null\n", b"[" * 100_000, b'{"a":' * 1000:
            with self.subTest(garbage[:20]):
                self.start(sends(garbage))
                self.assertEqual(self.daemon_error(), "no_answer")
                self.end()

    def test_of_a_line_of_ten_megabytes(self):
        self.start(sends(b'{"a":"' + b"a" * 10_000_000 + b'"}\n'))
        self.assertEqual(self.daemon_error(), "no_answer")

    def test_of_a_hundred_listeners(self):
        status = {**STATUS, "listeners": STATUS["listeners"] * 50}
        self.start(says(status))
        self.assertEqual(self.call("status")["daemon"], status)

    def test_of_a_daemon_that_refuses(self):
        self.start(says({"error": "unknown request"}))
        self.assertEqual(self.daemon_error(), "no_answer")


class History(Case):
    def test_is_the_daemons(self):
        history = {"interval_seconds": 5, "bytes_up": [1], "bytes_down": [2], "connections": [3]}
        self.start(says({"history": history}))
        self.assertEqual(self.call("history"), history)

    def test_of_itself_is_the_daemons_too(self):
        found = {"running": True, "steps": [{"name": "clock", "result": "ok", "milliseconds": 0, "what": "set", "cause": None}]}
        self.start(says({"doctor": found}))
        self.assertEqual(self.call("doctor", begin=False), {**found, "error": None})
        self.assertEqual(self.daemon.asked, [{"request": "doctor", "begin": False}])

    def test_of_itself_begins_with_what_root_sees(self):
        found = {"running": True, "steps": []}
        self.start(says({"doctor": found}))
        for seen in {"code": 0, "stdout": "rules 2 2\n"}, {"code": 2, "stdout": ""}:
            self.ubus({"file exec": seen})
            self.assertEqual(self.call("doctor", begin=True), {**found, "error": None})
            self.assertEqual(self.deferred()[-1], {"command": "/bin/sh", "params": ["/usr/share/waproxy/look.sh"]})
            self.assertEqual(self.daemon.asked[-1], {"request": "doctor", "begin": True, "text": seen["stdout"]})

    def test_of_itself_is_an_error_without_a_daemon(self):
        self.assertEqual(self.call("doctor", begin=True), {"error": "not_running"})

    def test_of_itself_that_does_not_come_is_an_error(self):
        self.start(lambda connection: connection.recv(1))
        self.assertEqual(self.call("doctor", begin=False), {"error": "no_answer"})

    def test_of_days_is_the_daemons_too(self):
        days = [{"date": "2026-11-25", "bytes_up": 1, "bytes_down": 2, "connections": 3, "people": 4}]
        self.start(says({"days": days}))
        self.assertEqual(self.call("days"), {"days": days})

    def test_is_empty_without_a_daemon(self):
        self.assertEqual(self.call("history"), {})
        self.assertEqual(self.call("days"), {"days": []})


WAN = {
    "interface": "wan", "up": True, "uptime": 71, "ipv4-address": [{"address": "93.184.216.34", "mask": 24}], "ipv6-address": [],
    "route": [{"target": "0.0.0.0", "mask": 0}],
}
ZONES = "config zone\n\toption name lan\n\tlist network lan\nconfig zone\n\toption name wan\n\tlist network wan\n\tlist network wan6\n"


class Wan(Case):
    def of(self, *interfaces):
        self.config("firewall", ZONES)
        self.ubus({"network.interface dump": {"interface": interfaces}})
        return self.call("wan")

    def test_is_the_interface_of_the_zone(self):
        lan = {**WAN, "interface": "lan", "ipv4-address": [{"address": "192.168.1.1"}]}
        expected = {"ipv4": "93.184.216.34", "ipv4_kind": "public", "up_seconds": 71, "host": "93.184.216.34"}
        self.assertEqual(self.of(lan, WAN), expected)

    def test_without_one(self):
        expected = {"ipv4": None, "ipv4_kind": "none", "up_seconds": None, "host": None}
        self.assertEqual(self.call("wan"), expected)
        self.assertEqual(self.of({**WAN, "up": False}), expected)

    def test_of_a_network_in_an_option(self):
        self.of(WAN)
        self.config("firewall", "config zone\n\toption name wan\n\toption network 'wwan wan'\n")
        self.assertEqual(self.call("wan")["ipv4"], "93.184.216.34")

    def test_of_another_zone(self):
        self.config("waproxy", "config waproxy main\n\toption src_zone lan\n")
        self.assertEqual(self.of({**WAN, "interface": "lan"})["ipv4"], "93.184.216.34")

    def test_that_netifd_made_for_a_modem(self):
        modem = {**WAN, "interface": "wwan_4", "data": {"zone": "wan"}}
        self.assertEqual(self.of(modem)["ipv4"], "93.184.216.34")

    def test_is_where_the_internet_is(self):
        other = {**WAN, "interface": "wan6", "ipv4-address": [{"address": "8.8.8.8"}], "route": []}
        self.assertEqual(self.of(other, WAN)["ipv4"], "93.184.216.34")

    def test_kinds_of_addresses(self):
        for address, kind in {
            "8.8.8.8": "public", "100.63.255.255": "public", "100.64.0.1": "carrier_nat", "100.127.255.254": "carrier_nat",
            "100.128.0.1": "public", "192.0.0.2": "carrier_nat", "192.168.0.2": "private", "10.1.2.3": "private",
            "172.15.0.1": "public", "172.16.0.1": "private", "172.31.0.1": "private", "172.32.0.1": "public",
            "169.254.3.4": "private",
        }.items():
            with self.subTest(address):
                self.assertEqual(self.of({**WAN, "ipv4-address": [{"address": address}]})["ipv4_kind"], kind)

    def test_of_ipv6_alone(self):
        wan6 = {"interface": "wan6", "up": True, "ipv6-address": [{"address": "2a00:1450:4001::5"}]}
        self.assertEqual(self.of(wan6, WAN)["ipv4_kind"], "public")
        self.assertEqual(self.of(wan6)["ipv4_kind"], "none")

    def test_host_is_what_is_shared(self):
        self.config("ddns", DDNS)
        self.assertEqual(self.of(WAN)["host"], "home.example.org")
        self.config("waproxy", "config waproxy main\n\toption host proxy.example.org\n")
        self.assertEqual(self.of(WAN)["host"], "proxy.example.org")


DDNS = """
config ddns global
config service off
	option enabled 0
	option lookup_host off.example.org
config service six
	option enabled 1
	option use_ipv6 1
	option lookup_host six.example.org
config service odd
	option enabled 1
	option domain 'user@x y'
config service four
	option enabled 1
	option lookup_host home.example.org
	option domain other.example.org
config service again
	option enabled 1
	option domain home.example.org
"""


class Share(Case):
    def share(self):
        self.start(says({"share": {"link": "L"}}))
        answer = self.call("share")
        return answer, self.daemon.asked

    def test_of_the_host_that_is_set(self):
        self.config("waproxy", "config waproxy main\n\toption host proxy.example.org\n")
        self.config("ddns", DDNS)
        expected = {"share": {"link": "L"}, "host_source": "option", "error": None}
        self.assertEqual(self.share(), (expected, [{"request": "share", "host": "proxy.example.org"}]))

    def test_of_a_name_that_phones_can_use(self):
        self.config("ddns", DDNS)
        answer, asked = self.share()
        self.assertEqual((answer["host_source"], asked[0]["host"]), ("ddns", "home.example.org"))

    def test_of_the_address(self):
        self.config("firewall", ZONES)
        self.ubus({"network.interface dump": {"interface": [WAN]}})
        answer, asked = self.share()
        self.assertEqual((answer["host_source"], asked[0]["host"]), ("wan", "93.184.216.34"))

    def test_of_the_address_of_a_router_in_front(self):
        self.config("waproxy", "config waproxy main\n\toption port_mapping 1\n")
        self.config("firewall", ZONES)
        self.ubus({"network.interface dump": {"interface": [WAN]}})
        self.start(lambda connection: says({**STATUS, "share": {"link": "L"}})(connection))
        answer = self.call("share")
        self.assertEqual((answer["host_source"], self.daemon.asked[-1]["host"]), ("gateway", STATUS["port_mapping"]["external"]))
        self.assertEqual(self.call("wan")["host"], STATUS["port_mapping"]["external"])

    def test_without_any(self):
        answer, asked = self.share()
        self.assertEqual((answer, asked), ({"share": None, "host_source": None, "error": "no_host"}, []))

    def test_that_the_daemon_cannot_make(self):
        self.config("waproxy", "config waproxy main\n\toption host proxy.example.org\n")
        self.assertEqual(self.call("share"), {"share": None, "host_source": "option", "error": "not_running"})
        self.start(says({"error": "no listener for media"}))
        self.assertEqual(self.call("share"), {"share": None, "host_source": "option", "error": "no listener for media"})


class Check(Case):
    def test_is_the_daemons(self):
        text = "config waproxy main\n\toption host 'ü\\\"'\n"
        self.config("waproxy", text)
        self.start(says({"check": {"errors": ["e"], "warnings": ["w"]}}))
        self.assertEqual(self.call("check"), {"errors": ["e"], "warnings": ["w"]})
        self.assertEqual(self.daemon.asked, [{"request": "check", "text": text}])

    def test_is_the_programs_where_the_daemon_cannot(self):
        self.ubus({"file exec": {"code": 1, "stderr": "warning: old\nerror: one\nerror: two\n"}})
        self.assertEqual(self.call("check"), {"errors": ["one", "two"], "warnings": ["old"]})
        self.assertEqual(self.deferred(), [{"command": "/usr/bin/waproxy", "params": ["check", "--service"]}])

    def test_of_a_text_that_is_too_long_for_the_daemon(self):
        self.config("waproxy", "#" * 70_000)
        self.start(says({"check": {"errors": [], "warnings": []}}))
        self.ubus({"file exec": {"code": 0}})
        self.assertEqual(self.call("check"), {"errors": [], "warnings": []})
        self.assertEqual((self.daemon.asked, len(self.deferred())), ([], 1))

    def test_that_cannot_be_made(self):
        self.assertEqual(self.call("check")["errors"], ["waproxy check: no answer"])


class Service(Case):
    def test_runs_the_init_script(self):
        self.ubus({"file exec": {"code": 0, "stdout": "", "stderr": "waproxy: port 587 not open\n"}, **RUNNING})
        for action in "start", "stop", "restart", "reload", "enable", "disable":
            self.assertEqual(self.call("service", action=action), {"ok": True, "message": "waproxy: port 587 not open"})
            self.assertEqual(self.deferred()[-1], {"command": "/etc/init.d/waproxy", "params": [action]})

    def test_that_fails(self):
        self.ubus({"file exec": {"code": 1, "stderr": "no\n"}})
        self.assertEqual(self.call("service", action="start"), {"ok": False, "message": "no"})
        self.ubus(RUNNING)
        self.assertFalse(self.call("service", action="start")["ok"])

    def test_that_starts_nothing(self):
        self.ubus({"file exec": {"code": 0, "stderr": "waproxy: wrong\n"}})
        for action in "start", "restart":
            self.assertEqual(self.call("service", action=action), {"ok": False, "message": "waproxy: wrong"})
        for action in "stop", "reload", "enable", "disable":
            self.assertTrue(self.call("service", action=action)["ok"])

    def test_does_nothing_else(self):
        for action in "", "check", "start; reboot", "../dropbear":
            self.assertFalse(self.call("service", action=action)["ok"])
        self.assertFalse(self.call("service")["ok"])
        self.assertFalse(DEFERRED.exists())


unittest.main()
