//! Bytes, ends and resets, carried over in both directions.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::support::client::{self, Ending, read_exactly, read_to_end};
use crate::support::random::Pattern;
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::Setup;

#[test]
fn bytes_arrive_exactly_in_both_directions() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        for length in [1, 2, 1000, 16_384, 16_385, 300_000] {
            say(&mut *client, &mut upstream, length);
            say(&mut upstream, &mut *client, length);
        }
        client.finish().unwrap();
        assert_eq!(
            read_to_end(&mut upstream),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );
    }
}

#[test]
fn a_silent_client_has_its_upstream_at_once_and_may_speak_late() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        // `connect` waits for the upstream, and the client has said nothing yet.
        let (mut client, mut upstream) = stage.connect(kind);
        thread::sleep(Duration::from_secs(2));
        say(&mut *client, &mut upstream, 100);
    }
}

#[test]
fn an_upstream_may_speak_first() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        say(&mut upstream, &mut *client, 100);
    }
}

#[test]
fn half_close_of_the_client_is_forwarded() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.write_all(b"last words").unwrap();
        client.finish().unwrap();
        assert_eq!(
            read_to_end(&mut upstream),
            (b"last words".to_vec(), Ending::Closed),
            "{kind:?}"
        );

        say(&mut upstream, &mut *client, 100_000);
        upstream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(
            read_to_end(&mut *client),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );
        // Below TLS too, where there is TLS.
        let ending = read_to_end(&mut client.socket());
        assert_eq!(ending, (Vec::new(), Ending::Closed), "{kind:?}");
        stage.daemon.until("ended as closed", |status| {
            status.ended(kind.listener(), "closed") == 1
        });
    }
}

#[test]
fn half_close_of_the_upstream_is_forwarded() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        upstream.write_all(b"last words").unwrap();
        upstream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(
            read_to_end(&mut *client),
            (b"last words".to_vec(), Ending::Closed),
            "{kind:?}"
        );
        // Under TLS, the FIN comes with the close_notify.
        assert_eq!(
            read_to_end(&mut client.socket()),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );

        say(&mut *client, &mut upstream, 100_000);
        client.finish().unwrap();
        assert_eq!(
            read_to_end(&mut upstream),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );
        stage.daemon.until("ended as closed", |status| {
            status.ended(kind.listener(), "closed") == 1
        });
    }
}

#[test]
fn a_reset_of_the_client_is_carried_over_after_its_bytes() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.write_all(b"last words").unwrap();
        thread::sleep(A_MOMENT);
        client.reset();
        assert_eq!(
            read_to_end(&mut upstream),
            (b"last words".to_vec(), Ending::Reset),
            "{kind:?}"
        );
        let reason = "reset_by_client";
        stage.daemon.until(reason, |status| {
            status.ended(kind.listener(), reason) == 1 && status.open() == 0
        });
    }
}

#[test]
fn a_reset_of_the_upstream_is_carried_over_after_its_bytes() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        upstream.write_all(b"last words").unwrap();
        thread::sleep(A_MOMENT);
        client::reset(upstream);
        assert_eq!(
            read_to_end(&mut *client),
            (b"last words".to_vec(), Ending::Reset),
            "{kind:?}"
        );
        let reason = "reset_by_upstream";
        stage.daemon.until(reason, |status| {
            status.ended(kind.listener(), reason) == 1 && status.open() == 0
        });
    }
}

#[test]
fn a_reset_that_a_write_finds_first_is_carried_over_too() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        // All of it waits when the daemon looks again, and it begins with what the client says.
        stage.daemon.pause();
        upstream.write_all(b"last words").unwrap();
        client.write_all(b"go on").unwrap();
        client.flush().unwrap();
        client::reset(upstream);
        stage.daemon.resume();
        assert_eq!(
            read_to_end(&mut *client),
            (b"last words".to_vec(), Ending::Reset),
            "{kind:?}"
        );
    }
}

#[test]
fn a_download_that_ended_in_order_survives_what_the_client_still_says() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        let download = vec![7; 600_000];
        upstream.write_all(&download).unwrap();
        drop(upstream);
        // The first word draws a reset from an upstream that has closed, the next ones meet it.
        for word in [b"x", b"y", b"z"] {
            thread::sleep(A_MOMENT);
            client.write_all(word).unwrap();
            client.flush().unwrap();
        }
        let (bytes, ending) = read_to_end(&mut *client);
        assert_eq!(
            (bytes.len(), ending),
            (download.len(), Ending::Closed),
            "{kind:?}"
        );
        drop(client);
        stage
            .daemon
            .until("none is open", |status| status.open() == 0);
    }
}

#[test]
fn a_reset_after_a_half_close_is_carried_over() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.finish().unwrap();
        assert_eq!(
            read_to_end(&mut upstream),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );
        client::reset(upstream);
        assert_eq!(
            read_to_end(&mut *client),
            (Vec::new(), Ending::Reset),
            "{kind:?}"
        );
    }
}

#[test]
fn the_bytes_of_each_direction_are_counted() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        say(&mut *client, &mut upstream, 70_000);
        say(&mut upstream, &mut *client, 30_000);
        stage.daemon.until("70,000 up and 30,000 down", |status| {
            let listener = status.listener(kind.listener());
            listener["bytes_up"] == 70_000
                && listener["bytes_down"] == 30_000
                && listener["active"] == 1
        });
    }
}

/// Long enough for the daemon to have read what was sent.
const A_MOMENT: Duration = Duration::from_millis(500);
const SEED: u64 = 7;
/// Has one end say something and the other hear it.
fn say(from: &mut (impl Write + Send + ?Sized), to: &mut (impl Read + ?Sized), length: usize) {
    let mut bytes = vec![0; length];
    Pattern::new(SEED).fill(&mut bytes);
    thread::scope(|scope| {
        scope.spawn(|| from.write_all(&bytes).and_then(|()| from.flush()).unwrap());
        assert!(
            read_exactly(to, length) == bytes,
            "{length} bytes did not arrive as they were sent"
        );
    });
}
