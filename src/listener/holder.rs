//! Who listens on a port, as far as /proc tells this user.

use std::fs;
use std::path::Path;

/// The process that listens on TCP `port` of any address, as `name (pid 123)`.
pub(super) fn of_port(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp6", "/proc/net/tcp"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| listening_inode(&table, port).map(str::to_owned))?;
    let link = format!("socket:[{inode}]");
    let holds = |process: &Path| {
        let files = fs::read_dir(process.join("fd")).into_iter().flatten();
        files
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .any(|target| target.as_os_str() == link.as_str())
    };
    let process = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|process| Some((pid_of(&process)?, process)))
        .find(|(_, process)| holds(process));
    let (pid, process) = process?;
    let name = fs::read_to_string(process.join("comm")).ok()?;
    Some(format!("{} (pid {pid})", name.trim_end()))
}

/// The process of a folder in /proc, if it is one's.
fn pid_of(folder: &Path) -> Option<u32> {
    folder.file_name()?.to_str()?.parse().ok()
}

/// The inode of the socket that listens on `port`, from a table of the form of /proc/net/tcp
/// (`proc_net_tcp` in the kernel's documentation).
fn listening_inode(table: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (_, local_port) = fields.next()?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        let found = state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port);
        found.then_some(inode)
    })
}
