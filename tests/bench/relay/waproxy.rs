//! This project's daemon.

use std::fs;
use std::io;
use std::process::Command;

use super::{Kind, Listen, Parts};

/// None is 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Of a client.
    connections: u32,
    /// New ones of a client, a second.
    arrivals: u32,
    handshakes: u32,
    /// Of all bytes, in Mbit/s.
    rate: u32,
}

impl Limits {
    pub const AS_SHIPPED: Self = Self {
        connections: 64,
        arrivals: 20,
        handshakes: 64,
        rate: 0,
    };

    /// For a load that comes from one address.
    pub fn rate(rate: u32) -> Self {
        Self {
            rate,
            ..Self::default()
        }
    }
}

pub fn command(parts: &Parts, listen: Listen, limits: Limits) -> io::Result<Command> {
    let Limits {
        connections,
        arrivals,
        handshakes,
        rate,
    } = limits;
    let certificate = parts.certificate(Kind::Waproxy)?;
    let text = format!(
        "config waproxy 'main'
	option enabled '1'
	option workers '1'
	option max_connections '9000'
	option max_connections_per_client '{connections}'
	option max_rate_per_client '{arrivals}'
	option max_handshakes '{handshakes}'
	option cert '{cert}'
	option key '{key}'
	list trusted_proxy '127.0.0.0/8'
config budget 'budget'
	option rate '{rate}'
config listener 'plain'
	option port '{plain}'
	option bind_address '127.0.0.1'
	option service 'bench'
config listener 'tls'
	option port '{tls}'
	option bind_address '127.0.0.1'
	option service 'bench'
	option tls '1'
config listener 'behind'
	option port '{behind}'
	option bind_address '127.0.0.1'
	option service 'bench'
	option accept_proxy '1'
config upstream 'bench'
	list address '127.0.0.1:{upstream}'
	option proxy_header 'none'
	option allow_private '1'
",
        cert = certificate.cert.display(),
        key = certificate.key.display(),
        plain = listen.plain,
        tls = listen.tls,
        behind = listen.behind,
        upstream = parts.upstream,
    );
    let place = |suffix| {
        parts
            .folder
            .join(format!("waproxy-{}{suffix}", listen.plain))
    };
    let file = place(".config");
    fs::write(&file, text)?;
    let mut command = Command::new(&parts.waproxy);
    command
        .arg("run")
        .arg("-c")
        .arg(file)
        .arg("--state-dir")
        .arg(place(""))
        .arg("--control")
        .arg(place(".sock"));
    Ok(command)
}
