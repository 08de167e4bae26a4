//! The paths of files, as an app's bundle and the embedded files name them.

use http::Uri;
use percent_encoding::percent_decode_str;

/// A request's path as a file's name: decoded, without its leading slash, `index.html` where a
/// folder is meant. `None` for what no file can be called.
pub(crate) fn name(uri: &Uri) -> Option<String> {
    let decoded = percent_decode_str(uri.path()).decode_utf8().ok()?;
    let mut name = decoded.strip_prefix('/')?.to_owned();
    if name.is_empty() || name.ends_with('/') {
        name.push_str("index.html");
    }
    let sound = name.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !name.contains('\\')
        && !name.chars().any(char::is_control);
    sound.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn paths_become_names_and_no_name_climbs() {
        let of = |path: &str| name(&path.parse().unwrap());
        assert_eq!(of("/").as_deref(), Some("index.html"));
        assert_eq!(of("/a%20b/").as_deref(), Some("a b/index.html"));
        assert_eq!(of("/%C3%A4.js?x=/../").as_deref(), Some("ä.js"));
        for path in [
            "/../a",
            "/%2e%2e/a",
            "/a//b",
            "//a",
            "/a/%2e",
            "/%00",
            "/a%5Cb",
            "/%ff",
            "/a%2f..%2fb",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
