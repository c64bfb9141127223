//! Floods, beside honest transfers that begin in the middle of them. The limits of clients and of
//! handshakes are those that the package ships. Needs root.
//!
//! `WAPROXY_FLOOD_SECONDS` says how long each lasts.

mod drip;
mod stage;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use self::drip::Drip;
use self::stage::Stage;
use crate::support::client::{connect_from, reset};
use crate::support::tls::TlsClient;

#[test]
fn a_flood_from_one_address_is_turned_away() {
    let stage = Stage::new();
    stage.flood(|| {
        let flooder = Ipv4Addr::new(127, 66, 100, 1);
        let _ = connect_from(flooder, stage.target("plain"));
    });
    let status = stage.daemon.status();
    assert!(status.refused("plain", "max_rate_per_client") > 100);
    stage.assert_nothing_is_left();
}

#[test]
fn a_flood_from_ten_thousand_addresses_is_carried_beside_others() {
    let stage = Stage::new();
    let held: Mutex<VecDeque<TcpStream>> = Mutex::default();
    stage.flood(|| {
        let Ok(stream) = connect_from(stranger(), stage.target("plain")) else {
            return;
        };
        let mut held = held.lock().unwrap();
        held.push_back(stream);
        if held.len() > 1_000 {
            held.pop_front();
        }
    });
    held.lock().unwrap().clear();
    assert!(stage.daemon.status().ended("plain", "closed") > 1_000);
    stage.assert_nothing_is_left();
}

#[test]
fn scans_that_connect_and_leave_disturb_nobody() {
    let stage = Stage::new();
    let turn = AtomicU32::new(0);
    stage.flood(|| {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let listener = ["plain", "tls", "behind"][turn as usize % 3];
        if let Ok(stream) = connect_from(stranger(), stage.target(listener))
            && turn.is_multiple_of(2)
        {
            reset(stream);
        }
    });
    stage.assert_nothing_is_left();
}

#[test]
fn full_handshakes_without_end_leave_others_their_share() {
    let stage = Stage::new();
    let shaken = AtomicU32::new(0);
    stage.flood(|| {
        let stream = connect_from(stranger(), stage.target("tls"));
        if stream.and_then(TlsClient::over).is_ok() {
            shaken.fetch_add(1, Ordering::Relaxed);
        }
    });
    let shaken = shaken.into_inner();
    assert!(shaken > 500, "hardly a handshake was whole: {shaken}");
    stage.assert_nothing_is_left();
}

#[test]
fn handshakes_that_drip_are_pushed_out() {
    assert_drips_are_pushed_out("tls", HELLO);
}

#[test]
fn headers_that_drip_are_pushed_out() {
    assert_drips_are_pushed_out("behind", b"PROXY TCP4 ");
}

#[test]
fn first_bytes_that_drip_on_one_port_for_all_are_pushed_out() {
    assert_drips_are_pushed_out("all", HELLO);
}

#[test]
fn first_bytes_that_drip_into_a_gate_are_pushed_out() {
    assert_drips_are_pushed_out("gated", b"WA\x06\x03");
}

#[test]
fn syns_from_nobody_keep_nobody_out() {
    let stage = Stage::behind_a_cable();
    let flood = stage.start_hping3("plain");
    stage.transfers();
    let cookies = stage.syn_cookies();
    drop(flood);
    println!("{cookies} SYN cookies");
    assert!(cookies > 1_000, "the queue was never full: {cookies}");
    stage.assert_nothing_is_left();
}

#[test]
fn slowhttptest_keeps_nobody_out() {
    for way in ["-H", "-B"] {
        let stage = Stage::new();
        let attacker = stage.start_slowhttptest(way, "tls");
        stage.transfers();
        drop(attacker);
        let status = stage.daemon.status();
        let refused = ["max_rate_per_client", "max_connections_per_client"]
            .map(|reason| status.refused("tls", reason));
        println!("{way}: {refused:?}");
        assert!(refused.iter().sum::<u64>() > 100, "{refused:?}");
        stage.assert_nothing_is_left();
    }
}

fn assert_drips_are_pushed_out(listener: &str, beginning: &'static [u8]) {
    let stage = Stage::new();
    let drip = Drip::start(&stage, listener, beginning);
    stage.transfers();
    let resets = drip.finish();
    let pushed_out = stage.daemon.status().refused(listener, "max_handshakes");
    println!("{pushed_out} pushed out, {resets} resets");
    assert!(pushed_out >= 300, "hardly any: {pushed_out}");
    assert!(
        resets >= 300,
        "those that are pushed out are told: {resets}"
    );
    stage.assert_nothing_is_left();
}

/// The beginning of a ClientHello of 512 bytes.
const HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// One of ten thousand addresses, each time the next.
fn stranger() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % 10_000;
    Ipv4Addr::from(FIRST_STRANGER.to_bits() + number)
}

const FIRST_STRANGER: Ipv4Addr = Ipv4Addr::new(127, 66, 101, 0);
