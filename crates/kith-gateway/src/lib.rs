//! kith over HTTP: one origin per space, the API's WebSocket and the dashboard's files, for the
//! browsers of this machine only.
//!
//! A request's way through the gateway:
//!
//! 1. `listen` holds 127.0.0.1 and `[::1]` on one port; `serve` accepts, within limits.
//! 2. `head` reads each request's head itself, so that what hyper would refuse with a bare 400 is
//!    answered by us, with every header of 8.
//! 3. `site` decides by `Host` alone whose origin is asked: the dashboard's, a space's, or none.
//! 4. `checks` refuses foreign pages: service workers, `Origin`, `Sec-Fetch-Site`, methods.
//! 5. `session` redeems tokens and reads the cookie of a space's origin.
//! 6. `answer` routes: `assets` (embedded files), `files` (of an app's bundle), `blobs` (files that
//!    people share: read in ranges, handed in by POST), `socket` (the API).
//! 7. `socket` turns JSON-RPC into calls of [`kith_api::Service`]; who calls follows from 3.
//! 8. `policy` puts the security headers on every response. It is the outermost layer: no handler
//!    can forget it.
//!
//! Nothing here knows what an app means, and no logic of the node is here.

mod answer;
mod assets;
mod blobs;
mod checks;
mod client;
mod config;
mod encoding;
mod ends;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod listen;
mod notice;
mod places;
mod policy;
mod port_owner;
mod range;
mod serve;
mod session;
mod site;
mod socket;

pub use assets::Assets;
pub use config::{Config, Limits};
pub use listen::{BindError, Listeners};
pub use serve::Gateway;
