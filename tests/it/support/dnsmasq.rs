//! The real dnsmasq, which knows nothing but what its options say.

use std::process::Command;

use super::namespace::Namespace;
use super::process::Process;

pub fn dnsmasq(network: &Namespace, options: &[&str]) -> Process {
    let mut words = network.prefix();
    words.extend(["dnsmasq", "--keep-in-foreground", "--no-resolv"]);
    words.extend(["--no-hosts", "--conf-file=/dev/null", "--bind-interfaces"]);
    words.extend(["--user=root", "--pid-file="]);
    Process::start(Command::new(words[0]).args(&words[1..]).args(options))
}
