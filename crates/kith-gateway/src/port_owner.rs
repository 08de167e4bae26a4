//! Who holds a port: told to the person, so that they need no other tool.

use std::net::SocketAddr;

/// Names the program that listens on `addr`, as far as this system and user can tell.
pub(crate) fn of(addr: SocketAddr) -> String {
    find(addr).unwrap_or_else(|| "another program, or by another user of this machine".into())
}

#[cfg(target_os = "linux")]
fn find(addr: SocketAddr) -> Option<String> {
    let inode = linux::listening_inode(addr)?;
    let (pid, name) = linux::process_with_socket(&inode)?;
    Some(format!("{name} (process {pid})"))
}

#[cfg(not(target_os = "linux"))]
fn find(_addr: SocketAddr) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::net::SocketAddr;

    /// The state of a listening socket in `/proc/net/tcp`: see `include/net/tcp_states.h`.
    const LISTEN: &str = "0A";

    /// The inode of the socket that listens on the port, at this address or at any.
    pub(super) fn listening_inode(addr: SocketAddr) -> Option<String> {
        let table = if addr.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
        let port = format!(":{:04X}", addr.port());
        let table = fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| {
            let mut fields = line.split_whitespace();
            let local = fields.nth(1)?;
            let state = fields.nth(1)?;
            let inode = fields.nth(5)?;
            (local.ends_with(&port) && state == LISTEN).then(|| inode.to_owned())
        })
    }

    /// The process that holds the socket; only processes of one's own can be looked into.
    pub(super) fn process_with_socket(inode: &str) -> Option<(u32, String)> {
        let socket = format!("socket:[{inode}]");
        fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
            let pid: u32 = process.file_name().to_str()?.parse().ok()?;
            let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            files.find(|file| {
                fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket.as_str())
            })?;
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            Some((pid, name.trim().to_owned()))
        })
    }
}
