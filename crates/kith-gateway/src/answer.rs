//! From a request to its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::header::{CONNECTION, CONTENT_LENGTH, LOCATION, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use kith_api::{Empty, ErrorCode, Event, OpeningStage, Origin, Service, Subscription};
use tracing::{debug, error};

use crate::blobs::{self, Uploads};
use crate::encoding::{Content, Sender};
use crate::ends::Ends;
use crate::notice::{self, Notice};
use crate::policy::{self, Nonce, Policy};
use crate::site::{Kind, Site, Unknown};
use crate::socket::{self, Sockets};
use crate::{Config, checks, files, head, session};

/// The socket's path, on every origin.
const SOCKET: &str = ".kith/api";
/// What pages import, under `/.kith/` of every origin.
const SCRIPTS: [&str; 4] = ["kith.js", "app.js", "blobs.js", "connection.js"];
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
/// The page that leads from an app to where its question is answered, under `/.kith/`.
const ASK: &str = "ask";
/// What browsers ask for where a page names no icon, and what a bundle has instead.
const ASKED_ICON: &str = "favicon.ico";
const ICONS: [&str; 2] = ["icon.png", "icon.jpg"];
/// What stands in our own pages where the nonce goes.
const NONCE: &str = "KITH-NONCE";
/// What stands in `webxdc.js` where the page's person goes.
const SELF: &str = "/*KITH_SELF*/null";

/// Answers requests.
pub(crate) struct Answerer {
    port: u16,
    config: Config,
    service: Arc<dyn Service>,
    sender: Sender,
    sockets: Sockets,
    uploads: Uploads,
}

impl Answerer {
    pub(crate) fn new(port: u16, config: Config, service: Arc<dyn Service>, ends: Ends) -> Self {
        let sender = Sender::new(config.limits);
        let sockets = Sockets::new(Arc::clone(&service), config.limits, ends);
        Self { port, config, service, sender, sockets, uploads: Uploads::default() }
    }

    /// How many sockets are open.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.count()
    }

    /// The answer, with its policy. Everything that leaves the gateway comes through here, but
    /// [`policy::busy`].
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response {
        let (mut request, body) = request.into_parts();
        let body = Body::new(body);
        let answered = AssertUnwindSafe(self.find_site(&mut request, body)).catch_unwind().await;
        let (host, mut response) = answered.unwrap_or_else(|_| {
            error!(path = request.uri.path(), "answering a request panicked");
            let what = "kith made a mistake.";
            let more = "This page could not be made. Try again; if it stays so, please report it.";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            (String::new(), Notice { status, what, more }.answer(&request))
        });
        let policy = response.extensions_mut().remove::<Policy>().unwrap_or_default();
        let host = if host.is_empty() { format!("localhost:{}", self.port) } else { host };
        policy::stamp(response.headers_mut(), &policy, &host);
        if ends_connection(&request.headers, response.status()) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The host that is asked, where it is known, and its answer.
    async fn find_site(&self, request: &mut Parts, body: Body) -> (String, Response) {
        if let Some(status) = head::refused(&request.headers) {
            let what = "kith can't read this request.";
            let more = "It is broken, too long or too slow.";
            return (String::new(), Notice { status, what, more }.answer(request));
        }
        let site = match Site::find(&request.headers, self.port, &*self.service) {
            Ok(site) => site,
            Err(unknown) => return (String::new(), no_site(request, unknown, self.port)),
        };
        if let Err(refusal) = checks::admit(&site, request) {
            debug!(?refusal, host = site.host, "a request was refused");
            let (what, more) = refusal.words();
            let notice = Notice { status: refusal.status(), what, more };
            return (site.host, notice.answer(request));
        }
        let response = match &site.kind {
            Kind::Dashboard => self.dashboard(&site, request).await,
            Kind::Space(origin) => self.space(&site, origin, request, body).await,
        };
        (site.host, response)
    }

    async fn dashboard(&self, site: &Site, request: &mut Parts) -> Response {
        let Some(name) = files::name(&request.uri) else { return not_found(request) };
        if name == SOCKET {
            return socket::open(&self.sockets, site, request).await;
        }
        let asset = match name.strip_prefix(".kith/") {
            Some(name) => self.script(name).await,
            None => self.config.assets.get(&format!("web/{name}")).await,
        };
        match asset {
            Some(asset) => self.sender.send(request, asset, Policy::Dashboard).await,
            None => no_page().answer_with_way(request, &site.host),
        }
    }

    async fn space(
        &self,
        site: &Site,
        origin: &Origin,
        request: &mut Parts,
        body: Body,
    ) -> Response {
        if let Some(response) = session::redeem(request, site, &*self.service) {
            return response;
        }
        if !session::is_admitted(request, site, &*self.service) {
            return session::stranger(request, site);
        }
        if blobs::is_upload(&request.method, request.uri.path()) {
            let uploads = (site.host.as_str(), &self.uploads, &self.config.limits);
            return blobs::receive(&*self.service, origin, uploads, request, body).await;
        }
        if let Some(path) = blobs::path(&request.uri) {
            return blobs::send(&*self.service, origin, &path, request).await;
        }
        let Some(name) = files::name(&request.uri) else { return not_found(request) };
        if name == SOCKET {
            return socket::open(&self.sockets, site, request).await;
        }
        if name == "webxdc.js" {
            return self.webxdc(site, request).await;
        }
        if let Some(ours) = name.strip_prefix(".kith/") {
            if ours == ASK && checks::is_navigation(request) {
                return notice::to_asks(&site.host);
            }
            let asset = match ours.strip_prefix("ui/") {
                Some(file) => self.config.assets.get(&format!("web/{file}")).await,
                None => self.script(ours).await,
            };
            return match asset {
                Some(asset) => self.sender.send(request, asset, Policy::App(Vec::new())).await,
                None => not_found(request),
            };
        }
        if !origin.ready && !self.arrives(site, request).await {
            return self.loading(request).await;
        }
        self.file(origin, &name, request).await
    }

    /// `kith.js`, or one of the files that it is made of.
    async fn script(&self, name: &str) -> Option<Content> {
        if !SCRIPTS.contains(&name) {
            return None;
        }
        self.config.assets.get(&format!("sdk/{name}")).await
    }

    async fn file(&self, origin: &Origin, name: &str, request: &Parts) -> Response {
        if checks::is_navigation(request) {
            self.service.loads(origin, checks::is_reload(request));
        }
        let mut found = self.service.file(origin, name).await;
        if name == ASKED_ICON {
            for icon in ICONS {
                if found.is_err() {
                    found = self.service.file(origin, icon).await;
                }
            }
        }
        let error = match found {
            Ok(file) => {
                let content = Content {
                    bytes: Bytes::from_owner(file.bytes),
                    hash: file.hash,
                    content_type: file.content_type,
                };
                let policy = Policy::App(origin.granted.clone());
                return self.sender.send(request, content, policy).await;
            }
            Err(error) => error,
        };
        if error.code != ErrorCode::NotFound {
            let more = format!("{} {}", error.why, error.todo);
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Notice { status, what: &error.what, more: &more }.answer(request);
        }
        if checks::is_navigation(request) && !name.ends_with("index.html") {
            let index = format!("{name}/index.html");
            if self.service.file(origin, &index).await.is_ok() {
                return to_folder(request);
            }
        }
        not_found(request)
    }

    /// `webxdc.js`, with the page's person in it: the format wants them without waiting.
    async fn webxdc(&self, site: &Site, request: &Parts) -> Response {
        let Some(asset) = self.config.assets.get("sdk/webxdc.js").await else {
            return not_found(request);
        };
        let me = self.service.me(&site.caller(), Empty {}).await;
        let me = match me {
            Ok(me) => serde_json::json!({ "id": me.id, "name": me.name }).to_string(),
            Err(error) => {
                debug!(%error, "webxdc.js is served without its person");
                "null".into()
            }
        };
        let script = String::from_utf8_lossy(&asset.bytes).replace(SELF, &me);
        let content = Content {
            hash: *blake3::hash(script.as_bytes()).as_bytes(),
            bytes: script.into(),
            ..asset
        };
        self.sender.send(request, content, Policy::App(Vec::new())).await
    }

    /// Waits a moment for an app that is on its way. Whether it is here.
    async fn arrives(&self, site: &Site, request: &Parts) -> bool {
        let caller = site.caller();
        let wait = async {
            let Ok(mut events) = self.service.subscribe(&caller, Subscription::Arrival).await
            else {
                return;
            };
            while let Some(event) = events.next().await {
                if let Event::Opening(opening) = event
                    && matches!(opening.stage, OpeningStage::Ready(_) | OpeningStage::Failed { .. })
                {
                    return;
                }
            }
        };
        // Out of time is one of the answers: what is here is looked at either way.
        let _ = tokio::time::timeout(self.config.limits.arrival_hold, wait).await;
        matches!(
            Site::find(&request.headers, self.port, &*self.service),
            Ok(Site { kind: Kind::Space(Origin { ready: true, .. }), .. })
        )
    }

    /// The page that tells how far the app is. What is no navigation gets the fact alone.
    async fn loading(&self, request: &Parts) -> Response {
        let page = self.config.assets.get("web/loading.html").await;
        if let (true, Some(page)) = (checks::is_navigation(request), page) {
            let nonce = Nonce::new();
            let page = String::from_utf8_lossy(&page.bytes).replace(NONCE, nonce.as_str());
            return notice::html(StatusCode::OK, page, nonce);
        }
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let what = "The app is not here yet.";
        let more = "kith is fetching it from the people who have it. Reload this page in a moment.";
        let mut response = Notice { status, what, more }.answer(request);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}

fn no_site(request: &Parts, unknown: Unknown, port: u16) -> Response {
    let dashboard = format!("localhost:{port}");
    match unknown {
        Unknown::Host => Notice {
            status: StatusCode::MISDIRECTED_REQUEST,
            what: "kith has no page at this address.",
            more: "The address may be misspelt, or of a space that was left. Pages of spaces are \
                   opened from kith's dashboard.",
        }
        .answer_with_way(request, &dashboard),
        Unknown::Removed => {
            let notice = Notice {
                status: StatusCode::GONE,
                what: "This was removed from kith.",
                more: "The browser was told to forget what it kept of it.",
            };
            let mut response = notice.answer_with_way(request, &dashboard);
            response.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"*\""));
            response
        }
    }
}

fn not_found(request: &Parts) -> Response {
    no_page().answer(request)
}

fn no_page() -> Notice<'static> {
    let what = "There is no such page.";
    let more = "The address may be misspelt, or belong to another version.";
    Notice { status: StatusCode::NOT_FOUND, what, more }
}

/// Leads from `/folder` to `/folder/`, where relative links of its page fit.
fn to_folder(request: &Parts) -> Response {
    let mut target = format!("{}/", request.uri.path());
    if let Some(query) = request.uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let target = HeaderValue::from_str(&target).expect("a request's target is visible ASCII");
    response.headers_mut().insert(LOCATION, target);
    response
}

/// Whether what follows on this connection can't be read as requests, or comes from somebody who
/// has nothing to ask here.
pub(crate) fn ends_connection(request: &HeaderMap, status: StatusCode) -> bool {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return false;
    }
    let has_body = request.contains_key(TRANSFER_ENCODING)
        || request.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    let refused = matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED | StatusCode::MISDIRECTED_REQUEST
    );
    head::refused(request).is_some() || request.contains_key(UPGRADE) || has_body || refused
}
