//! The certificates that relays show: ECDSA P-256 for all, and RSA 4096 for what the reference does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};

/// Files with a certificate, its key, and both, for the taste of each relay.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub both: PathBuf,
}

impl Certificate {
    pub fn ecdsa(folder: &Path) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let cert = CertificateParams::new(vec!["example.net".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .map_err(io::Error::other)?;
        Self::write(folder, "ecdsa", &cert.pem(), &key.serialize_pem())
    }

    /// Made by openssl: our crates make none.
    pub fn rsa(folder: &Path) -> io::Result<Self> {
        let [cert, key] = ["made.cert", "made.key"].map(|name| folder.join(name));
        let made = Command::new("openssl")
            .args("req -x509 -newkey rsa:4096 -nodes -days 3650 -subj /CN=example.net".split(' '))
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other("openssl makes no certificate"));
        }
        let (cert, key) = (fs::read_to_string(cert)?, fs::read_to_string(key)?);
        Self::write(folder, "rsa", &cert, &key)
    }

    /// From a PEM file that holds a certificate and its key.
    pub fn split(folder: &Path, pair: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(pair)?;
        let (mut cert, mut key) = (String::new(), String::new());
        let mut in_key = false;
        for line in text.lines() {
            if line.starts_with("-----BEGIN ") {
                in_key = line.contains("PRIVATE KEY");
            }
            let part = if in_key { &mut key } else { &mut cert };
            part.push_str(line);
            part.push('\n');
        }
        Self::write(folder, "given", &cert, &key)
    }

    fn write(folder: &Path, name: &str, cert: &str, key: &str) -> io::Result<Self> {
        let place = |suffix, text: &str| {
            let path = folder.join(format!("{name}.{suffix}"));
            fs::write(&path, text).map(|()| path)
        };
        Ok(Self {
            cert: place("cert", cert)?,
            key: place("key", key)?,
            both: place("pem", &format!("{cert}{key}"))?,
        })
    }
}
