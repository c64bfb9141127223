//! One daemon a machine and port, and plain words where there are two.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::process;

use crate::support::daemon::{Daemon, command_at};
use crate::support::folder::Folder;
use crate::support::process::{Ended, run};
use crate::support::setup::{Section, Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn a_second_daemon_at_the_same_control_socket_is_refused() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo, listener("chat", "chat")));
    // Other ports: the control socket is all that they share.
    daemon.folder().write(
        "waproxy.config",
        setup(&echo, listener("chat", "chat")).text(),
    );
    let second = run(&mut command_at(daemon.folder().path(), "run", &[]));
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let socket = daemon.control();
    assert!(
        second.stderr.contains(socket.to_str().unwrap()),
        "{second:?}"
    );
    assert_eq!(
        daemon.status().0["listeners"][0]["port"],
        daemon.port("chat"),
        "the first lives on"
    );
}

#[test]
fn a_second_daemon_on_the_same_ports_is_refused() {
    let echo = StandIn::echo();
    let setup = setup(&echo, listener("chat", "chat"));
    let daemon = Daemon::start(&setup);
    let second = run_in_a_new_folder(&setup);
    assert_names_port_and_holder(&second, daemon.port("chat"), daemon.id());
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it_and_its_holder() {
    let echo = StandIn::echo();
    let any = listener("chat", "chat");
    let one = listener("chat", "chat").option("bind_address", Ipv4Addr::LOCALHOST);
    for section in [any, one] {
        let setup = setup(&echo, section);
        let port = setup.port("chat");
        let _everywhere = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap();
        assert_names_port_and_holder(&run_in_a_new_folder(&setup), port, process::id());
    }
}

#[test]
fn a_port_that_is_taken_for_ipv4_alone_is_an_error_too() {
    let echo = StandIn::echo();
    let setup = setup(&echo, listener("chat", "chat"));
    let port = setup.port("chat");
    let _ipv4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert_names_port_and_holder(&run_in_a_new_folder(&setup), port, process::id());
}

#[test]
fn a_socket_that_a_dead_daemon_left_is_no_hindrance() {
    let echo = StandIn::echo();
    let mut daemon = Daemon::start(&setup(&echo, listener("chat", "chat")));
    daemon.kill();
    assert!(daemon.control().exists(), "the socket was left");
    daemon.start_again();
}

fn setup(echo: &StandIn, listener: Section) -> Setup {
    Setup::new()
        .with(listener)
        .with(upstream("chat", echo.address(), "none"))
}

fn run_in_a_new_folder(setup: &Setup) -> Ended {
    let folder = Folder::new();
    folder.write("waproxy.config", setup.text());
    run(&mut command_at(folder.path(), "run", &[]))
}

fn assert_names_port_and_holder(ended: &Ended, port: u16, holder: u32) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains(&port.to_string()),
        "no port in {ended:?}"
    );
    let name = fs::read_to_string(format!("/proc/{holder}/comm")).unwrap();
    let named = [name.trim(), &holder.to_string()]
        .iter()
        .any(|word| ended.stderr.contains(word));
    assert!(named, "no process {holder} ({name}) in {ended:?}");
}
