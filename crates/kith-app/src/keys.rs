//! A space's secret and the keys that are derived from it.

use std::fmt;

use ed25519_dalek::SigningKey;
use zeroize::{Zeroize, Zeroizing};

use crate::AppId;

const PUBLIC_CONTEXT: &str = "kith/1 public space";
const ADMISSION_CONTEXT: &str = "kith/1 space admission";
const READ_CONTEXT: &str = "kith/1 space read";
const SYNC_CONTEXT: &str = "kith/1 space sync";
const MEETING_CONTEXT: &str = "kith/1 space meeting";

macro_rules! secret_bytes {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The secret of these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret_bytes! {
    /// What lets its holder into a space: 32 random bytes that an invitation carries. Wiped from
    /// memory when dropped; `Debug` does not show it.
    SpaceSecret
}

secret_bytes! {
    /// One key derived from a [`SpaceSecret`]. Wiped from memory when dropped; `Debug` does not
    /// show it.
    Key
}

impl SpaceSecret {
    /// The secret of the app's public space, which everyone can derive from the app's id.
    pub fn public(app: &AppId) -> Self {
        Self(blake3::derive_key(PUBLIC_CONTEXT, app.as_bytes()))
    }
}

/// The keys of one space. None of them can be derived from the others.
#[derive(Clone, PartialEq, Eq)]
pub struct SpaceKeys {
    /// The space's id: the public half of the admission key.
    pub space: [u8; 32],
    /// The Ed25519 seed that admits an author to the space.
    pub admission: Key,
    /// Encrypts and decrypts entries, XChaCha20-Poly1305.
    pub read: Key,
    /// Proves that one may sync the space.
    pub sync: Key,
    /// Under it, members find each other on networks of others.
    pub meeting: Key,
}

impl SpaceKeys {
    /// Derives all keys of a space from its secret and its app: the same secret in another app
    /// is another space.
    pub fn derive(app: &AppId, secret: &SpaceSecret) -> Self {
        let mut material = Zeroizing::new([0; 64]);
        material[..32].copy_from_slice(app.as_bytes());
        material[32..].copy_from_slice(secret.as_bytes());
        let key = |context| Key(blake3::derive_key(context, material.as_slice()));
        let admission = key(ADMISSION_CONTEXT);
        let space = SigningKey::from_bytes(admission.as_bytes()).verifying_key().to_bytes();
        Self {
            space,
            admission,
            read: key(READ_CONTEXT),
            sync: key(SYNC_CONTEXT),
            meeting: key(MEETING_CONTEXT),
        }
    }
}

impl fmt::Debug for SpaceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpaceKeys({})", data_encoding::HEXLOWER.encode(&self.space))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_app_secret_and_purpose() {
        let apps = [AppId::from_bytes([1; 32]), AppId::from_bytes([2; 32])];
        let secrets = [SpaceSecret::from_bytes([1; 32]), SpaceSecret::from_bytes([2; 32])];
        let mut seen = std::collections::BTreeSet::new();
        for app in &apps {
            for secret in &secrets {
                let keys = SpaceKeys::derive(app, secret);
                seen.insert(keys.space);
                for key in [&keys.admission, &keys.read, &keys.sync, &keys.meeting] {
                    seen.insert(*key.as_bytes());
                }
            }
        }
        assert_eq!(seen.len(), 2 * 2 * 5);
    }

    #[test]
    fn debug_hides_secrets() {
        let secret = SpaceSecret::from_bytes([7; 32]);
        assert_eq!(format!("{secret:?}"), "SpaceSecret(…)");
        let keys = SpaceKeys::derive(&AppId::from_bytes([1; 32]), &secret);
        assert!(
            !format!("{keys:?}").contains(&data_encoding::HEXLOWER.encode(keys.sync.as_bytes()))
        );
        assert_eq!(format!("{:?}", keys.sync), "Key(…)");
    }
}
