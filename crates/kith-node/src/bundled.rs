//! The apps that come with kith. Their ids are the same everywhere, for the seeds are published; so
//! their versions come from this binary only, never from a peer.

use kith_app::{AppId, AppSecret, SignedVersion, pack};

/// Name, path and bytes of every file below `apps/`.
const FILES: &[(&str, Files)] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The version that bundled apps are signed with: a newer binary's takes any other's place.
const VERSION: u64 = 1;

type Files = &'static [(&'static str, &'static [u8])];

/// An app in the binary.
#[derive(Clone, Copy)]
pub(crate) struct BundledApp {
    /// The name that its key is derived from.
    pub(crate) name: &'static str,
    files: Files,
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = BundledApp> {
    FILES.iter().map(|(name, files)| BundledApp { name, files })
}

/// The bundled app of that id.
pub(crate) fn find(app: &AppId) -> Option<BundledApp> {
    all().find(|bundled| bundled.id() == *app)
}

/// The app whose pages take drafts: what the person brings into one of its spaces from another app.
pub(crate) fn takes_drafts() -> Option<AppId> {
    id("chat")
}

/// The id of the bundled app of that name.
pub(crate) fn id(name: &str) -> Option<AppId> {
    all().find(|bundled| bundled.name == name).map(|bundled| bundled.id())
}

impl BundledApp {
    /// The app's id.
    pub(crate) fn id(&self) -> AppId {
        AppSecret::bundled(self.name).id()
    }

    /// The bundle, and its version, signed.
    pub(crate) fn pack(&self) -> (Vec<u8>, SignedVersion) {
        let bundle = pack(self.files.iter().copied()).expect("a test packs every bundled app");
        let hash = *blake3::hash(&bundle).as_bytes();
        let size = bundle.len() as u64;
        let signed = SignedVersion::sign(&AppSecret::bundled(self.name), VERSION, hash, size)
            .expect("a test packs every bundled app");
        (bundle, signed)
    }

    /// A file's bytes.
    pub(crate) fn file(&self, path: &str) -> Option<&'static [u8]> {
        self.files.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes)
    }
}

#[cfg(test)]
mod tests {
    use kith_app::{Bundle, Limits};

    use super::*;

    #[test]
    fn every_bundled_app_packs_into_a_bundle_that_others_would_take() {
        assert!(all().any(|app| app.name == "chat"));
        for app in all() {
            let (bundle, signed) = app.pack();
            assert_eq!(signed.bundle(), *blake3::hash(&bundle).as_bytes());
            let mut open = Bundle::open(std::io::Cursor::new(bundle), &Limits::default()).unwrap();
            open.check_files().unwrap();
            assert!(app.file("index.html").is_some());
        }
    }
}
