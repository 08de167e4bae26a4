//! The headers that every response carries.
//!
//! The page's policy is the page's sandbox: one response without it, an error page or a worker's
//! script included, is a way out for the whole origin. So [`stamp`] is the last thing that happens
//! to each response, and what handlers choose is only the [`Policy`].

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use kith_app::Permission;

/// Which pages the response may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Policy {
    /// No page of anyone: what is shown can do nothing.
    #[default]
    Nothing,
    /// The dashboard's files: scripts and styles from files only.
    Dashboard,
    /// An app's files: alone on their origin, they may do there as they like, and use of the device
    /// what the person granted the app.
    App(Vec<Permission>),
    /// A file that somebody shared: shown by itself it can do nothing, and an app's page may show it.
    File,
    /// A page of kith's own on any origin, with its inline script and style.
    Notice(Nonce),
    /// A notice with a link to the dashboard, and nothing of anybody else's.
    Signpost(Nonce),
}

/// A number used once, that lets kith's own inline scripts and styles through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nonce(String);

impl Nonce {
    /// A new one. Where the system has no random bytes, one that lets nothing through.
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 16];
        match getrandom::fill(&mut bytes) {
            Ok(()) => Self(BASE64URL_NOPAD.encode(&bytes)),
            Err(_) => Self(String::new()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The answer to a connection over the limit, which gets no task and no hyper.
pub(crate) fn busy() -> Bytes {
    let mut headers = HeaderMap::new();
    stamp(&mut headers, &Policy::Nothing, "localhost");
    let mut answer = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\
        content-length: 0\r\nretry-after: 5\r\ncache-control: no-store\r\n"
        .to_vec();
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    answer.extend_from_slice(b"\r\n");
    answer.into()
}

const CONNECTION_ALLOWLIST: HeaderName = HeaderName::from_static("connection-allowlist");
const COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const COEP: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// What a page gets only where its app was granted it; most of it no app can ask for. What is not
/// named in the header, the browser allows.
const ASKED_FOR: [&str; 24] = [
    "accelerometer",
    "browsing-topics",
    "camera",
    "clipboard-read",
    "compute-pressure",
    "display-capture",
    "encrypted-media",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "otp-credentials",
    "payment",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "serial",
    "storage-access",
    "usb",
    "window-management",
    "xr-spatial-tracking",
];
/// What a page needs a click for anyway, or that stays inside it.
const FREE: &str = "autoplay=(self), clipboard-write=(self), fullscreen=(self), \
    gamepad=(self), picture-in-picture=(self), screen-wake-lock=(self)";

/// Puts the headers of `policy` on a response of `host`; nothing that a handler set survives.
pub(crate) fn stamp(headers: &mut HeaderMap, policy: &Policy, host: &str) {
    let mut set = |name: HeaderName, value: &str| {
        // Hosts are checked against the one port and known labels before they come here.
        let value = HeaderValue::from_str(value).expect("policies are visible ASCII");
        headers.insert(name, value);
    };
    set(CONNECTION_ALLOWLIST, &connections(policy, host));
    set(header::CONTENT_SECURITY_POLICY, &content_security(policy, host));
    set(COOP, "same-origin");
    set(COEP, "require-corp");
    set(CORP, "same-origin");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(PERMISSIONS, &permissions(policy));
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_DNS_PREFETCH_CONTROL, "off");
}

/// Where a page may connect or lead to. The dashboard opens the pages of spaces, on origins that
/// nobody but this node serves.
fn connections(policy: &Policy, host: &str) -> String {
    match policy {
        Policy::Dashboard => format!("(response-origin \"http://*.{host}/*\")"),
        Policy::Signpost(_) => format!("(response-origin \"http://{}/*\")", dashboard(host)),
        Policy::Nothing | Policy::App(_) | Policy::File | Policy::Notice(_) => {
            "(response-origin)".into()
        }
    }
}

/// The dashboard's host, from any host that is served: `LABEL.localhost:4848` or itself.
pub(crate) fn dashboard(host: &str) -> &str {
    host.split_once('.').map_or(host, |(_, dashboard)| dashboard)
}

/// Which of the browser's features the page may use.
fn permissions(policy: &Policy) -> String {
    let granted: &[Permission] = match policy {
        Policy::App(granted) => granted,
        Policy::Nothing
        | Policy::Dashboard
        | Policy::File
        | Policy::Notice(_)
        | Policy::Signpost(_) => &[],
    };
    let mut header = String::with_capacity(1_024);
    for feature in ASKED_FOR {
        let given = granted.iter().any(|permission| permission.feature() == Some(feature));
        header += feature;
        header += if given { "=(self), " } else { "=(), " };
    }
    header + FREE
}

fn content_security(policy: &Policy, host: &str) -> String {
    match policy {
        Policy::Nothing => "default-src 'none'; form-action 'none'; frame-src 'none'; \
             frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
            .into(),
        Policy::Dashboard => format!(
            "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self' ws://{host}; worker-src 'none'; form-action 'none'; \
             frame-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
        ),
        Policy::App(_) => format!(
            "default-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' data: blob:; \
             connect-src 'self' ws://{host} data: blob:; form-action 'self'; \
             frame-src 'self' data: blob:; frame-ancestors 'self'; base-uri 'self'; \
             object-src 'none'"
        ),
        // A browser shows a picture or a film that is opened alone in a page of its own making.
        Policy::File => "default-src 'none'; img-src 'self'; media-src 'self'; \
             style-src 'unsafe-inline'; form-action 'none'; frame-src 'none'; \
             frame-ancestors 'self'; base-uri 'none'; object-src 'none'; sandbox"
            .into(),
        Policy::Notice(nonce) | Policy::Signpost(nonce) => {
            let nonce = nonce.as_str();
            format!(
                "default-src 'none'; script-src 'nonce-{nonce}' http://{host}/.kith/; \
                 style-src 'nonce-{nonce}' http://{host}/.kith/; \
                 img-src http://{host}/.kith/ data:; connect-src 'self' ws://{host}; \
                 form-action 'none'; frame-src 'none'; frame-ancestors 'none'; base-uri 'none'; \
                 object-src 'none'"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signpost_leads_to_the_dashboard_and_nowhere_else() {
        for host in ["localhost:4848", "abc.localhost:4848"] {
            let allowed = connections(&Policy::Signpost(Nonce::new()), host);
            assert_eq!(allowed, "(response-origin \"http://localhost:4848/*\")");
        }
    }

    #[test]
    fn an_app_gets_of_the_device_what_it_was_granted_and_nothing_else() {
        for permission in Permission::ALL {
            let Some(feature) = permission.feature() else { continue };
            assert!(ASKED_FOR.contains(&feature), "{feature} is denied until it is granted");
            let header = permissions(&Policy::App(vec![permission]));
            for other in ASKED_FOR {
                let given = if other == feature { "=(self)" } else { "=()" };
                assert!(header.contains(&format!("{other}{given}")), "{other} in {header}");
            }
        }
        let notices = [Policy::Notice(Nonce::new()), Policy::Signpost(Nonce::new())];
        for policy in [Policy::Nothing, Policy::Dashboard].into_iter().chain(notices) {
            assert_eq!(permissions(&policy), permissions(&Policy::App(Vec::new())));
        }
    }
}
