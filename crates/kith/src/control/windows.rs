//! A named pipe, which Windows lets its maker's user alone write to.

use std::io::{ErrorKind, Result};
use std::path::Path;

use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};

/// The side of the node.
pub(super) struct Listener {
    name: String,
    next: NamedPipeServer,
}

/// A connection, either side.
pub(super) type Stream = Box<dyn Duplex>;

/// Bytes both ways.
pub(super) trait Duplex:
    tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin
{
}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

impl Listener {
    /// Listens for commands that name this data directory.
    pub(super) fn bind(data_dir: &Path) -> Result<Self> {
        let name = name(data_dir);
        // The first instance: nobody else may have made the pipe before.
        let next = ServerOptions::new().first_pipe_instance(true).create(&name)?;
        Ok(Self { name, next })
    }

    /// The next connection.
    pub(super) async fn accept(&mut self) -> Result<Stream> {
        self.next.connect().await?;
        let next = ServerOptions::new().create(&self.name)?;
        Ok(Box::new(std::mem::replace(&mut self.next, next)))
    }
}

/// Connects to the node of a data directory. `NotFound` means that there is none.
pub(super) async fn connect(data_dir: &Path) -> Result<Stream> {
    match ClientOptions::new().open(name(data_dir)) {
        Ok(pipe) => Ok(Box::new(pipe)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
        Err(error) => Err(error),
    }
}

fn name(data_dir: &Path) -> String {
    let hash = blake3::hash(data_dir.as_os_str().as_encoded_bytes());
    format!(r"\\.\pipe\kith-{}", data_encoding::HEXLOWER.encode(&hash.as_bytes()[..16]))
}
