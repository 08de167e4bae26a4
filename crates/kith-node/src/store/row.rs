//! Rows as bytes: postcard, and nothing after it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;

/// The bytes of a row.
pub(super) fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    postcard::to_allocvec(row).expect("rows are plain data in memory")
}

/// The row of bytes. Only this program writes them, so anything else is damage.
pub(super) fn decode<T: DeserializeOwned>(table: &str, bytes: &[u8]) -> Result<T, StoreError> {
    match postcard::take_from_bytes(bytes) {
        Ok((row, [])) => Ok(row),
        Ok(_) | Err(_) => Err(StoreError::bad_row(table)),
    }
}
