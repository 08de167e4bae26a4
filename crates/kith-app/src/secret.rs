//! The secret half of an app.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use crate::AppId;

/// What an exported key begins with, so that a person sees what it is.
const EXPORT_PREFIX: &str = "kith-key:";
const BUNDLED_CONTEXT: &str = "kith/1 bundled app";

/// An app's secret: the Ed25519 key that signs its versions. Who has it is the app's publisher;
/// who loses it can never publish again. Wiped from memory when dropped.
#[derive(Clone)]
pub struct AppSecret(SigningKey);

/// Text that is not an exported key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an exported key is “kith-key:” and 43 characters of base64url")]
pub struct NotAnExportedKey;

impl AppSecret {
    /// The secret of an Ed25519 seed (RFC 8032's private key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The secret of an app that comes with kith. Everyone can derive it from the published name,
    /// so versions of these apps count only when they come from the binary itself.
    pub fn bundled(name: &str) -> Self {
        Self::from_seed(&Zeroizing::new(blake3::derive_key(BUNDLED_CONTEXT, name.as_bytes())))
    }

    /// The app's id.
    pub fn id(&self) -> AppId {
        AppId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// The seed, to keep it on disk.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key as text for a backup: `kith-key:` and the seed in base64url.
    pub fn export(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(BASE64URL_NOPAD.encode(self.seed()));
        Zeroizing::new(format!("{EXPORT_PREFIX}{}", *seed))
    }

    /// Reads what [`Self::export`] wrote; white space around it is ignored.
    ///
    /// # Errors
    /// For any other text.
    pub fn import(text: &str) -> Result<Self, NotAnExportedKey> {
        let encoded = text.trim().strip_prefix(EXPORT_PREFIX).ok_or(NotAnExportedKey)?;
        let bytes = Zeroizing::new(
            BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| NotAnExportedKey)?,
        );
        Ok(Self::from_seed(bytes.as_slice().try_into().map_err(|_| NotAnExportedKey)?))
    }

    /// Signs bytes. The caller puts a context in front of what it signs.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for AppSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppSecret({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn export_and_import_are_inverse() {
        let secret = AppSecret::bundled("chat");
        let text = secret.export();
        assert_eq!(text.len(), EXPORT_PREFIX.len() + 43);
        let back = AppSecret::import(&format!("  {}\n", *text)).unwrap();
        assert_eq!(back.seed(), secret.seed());
    }

    #[test]
    fn other_text_is_no_key() {
        let text = AppSecret::bundled("chat").export();
        for bad in ["", "kith-key:", &text[9..], &text[..text.len() - 1], &format!("{}A", *text)] {
            assert_eq!(AppSecret::import(bad).unwrap_err(), NotAnExportedKey, "{bad}");
        }
    }

    #[test]
    fn debug_shows_the_id_only() {
        let secret = AppSecret::bundled("chat");
        assert_eq!(format!("{secret:?}"), format!("AppSecret({})", secret.id()));
    }
}
