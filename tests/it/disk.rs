//! A disk that is full or read-only while a certificate is made: it is shown all the same, and kept
//! as soon as it can be. Needs root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::support::daemon::Daemon;
use crate::support::process::tool;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn a_start_with_a_full_disk_serves_and_keeps_its_certificate_once_there_is_room() {
    let disk = Disk::new("dd if=/dev/zero of=\"$state/filler\" 2>/dev/null");
    let shown = disk.daemon.connect_tls("chat_in").certificate();
    assert!(disk.unkept().contains("No space left"), "{}", disk.unkept());
    let text = disk.daemon.ask("certificate", &[]).success();
    assert!(text.contains("not kept"), "{text}");
    assert_eq!(disk.files(), ["filler"], "what was begun is gone");

    fs::remove_file(disk.path("filler")).unwrap();
    disk.wait_until_kept();
    assert_eq!(disk.kept(), shown);
    assert_eq!(disk.daemon.connect_tls("chat_in").certificate(), shown);
}

#[test]
fn a_new_certificate_on_a_read_only_disk_replaces_the_old_one_later() {
    let disk = Disk::new("");
    let old = disk.daemon.connect_tls("chat_in").certificate();
    assert_eq!(disk.kept(), old);

    disk.remount("ro");
    let told = disk.daemon.ask("certificate", &["--new"]).success();
    assert!(told.contains("not kept"), "{told}");
    assert!(disk.unkept().contains("Read-only"), "{}", disk.unkept());
    let new = disk.daemon.connect_tls("chat_in").certificate();
    assert_ne!(new, old);
    assert_eq!(disk.kept(), old);

    disk.remount("rw");
    disk.wait_until_kept();
    assert_eq!(disk.kept(), new);
    assert_eq!(disk.daemon.connect_tls("chat_in").certificate(), new);
}

/// The name of the file that the pair is kept in.
const PAIR: &str = "self-signed.pem";

/// A daemon whose state folder is a small disk of its own.
struct Disk {
    daemon: Daemon,
    _echo: StandIn,
}

impl Disk {
    /// `prepare` is what a shell does with the folder `$state` before the start.
    fn new(prepare: &str) -> Self {
        let mount = format!(
            "for word; do [ \"$before\" != --state-dir ] || state=$word; before=$word; done
            mkdir \"$state\" && mount -t tmpfs -o size=64k,mode=700 none \"$state\" || exit
            {prepare}
            exec \"$@\""
        );
        let echo = StandIn::echo();
        let setup = Setup::new()
            .with(listener("chat_in", "chat").option("tls", 1))
            .with(upstream("chat", echo.address(), "none"));
        let prefix = ["unshare", "--mount", "sh", "-c", &mount, "sh"];
        Self {
            daemon: Daemon::start_under(&prefix, &setup),
            _echo: echo,
        }
    }

    /// Where a file on it is for the test.
    fn path(&self, name: &str) -> PathBuf {
        let state = self.daemon.state_folder();
        let root = PathBuf::from(format!("/proc/{}/root", self.daemon.id()));
        root.join(state.strip_prefix("/").unwrap()).join(name)
    }

    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("")).unwrap();
        let name = |file: fs::DirEntry| file.file_name().into_string().unwrap();
        files.map(|file| name(file.unwrap())).collect()
    }

    /// Why the certificate is not kept.
    fn unkept(&self) -> String {
        self.daemon.status().0["certificate"]["unkept"].to_string()
    }

    /// It tries each minute.
    fn wait_until_kept(&self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while self.unkept() != "null" {
            assert!(Instant::now() < deadline, "{}", self.daemon.log());
            thread::sleep(Duration::from_millis(500));
        }
        let log = self.daemon.log();
        for line in ["cannot keep the new certificate", "is kept now"] {
            assert_eq!(log.matches(line).count(), 1, "{log}");
        }
        assert_eq!(self.files(), [PAIR]);
        let mode = fs::metadata(self.path(PAIR)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// The certificate that a start would find.
    fn kept(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(PAIR)).unwrap()
    }

    fn remount(&self, how: &str) {
        let target = format!("--target={}", self.daemon.id());
        let how = format!("remount,{how}");
        let state = self.daemon.state_folder();
        let state = state.to_str().unwrap();
        tool(&["nsenter", &target, "--mount", "mount", "-o", &how, state]);
    }
}
