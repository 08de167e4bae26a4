//! A Unix socket of mode 0600 in the data directory.

use std::io::{Error, ErrorKind, Result};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// A connection, either side.
pub(super) type Stream = UnixStream;

/// The socket's name in the data directory.
const NAME: &str = "kith.sock";
/// What it is called until its mode is set.
const NEW: &str = "kith.sock.new";
/// Longest path of a socket that every Unix takes, in bytes: macOS has room for 104 with the end.
const MAX_PATH: usize = 103;

/// The side of the node. Dropping it removes the socket's file.
pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens for commands that name this data directory. Whatever a dead process left there is
    /// replaced; the caller holds the directory's lock, so no living one can be.
    pub(super) fn bind(data_dir: &Path) -> Result<Self> {
        let path = place(data_dir, std::env::var_os("XDG_RUNTIME_DIR").as_deref().map(Path::new))?;
        let new = path.with_file_name(NEW);
        if let Err(error) = std::fs::remove_file(&new)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let listener = UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
        // From here on it can be found, with the mode that it must have, in the place of any other.
        std::fs::rename(&new, &path)?;
        Ok(Self { listener, path })
    }

    /// The next connection of one's own user.
    pub(super) async fn accept(&mut self) -> Result<Stream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            match only_own(&stream) {
                Ok(()) => return Ok(stream),
                Err(error) => tracing::warn!(%error, "refused a connection to the command socket"),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the command socket was gone already");
        }
    }
}

/// Connects to the node of a data directory. `NotFound` and `ConnectionRefused` mean that there is
/// none.
pub(super) async fn connect(data_dir: &Path) -> Result<Stream> {
    let path = place(data_dir, std::env::var_os("XDG_RUNTIME_DIR").as_deref().map(Path::new))?;
    let stream = UnixStream::connect(path).await?;
    // Somebody else's node could be told our secrets, and could answer with pages of its own.
    only_own(&stream)?;
    Ok(stream)
}

/// Whether the other side runs as the same user.
fn only_own(stream: &UnixStream) -> Result<()> {
    let (own, other) = (rustix::process::geteuid().as_raw(), stream.peer_cred()?.uid());
    if own == other {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        format!("it belongs to user {other}, not to {own}"),
    ))
}

/// Where the socket is: in the data directory, or, where its path is too long for a socket, in a
/// folder of its own in the person's runtime directory.
fn place(data_dir: &Path, runtime_dir: Option<&Path>) -> Result<PathBuf> {
    let fits = |folder: &Path| folder.join(NEW).as_os_str().as_bytes().len() <= MAX_PATH;
    if fits(data_dir) {
        return Ok(data_dir.join(NAME));
    }
    let hash = blake3::hash(data_dir.as_os_str().as_bytes());
    let short = data_encoding::HEXLOWER.encode(&hash.as_bytes()[..8]);
    if let Some(folder) =
        runtime_dir.map(|dir| dir.join("kith").join(short)).filter(|dir| fits(dir))
    {
        std::fs::create_dir_all(&folder)?;
        return Ok(folder.join(NAME));
    }
    Err(Error::new(
        ErrorKind::InvalidFilename,
        format!(
            "its path is {} bytes long, {} at most: take a shorter --data-dir, or set XDG_RUNTIME_DIR",
            data_dir.as_os_str().len(),
            MAX_PATH - NEW.len() - 1
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_has_mode_0600_and_is_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let mut listener = Listener::bind(dir.path()).unwrap();
        let path = dir.path().join(NAME);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let (client, server) = tokio::join!(connect(dir.path()), listener.accept());
        client.unwrap();
        server.unwrap();
        drop(listener);
        assert!(!path.exists());
        assert_eq!(connect(dir.path()).await.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(dir.path().join(NAME)).unwrap());
        drop(std::os::unix::net::UnixListener::bind(dir.path().join(NEW)).unwrap());
        assert_eq!(connect(dir.path()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let _listener = Listener::bind(dir.path()).unwrap();
        connect(dir.path()).await.unwrap();
    }

    #[test]
    fn a_long_path_moves_to_the_runtime_directory_or_is_refused_clearly() {
        let runtime = tempfile::tempdir().unwrap();
        let long = Path::new("/").join("d".repeat(120));
        let moved = place(&long, Some(runtime.path())).unwrap();
        assert!(moved.starts_with(runtime.path()));
        assert_ne!(
            moved,
            place(&Path::new("/").join("e".repeat(120)), Some(runtime.path())).unwrap()
        );
        let error = place(&long, None).unwrap_err();
        assert!(error.to_string().contains("--data-dir"), "{error}");
    }
}
