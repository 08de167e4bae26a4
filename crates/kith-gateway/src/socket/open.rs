//! From a request to a socket.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use http::StatusCode;
use http::header::{ORIGIN, RETRY_AFTER};
use http::request::Parts;
use kith_api::Service;
use tracing::debug;

use super::talk::{Door, Talk};
use crate::Limits;
use crate::ends::Ends;
use crate::notice::Notice;
use crate::places::Places;
use crate::site::{Kind, Site};

/// Bytes that a socket reads at once. Most messages are small.
const READ_BUFFER: usize = 16 * 1024;

/// All sockets, and what they need.
pub(crate) struct Sockets {
    service: Arc<dyn Service>,
    limits: Limits,
    ends: Ends,
    places: Places,
}

impl Sockets {
    pub(crate) fn new(service: Arc<dyn Service>, limits: Limits, ends: Ends) -> Self {
        Self { service, limits, ends, places: Places::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.places.count()
    }
}

/// Upgrades the request of a site whose cookie, where it has one, was checked.
pub(crate) async fn open(sockets: &Sockets, site: &Site, request: &mut Parts) -> Response {
    // That it is not another's, `checks` has seen; a socket must say it, though.
    if !request.headers.contains_key(ORIGIN) {
        let what = "This socket is for pages of kith.";
        let more = "Requests for it carry the header Origin.";
        return Notice { status: StatusCode::FORBIDDEN, what, more }.answer(request);
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(request, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let more = rejection.body_text();
            let what = "This address is for WebSockets.";
            return Notice { status: rejection.status(), what, more: &more }.answer(request);
        }
    };
    let limits = &sockets.limits;
    let place = sockets.places.take(&site.host, limits.sockets, limits.sockets_per_origin);
    let Some(place) = place else {
        debug!(host = site.host, "over the limit of sockets");
        let what = "Too many pages are connected.";
        let more = "Close some tabs of this app.";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = Notice { status, what, more }.answer(request);
        response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("5"));
        return response;
    };
    let door = match site.kind {
        Kind::Dashboard => Door::Dashboard,
        Kind::Space(_) => Door::Page(site.caller()),
    };
    let talk = Talk::new(Arc::clone(&sockets.service), door, sockets.limits);
    let ends = sockets.ends.clone();
    let tracked = sockets.ends.tasks.token();
    upgrade
        .read_buffer_size(READ_BUFFER)
        // Each message goes out at once: someone waits for it.
        .write_buffer_size(0)
        .max_message_size(sockets.limits.message)
        .max_frame_size(sockets.limits.message)
        .on_upgrade(async move |socket| {
            ends.kill.run_until_cancelled(talk.run(socket, &ends.stop)).await;
            drop((place, tracked));
        })
}
