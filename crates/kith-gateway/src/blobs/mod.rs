//! Files that people share in a space, under `/.kith/blobs` of its origin.

mod description;
mod receive;
mod refusal;
mod send;

pub(crate) use receive::{Uploads, is_upload, receive};
pub(crate) use send::{path, send};
