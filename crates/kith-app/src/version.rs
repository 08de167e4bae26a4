//! Signed versions of an app.

use ed25519_dalek::{Signature, VerifyingKey};

use crate::{AppId, AppSecret, MAX_BUNDLE};

const FORMAT: u8 = 1;
const CONTEXT: &[u8] = b"kith/1 app version\n";
/// Bytes that are signed: format, app, version, hash and size.
const SIGNED: usize = 1 + 32 + 8 + 32 + 8;

/// A statement by an app's publisher: this bundle is this version of the app. One that exists has
/// been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedVersion {
    app: AppId,
    version: u64,
    bundle: [u8; 32],
    size: u64,
    signature: [u8; 64],
}

/// Why bytes are not a signed version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not 145 bytes.
    #[error("a signed version has 145 bytes, and these are {found}")]
    WrongLength {
        /// How many there are.
        found: usize,
    },
    /// A format of another kith.
    #[error("the signed version has format {0}, which this kith does not know")]
    UnknownFormat(u8),
    /// The bundle it names is over the limit.
    #[error("the bundle would have {size} bytes, and {MAX_BUNDLE} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// The signature is not by the app's key, or something was changed.
    #[error("the signature does not fit: something was changed, or another key signed it")]
    BadSignature,
}

impl SignedVersion {
    /// Its size in bytes.
    pub const LEN: usize = SIGNED + 64;

    /// Signs a version: its number, the BLAKE3 hash of the bundle and the bundle's size in bytes.
    ///
    /// # Errors
    /// [`VersionError::TooLarge`] where the bundle is over [`MAX_BUNDLE`].
    pub fn sign(
        secret: &AppSecret,
        version: u64,
        bundle: [u8; 32],
        size: u64,
    ) -> Result<Self, VersionError> {
        if size > MAX_BUNDLE {
            return Err(VersionError::TooLarge { size });
        }
        let mut signed = Self { app: secret.id(), version, bundle, size, signature: [0; 64] };
        signed.signature = secret.sign(&signed.message());
        Ok(signed)
    }

    /// Reads and verifies a version.
    ///
    /// # Errors
    /// See [`VersionError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VersionError> {
        let bytes: &[u8; Self::LEN] =
            bytes.try_into().map_err(|_| VersionError::WrongLength { found: bytes.len() })?;
        let (format, rest) = bytes.split_at(1);
        if format != [FORMAT] {
            return Err(VersionError::UnknownFormat(format[0]));
        }
        let (app, rest) = part::<32>(rest);
        let (version, rest) = part::<8>(rest);
        let (bundle, rest) = part::<32>(rest);
        let (size, rest) = part::<8>(rest);
        let (signature, _) = part::<64>(rest);
        let this = Self {
            app: AppId::from_bytes(app),
            version: u64::from_be_bytes(version),
            bundle,
            size: u64::from_be_bytes(size),
            signature,
        };
        VerifyingKey::from_bytes(this.app.as_bytes())
            .and_then(|key| {
                key.verify_strict(&this.message(), &Signature::from_bytes(&this.signature))
            })
            .map_err(|_| VersionError::BadSignature)?;
        if this.size > MAX_BUNDLE {
            return Err(VersionError::TooLarge { size: this.size });
        }
        Ok(this)
    }

    /// The bytes that travel.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..SIGNED].copy_from_slice(&self.signed_bytes());
        bytes[SIGNED..].copy_from_slice(&self.signature);
        bytes
    }

    /// The app.
    pub const fn app(&self) -> AppId {
        self.app
    }

    /// The number, which rises with each publication.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// BLAKE3 of the bundle.
    pub const fn bundle(&self) -> [u8; 32] {
        self.bundle
    }

    /// The bundle's size in bytes, at most [`MAX_BUNDLE`].
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether this version takes the place of `held`: it is of the same app and has a higher
    /// number. Of two bundles with one number, the one that was there first stays.
    pub fn supersedes(&self, held: &Self) -> bool {
        self.app == held.app && self.version > held.version
    }

    fn signed_bytes(&self) -> [u8; SIGNED] {
        let mut bytes = [0; SIGNED];
        bytes[0] = FORMAT;
        bytes[1..33].copy_from_slice(self.app.as_bytes());
        bytes[33..41].copy_from_slice(&self.version.to_be_bytes());
        bytes[41..73].copy_from_slice(&self.bundle);
        bytes[73..].copy_from_slice(&self.size.to_be_bytes());
        bytes
    }

    fn message(&self) -> Vec<u8> {
        [CONTEXT, &self.signed_bytes()].concat()
    }
}

/// The first `N` bytes, and the rest. The caller has checked the length of the whole.
fn part<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (head, rest) = bytes.split_first_chunk::<N>().expect("the whole has a fixed length");
    (*head, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signed(version: u64) -> SignedVersion {
        SignedVersion::sign(&AppSecret::bundled("test"), version, [5; 32], 1_000).unwrap()
    }

    #[test]
    fn only_a_higher_version_of_the_same_app_supersedes() {
        let other = SignedVersion::sign(&AppSecret::bundled("other"), 9, [5; 32], 1).unwrap();
        assert!(signed(2).supersedes(&signed(1)));
        assert!(!signed(1).supersedes(&signed(1)));
        assert!(!signed(1).supersedes(&signed(2)));
        assert!(!other.supersedes(&signed(1)));
    }

    #[test]
    fn lengths_and_formats_are_checked() {
        let bytes = signed(1).to_bytes();
        for length in [0, 1, 144] {
            let found = SignedVersion::from_bytes(&bytes[..length]);
            assert_eq!(found, Err(VersionError::WrongLength { found: length }));
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(
            SignedVersion::from_bytes(&longer),
            Err(VersionError::WrongLength { found: 146 })
        );
        let mut newer = bytes;
        newer[0] = 2;
        assert_eq!(SignedVersion::from_bytes(&newer), Err(VersionError::UnknownFormat(2)));
    }

    #[test]
    fn a_bundle_over_the_limit_is_refused_on_both_sides() {
        let secret = AppSecret::bundled("test");
        let size = MAX_BUNDLE + 1;
        let error = Err(VersionError::TooLarge { size });
        assert_eq!(SignedVersion::sign(&secret, 1, [0; 32], size), error);
        let mut forged = SignedVersion {
            app: secret.id(),
            version: 1,
            bundle: [0; 32],
            size,
            signature: [0; 64],
        };
        forged.signature = secret.sign(&forged.message());
        assert_eq!(SignedVersion::from_bytes(&forged.to_bytes()), error);
    }

    proptest! {
        #[test]
        fn bytes_and_versions_are_inverse(
            name in ".{0,9}", version: u64, bundle: [u8; 32], size in 0..=MAX_BUNDLE,
        ) {
            let signed = SignedVersion::sign(&AppSecret::bundled(&name), version, bundle, size).unwrap();
            prop_assert_eq!(SignedVersion::from_bytes(&signed.to_bytes()), Ok(signed));
        }

        #[test]
        fn any_changed_bit_is_refused(bit in 0..SignedVersion::LEN * 8) {
            let mut bytes = signed(7).to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(SignedVersion::from_bytes(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = SignedVersion::from_bytes(&bytes);
        }
    }
}
