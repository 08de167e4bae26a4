//! A peer's id with the addresses to try.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use iroh::EndpointId;

use super::limits::MAX_ADDRESSES;

/// A peer and where it may be: `<64 hex digits>@ip:port[,ip:port…]`, or the digits alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddr {
    /// The peer's public key.
    pub id: EndpointId,
    /// Addresses, best first; [`MAX_ADDRESSES`] at most.
    pub addrs: Vec<SocketAddr>,
}

/// Text that is not a [`PeerAddr`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPeerAddr {
    /// What stands before the `@`.
    #[error("a peer's id is 64 hex digits of an Ed25519 public key")]
    Id,
    /// What stands after it.
    #[error("`{0}` is not an address: ip:port, or [ip]:port for IPv6")]
    Address(String),
    /// There are too many.
    #[error("more than {MAX_ADDRESSES} addresses")]
    TooMany,
}

impl PeerAddr {
    /// A peer with its addresses; those over [`MAX_ADDRESSES`] are left out.
    pub fn new(id: EndpointId, addrs: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut unique = Vec::new();
        for addr in addrs {
            if unique.len() < MAX_ADDRESSES && !unique.contains(&addr) {
                unique.push(addr);
            }
        }
        Self { id, addrs: unique }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Hex(self.id.as_bytes()))?;
        for (n, addr) in self.addrs.iter().enumerate() {
            write!(f, "{}{addr}", if n == 0 { '@' } else { ',' })?;
        }
        Ok(())
    }
}

impl FromStr for PeerAddr {
    type Err = NotAPeerAddr;

    fn from_str(text: &str) -> Result<Self, NotAPeerAddr> {
        let (id, list) = match text.split_once('@') {
            Some((id, list)) => (id, Some(list)),
            None => (text, None),
        };
        let id = parse_id(id).ok_or(NotAPeerAddr::Id)?;
        let mut addrs = Vec::new();
        for part in list.into_iter().flat_map(|list| list.split(',')) {
            let addr: SocketAddr =
                part.parse().map_err(|_| NotAPeerAddr::Address(part.chars().take(64).collect()))?;
            if addr.port() == 0 {
                return Err(NotAPeerAddr::Address(part.to_owned()));
            }
            if addrs.len() == MAX_ADDRESSES {
                return Err(NotAPeerAddr::TooMany);
            }
            addrs.push(addr);
        }
        Ok(Self::new(id, addrs))
    }
}

/// The peer's id of 64 hex digits, in either case.
pub fn parse_id(text: &str) -> Option<EndpointId> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    EndpointId::from_bytes(&bytes.try_into().ok()?).ok()
}

/// How far an address reaches. Larger reaches farther.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// This machine.
    Loopback,
    /// One link, or one private network.
    Local,
    /// The internet.
    Global,
}

/// The scope of an address; none for one that nobody can be dialled at.
pub fn scope(addr: &SocketAddr) -> Option<Scope> {
    if addr.port() == 0 {
        return None;
    }
    let ip = addr.ip().to_canonical();
    if ip.is_unspecified() || ip.is_multicast() {
        return None;
    }
    if ip.is_loopback() {
        return Some(Scope::Loopback);
    }
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            if a == 0 || a >= 240 {
                None
            } else if ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64) {
                Some(Scope::Local)
            } else {
                Some(Scope::Global)
            }
        }
        IpAddr::V6(ip) => {
            // A link-local address says nothing without the interface.
            if ip.is_unicast_link_local() && !has_scope_id(addr) {
                None
            } else if ip.is_unicast_link_local() || ip.is_unique_local() {
                Some(Scope::Local)
            } else {
                Some(Scope::Global)
            }
        }
    }
}

/// The prefix that stands for one network of an address: IPv4 /24 or IPv6 /48.
pub(crate) fn site(addr: &SocketAddr) -> [u8; 7] {
    prefix(addr, 3, 6)
}

/// The prefix that stands for one operator: IPv4 /16 or IPv6 /32.
pub(crate) fn operator(addr: &SocketAddr) -> [u8; 7] {
    prefix(addr, 2, 4)
}

fn prefix(addr: &SocketAddr, v4: usize, v6: usize) -> [u8; 7] {
    let mut prefix = [0; 7];
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => {
            prefix[0] = 4;
            prefix[1..=v4].copy_from_slice(&ip.octets()[..v4]);
        }
        IpAddr::V6(ip) => {
            prefix[0] = 6;
            prefix[1..=v6].copy_from_slice(&Ipv6Addr::octets(&ip)[..v6]);
        }
    }
    prefix
}

fn has_scope_id(addr: &SocketAddr) -> bool {
    matches!(addr, SocketAddr::V6(addr) if addr.scope_id() != 0)
}

struct Hex<'a>(&'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> EndpointId {
        iroh::SecretKey::from_bytes(&[7; 32]).public()
    }

    #[test]
    fn text_comes_back() {
        for addrs in ["", "@127.0.0.1:4", "@10.0.0.1:4848,[2001:db8::1]:9"] {
            let text = format!("{}{addrs}", Hex(id().as_bytes()));
            assert_eq!(text.parse::<PeerAddr>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let id = Hex(id().as_bytes()).to_string();
        assert_eq!("".parse::<PeerAddr>(), Err(NotAPeerAddr::Id));
        assert_eq!(
            format!("{}@1.2.3.4:5", "f".repeat(63)).parse::<PeerAddr>(),
            Err(NotAPeerAddr::Id)
        );
        for wrong in ["", "1.2.3.4", "1.2.3.4:0", "host:80", "1.2.3.4:70000"] {
            assert!(matches!(
                format!("{id}@{wrong}").parse::<PeerAddr>(),
                Err(NotAPeerAddr::Address(_))
            ));
        }
        let many = ["1.2.3.4:5"; MAX_ADDRESSES + 1].join(",");
        // The limit is on what is kept, and these are all the same: they are still too many to type.
        assert_eq!(format!("{id}@{many}").parse::<PeerAddr>(), Err(NotAPeerAddr::TooMany));
    }

    #[test]
    fn scopes() {
        for (addr, want) in [
            ("127.0.0.1:1", Some(Scope::Loopback)),
            ("[::1]:1", Some(Scope::Loopback)),
            ("[::ffff:127.0.0.1]:1", Some(Scope::Loopback)),
            ("10.1.2.3:1", Some(Scope::Local)),
            ("172.16.0.1:1", Some(Scope::Local)),
            ("192.168.0.1:1", Some(Scope::Local)),
            ("169.254.1.1:1", Some(Scope::Local)),
            ("100.64.0.1:1", Some(Scope::Local)),
            ("[fd00::1]:1", Some(Scope::Local)),
            ("[fe80::1%3]:1", Some(Scope::Local)),
            ("[fe80::1]:1", None),
            ("8.8.8.8:1", Some(Scope::Global)),
            ("[2001:db8::1]:1", Some(Scope::Global)),
            ("8.8.8.8:0", None),
            ("0.0.0.0:1", None),
            ("[::]:1", None),
            ("224.0.0.1:1", None),
            ("[ff02::1]:1", None),
            ("255.255.255.255:1", None),
        ] {
            assert_eq!(scope(&addr.parse().unwrap()), want, "{addr}");
        }
    }
}
