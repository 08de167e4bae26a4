//! What one operating system does unlike others: where data is kept, how a file is opened in the
//! person's browser, and which signals ask a program to end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::task::Poll;

use crate::failure::{Failure, Result};

/// The folder in which kith keeps everything, where the person names none.
///
/// # Errors
/// When the environment names no home.
pub(crate) fn default_data_dir() -> Result<PathBuf> {
    data_dir_in(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
        .ok_or_else(|| {
            Failure::new("no_data_dir", "There is no place to keep data.")
                .why("The environment names no home directory.")
                .todo("Name a folder with --data-dir.")
        })
}

#[cfg(not(any(windows, target_os = "macos")))]
fn data_dir_in(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // XDG base directories: a relative path is to be ignored.
    let data = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
    Some(data.or_else(|| Some(variable("HOME")?.join(".local/share")))?.join("kith"))
}

#[cfg(target_os = "macos")]
fn data_dir_in(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    Some(variable("HOME")?.join("Library/Application Support/kith"))
}

#[cfg(windows)]
fn data_dir_in(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    Some(variable("LOCALAPPDATA")?.join("kith"))
}

/// Makes a folder, and those above it, that nobody else can look into. One that is there already is
/// left as it is.
///
/// # Errors
/// When it can't be made.
pub(crate) fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// What a person is called until they say otherwise: their login name.
pub(crate) fn person() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| (1..=kith_api::MAX_NAME).contains(&name.len()))
        .map_or_else(|| "Somebody".to_owned(), |name| capitalised(&name))
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let name: String = first.chain(letters).collect();
    // A capital may be longer than its letter.
    name.chars().take(kith_api::MAX_NAME / 4).collect()
}

#[cfg(not(any(windows, target_os = "macos")))]
const OPENER: (&str, &[&str]) = ("xdg-open", &[]);
#[cfg(target_os = "macos")]
const OPENER: (&str, &[&str]) = ("open", &[]);
#[cfg(windows)]
const OPENER: (&str, &[&str]) = ("cmd", &["/C", "start", ""]);

/// Shows a local file in the person's browser. The file leads on to the page: others can read a
/// program's arguments, so no token may be one.
///
/// # Errors
/// When no browser can be started, or nobody would see it.
pub(crate) fn open_in_browser(file: &Path) -> std::io::Result<()> {
    if !has_screen() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "there is no screen here"));
    }
    let (program, args) = OPENER;
    let mut child = Command::new(program)
        .args(args)
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Whoever does not wait for a child keeps a dead process in the system's table.
    std::thread::spawn(move || child.wait());
    Ok(())
}

/// Whether a browser would be seen. Without a screen, as over SSH, `xdg-open` ends without a word, or
/// starts a browser that can't show kith's pages.
pub(crate) fn has_screen() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(windows, target_os = "macos")) || names_screen(is_set)
}

/// The same, by the variables that are set.
fn names_screen(is_set: impl Fn(&str) -> bool) -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(is_set)
}

/// Ctrl-C, and whatever else asks a program of this system to end: heard from the moment this is
/// made, so that nothing which comes between is fatal.
pub(crate) struct End {
    #[cfg(unix)]
    signals: [Option<tokio::signal::unix::Signal>; 2],
    #[cfg(windows)]
    signals: [Option<tokio::signal::windows::CtrlC>; 1],
}

impl End {
    /// Listens from now on. Call it in a Tokio runtime.
    pub(crate) fn listen() -> Self {
        #[cfg(unix)]
        let signals = {
            use tokio::signal::unix::{SignalKind, signal};
            [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| heard(signal(kind)))
        };
        #[cfg(windows)]
        let signals = [heard(tokio::signal::windows::ctrl_c())];
        Self { signals }
    }

    /// Waits until the program is asked to end.
    pub(crate) async fn asked(&mut self) {
        std::future::poll_fn(|cx| {
            let mut signals = self.signals.iter_mut().flatten();
            if signals.any(|signal| signal.poll_recv(cx).is_ready()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

fn heard<T>(signal: std::io::Result<T>) -> Option<T> {
    signal.inspect_err(|error| tracing::warn!(%error, "a signal will end kith at once")).ok()
}

#[cfg(all(test, not(any(windows, target_os = "macos"))))]
mod tests {
    use super::*;

    #[test]
    fn data_goes_where_xdg_says() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/ada"));
        assert_eq!(data_dir_in(home).unwrap(), Path::new("/home/ada/.local/share/kith"));
        let xdg = |name: &str| (name == "XDG_DATA_HOME").then(|| PathBuf::from("/data"));
        assert_eq!(data_dir_in(xdg).unwrap(), Path::new("/data/kith"));
        let relative = |name: &str| Some(PathBuf::from(if name == "HOME" { "/h" } else { "d" }));
        assert_eq!(data_dir_in(relative).unwrap(), Path::new("/h/.local/share/kith"));
        assert!(data_dir_in(|_| None).is_none());
    }

    #[test]
    fn without_a_screen_no_browser_is_started() {
        assert!(!names_screen(|_| false));
        for set in ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"] {
            assert!(names_screen(|name| name == set), "{set}");
        }
    }
}
