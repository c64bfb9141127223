//! A network of the test's own. Needs root.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::process::tool;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A network namespace with its loopback up, and a folder for its own files of `/etc`.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// # Panics
    ///
    /// For anyone but root.
    pub fn new() -> Self {
        assert!(
            geteuid().is_root(),
            "this test makes a network namespace: run it as root"
        );
        let name = format!(
            "waproxy-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let namespace = Self { name };
        tool(&["ip", "netns", "add", &namespace.name]);
        namespace.ip("link set lo up");
        namespace
    }

    /// What `ip netns` calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` in here.
    pub fn ip(&self, words: &str) {
        let mut all = vec!["ip", "-n", &self.name];
        all.extend(words.split(' '));
        tool(&all);
    }

    /// Runs a command in here.
    pub fn tool(&self, words: &[&str]) {
        let mut all = self.prefix();
        all.extend(words);
        tool(&all);
    }

    /// What to put before a command so that it runs in here.
    pub fn prefix(&self) -> Vec<&str> {
        vec!["ip", "netns", "exec", &self.name]
    }

    /// Joins two namespaces with a cable whose ends are called `to-phone` and `wan`.
    pub fn join_phone(&self, phone: &Namespace) {
        self.ip(&format!(
            "link add wan type veth peer name to-router netns {}",
            phone.name
        ));
        for (namespace, device, host) in [(self, "wan", 1), (phone, "to-router", 66)] {
            namespace.ip(&format!("addr add 192.0.2.{host}/24 dev {device}"));
            namespace.ip(&format!("addr add 2001:db8::{host}/64 dev {device} nodad"));
            namespace.ip(&format!("link set {device} up"));
        }
    }

    /// Does something as a thread in here. Sockets that it opens stay in here.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap();
                act()
            });
            inside.join().unwrap()
        })
    }

    /// Writes a file that programs in here see in `/etc`.
    pub fn write_etc(&self, name: &str, content: &str) {
        fs::create_dir_all(self.etc()).unwrap();
        fs::write(self.etc().join(name), content).unwrap();
    }

    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = process::Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        if self.etc().exists() {
            let _ = fs::remove_dir_all(self.etc());
            // Only where nothing else is in it.
            let _ = fs::remove_dir("/etc/netns");
        }
    }
}
