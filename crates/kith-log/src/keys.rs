//! Signing and checking: Ed25519, verified strictly.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::{AuthorId, Error};

/// An Ed25519 signature (RFC 8032).
pub type SignatureBytes = [u8; 64];

/// An author's secret: an Ed25519 seed. Wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct AuthorSecret(SigningKey);

impl AuthorSecret {
    /// The secret of a seed, which must be random and used for one space, device and incarnation.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The author that signs with this secret.
    pub fn author(&self) -> AuthorId {
        AuthorId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// Signs a message that is no part of a log. It begins with a context of its own
    /// (`"kith/1 …\n"`), so that no signature can be taken for another kind's.
    pub fn sign(&self, message: &[u8]) -> SignatureBytes {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for AuthorSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorSecret({})", self.author())
    }
}

impl AuthorId {
    /// Whether the author signed this message. See [`AuthorSecret::sign`].
    pub fn verify(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        verify(self.as_bytes(), message, signature, "a message").is_ok()
    }
}

/// Checks a signature over `message`, which is `what` in error texts.
pub(crate) fn verify(
    key: &[u8; 32],
    message: &[u8],
    signature: &SignatureBytes,
    what: &'static str,
) -> Result<(), Error> {
    VerifyingKey::from_bytes(key)
        .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
        .map_err(|_| Error::BadSignature(what))
}
