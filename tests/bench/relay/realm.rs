//! The relay `realm`, another one in Rust, where somebody has built it.

use std::fs;
use std::io;
use std::process::Command;

use super::{Kind, Listen, Parts};

pub fn command(parts: &Parts, listen: Listen) -> io::Result<Command> {
    let certificate = parts.certificate(Kind::Realm)?;
    let text = format!(
        "[[endpoints]]
listen = \"127.0.0.1:{plain}\"
remote = \"127.0.0.1:{upstream}\"
[[endpoints]]
listen = \"127.0.0.1:{tls}\"
remote = \"127.0.0.1:{upstream}\"
listen_transport = \"tls;cert={cert};key={key}\"
",
        cert = certificate.cert.display(),
        key = certificate.key.display(),
        plain = listen.plain,
        tls = listen.tls,
        upstream = parts.upstream,
    );
    let file = parts.folder.join(format!("realm-{}.toml", listen.plain));
    fs::write(&file, text)?;
    let mut command = Command::new(&parts.realm);
    command.arg("-c").arg(file).env("TOKIO_WORKER_THREADS", "1");
    Ok(command)
}
