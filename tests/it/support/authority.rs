//! Certificates, made with the real openssl.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::folder::Folder;
use super::process::{run, tool};

/// A certificate with its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    /// Puts it in another's place as a person does, one file after the other.
    pub fn copy_to(&self, place: &Self) {
        fs::copy(&self.cert, &place.cert).unwrap();
        fs::copy(&self.key, &place.key).unwrap();
    }
}

/// The kind of key, in openssl's words.
pub const ECDSA: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub const RSA: &[&str] = &["rsa:2048"];

/// A certificate that signs itself.
pub fn self_signed(folder: &Folder, name: &str, key_kind: &[&str]) -> Pair {
    let pair = Pair {
        cert: folder.join(&format!("{name}.pem")),
        key: folder.join(&format!("{name}.key")),
    };
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-nodes",
        "-days",
        "30",
        "-subj",
        &format!("/CN={name}"),
        "-newkey",
    ]);
    openssl
        .args(key_kind)
        .arg("-addext")
        .arg(format!("subjectAltName=DNS:{name}"));
    run(openssl
        .arg("-keyout")
        .arg(&pair.key)
        .arg("-out")
        .arg(&pair.cert))
    .success();
    pair
}

/// A certificate for a name that another signs.
pub fn signed_by(authority: &Pair, folder: &Folder, name: &str) -> Pair {
    let own = self_signed(folder, name, ECDSA);
    let request = folder.join(&format!("{name}.csr"));
    let extensions = folder.write(
        &format!("{name}.ext"),
        format!("subjectAltName=DNS:{name}\n"),
    );
    let text = |path: &PathBuf| path.to_str().expect("our paths are text").to_owned();
    let (key, request, extensions) = (text(&own.key), text(&request), text(&extensions));
    let subject = format!("/CN={name}");
    tool(&[
        "openssl", "req", "-new", "-key", &key, "-subj", &subject, "-out", &request,
    ]);
    let (ca, ca_key, cert) = (text(&authority.cert), text(&authority.key), text(&own.cert));
    tool(&[
        "openssl",
        "x509",
        "-req",
        "-days",
        "30",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-extfile",
        &extensions,
        "-out",
        &cert,
    ]);
    own
}
