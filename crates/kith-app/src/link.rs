//! Links: `kith://<app id>/<path>#<invitation>`.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use crate::{AppId, Destination, Invitation, InvitationError, Inviter, PathFault, check_path};

/// Longest link, in characters. Fits a text message of two parts and a QR code that phones read.
pub const MAX_LINK: usize = 300;

const SCHEME: &str = "kith://";
const ID_LEN: usize = 43;

/// A link to an app, to a file in it, and into a space. Its text is written by `Display`, secret
/// included; `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    app: AppId,
    path: String,
    invitation: Option<Invitation>,
}

/// Why text is not a link. Each says what is wrong in a person's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nothing but white space.
    #[error("there is no link here")]
    Empty,
    /// Over [`MAX_LINK`].
    #[error("the link has {found} characters, and {MAX_LINK} are allowed")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// Does not begin with `kith://`.
    #[error("a link to an app begins with “kith://”, and this does not")]
    WrongScheme,
    /// The app's id has another length.
    #[error(
        "the app's id after “kith://” has {found} instead of 43 characters: \
         a part of the link is missing"
    )]
    AppIdLength {
        /// How many it has.
        found: usize,
    },
    /// The app's id is not base64url.
    #[error("the app's id after “kith://” is not one: a character was changed")]
    AppIdBroken,
    /// A character that can't stand in the path as it is.
    #[error("“{0}” can't stand in a link's path")]
    PathCharacter(char),
    /// `%` that is not followed by two hex digits, or encodes what is not UTF-8 or is `/`.
    #[error("a “%” in the link's path does not stand for a character")]
    PathEncoding,
    /// The path leads nowhere inside an app.
    #[error("the link's path can't be one in an app: {0}")]
    Path(PathFault),
    /// The invitation is not base64url.
    #[error("the invitation after “#” can't be read: a character was changed or is missing")]
    InvitationText,
    /// The invitation's bytes are wrong.
    #[error("the invitation after “#” can't be read: {0}")]
    Invitation(InvitationError),
}

impl Link {
    /// A link to a file of an app, by a path like `index.html`, or the app itself by an empty
    /// path. Of the inviter's addresses the last ones are left out until the link is short enough.
    ///
    /// # Errors
    /// [`LinkError::Path`] and [`LinkError::TooLong`], for the path.
    pub fn new(
        app: AppId,
        path: impl Into<String>,
        invitation: Option<Invitation>,
    ) -> Result<Self, LinkError> {
        let mut link = Self { app, path: path.into(), invitation };
        if !link.path.is_empty() {
            check_path(&link.path).map_err(LinkError::Path)?;
        }
        loop {
            let found = link.to_string().len();
            if found <= MAX_LINK {
                return Ok(link);
            }
            let inviter = link.invitation.as_mut().and_then(|i| i.inviter.as_mut());
            if !inviter.is_some_and(Inviter::drop_last) {
                return Err(LinkError::TooLong { found });
            }
        }
    }

    /// The app.
    pub const fn app(&self) -> &AppId {
        &self.app
    }

    /// The path in the app, decoded and without a leading slash; empty for the app itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The invitation, where there is one.
    pub const fn invitation(&self) -> Option<&Invitation> {
        self.invitation.as_ref()
    }

    /// Where the link leads.
    pub fn destination(&self) -> &Destination {
        self.invitation.as_ref().map_or(&Destination::App, |invitation| &invitation.destination)
    }

    /// Who made it, where it says so.
    pub fn inviter(&self) -> Option<&Inviter> {
        self.invitation.as_ref()?.inviter.as_ref()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/", self.app)?;
        for byte in self.path.bytes() {
            if stands_as_it_is(byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        if let Some(invitation) = &self.invitation {
            write!(f, "#{}", BASE64URL_NOPAD.encode(&invitation.to_bytes()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app, path, invitation } = self;
        f.debug_struct("Link")
            .field("app", app)
            .field("path", path)
            .field("invitation", invitation)
            .finish()
    }
}

impl FromStr for Link {
    type Err = LinkError;

    /// Reads a link. White space around it is ignored, the slash after the app's id may be
    /// missing, and `kith` may be in capitals.
    fn from_str(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LinkError::Empty);
        }
        let rest = match text.split_at_checked(SCHEME.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
            _ => return Err(LinkError::WrongScheme),
        };
        if text.len() > MAX_LINK {
            return Err(LinkError::TooLong { found: text.chars().count() });
        }
        let (place, invitation) = match rest.split_once('#') {
            Some((place, invitation)) => (place, Some(invitation)),
            None => (rest, None),
        };
        let (id, path) = place.split_once('/').unwrap_or((place, ""));
        let found = id.chars().count();
        if found != ID_LEN {
            return Err(LinkError::AppIdLength { found });
        }
        let app = id.parse().map_err(|_| LinkError::AppIdBroken)?;
        let path = decode_path(path)?;
        let invitation = invitation.map(read_invitation).transpose()?;
        Self::new(app, path, invitation)
    }
}

fn read_invitation(text: &str) -> Result<Invitation, LinkError> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| LinkError::InvitationText)?;
    Invitation::from_bytes(&bytes).map_err(LinkError::Invitation)
}

fn decode_path(text: &str) -> Result<String, LinkError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            let (high, low) = (chars.next(), chars.next());
            let digit = |c: Option<char>| c.and_then(|c| c.to_digit(16));
            let byte = match (digit(high), digit(low)) {
                (Some(high), Some(low)) => (high << 4 | low) as u8,
                _ => return Err(LinkError::PathEncoding),
            };
            if byte == b'/' {
                return Err(LinkError::PathEncoding);
            }
            bytes.push(byte);
        } else if c.is_ascii() && stands_as_it_is(c as u8) {
            bytes.push(c as u8);
        } else {
            return Err(LinkError::PathCharacter(c));
        }
    }
    String::from_utf8(bytes).map_err(|_| LinkError::PathEncoding)
}

/// RFC 3986, section 3.3: the characters of `pchar`, and the slash.
fn stands_as_it_is(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SpaceSecret;
    use crate::invitation::tests::invitations;

    const ID: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn app() -> AppId {
        AppId::from_bytes([1; 32])
    }

    fn parse(rest: &str) -> Result<Link, LinkError> {
        format!("kith://{ID}{rest}").parse()
    }

    #[test]
    fn plain_links() {
        assert_eq!(parse("").unwrap(), Link::new(app(), "", None).unwrap());
        assert_eq!(parse("/").unwrap().to_string(), format!("kith://{ID}/"));
        let link: Link = format!(" \nKITH://{ID}/a%20b/%c3%A4.html\t").parse().unwrap();
        assert_eq!(link.path(), "a b/ä.html");
        assert_eq!(link.to_string(), format!("kith://{ID}/a%20b/%C3%A4.html"));
        assert_eq!(link.destination(), &Destination::App);
    }

    #[test]
    fn each_fault_is_named() {
        use LinkError::*;
        let fault = |text: &str| text.parse::<Link>().unwrap_err();
        assert_eq!(fault("  "), Empty);
        assert_eq!(fault("https://example.org/"), WrongScheme);
        assert_eq!(fault("kith:/"), WrongScheme);
        assert_eq!(fault("kithä//"), WrongScheme);
        assert_eq!(fault("kith://"), AppIdLength { found: 0 });
        assert_eq!(fault(&format!("kith://{}", &ID[1..])), AppIdLength { found: 42 });
        assert_eq!(fault(&format!("kith://{ID}E/")), AppIdLength { found: 44 });
        assert_eq!(fault(&format!("kith://{}+/", &ID[1..])), AppIdBroken);
        // The last character of 32 bytes has two spare bits, which must be zero.
        assert_eq!(fault(&format!("kith://{}F/", &ID[..42])), AppIdBroken);
        let found = 7 + 43 + 1 + 250;
        assert_eq!(parse(&format!("/{}", "a".repeat(250))), Err(TooLong { found }));
        assert_eq!(parse("/a b"), Err(PathCharacter(' ')));
        assert_eq!(parse("/ä"), Err(PathCharacter('ä')));
        assert_eq!(parse("/a?b"), Err(PathCharacter('?')));
        for path in ["/%", "/%4", "/%4x", "/%ff", "/a%2Fb"] {
            assert_eq!(parse(path), Err(PathEncoding), "{path}");
        }
        assert_eq!(parse("/%2e%2e/x"), Err(Path(PathFault::Escapes)));
        assert_eq!(parse("/a%00"), Err(Path(PathFault::Control(0))));
        assert_eq!(parse("//a"), Err(Path(PathFault::Absolute)));
        assert_eq!(parse("/#A"), Err(InvitationText));
        assert_eq!(parse("/#AQA="), Err(InvitationText));
        assert_eq!(parse("/#AQA#"), Err(InvitationText));
        let truncated = InvitationError::Truncated { within: "its version" };
        assert_eq!(parse("/#"), Err(Invitation(truncated)));
        assert_eq!(parse("/#AgA"), Err(Invitation(InvitationError::UnknownVersion(2))));
    }

    #[test]
    fn a_link_has_room_for_the_secret_the_inviter_and_some_addresses() {
        let addresses = (1..=8).map(|port| format!("[2001:db8::1]:{port}").parse().unwrap());
        let invitation = Invitation {
            destination: Destination::Space(SpaceSecret::from_bytes([2; 32])),
            inviter: Some(Inviter::new([3; 32], addresses)),
        };
        let link = Link::new(app(), "index.html", Some(invitation)).unwrap();
        assert!(link.to_string().len() <= MAX_LINK);
        assert_eq!(link.inviter().unwrap().addresses().len(), 5);
        let path = "a".repeat(250);
        assert_eq!(Link::new(app(), path, None), Err(LinkError::TooLong { found: 301 }));
    }

    #[test]
    fn debug_hides_the_secret() {
        let invitation = Invitation {
            destination: Destination::Space(SpaceSecret::from_bytes([2; 32])),
            inviter: None,
        };
        let link = Link::new(app(), "", Some(invitation)).unwrap();
        assert!(format!("{link:?}").contains("SpaceSecret(…)"));
    }

    proptest! {
        #[test]
        fn text_and_links_are_inverse(
            id: [u8; 32], path in "([a-zä ]{1,9}/){0,3}[a-z%#?ü]{1,9}",
            invitation in prop::option::of(invitations()),
        ) {
            if let Ok(link) = Link::new(AppId::from_bytes(id), path, invitation) {
                prop_assert_eq!(link.to_string().parse(), Ok(link));
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,320}") {
            let _ = text.parse::<Link>();
            let _ = parse(&text);
        }

        #[test]
        fn what_is_read_is_read_again_from_what_it_writes(rest in "/[a-zA-Z%0-9./]{0,20}(#A[Q-S][A-H][A-Za-z]{0,60})?") {
            if let Ok(link) = parse(&rest) {
                prop_assert_eq!(link.to_string().parse(), Ok(link));
            }
        }
    }
}
