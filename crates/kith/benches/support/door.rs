//! Connecting to a node's command socket, as each system has it.

use std::io::Result;
use std::path::Path;

#[cfg(unix)]
pub(super) type Door = tokio::net::UnixStream;
#[cfg(windows)]
pub(super) type Door = tokio::net::windows::named_pipe::NamedPipeClient;

#[cfg(unix)]
pub(super) async fn connect(dir: &Path) -> Result<Door> {
    Door::connect(dir.join("kith.sock")).await
}

#[cfg(windows)]
#[allow(clippy::unused_async, reason = "elsewhere it waits")]
pub(super) async fn connect(dir: &Path) -> Result<Door> {
    let hash = blake3::hash(dir.as_os_str().as_encoded_bytes());
    let name = data_encoding::HEXLOWER.encode(&hash.as_bytes()[..16]);
    tokio::net::windows::named_pipe::ClientOptions::new().open(format!(r"\\.\pipe\kith-{name}"))
}
