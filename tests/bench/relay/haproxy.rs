//! HAProxy with one thread. It refuses to start where it may not open files for all connections and
//! for the pipes of one in four, and these machines allow 20,000 files.

use std::fs;
use std::io;
use std::process::Command;

use super::{Kind, Listen, Parts};

pub fn command(kind: Kind, parts: &Parts, listen: Listen) -> io::Result<Command> {
    let buffers = match kind {
        Kind::Haproxy | Kind::HaproxyRsa => "tune.bufsize 4096",
        _ => "",
    };
    let splice = match kind {
        Kind::HaproxySpliced => "option splice-request\n    option splice-response",
        _ => "",
    };
    let text = format!(
        "global
    maxconn 7500
    nbthread 1
    {buffers}
defaults
    mode tcp
    timeout connect 5s
    timeout client 200s
    timeout server 200s
    {splice}
frontend plain
    bind 127.0.0.1:{plain}
    default_backend bench
frontend tls
    bind 127.0.0.1:{tls} ssl crt {pair}
    default_backend bench
frontend behind
    bind 127.0.0.1:{behind} accept-proxy
    default_backend bench
backend bench
    server bench 127.0.0.1:{upstream}
",
        pair = parts.certificate(kind)?.both.display(),
        plain = listen.plain,
        tls = listen.tls,
        behind = listen.behind,
        upstream = parts.upstream,
    );
    let file = parts.folder.join(format!("haproxy-{}.cfg", listen.plain));
    fs::write(&file, text)?;
    let mut command = Command::new(&parts.haproxy);
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}
