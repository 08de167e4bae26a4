//! The dashboard's files and the scripts for apps: in the binary, or read from a folder while one
//! works on them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use bytes::Bytes;

use crate::encoding::Content;

/// Where the files of `web/` and `sdk/` come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Assets {
    /// The binary.
    #[default]
    Embedded,
    /// A folder that has `web` and `sdk` in it: read anew for each request.
    Folder(PathBuf),
}

/// What `build.rs` found.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

static HASHED: LazyLock<HashMap<&str, Content>> = LazyLock::new(|| {
    EMBEDDED.iter().map(|(name, bytes)| (*name, content(name, Bytes::from_static(bytes)))).collect()
});

impl Assets {
    /// The file `web/…` or `sdk/…`. The name is checked: it has no `.` or `..` in it.
    pub(crate) async fn get(&self, name: &str) -> Option<Content> {
        match self {
            Self::Embedded => HASHED.get(name).cloned(),
            Self::Folder(folder) => {
                let bytes = tokio::fs::read(folder.join(name)).await.ok()?;
                Some(content(name, bytes.into()))
            }
        }
    }
}

fn content(name: &str, bytes: Bytes) -> Content {
    let hash = *blake3::hash(&bytes).as_bytes();
    Content { bytes, hash, content_type: content_type(name) }
}

/// Of the kinds of files that `build.rs` embeds.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("webmanifest") => "application/manifest+json",
        Some(_) | None => "application/octet-stream",
    }
}
