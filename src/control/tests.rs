//! Both ends of the control socket, over real ones.

use std::fs;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn the_schema_is_the_one_of_the_example() {
    let value: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(serde_json::to_value(example()).unwrap(), value);
    assert_eq!(example().schema, SCHEMA);
}

#[test]
fn requests_are_answered() {
    with_daemon(|path| {
        assert_eq!(status(path), example());
        let json = serde_json::to_string(&example()).unwrap();
        assert_eq!(ask(path, Request::Status).unwrap(), json);
        let table = text(path, Request::StatusText).unwrap();
        assert_eq!(table, "a table\n");
        let answer = link(path).unwrap();
        assert_eq!(answer, ("of nobody".into(), vec!["a hint".into()]));
        let refusal = ask(path, Request::NewCertificate).unwrap_err();
        assert_eq!(refusal.to_string(), "the operator's pair is in use");
    });
}

#[test]
fn what_is_no_request_is_told_so() {
    with_daemon(|path| {
        let unknown = raw(path, b"{\"request\":\"reboot\"}\n");
        assert!(
            unknown.starts_with("{\"error\":\"unknown variant `reboot`"),
            "{unknown}"
        );
        for garbage in [&b"\n"[..], b"status\n", b"{}\n", b"\xff\xfe\n", b"[[[[\n"] {
            let answer = raw(path, garbage);
            assert!(answer.starts_with("{\"error\":\""), "{answer}");
            assert!(answer.ends_with("\"}\n"), "{answer}");
        }
        // One byte less than what is too long, with its newline, is a request like any other.
        let long = format!("{{\"request\":\"status\"}}{}\n", " ".repeat(131_328 - 21));
        assert_eq!(long.len(), 131_328);
        assert!(raw(path, long.as_bytes()).starts_with("{\"schema\":1,"));
        let longer = raw(path, " ".repeat(131_328).as_bytes());
        assert_eq!(
            longer,
            "{\"error\":\"the request is longer than 131328 bytes\"}\n"
        );
    });
}

#[test]
fn what_belongs_to_a_request_stands_beside_it() {
    with_daemon(|path| {
        let share = raw(path, b"{\"request\":\"share\",\"host\":\"a.example\"}\n");
        assert!(share.contains("of a.example"), "{share}");
        let check = ask(path, Request::Check { text: "a\n".into() });
        let expected = r#"{"check":{"errors":["a\n"],"warnings":[]}}"#;
        assert_eq!(check.unwrap(), expected);
        let history = ask(path, Request::History).unwrap();
        assert_eq!(
            history,
            r#"{"history":{"interval_seconds":5,"bytes_up":[1],"bytes_down":[2],"connections":[3]}}"#
        );
        let textless = raw(path, b"{\"request\":\"check\"}\n");
        assert_eq!(textless, "{\"error\":\"missing field `text`\"}\n");
        for field in ["host", "text"] {
            let line = format!("{{\"request\":\"status\",\"{field}\":7}}\n");
            let answer = raw(path, line.as_bytes());
            assert!(answer.starts_with("{\"error\":\"invalid type"), "{answer}");
        }
    });
}

#[test]
fn the_longest_text_is_taken_and_no_longer_one() {
    with_daemon(|path| {
        let text = "\n".repeat(TEXT_MAX);
        assert!(ask(path, Request::Check { text }).is_ok());
        let text = "a".repeat(TEXT_MAX + 1);
        let refusal = ask(path, Request::Check { text }).unwrap_err();
        assert_eq!(refusal.to_string(), "the text is longer than 65536 bytes");
    });
}

#[test]
fn clients_that_stall_hold_up_nobody() {
    with_daemon(|path| {
        let mut stalled: Vec<_> = (0..15)
            .map(|_| UnixStream::connect(path).unwrap())
            .collect();
        stalled[0].write_all(b"{\"request\"").unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            status(path);
        }
        assert!(start.elapsed() < Duration::from_secs(2));
    });
}

#[test]
fn clients_that_stall_lose_their_seats() {
    with_daemon(|path| {
        let start = Instant::now();
        let mut stalled: Vec<_> = (0..16)
            .map(|_| UnixStream::connect(path).unwrap())
            .collect();
        assert_eq!(status(path), example());
        assert!(start.elapsed() + Duration::from_secs(1) > REQUEST_TIMEOUT);
        assert_eq!(stalled[0].read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_client_that_dribbles_loses_its_seat_too() {
    with_daemon(|path| {
        let start = Instant::now();
        let mut client = UnixStream::connect(path).unwrap();
        while client.write_all(&[b' '; 100]).is_ok() {
            assert!(start.elapsed() < REQUEST_TIMEOUT + Duration::from_secs(3));
            thread::sleep(Duration::from_millis(50));
        }
        assert!(start.elapsed() + Duration::from_secs(1) > REQUEST_TIMEOUT);
    });
}

#[test]
fn a_second_instance_is_refused_until_the_first_is_gone() {
    with_daemon(|path| {
        let Err(Error::Running(lock)) = bind(path) else {
            panic!("two instances at once");
        };
        assert_eq!(lock, path.with_extension("sock.lock"));
        assert_eq!(status(path), example());
    });
    let folder = Folder::new();
    let path = folder.0.join("control.sock");
    drop(bind(&path).unwrap());
    assert!(!path.exists());
    drop(bind(&path).unwrap());
}

#[test]
fn the_socket_of_an_instance_that_died_is_replaced() {
    let folder = Folder::new();
    let path = folder.0.join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    drop(UnixListener::bind(path.with_extension("sock.new")).unwrap());
    assert!(matches!(
        ask(&path, Request::Status),
        Err(Error::NotRunning(_))
    ));
    let _control = bind(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    assert!(!path.with_extension("sock.new").exists());
}

#[test]
fn nobody_but_user_and_group_gets_in() {
    let folder = Folder::new();
    let path = folder.0.join("a/b/control.sock");
    let _control = bind(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(path.parent().unwrap()), 0o750);
    assert_eq!(mode(&path), 0o660);
    assert_eq!(mode(&path.with_extension("sock.lock")), 0o600);
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let folder = Folder::new();
    let path = folder.0.join("control.sock");
    symlink(folder.0.join("target"), path.with_extension("sock.lock")).unwrap();
    assert!(matches!(bind(&path), Err(Error::Bind { .. })));
    assert!(!folder.0.join("target").exists());
}

#[test]
fn the_asker_learns_why_there_is_no_answer() {
    let folder = Folder::new();
    let path = folder.0.join("control.sock");
    let not_running = ask(&path, Request::Status).unwrap_err().to_string();
    let path_shown = path.display();
    assert_eq!(
        not_running,
        format!(
            "waproxy is not running (no answer at {path_shown}): start it with `service waproxy start` or \
             `waproxy run`, or name its socket with --control"
        )
    );
    let listener = UnixListener::bind(&path).unwrap();
    let answers: [&[u8]; 7] = [
        br#"{"text":"a\u001b[31m\nb\n"}
"#,
        br#"{"share":{"link":"\u009b2J"}}
"#,
        b"\x1b[31m\n",
        b"",
        b"{\"schema\":1",
        b"HTTP/1.1 400\r\n",
        b"{\"schema\":2}\n",
    ];
    let other = thread::spawn(move || {
        for answer in answers {
            let (mut client, _) = listener.accept().unwrap();
            BufReader::new(&client)
                .read_until(b'\n', &mut Vec::new())
                .unwrap();
            client.write_all(answer).unwrap();
        }
    });
    // Words that would colour a terminal, or clear it.
    let harmless = text(&path, Request::StatusText).unwrap();
    assert_eq!(harmless, "a\\u{1b}[31m\nb\n");
    assert_eq!(link(&path).unwrap().0, "\\u{9b}2J");
    let not_json = ask(&path, Request::Status);
    assert!(matches!(not_json, Err(Error::Garbled { .. })));
    assert!(matches!(
        ask(&path, Request::Status),
        Err(Error::NoAnswer { .. })
    ));
    assert!(matches!(
        ask(&path, Request::Status),
        Err(Error::NoAnswer { .. })
    ));
    assert!(matches!(
        text(&path, Request::StatusText),
        Err(Error::Garbled { .. })
    ));
    assert!(matches!(
        text(&path, Request::StatusText),
        Err(Error::Garbled { .. })
    ));
    other.join().unwrap();
}

#[test]
fn the_asker_does_not_wait_for_ever() {
    let folder = Folder::new();
    let path = folder.0.join("control.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let start = Instant::now();
    let error = ask(&path, Request::Status).unwrap_err().to_string();
    assert!(error.ends_with("control.sock: timed out"), "{error}");
    assert!(start.elapsed() < REQUEST_TIMEOUT + Duration::from_secs(3));
}

fn status(path: &Path) -> Status {
    serde_json::from_str(&ask(path, Request::Status).unwrap()).unwrap()
}

const EXAMPLE: &str = include_str!("status.json");

fn example() -> Status {
    serde_json::from_str(EXAMPLE).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

/// Binds within a runtime that nothing drives.
fn bind(path: &Path) -> Result<Control, Error> {
    let runtime = runtime();
    let _context = runtime.enter();
    Control::bind(path)
}

/// Runs `client` beside a daemon that fares as the example does and has no pair of its own.
fn with_daemon(client: impl FnOnce(&Path) + Send + 'static) {
    let folder = Folder::new();
    let path = folder.0.join("control.sock");
    runtime().block_on(async {
        let control = Control::bind(&path).unwrap();
        let mut daemon = pin!(control.serve(async |request| match request {
            Request::Check { text } => Ok(Answer::Check {
                check: Check {
                    errors: vec![text],
                    warnings: Vec::new(),
                },
            }),
            Request::Doctor { .. } => Ok(Answer::Doctor {
                doctor: Examination::default(),
            }),
            Request::Days => Ok(Answer::Days { days: Vec::new() }),
            Request::History => Ok(Answer::History {
                history: History {
                    interval_seconds: 5,
                    bytes_up: vec![1],
                    bytes_down: vec![2],
                    connections: vec![3],
                },
            }),
            Request::NewCertificate => Err("the operator's pair is in use".into()),
            Request::Share { host } => {
                let host = host.unwrap_or_else(|| "nobody".into());
                Ok(Answer::Share {
                    share: Share {
                        link: format!("of {host}"),
                        host,
                        chat_port: 443,
                        media_port: 587,
                        chat_tls: true,
                        hints: vec!["a hint".into()],
                    },
                })
            }
            Request::Status => Ok(Answer::Status(example().into())),
            _ => Ok(Answer::Text {
                text: "a table\n".into(),
            }),
        }));
        let path = path.clone();
        let mut client = tokio::task::spawn_blocking(move || client(&path));
        poll_fn(|context| {
            let Poll::Pending = daemon.as_mut().poll(context);
            pin!(&mut client).poll(context)
        })
        .await
        .unwrap();
    });
}

/// What the daemon answers to `bytes`.
fn raw(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A folder of a test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("waproxy-control-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
