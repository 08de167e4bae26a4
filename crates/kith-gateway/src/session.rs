//! Tokens in URLs, and the cookie of a space's origin.

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use kith_api::Doorkeeper;

use axum::body::Body;
use axum::response::Response;

use crate::notice::{self, Notice};
use crate::site::Site;
use crate::{checks, policy};

/// The parameter of a URL that carries a token.
const TOKEN: &str = "kith-token";
/// The cookie of a space's origin. The dashboard has none: cookies ignore ports.
const COOKIE_NAME: &str = "kith";
/// How long the browser keeps the cookie: as long as it may, 400 days (RFC 6265bis, 5.6.2), so
/// that a bookmark of a space goes on working.
const COOKIE_SECONDS: u32 = 400 * 24 * 60 * 60;
/// Values of our cookie's name that are looked at in one request. A browser sends one.
const MAX_COOKIES: usize = 4;

/// Whether the request carries the cookie of this space.
pub(crate) fn is_admitted(
    request: &Parts,
    site: &Site,
    doorkeeper: &(impl Doorkeeper + ?Sized),
) -> bool {
    let place = site.place();
    request
        .headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .take(MAX_COOKIES)
        .any(|session| doorkeeper.admits(session, &place))
}

/// Takes the token of the URL, where there is one, and goes on to the URL without it.
pub(crate) fn redeem(
    request: &Parts,
    site: &Site,
    doorkeeper: &(impl Doorkeeper + ?Sized),
) -> Option<Response> {
    let (token, rest) = split_token(request.uri.query()?)?;
    if request.method != Method::GET {
        return None;
    }
    let Some(session) = doorkeeper.redeem(token, &site.place()) else {
        // A tab that is restored or reloaded shows its used token again.
        if is_admitted(request, site, doorkeeper) {
            return Some(go_on(request, site, &rest));
        }
        let notice = Notice {
            status: StatusCode::FORBIDDEN,
            what: "This link has been used, or is too old.",
            more: "A link from kith opens a page once, within 30 seconds. Open the page again \
                   from kith: its dashboard, or the command “kith open”.",
        };
        return Some(notice.answer_with_way(request, &site.host));
    };
    let cookie = format!(
        "{COOKIE_NAME}={session}; HttpOnly; SameSite=Strict; Path=/; Max-Age={COOKIE_SECONDS}"
    );
    let mut response = go_on(request, site, &rest);
    let cookie = HeaderValue::from_str(&cookie).expect("sessions are visible ASCII");
    response.headers_mut().insert(SET_COOKIE, cookie);
    Some(response)
}

/// What a request without the cookie gets.
pub(crate) fn stranger(request: &Parts, site: &Site) -> Response {
    let notice = Notice {
        status: StatusCode::FORBIDDEN,
        what: "This page is opened from kith.",
        more: "This browser has no permission for it yet, or another page led here. Open it from \
               kith's dashboard, or with the command “kith open”.",
    };
    notice.answer_with_way(request, &site.host)
}

fn go_on(request: &Parts, site: &Site, query: &str) -> Response {
    if checks::is_cross_site(request) {
        return notice::going_on();
    }
    let mut url = format!("{}{}", site.origin(), request.uri.path());
    if !query.is_empty() {
        url.push('?');
        url.push_str(query);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let url = HeaderValue::from_str(&url).expect("a request's target is visible ASCII");
    response.headers_mut().insert(LOCATION, url);
    response.extensions_mut().insert(policy::Policy::Nothing);
    response
}

/// The token of a query, and the query without it.
pub(crate) fn split_token(query: &str) -> Option<(&str, String)> {
    let mut token = None;
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.strip_prefix(TOKEN).and_then(|value| value.strip_prefix('=')) {
            Some(value) => token = token.or(Some(value)),
            None => rest.push(pair),
        }
    }
    Some((token?, rest.join("&")))
}

#[cfg(test)]
mod tests {
    use super::split_token;

    #[test]
    fn a_token_leaves_the_rest_of_the_query() {
        assert_eq!(split_token("kith-token=t"), Some(("t", String::new())));
        assert_eq!(split_token("a=1&kith-token=t&b"), Some(("t", "a=1&b".into())));
        assert_eq!(split_token("kith-token=t&kith-token=u"), Some(("t", String::new())));
        assert_eq!(split_token("a=kith-token=t"), None);
        assert_eq!(split_token("kith-tokens=t"), None);
    }
}
