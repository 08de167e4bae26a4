//! kith's own small pages: what happened, why, and what to do.

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::policy::{self, Nonce, Policy};

const PAGE: &str = include_str!("../pages/notice.html");
/// Goes on without the token, as this origin itself: the browser holds the new cookie back from a
/// redirect that another origin began.
const GO_ON: &str = "<script nonce=\"{nonce}\">const url = new URL(location); \
    url.searchParams.delete('kith-token'); location.replace(url);</script>";
/// Follows the link of the page.
const FOLLOW: &str =
    "<script nonce=\"{nonce}\">location.replace(document.querySelector('a').href);</script>";
const HTML: &str = "text/html; charset=utf-8";

/// What to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice<'a> {
    pub(crate) status: StatusCode,
    /// What happened: one sentence.
    pub(crate) what: &'a str,
    /// Why, and what to do.
    pub(crate) more: &'a str,
}

impl Notice<'_> {
    /// A page for people, or the words alone for all else.
    pub(crate) fn answer(self, request: &Parts) -> Response {
        if wants_page(request) { self.page("").answer() } else { self.words() }
    }

    /// The same, with a link to the dashboard on `host`.
    pub(crate) fn answer_with_way(self, request: &Parts, host: &str) -> Response {
        if !wants_page(request) {
            return self.words();
        }
        let way = format!(
            "<p><a href=\"http://{}/\">Open kith’s dashboard</a></p>",
            escape(policy::dashboard(host))
        );
        let Page { status, html, nonce } = self.page(&way);
        respond(status, HTML, html, Policy::Signpost(nonce))
    }

    fn words(self) -> Response {
        let text = format!("{} {}\n", self.what, self.more);
        respond(self.status, "text/plain; charset=utf-8", text, Policy::Nothing)
    }

    /// The page, with `rest` below its words, where `{nonce}` stands for its nonce.
    fn page(self, rest: &str) -> Page {
        let nonce = Nonce::new();
        let html = PAGE
            .replace("{rest}", rest)
            .replace("{nonce}", nonce.as_str())
            .replace("{title}", &escape(self.what))
            .replace("{text}", &escape(self.more));
        Page { status: self.status, html, nonce }
    }
}

/// A notice as a page.
struct Page {
    status: StatusCode,
    html: String,
    nonce: Nonce,
}

impl Page {
    fn answer(self) -> Response {
        html(self.status, self.html, self.nonce)
    }
}

fn wants_page(request: &Parts) -> bool {
    let accept = request.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The page that goes on to its own URL without the token.
pub(crate) fn going_on() -> Response {
    let notice = Notice { status: StatusCode::OK, what: "Opening…", more: "" };
    notice.page(GO_ON).answer()
}

/// The page that leads from an app's origin to what is asked on the dashboard: no page of an app can
/// go there itself.
pub(crate) fn to_asks(host: &str) -> Response {
    let more = "What the app asks is shown on kith's own page.";
    let notice = Notice { status: StatusCode::OK, what: "Going to kith…", more };
    let dashboard = escape(policy::dashboard(host));
    let way = format!("<p><a href=\"http://{dashboard}/#/asks\">Open kith’s page</a></p>{FOLLOW}");
    let Page { status, html, nonce } = notice.page(&way);
    respond(status, HTML, html, Policy::Signpost(nonce))
}

/// A page of kith's own, with its nonce.
pub(crate) fn html(status: StatusCode, page: String, nonce: Nonce) -> Response {
    respond(status, HTML, page, Policy::Notice(nonce))
}

fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: String,
    policy: Policy,
) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(policy);
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
