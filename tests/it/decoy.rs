//! The decoy: what a browser finds at a port of chat.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Ending, read_to_end};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::namespace::Namespace;
use crate::support::port;
use crate::support::process::{Ended, Process, run};
use crate::support::random::Random;
use crate::support::setup::{Section, Setup, listener, upstream};
use crate::support::stand_in::{StandIn, refusing};
use crate::support::status::Status;

const CHAT: &[u8] = b"WA\x06\x03 and what follows";
const PAGE: &str = "<!DOCTYPE html>\n<p>My garden\n";

#[test]
fn a_browser_finds_the_page_and_a_phone_its_chat() {
    let stage = Stage::with_page(PAGE.as_bytes());
    for listener in ["chat_tls", "all"] {
        let shown = stage.curl(listener, &["--include"], "/");
        let shown = shown.success();
        assert!(shown.starts_with("HTTP/1.1 200 OK\r\n"), "{shown}");
        assert!(shown.ends_with(PAGE), "{shown}");
        let head = stage.curl(listener, &["--head"], "/").success();
        assert!(head.contains("Content-Length: 29\r\n"), "{head}");
        let absent = stage
            .curl(listener, &["--include"], "/favicon.ico")
            .success();
        assert!(absent.starts_with("HTTP/1.1 404 Not Found\r\n"), "{absent}");
        let post = stage.curl(listener, &["--include", "--data", "a=b"], "/");
        assert!(post.stdout.contains("405 Method Not Allowed"), "{post:?}");

        let mut phone = stage.daemon.connect_tls(listener);
        phone.write_all(CHAT).unwrap();
        phone.finish().unwrap();
        assert_eq!(read_to_end(&mut phone), (CHAT.to_vec(), Ending::Closed));
        let status = stage
            .daemon
            .until("all have ended", |status| status.open() == 0);
        assert_eq!(status.ended(listener, "decoy"), 4);
        // The line has carried all of it.
        let said = [shown, head, absent, post.stdout].map(|said| said.len());
        let carried = |way: &str| status.listener(listener)[way].clone();
        assert_eq!(
            carried("bytes_down"),
            CHAT.len() + said.iter().sum::<usize>()
        );
        assert!(carried("bytes_up").as_u64() > Some(4 * 18));
    }
}

#[test]
fn a_large_page_arrives_whole_and_a_larger_one_is_refused() {
    let page = Random::new(2).bytes(65_536, 65_536);
    let mut stage = Stage::with_page(&page);
    let copy = stage.folder.join("copy");
    let options = ["--output", copy.to_str().unwrap()];
    stage.curl("chat_tls", &options, "/").success();
    assert!(fs::read(&copy).unwrap() == page);

    let file = stage.folder.write("page.html", [&page[..], b"x"].concat());
    let setup = stage.setup.clone();
    stage.daemon.reload(&setup);
    let status = stage.daemon.until("it is told", |status| {
        !status.configuration_errors().is_empty()
    });
    let told = status.configuration_errors()[0]
        .as_str()
        .unwrap()
        .to_owned();
    let expected = format!(
        "listener 'chat_tls', option decoy: {}: it is larger than 65536 bytes",
        file.display()
    );
    assert!(told.ends_with(&expected), "{told}");
    // What is shown is the page from before.
    stage.curl("chat_tls", &options, "/").success();
    assert!(fs::read(&copy).unwrap() == page);
}

#[test]
fn a_page_is_shown_at_the_rate_that_all_share() {
    let page = Random::new(4).bytes(65_536, 65_536);
    let mut stage = Stage::with_page(&page);
    let budget = Section::new("budget", "budget").option("rate", 1);
    stage.daemon.reload(&stage.setup.clone().with(budget));
    let is_limited = |status: &Status| status.0["budget"]["rate"] == 1_000_000;
    stage.daemon.until("it is limited", is_limited);
    let start = Instant::now();
    for _ in 0..6 {
        stage
            .curl("chat_tls", &["--output", "/dev/null"], "/")
            .success();
    }
    // Of three seconds at a megabit each, for the first may come at once.
    assert!(
        start.elapsed() > Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    let down = stage.daemon.status().0["today"]["bytes_down"].as_u64();
    assert!(down > Some(6 * 65_536), "{down:?}");
}

#[test]
fn check_says_that_there_is_no_page() {
    let folder = Folder::new();
    let setup = setup(
        &folder.join("nowhere.html").display().to_string(),
        &refusing(),
    );
    let file = folder.write("config", setup.text());
    let mut check = Command::new(env!("CARGO_BIN_EXE_waproxy"));
    let ended = run(check.arg("check").arg("-c").arg(file));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains("nowhere.html: No such file"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_browser_talks_with_the_web_server_at_home() {
    let (folder, port) = (Folder::new(), port::fresh());
    let photo = Random::new(3).bytes(1_000_000, 1_000_000);
    folder.write("photo.jpg", &photo);
    let mut python = Command::new("python3");
    python.current_dir(folder.path());
    python.args([
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        &port.to_string(),
    ]);
    let _server = Process::start_listening(&mut python, port);
    let stage = Stage::new(&format!("127.0.0.1:{port}"), Folder::new());
    let copy = stage.folder.join("copy");
    let options = ["--output", copy.to_str().unwrap()];
    stage.curl("chat_tls", &options, "/photo.jpg").success();
    assert!(fs::read(&copy).unwrap() == photo);
    // A budget has to know what the line carried.
    let counted = |status: &Status| status.listener("chat_tls")["bytes_down"].as_u64();
    stage.daemon.until("it is counted", |status| {
        counted(status) > Some(photo.len() as u64)
    });
}

#[test]
fn a_web_server_that_is_away_ends_the_connection() {
    let stage = Stage::new(&refusing().to_string(), Folder::new());
    let mut browser = stage.daemon.connect_tls("chat_tls");
    browser.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let (bytes, _) = read_to_end(&mut browser);
    assert_eq!(bytes, b"");
    stage.daemon.until("it is counted", |status| {
        status.ended("chat_tls", "decoy") == 1
    });
}

#[test]
fn no_more_is_carried_to_a_browser_than_16_mib() {
    let endless = StandIn::new(|mut stream| {
        loop {
            stream.write_all(&[b'x'; 16_384])?;
        }
    });
    let stage = Stage::new(&endless.address().to_string(), Folder::new());
    let mut browser = stage.daemon.connect_tls("chat_tls");
    browser.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let (bytes, _) = read_to_end(&mut browser);
    let most = 16 * 1024 * 1024;
    assert!(
        (most / 2..=most + 500_000).contains(&bytes.len()),
        "{}",
        bytes.len()
    );
}

#[test]
fn who_asks_slowly_or_without_end_is_answered_or_ended() {
    let stage = Stage::with_page(PAGE.as_bytes());
    // More than is read to judge it: what is left unread would make the end a reset.
    let mut long = stage.daemon.connect_tls("chat_tls");
    long.write_all(&[&b"GET / HTTP/1.1\r\nA: "[..], &vec![b'x'; 60_000]].concat())
        .unwrap();
    let (answer, _) = read_to_end(&mut long);
    assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    // A reset after the end is told as this.
    assert!(long.socket().take_error().unwrap().is_none());

    let mut slow = stage.daemon.connect_tls("chat_tls");
    for byte in b"GET / HTTP/1.1\r\n\r\n" {
        slow.write_all(&[*byte]).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    assert!(read_to_end(&mut slow).0.starts_with(b"HTTP/1.1 200 OK\r\n"));

    let mut silent = stage.daemon.connect_tls("chat_tls");
    silent.write_all(b"GET ").unwrap();
    assert_eq!(read_to_end(&mut silent).0, b"");
}

#[test]
fn luci_is_shown_to_nobody() {
    let place = Namespace::new();
    place.ip("link add lan type veth peer name cable");
    place.ip("link set lan up");
    // The second of them is called from the first.
    for host in [9, 10] {
        place.ip(&format!("address add 10.98.51.{host}/24 dev lan"));
    }
    for luci in ["10.98.51.9:80", "10.98.51.10:80", "10.98.51.10:443"] {
        let asked = Arc::new(AtomicBool::new(false));
        let _luci = place.inside(|| {
            let asked = Arc::clone(&asked);
            StandIn::on(TcpListener::bind(luci).unwrap(), move |mut stream| {
                asked.store(true, Ordering::Relaxed);
                stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nLuCI")
            })
        });
        let daemon = Daemon::start_under(&place.prefix(), &setup(luci, &refusing()));
        let mut browser = place.inside(|| daemon.connect_tls("chat_tls"));
        browser.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(read_to_end(&mut browser).0, b"", "{luci}");
        daemon.until("it is counted", |status| {
            status.ended("chat_tls", "decoy") == 1
        });
        assert!(!asked.load(Ordering::Relaxed), "{luci}");
        let warning =
            format!("warning: listener 'chat_tls', option decoy '{luci}': LuCI answers there");
        assert!(daemon.log().contains(&warning), "{}", daemon.log());
    }
}

/// A daemon with a decoy at each listener that can have one, in front of an echo.
struct Stage {
    daemon: Daemon,
    setup: Setup,
    folder: Folder,
    _echo: StandIn,
}

impl Stage {
    fn with_page(page: &[u8]) -> Self {
        let folder = Folder::new();
        let file = folder.write("page.html", page);
        Self::new(&file.display().to_string(), folder)
    }

    fn new(decoy: &str, folder: Folder) -> Self {
        let echo = StandIn::echo();
        let setup = setup(decoy, &echo.address());
        Self {
            daemon: Daemon::start(&setup),
            setup,
            folder,
            _echo: echo,
        }
    }

    /// What a browser gets there.
    fn curl(&self, listener: &str, options: &[&str], path: &str) -> Ended {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--noproxy", "*"]);
        let port = self.daemon.port(listener);
        run(curl
            .args(options)
            .arg(format!("https://127.0.0.1:{port}{path}")))
    }
}

fn setup(decoy: &str, address: &SocketAddr) -> Setup {
    let with_decoy = |name, service| {
        let listener = listener(name, service).option("tls", 1);
        listener.option("gate", "enforce").option("decoy", decoy)
    };
    Setup::new()
        .main("handshake_timeout", 3)
        .with(with_decoy("chat_tls", "chat"))
        .with(with_decoy("all", "auto"))
        .with(upstream("chat", address, "none"))
        .with(upstream("media", refusing(), "none"))
}
