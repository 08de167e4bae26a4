//! App ids.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

/// An app's identity: the Ed25519 public key that signs its versions. Stable over versions.
/// Written in base64url without padding, 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppId([u8; 32]);

/// Text that is not an app id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an app id is 43 characters of base64url")]
pub struct NotAnAppId;

impl AppId {
    /// The id of a public key's bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The public key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppId({self})")
    }
}

impl FromStr for AppId {
    type Err = NotAnAppId;

    fn from_str(text: &str) -> Result<Self, NotAnAppId> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotAnAppId)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAnAppId)?))
    }
}

impl TryFrom<String> for AppId {
    type Error = NotAnAppId;

    fn try_from(text: String) -> Result<Self, NotAnAppId> {
        text.parse()
    }
}

impl From<AppId> for String {
    fn from(id: AppId) -> Self {
        id.to_string()
    }
}
