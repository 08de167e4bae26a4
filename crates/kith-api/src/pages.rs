//! What the gateway asks of the node to serve pages.

use std::sync::Arc;

use kith_app::{AppId, Permission};
use kith_log::SpaceId;

use crate::{BoxFuture, Result};

/// A place in the browser that a token can open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The dashboard, at `http://localhost:PORT`.
    Dashboard,
    /// The origin of one space, `http://LABEL.localhost:PORT`.
    Space(SpaceId),
}

/// What stands behind a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The app whose files are served there.
    pub app: AppId,
    /// The space that its pages may use.
    pub space: SpaceId,
    /// Whether the app's files are here; else the gateway shows the loading page.
    pub ready: bool,
    /// What the person granted the app; its pages get that and nothing more of what a browser can give.
    pub granted: Vec<Permission>,
}

/// A file of an installed bundle.
#[derive(Clone, Debug)]
pub struct File {
    /// Its bytes, uncompressed.
    pub bytes: Arc<[u8]>,
    /// BLAKE3 of the bytes, as the entity tag.
    pub hash: [u8; 32],
    /// `image/png` and the like; from the name, never from the bundle.
    pub content_type: &'static str,
}

/// Answers about origins, tokens and files.
pub trait Doorkeeper: Send + Sync {
    /// What stands behind a label: a MAC of app and space under a secret of this node, so that
    /// nobody guesses it.
    fn origin(&self, label: &str) -> Option<Origin>;

    /// Whether the app or space behind this label was removed and the browser was not yet told to
    /// forget what it holds of that origin. True once for each removal.
    fn removed(&self, _label: &str) -> bool {
        false
    }

    /// Takes a token of a URL that this node made. It works once, for 30 s, at its own place.
    /// Returns the place's session: a value for a cookie (a space) or for sessionStorage (the
    /// dashboard), which stays good over a restart of the node.
    fn redeem(&self, token: &str, place: &Place) -> Option<String>;

    /// Whether `session` came from [`Self::redeem`] for this place. In constant time.
    fn admits(&self, session: &str, place: &Place) -> bool;

    /// A page of this origin is about to be loaded: from here on it gets the files of one version,
    /// whatever is installed meanwhile. `again`: the person reloads it.
    fn loads(&self, _origin: &Origin, _again: bool) {}

    /// A file of the app, of the version that the origin's pages run. `path` has no leading slash and
    /// is already decoded.
    ///
    /// # Errors
    /// `NotFound` for no such file, `Storage` where it can't be read.
    fn file<'a>(&'a self, origin: &'a Origin, path: &'a str) -> BoxFuture<'a, Result<File>>;
}
