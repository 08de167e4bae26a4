//! What a bundle says about itself: `manifest.toml`.

use serde::Deserialize;

use crate::Permission;

/// Largest `manifest.toml`, in bytes: far more than its fields can fill.
pub const MAX_MANIFEST: usize = 64 * 1024;
/// Longest name of an app, in bytes of UTF-8: fits a tile. A longer one is cut.
pub const MAX_NAME: usize = 64;
/// Longest description of an app, in bytes of UTF-8: some sentences. A longer one is cut.
pub const MAX_DESCRIPTION: usize = 500;
/// Longest address of an app's source code, in bytes. A longer one is left out.
pub const MAX_URL: usize = 500;
/// The version of the interface for apps that this kith offers.
pub const INTERFACE: u32 = 1;

/// A bundle's manifest: webxdc's keys, and ours in the table `[kith]`. Keys that are not known are
/// ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// `name`, on one line and of [`MAX_NAME`] bytes at most.
    pub name: Option<String>,
    /// `source_code_url`, where it is an `http` or `https` one.
    pub source_code_url: Option<String>,
    /// `kith.description`, else `description`: what the app is, on one line; empty where it says
    /// nothing.
    pub description: String,
    /// `kith.permissions`: what the app asks the person for. Sorted, none twice.
    pub permissions: Vec<Permission>,
    /// `kith.interface`: the lowest version of kith's interface for apps that the app can use.
    /// 1 where it is left out.
    pub interface: u32,
}

/// Why a manifest can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Over [`MAX_MANIFEST`].
    #[error("it has {found} bytes, and {MAX_MANIFEST} are allowed")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Not TOML, or a key has a value of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// A permission that this kith does not know.
    #[error("it asks for “{0}”, which this kith does not know")]
    UnknownPermission(String),
    /// Made for a newer kith.
    #[error(
        "it needs version {needed} of kith's interface for apps, and this kith has {INTERFACE}: \
         a newer kith can open it"
    )]
    NewerInterface {
        /// The version that it needs.
        needed: u32,
    },
}

#[derive(Deserialize)]
struct Raw {
    name: Option<String>,
    source_code_url: Option<String>,
    /// No key of webxdc, so it may be of any type. Authors put it here, where the name is.
    description: Option<toml::Value>,
    #[serde(default)]
    kith: RawKith,
}

#[derive(Default, Deserialize)]
struct RawKith {
    #[serde(default)]
    description: String,
    #[serde(default)]
    permissions: Vec<String>,
    interface: Option<u32>,
}

impl Manifest {
    /// Reads the bytes of `manifest.toml`.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLarge { found: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::NotText)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let raw: Raw = toml::from_str(text)
            .map_err(|error| ManifestError::Toml(one_line(error.message(), MAX_DESCRIPTION)))?;
        let interface = raw.kith.interface.unwrap_or(INTERFACE);
        if interface > INTERFACE {
            return Err(ManifestError::NewerInterface { needed: interface });
        }
        let mut permissions = Vec::new();
        for name in raw.kith.permissions {
            let permission = Permission::from_name(&name)
                .ok_or_else(|| ManifestError::UnknownPermission(one_line(&name, MAX_NAME)))?;
            permissions.push(permission);
        }
        let outside = raw.description.as_ref().and_then(toml::Value::as_str).unwrap_or_default();
        let description =
            if raw.kith.description.is_empty() { outside } else { &raw.kith.description };
        permissions.sort();
        permissions.dedup();
        Ok(Self {
            name: raw.name.map(|name| one_line(&name, MAX_NAME)).filter(|name| !name.is_empty()),
            source_code_url: raw.source_code_url.filter(|url| is_web_address(url)),
            description: one_line(description, MAX_DESCRIPTION),
            permissions,
            interface,
        })
    }

    /// The app's name: the manifest's, else that of the bundle's file without its ending, else
    /// “App”.
    pub fn name_or<'a>(&'a self, file_name: &'a str) -> &'a str {
        let stem = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
        let stem = stem.strip_suffix(".xdc").unwrap_or(stem);
        match &self.name {
            Some(name) => name,
            None if stem.is_empty() => "App",
            None => stem,
        }
    }
}

fn is_web_address(url: &str) -> bool {
    url.len() <= MAX_URL
        && (url.starts_with("https://") || url.starts_with("http://"))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What a stranger calls something, as people can be shown it: one line of at most `limit` bytes. White
/// space and control characters become single spaces, and characters that change the direction of
/// what follows are left out.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if is_bidi_control(c) {
            continue;
        }
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        if out.len() + c.len_utf8() > limit {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

/// With these, a name could pretend to be another one on the page that asks for trust.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(text.as_bytes())
    }

    #[test]
    fn webxdc_and_kith_keys() {
        let manifest = parse(
            r#"
            name = "Chess"
            source_code_url = "https://example.org/chess"
            orientation = "landscape"
            [kith]
            description = "Play chess  \n with friends."
            permissions = ["microphone", "camera", "camera"]
            interface = 1
            later = true
            [other]
            x = 1
            "#,
        )
        .unwrap();
        assert_eq!(
            manifest,
            Manifest {
                name: Some("Chess".into()),
                source_code_url: Some("https://example.org/chess".into()),
                description: "Play chess with friends.".into(),
                permissions: vec![Permission::Camera, Permission::Microphone],
                interface: 1,
            }
        );
        assert_eq!(parse("").unwrap(), Manifest { interface: 1, ..Manifest::default() });
    }

    #[test]
    fn the_name_falls_back() {
        let named = parse("name = 'Chess'").unwrap();
        let unnamed = parse("name = ' '").unwrap();
        assert_eq!(named.name_or("x.xdc"), "Chess");
        assert_eq!(unnamed.name_or("/home/me/draughts.xdc"), "draughts");
        assert_eq!(unnamed.name_or("C:\\go.xdc"), "go");
        assert_eq!(unnamed.name_or(""), "App");
    }

    #[test]
    fn a_description_beside_the_name_counts_where_kith_has_none() {
        let of = |text: &str| parse(text).unwrap().description;
        assert_eq!(of("description = 'outside'"), "outside");
        assert_eq!(of("description = 'outside'\n[kith]\ndescription = 'inside'"), "inside");
        assert_eq!(of("description = 5"), "");
    }

    #[test]
    fn what_a_person_reads_is_one_line_and_short() {
        let manifest = parse("name = \"a\\n\\t\\u202eb\\u0000c\"").unwrap();
        assert_eq!(manifest.name.as_deref(), Some("a b c"));
        let long = format!("name = '{}'", "ä".repeat(40));
        assert_eq!(parse(&long).unwrap().name.unwrap(), "ä".repeat(32));
    }

    #[test]
    fn other_schemes_are_no_source_code() {
        for url in ["javascript:alert(1)", "https://a b", "ftp://x", "", "https://ä"] {
            let manifest = parse(&format!("source_code_url = {url:?}")).unwrap();
            assert_eq!(manifest.source_code_url, None, "{url}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let found = MAX_MANIFEST + 1;
        assert_eq!(Manifest::parse(&vec![b' '; found]), Err(ManifestError::TooLarge { found }));
        assert_eq!(Manifest::parse(b"name = '\xff'"), Err(ManifestError::NotText));
        for text in ["name", "name = 5", "[kith]\npermissions = 'camera'", "[kith]\ninterface = -1"]
        {
            assert!(matches!(parse(text), Err(ManifestError::Toml(_))), "{text}");
        }
        assert_eq!(
            parse("[kith]\npermissions = ['x\\r']".replace('\'', "\"").as_str()),
            Err(ManifestError::UnknownPermission("x".into()))
        );
        assert_eq!(
            parse("[kith]\ninterface = 2"),
            Err(ManifestError::NewerInterface { needed: 2 })
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(\\PC|\n|name|kith|[\\[\\]='\".]){0,60}") {
            let _ = parse(&text);
        }
    }
}
