//! Whether what a daemon wrote gives a client away, in any form that an address may take.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::client;

/// Clients of the tests that have no address of `127.66.0.0/16`: phones of namespaces, and those
/// for whom a PROXY header speaks. Nothing else has these.
const OTHERS: [&str; 4] = [
    "192.0.2.66",
    "2001:db8::66",
    "203.0.113.7",
    "2001:db8:66::7",
];

/// Where those come from whom no daemon trusts, and those of whom floods speak. Nothing else does.
const STRANGERS: [&str; 2] = ["127.67.", "2001:db8:66:"];

/// Fails where a client's address is in `bytes`.
pub fn assert_gives_nobody_away(bytes: &[u8], what: &str) {
    for needle in needles() {
        let found = bytes
            .windows(needle.len())
            .any(|part| part.eq_ignore_ascii_case(&needle));
        assert!(
            !found,
            "a client's address is in {what}, as {:?}:\n{}",
            String::from_utf8_lossy(&needle),
            String::from_utf8_lossy(bytes)
        );
    }
    assert!(
        !has_source_in_hexadecimal(bytes),
        "a client's address is in {what}, in hexadecimal:\n{}",
        String::from_utf8_lossy(bytes)
    );
}

/// The same for every file of a folder, but for those that the test wrote.
pub fn assert_folder_gives_nobody_away(folder: &Path, but: &[PathBuf]) {
    for file in files(folder) {
        if !but.contains(&file) {
            let bytes = fs::read(&file).unwrap_or_default();
            assert_gives_nobody_away(&bytes, &file.display().to_string());
            assert_gives_nobody_away(file.as_os_str().as_encoded_bytes(), "the name of a file");
        }
    }
}

/// Whether a word is an address of [`client::SOURCES`] in hexadecimal, with colons or without: alone
/// or mapped into IPv6, in the order of the network or of a small machine, and maybe with a port.
fn has_source_in_hexadecimal(bytes: &[u8]) -> bool {
    let is_address = |digits: &[u8]| {
        let digits = digits.to_ascii_lowercase();
        let last = digits.last_chunk::<8>();
        matches!(digits.len(), 8 | 12 | 32)
            && last.is_some_and(|ip| ip.starts_with(b"7f42") || ip.ends_with(b"427f"))
    };
    let mut words = bytes.split(|byte| !byte.is_ascii_hexdigit() && *byte != b':');
    words.any(|word| {
        let mut groups = word.split(|byte| *byte == b':');
        is_address(&groups.clone().collect::<Vec<_>>().concat())
            || groups.any(|group| is_address(group) || group.eq_ignore_ascii_case(b"7f42"))
    })
}

/// All plain files, however deep.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(self::files(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}

/// Every form of every client: text, whose mapped form ends with the plain one, hexadecimal with
/// and without colons, and bytes; the latter in the order of the network and of a small machine.
fn needles() -> Vec<Vec<u8>> {
    let others = OTHERS.iter().map(|ip| ip.parse().unwrap());
    let clients = [IpAddr::from(client::SOURCE)].into_iter().chain(others);
    let mut needles: Vec<Vec<u8>> = vec![client::SOURCES.into(), b"\x7fB".into(), b"B\x7f".into()];
    needles.extend(STRANGERS.map(Into::into));
    for client in clients {
        needles.push(client.to_string().into());
        let mut bytes = match client {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        for _ in 0..2 {
            let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            needles.push(digits.concat().trim_start_matches('0').into());
            needles.push(digits.join(":").into());
            // As IPv6 writes them: two bytes a group, without leading zeros.
            let groups = bytes
                .chunks(2)
                .map(|two| u16::from_be_bytes([two[0], two[1]]));
            let groups: Vec<_> = groups.map(|group| format!("{group:x}")).collect();
            needles.push(groups.join(":").into());
            needles.push(bytes.clone());
            bytes.reverse();
        }
    }
    needles
}
