//! nginx `stream` with one worker. Half-close and TLS 1.3 are off there unless asked for.

use std::fs;
use std::io;
use std::process::Command;

use super::{Kind, Listen, Parts};

pub fn command(parts: &Parts, listen: Listen) -> io::Result<Command> {
    let certificate = parts.certificate(Kind::Nginx)?;
    let folder = parts.folder.join(format!("nginx-{}", listen.plain));
    fs::create_dir(&folder)?;
    let text = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
user root;
pid {folder}/pid;
events {{
    worker_connections 9000;
}}
stream {{
    proxy_half_close on;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{
        listen 127.0.0.1:{plain} backlog=4096;
        proxy_pass 127.0.0.1:{upstream};
    }}
    server {{
        listen 127.0.0.1:{tls} ssl backlog=4096;
        proxy_pass 127.0.0.1:{upstream};
    }}
    server {{
        listen 127.0.0.1:{behind} proxy_protocol backlog=4096;
        proxy_pass 127.0.0.1:{upstream};
    }}
}}
",
        folder = folder.display(),
        cert = certificate.cert.display(),
        key = certificate.key.display(),
        plain = listen.plain,
        tls = listen.tls,
        behind = listen.behind,
        upstream = parts.upstream,
    );
    let file = folder.join("conf");
    fs::write(&file, text)?;
    let mut command = Command::new(&parts.nginx);
    command
        .arg("-p")
        .arg(&folder)
        .arg("-e")
        .arg("stderr")
        .arg("-c")
        .arg(file);
    Ok(command)
}
