//! Whose origin is asked: decided by `Host` alone, before anything else.

use http::HeaderMap;
use http::header::HOST;
use kith_api::{Caller, Doorkeeper, Origin, Place};

/// Longest label of a host name, in bytes: RFC 1035, section 2.3.4.
const MAX_LABEL: usize = 63;

/// An origin that the gateway serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// The `Host`, as it was checked: `localhost:4848` or `LABEL.localhost:4848`.
    pub(crate) host: String,
    /// What is there.
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The dashboard.
    Dashboard,
    /// A space's pages.
    Space(Origin),
}

/// A host that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Never was.
    Host,
    /// Was a space's, and the browser has still to forget it.
    Removed,
}

impl Site {
    /// The site that a request's `Host` names exactly.
    pub(crate) fn find(
        headers: &HeaderMap,
        port: u16,
        doorkeeper: &(impl Doorkeeper + ?Sized),
    ) -> Result<Self, Unknown> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).ok_or(Unknown::Host)?;
        let name = match host.rsplit_once(':') {
            Some((name, digits)) if digits == port.to_string() => name,
            None if port == 80 => host,
            Some(_) | None => return Err(Unknown::Host),
        };
        if name == "localhost" {
            return Ok(Self { host: host.to_owned(), kind: Kind::Dashboard });
        }
        let label = name.strip_suffix(".localhost").filter(|label| is_label(label));
        let label = label.ok_or(Unknown::Host)?;
        match doorkeeper.origin(label) {
            Some(origin) => Ok(Self { host: host.to_owned(), kind: Kind::Space(origin) }),
            None if doorkeeper.removed(label) => Err(Unknown::Removed),
            None => Err(Unknown::Host),
        }
    }

    /// What tokens and sessions of this site are for.
    pub(crate) fn place(&self) -> Place {
        match &self.kind {
            Kind::Dashboard => Place::Dashboard,
            Kind::Space(origin) => Place::Space(origin.space),
        }
    }

    /// Who calls from here. The dashboard's person has still to prove that they are.
    pub(crate) fn caller(&self) -> Caller {
        match &self.kind {
            Kind::Dashboard => Caller::Owner,
            Kind::Space(origin) => Caller::Page { app: origin.app, space: origin.space },
        }
    }

    /// The origin, as browsers write it.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.host)
    }
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
}
