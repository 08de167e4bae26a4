//! What a file's sender says of it, as far as a browser may believe it.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands as itself in an extended parameter: `attr-char` of RFC 8187, section 3.2.1.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');
const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The content type that a file is served as. Only what can do nothing is what its sender says:
/// pictures but for SVG, which has scripts, films, sound, and plain text. All else is bytes, which a
/// browser saves and does not show.
pub(super) fn content_type(media_type: &str) -> HeaderValue {
    let media_type = media_type.to_ascii_lowercase();
    if media_type == "text/plain" {
        return HeaderValue::from_static("text/plain; charset=utf-8");
    }
    let Some((kind, of)) = media_type.split_once('/') else { return UNKNOWN };
    let is_token =
        !of.is_empty() && of.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if matches!(kind, "image" | "video" | "audio") && is_token {
        return HeaderValue::from_str(&media_type).unwrap_or(UNKNOWN);
    }
    UNKNOWN
}

/// Whether it is shown or saved, and under which name (RFC 6266). Browsers take the second form of
/// the name; the first is for what knows no other.
pub(super) fn disposition(name: &str, download: bool) -> HeaderValue {
    let shown = if download { "attachment" } else { "inline" };
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !"\"\\%".contains(c) || c == ' ' { c } else { '_' })
        .collect();
    let full = utf8_percent_encode(name, ENCODED);
    HeaderValue::from_str(&format!("{shown}; filename=\"{plain}\"; filename*=UTF-8''{full}"))
        .expect("both names are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_do_nothing_is_served_as_what_it_says() {
        for (said, served) in [
            ("image/png", "image/png"),
            ("IMAGE/PNG", "image/png"),
            ("video/mp4", "video/mp4"),
            ("audio/ogg", "audio/ogg"),
            ("text/plain", "text/plain; charset=utf-8"),
            ("", "application/octet-stream"),
            ("image/svg+xml", "application/octet-stream"),
            ("image/x+html", "application/octet-stream"),
            ("text/html", "application/octet-stream"),
            ("text/javascript", "application/octet-stream"),
            ("application/pdf", "application/octet-stream"),
            ("image/", "application/octet-stream"),
            ("image/png, text/html", "application/octet-stream"),
            ("image/png;a=b", "application/octet-stream"),
            ("image/png\r\nx: y", "application/octet-stream"),
            ("multipart/x-mixed-replace", "application/octet-stream"),
        ] {
            assert_eq!(content_type(said), served, "{said:?}");
        }
    }

    #[test]
    fn a_name_is_kept_whatever_is_in_it() {
        assert_eq!(
            disposition("a b.txt", true),
            "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"
        );
        assert_eq!(
            disposition("“ä\"; x=\r\n%00.exe", false),
            "inline; filename=\"___; x=___00.exe\"; \
             filename*=UTF-8''%E2%80%9C%C3%A4%22%3B%20x%3D%0D%0A%2500.exe"
        );
    }
}
