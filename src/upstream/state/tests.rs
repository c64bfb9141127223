use std::time::Duration;

use rustix::io::Errno;

use super::super::DialError;
use super::*;

const TOOK: Duration = Duration::from_millis(42);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn answer(addresses: &[&str]) -> Answer {
    Answer::new(addresses.iter().map(|text| address(text)), false)
}

fn refused() -> DialError {
    DialError::Connect(Errno::CONNREFUSED.into())
}

fn order(state: &State) -> Vec<String> {
    state.order().iter().map(ToString::to_string).collect()
}

fn news(state: &mut State) -> Vec<String> {
    state
        .take_news()
        .into_iter()
        .map(|(level, line)| format!("{level} {line}"))
        .collect()
}

/// Two names with two addresses each.
fn two_names() -> State {
    let mut state = State::new(["a:1".to_owned(), "b:1".to_owned()].into_iter());
    state.answered(0, Ok(answer(&["1.1.1.1:1", "1.1.1.2:1"])));
    state.answered(1, Ok(answer(&["1.1.2.1:1", "1.1.2.2:1"])));
    state
}

#[test]
fn healthy_addresses_come_first_and_then_the_order_of_the_configuration() {
    let mut state = two_names();
    assert_eq!(
        order(&state),
        ["1.1.1.1:1", "1.1.1.2:1", "1.1.2.1:1", "1.1.2.2:1"]
    );

    state.tell(address("1.1.2.1:1"), |record| record.connected(TOOK));
    assert_eq!(
        order(&state),
        ["1.1.2.1:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.2.2:1"]
    );

    state.tell(address("1.1.1.1:1"), |record| {
        record.dial_failed(&refused());
    });
    assert_eq!(
        order(&state),
        ["1.1.2.1:1", "1.1.1.2:1", "1.1.2.2:1", "1.1.1.1:1"]
    );

    for _ in 0..3 {
        state.tell(address("1.1.1.2:1"), |record| {
            record.check_failed(&refused());
        });
    }
    assert_eq!(
        order(&state),
        ["1.1.2.1:1", "1.1.2.2:1", "1.1.1.1:1", "1.1.1.2:1"]
    );

    state.tell(address("1.1.1.2:1"), |record| record.connected(TOOK));
    assert_eq!(
        order(&state),
        ["1.1.1.2:1", "1.1.2.1:1", "1.1.2.2:1", "1.1.1.1:1"]
    );
}

#[test]
fn checks_alone_take_an_address_down_and_one_connection_brings_it_up() {
    let mut state = State::new(["a:1".to_owned()].into_iter());
    state.answered(0, Ok(answer(&["1.1.1.1:1"])));
    let only = address("1.1.1.1:1");
    for _ in 0..10 {
        state.tell(only, |record| record.dial_failed(&refused()));
        assert_eq!(state.health(), Health::Failing);
    }
    state.tell(only, |record| record.check_failed(&refused()));
    state.tell(only, |record| record.check_failed(&refused()));
    assert_eq!(state.health(), Health::Failing);
    state.tell(only, |record| record.connected(TOOK));
    assert_eq!(state.health(), Health::Up);
    for _ in 0..3 {
        assert_ne!(state.health(), Health::Down);
        state.tell(only, |record| record.check_failed(&refused()));
    }
    assert_eq!(state.health(), Health::Down);
    state.tell(only, |record| record.connected(TOOK));
    assert_eq!(state.health(), Health::Up);
}

#[test]
fn the_log_gets_a_line_a_change_and_none_a_failure() {
    let mut state = State::new(["a:1".to_owned()].into_iter());
    let only = address("1.1.1.1:1");
    for _ in 0..3 {
        state.answered(0, Err("no DNS".to_owned()));
    }
    assert_eq!(
        news(&mut state),
        [
            "WARN a:1: no DNS; trying on",
            "WARN down: no address answers"
        ],
    );

    state.answered(0, Ok(answer(&["1.1.1.1:1"])));
    state.tell(only, |record| record.connected(TOOK));
    state.tell(only, |record| record.connected(TOOK));
    assert_eq!(news(&mut state), ["WARN a:1: found again", "WARN up again"]);

    for _ in 0..10 {
        state.tell(only, |record| record.dial_failed(&refused()));
        state.tell(only, |record| record.check_failed(&refused()));
    }
    assert_eq!(
        news(&mut state),
        [
            "INFO 1.1.1.1:1: down: Connection refused (os error 111)",
            "WARN down: no address answers",
        ],
    );

    state.tell(only, |record| record.connected(TOOK));
    assert_eq!(
        news(&mut state),
        ["INFO 1.1.1.1:1: answers again", "WARN up again"]
    );
}

#[test]
fn a_bad_answer_leaves_the_last_good_one() {
    let mut state = two_names();
    let before = order(&state);
    for bad in [
        Err("no DNS".to_owned()),
        Ok(answer(&[])),
        Ok(answer(&["10.0.0.1:1", "[::1]:1"])),
    ] {
        state.answered(0, bad);
        assert_eq!(order(&state), before);
    }
    let status = state.status("chat");
    assert_eq!(
        status.last_error.as_deref(),
        Some("a:1: leads to 10.0.0.1, a private address: refused"),
    );
    let refused: Vec<_> = status
        .addresses
        .iter()
        .filter_map(|a| a.last_error.as_deref())
        .collect();
    assert_eq!(
        refused,
        ["refused: private address", "refused: loopback address"]
    );
}

#[test]
fn a_good_answer_replaces_the_last_but_not_what_is_known_of_its_addresses() {
    let mut state = two_names();
    state.tell(address("1.1.1.2:1"), |record| record.connected(TOOK));
    let checks = state.checks();
    state.answered(0, Ok(answer(&["1.1.1.3:1", "1.1.1.2:1"])));
    assert_eq!(
        order(&state),
        ["1.1.1.2:1", "1.1.1.3:1", "1.1.2.1:1", "1.1.2.2:1"]
    );
    assert_eq!(state.health_of(address("1.1.1.2:1")), Health::Up);
    assert_eq!(state.health_of(address("1.1.1.3:1")), Health::Unknown);
    assert!(Arc::ptr_eq(&checks[1].1, &state.checks()[1].1));
}

#[test]
fn an_address_of_two_names_is_one_address() {
    let mut state = two_names();
    state.answered(1, Ok(answer(&["1.1.1.1:1"])));
    state.tell(address("1.1.1.1:1"), |record| record.connected(TOOK));
    assert_eq!(order(&state), ["1.1.1.1:1", "1.1.1.2:1"]);
    let status = state.status("chat");
    let names: Vec<_> = status
        .addresses
        .iter()
        .map(|a| (a.name.as_str(), a.connect_ms))
        .collect();
    assert_eq!(names, [("a:1", Some(42)), ("a:1", None), ("b:1", Some(42))]);
}

#[test]
fn our_own_shortage_is_not_held_against_an_address() {
    let mut state = two_names();
    state.tell(address("1.1.1.1:1"), |record| record.connected(TOOK));
    let shortage = DialError::Shortage(Errno::MFILE.into());
    state.tell(address("1.1.1.1:1"), |record| record.dial_failed(&shortage));
    for _ in 0..3 {
        state.tell(address("1.1.1.1:1"), |record| {
            record.check_failed(&shortage);
        });
    }
    assert_eq!(state.health_of(address("1.1.1.1:1")), Health::Up);
}

#[test]
fn status_says_what_was_never_found() {
    let mut state = State::new(["a:1".to_owned(), "b:1".to_owned()].into_iter());
    assert_eq!(state.status("chat").health, Health::Unknown);
    state.answered(0, Err("no DNS".to_owned()));
    state.answered(1, Ok(answer(&["192.168.1.1:1"])));
    let status = state.status("chat");
    assert_eq!(status.health, Health::Down);
    assert_eq!(
        status.last_error.as_deref(),
        Some("a:1: no DNS; b:1: leads to 192.168.1.1, a private address: refused"),
    );
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(
        json["addresses"][0],
        serde_json::json!({
            "name": "b:1",
            "address": "192.168.1.1:1",
            "health": "down",
            "connect_ms": null,
            "last_error": "refused: private address",
        }),
    );
}
