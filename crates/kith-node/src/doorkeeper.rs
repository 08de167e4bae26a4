//! Labels of origins, tokens that work once, and the sessions they open.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use kith_api::Place;
use kith_app::AppId;
use kith_log::SpaceId;

/// How long a token of a URL works.
const TOKEN_LIFE: Duration = Duration::from_secs(30);
/// Tokens alive at once; the oldest goes first. Bounds memory where a program asks for URLs in a loop.
const MAX_TOKENS: usize = 256;
/// Tokens alive at once for one place, so that the pages of one app, which get some, leave room for
/// those that the person waits for.
const MAX_TOKENS_PER_PLACE: usize = 16;
/// Bytes of a label's MAC. 160 bits can't be guessed, and 32 characters fit into a DNS label.
const LABEL_BYTES: usize = 20;

/// Makes labels, tokens and sessions, and checks them.
pub(crate) struct Doorkeeper {
    secret: [u8; 32],
    tokens: Mutex<VecDeque<Token>>,
}

struct Token {
    hash: blake3::Hash,
    place: Place,
    made: Instant,
}

impl Doorkeeper {
    /// `secret` is the node's own and never leaves it.
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret, tokens: Mutex::default() }
    }

    /// The label under which a space's pages are served.
    pub(crate) fn label(&self, app: &AppId, space: &SpaceId) -> String {
        let mac = self.mac(b"label", &[app.as_bytes(), space.as_bytes()]);
        BASE32_NOPAD.encode(&mac.as_bytes()[..LABEL_BYTES]).to_ascii_lowercase()
    }

    /// A token for `place`, made of 32 random bytes that are handed in.
    pub(crate) fn mint(&self, place: Place, random: [u8; 32], now: Instant) -> String {
        let token = BASE64URL_NOPAD.encode(&random);
        let mut tokens = self.tokens.lock().expect("no panic while held");
        tokens.retain(|token| now.duration_since(token.made) < TOKEN_LIFE);
        let of_place = tokens.iter().filter(|token| token.place == place).count();
        if of_place == MAX_TOKENS_PER_PLACE {
            let oldest = tokens.iter().position(|token| token.place == place);
            tokens.remove(oldest.expect("there are some"));
        } else if tokens.len() == MAX_TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(Token { hash: blake3::hash(token.as_bytes()), place, made: now });
        token
    }

    /// Takes a token: the session of its place, once.
    pub(crate) fn redeem(&self, token: &str, place: &Place, now: Instant) -> Option<String> {
        let hash = blake3::hash(token.as_bytes());
        let mut tokens = self.tokens.lock().expect("no panic while held");
        tokens.retain(|token| now.duration_since(token.made) < TOKEN_LIFE);
        let at = tokens.iter().position(|token| token.hash == hash && token.place == *place)?;
        tokens.remove(at);
        Some(self.session(place))
    }

    /// Whether `session` is the one of `place`. Compared in constant time.
    pub(crate) fn admits(&self, session: &str, place: &Place) -> bool {
        let Ok(bytes) = BASE64URL_NOPAD.decode(session.as_bytes()) else { return false };
        let Ok(bytes) = <[u8; 32]>::try_from(bytes) else { return false };
        // `blake3::Hash` compares in constant time.
        self.session_mac(place) == blake3::Hash::from_bytes(bytes)
    }

    fn session(&self, place: &Place) -> String {
        BASE64URL_NOPAD.encode(self.session_mac(place).as_bytes())
    }

    fn session_mac(&self, place: &Place) -> blake3::Hash {
        match place {
            Place::Dashboard => self.mac(b"dashboard", &[]),
            Place::Space(space) => self.mac(b"space", &[space.as_bytes()]),
        }
    }

    fn mac(&self, what: &[u8], parts: &[&[u8; 32]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(b"kith/1 ").update(what).update(b"\n");
        for part in parts {
            hasher.update(*part);
        }
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper() -> Doorkeeper {
        Doorkeeper::new([7; 32])
    }

    #[test]
    fn a_token_works_once_at_its_place_within_its_time() {
        let (keeper, now) = (keeper(), Instant::now());
        let space = Place::Space(SpaceId::from_bytes([1; 32]));
        let token = keeper.mint(space.clone(), [2; 32], now);
        assert_eq!(keeper.redeem(&token, &Place::Dashboard, now), None);
        let session = keeper.redeem(&token, &space, now).unwrap();
        assert_eq!(keeper.redeem(&token, &space, now), None);
        assert!(keeper.admits(&session, &space));
        assert!(!keeper.admits(&session, &Place::Dashboard));
        assert!(!keeper.admits(&session, &Place::Space(SpaceId::from_bytes([2; 32]))));

        let late = keeper.mint(space.clone(), [3; 32], now);
        assert_eq!(keeper.redeem(&late, &space, now + TOKEN_LIFE), None);
    }

    #[test]
    fn sessions_and_labels_are_bound_to_the_secret() {
        let other = Doorkeeper::new([8; 32]);
        let now = Instant::now();
        let token = other.mint(Place::Dashboard, [2; 32], now);
        let session = other.redeem(&token, &Place::Dashboard, now).unwrap();
        assert!(other.admits(&session, &Place::Dashboard));
        assert!(!keeper().admits(&session, &Place::Dashboard));
        let (app, space) = (AppId::from_bytes([1; 32]), SpaceId::from_bytes([2; 32]));
        assert_ne!(keeper().label(&app, &space), other.label(&app, &space));
        assert_eq!(keeper().label(&app, &space).len(), 32);
    }

    #[test]
    fn a_flood_of_tokens_drops_the_oldest() {
        let (keeper, now) = (keeper(), Instant::now());
        let place = |n: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            Place::Space(SpaceId::from_bytes(id))
        };
        let tokens: Vec<_> = (0..=MAX_TOKENS)
            .map(|n| keeper.mint(place(n), [u8::try_from(n % 251).unwrap(); 32], now))
            .collect();
        assert_eq!(keeper.tokens.lock().unwrap().len(), MAX_TOKENS);
        assert_eq!(keeper.redeem(&tokens[0], &place(0), now), None);
        assert!(keeper.redeem(&tokens[MAX_TOKENS], &place(MAX_TOKENS), now).is_some());
    }

    #[test]
    fn a_page_that_asks_for_tokens_in_a_loop_takes_nobody_elses() {
        let (keeper, now) = (keeper(), Instant::now());
        let page = Place::Space(SpaceId::from_bytes([1; 32]));
        let persons = keeper.mint(Place::Dashboard, [255; 32], now);
        let first = keeper.mint(page.clone(), [254; 32], now);
        for n in 0..MAX_TOKENS {
            keeper.mint(page.clone(), [u8::try_from(n % 251).unwrap(); 32], now);
        }
        assert_eq!(keeper.redeem(&first, &page, now), None);
        assert!(keeper.redeem(&persons, &Place::Dashboard, now).is_some());
    }
}
