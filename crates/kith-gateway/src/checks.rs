//! What a request must be, whatever it asks for: the checks that keep foreign pages out.
//!
//! Each was tried from a hostile page; `tests/browser/` does it again.

use http::header::{HeaderName, ORIGIN};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::blobs;
use crate::site::{Kind, Site};

const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It fetches a service worker's script.
    ServiceWorker,
    /// It comes from a page of another origin.
    Foreign,
    /// Nothing here is changed by HTTP requests, but for files that are handed in.
    Method,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::ServiceWorker | Self::Foreign => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// What happened, and why.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ServiceWorker => (
                "Service workers can't be used in kith.",
                "A response that a service worker makes up would carry none of kith's protection.",
            ),
            Self::Foreign => {
                ("This request comes from another page.", "Pages of kith are reached by no other.")
            }
            Self::Method => {
                ("This can't be done here.", "Pages are read by GET; all else goes by the socket.")
            }
        }
    }
}

/// Refuses what comes from foreign pages, and what no page may do.
pub(crate) fn admit(site: &Site, request: &Parts) -> Result<(), Refusal> {
    let field = |name: HeaderName| request.headers.get(name).map(|value| value.as_bytes());
    if field(SERVICE_WORKER).is_some() || field(FETCH_DEST) == Some(b"serviceworker") {
        return Err(Refusal::ServiceWorker);
    }
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    let own = site.origin();
    for origin in request.headers.get_all(ORIGIN) {
        if origin.as_bytes() != own.as_bytes() {
            return Err(Refusal::Foreign);
        }
    }
    if !reads && field(ORIGIN).is_none() {
        return Err(Refusal::Foreign);
    }
    match field(FETCH_SITE) {
        None | Some(b"same-origin" | b"none") => {}
        Some(_) if reads && is_navigation(request) => {}
        Some(_) => return Err(Refusal::Foreign),
    }
    let uploads = matches!(site.kind, Kind::Space(_))
        && blobs::is_upload(&request.method, request.uri.path());
    if reads || uploads { Ok(()) } else { Err(Refusal::Method) }
}

/// Whether a document is asked for, to be shown in a tab of its own.
pub(crate) fn is_navigation(request: &Parts) -> bool {
    let is = |name: HeaderName, value: &str| {
        request.headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
    };
    is(FETCH_MODE, "navigate") && is(FETCH_DEST, "document")
}

/// Whether the person reloads what they see: browsers then pass over their caches (Fetch, section 4.6).
pub(crate) fn is_reload(request: &Parts) -> bool {
    let control = request.headers.get(http::header::CACHE_CONTROL);
    control.is_some_and(|value| matches!(value.as_bytes(), b"max-age=0" | b"no-cache"))
}

/// Whether the page that led here is another origin's, so that the browser holds back the cookie
/// even from where we redirect to.
pub(crate) fn is_cross_site(request: &Parts) -> bool {
    request
        .headers
        .get(FETCH_SITE)
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}
