//! The system's random bytes.

use kith_api::{Error, ErrorCode, Result};

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorCode::Internal, "The system gives no random bytes.").why(error.to_string())
    })?;
    Ok(bytes)
}
