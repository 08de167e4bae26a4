//! Connecting to a node's command socket, as each system has it.

use std::io::Result;
use std::path::Path;

#[cfg(unix)]
pub(super) type Door = std::os::unix::net::UnixStream;
#[cfg(windows)]
pub(super) type Door = std::fs::File;

#[cfg(unix)]
pub(super) fn connect(dir: &Path) -> Result<Door> {
    let door = Door::connect(dir.join("kith.sock"))?;
    door.set_read_timeout(Some(super::PATIENCE))?;
    Ok(door)
}

/// A named pipe, which knows no timeout.
#[cfg(windows)]
pub(super) fn connect(dir: &Path) -> Result<Door> {
    let hash = blake3::hash(dir.as_os_str().as_encoded_bytes());
    let name = data_encoding::HEXLOWER.encode(&hash.as_bytes()[..16]);
    Door::options().read(true).write(true).open(format!(r"\\.\pipe\kith-{name}"))
}
