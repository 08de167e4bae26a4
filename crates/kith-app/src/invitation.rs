//! What follows the `#` of a link.

use std::net::{IpAddr, SocketAddr};

use crate::SpaceSecret;

/// Addresses that an invitation carries at most. As many as a link of 300 characters has room for.
pub const MAX_ADDRESSES: usize = 8;

const VERSION: u8 = 1;
const HAS_SECRET: u8 = 1 << 0;
const HAS_INVITER: u8 = 1 << 1;
const IS_PUBLIC: u8 = 1 << 2;
const IPV4: u8 = 4;
const IPV6: u8 = 6;

/// Where a link leads, and who can be reached there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Where it leads.
    pub destination: Destination,
    /// Who invites.
    pub inviter: Option<Inviter>,
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the app; the person chooses a space.
    App,
    /// Into the space of this secret.
    Space(SpaceSecret),
    /// Into the app's public space.
    PublicSpace,
}

/// The node that made a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inviter {
    endpoint: [u8; 32],
    addresses: Vec<SocketAddr>,
}

/// Why bytes are not an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// The bytes end too early.
    #[error("the end is missing: it was cut off in {within}")]
    Truncated {
        /// What the bytes end in, in words.
        within: &'static str,
    },
    /// A version of another kith.
    #[error("it has version {0}, which this kith does not know; a newer one may")]
    UnknownVersion(u8),
    /// Flags of another kith.
    #[error("it has flags {0:#04x}, which this kith does not know; a newer one may")]
    UnknownFlags(u8),
    /// Both a secret and the public space.
    #[error("it leads to two spaces at once")]
    TwoDestinations,
    /// An address that is neither IPv4 nor IPv6.
    #[error("it has an address of kind {0}, where 4 and 6 are known")]
    UnknownAddress(u8),
    /// An address that nobody can be reached at.
    #[error("nobody can be reached at the address {0}")]
    UnusableAddress(SocketAddr),
    /// An address stands there twice.
    #[error("it has the address {0} twice")]
    DoubledAddress(SocketAddr),
    /// More than [`MAX_ADDRESSES`].
    #[error("it has more than {MAX_ADDRESSES} addresses")]
    TooManyAddresses,
    /// Bytes after the end.
    #[error("bytes are left over at its end: {0}")]
    TrailingBytes(usize),
}

impl Inviter {
    /// The node with this endpoint id, and where it can be reached. Of the addresses, those count
    /// that are usable, and of these the first [`MAX_ADDRESSES`].
    pub fn new(endpoint: [u8; 32], addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut kept = Vec::new();
        for address in addresses {
            let address = SocketAddr::new(address.ip(), address.port());
            if usable(&address) && !kept.contains(&address) && kept.len() < MAX_ADDRESSES {
                kept.push(address);
            }
        }
        Self { endpoint, addresses: kept }
    }

    /// The endpoint's id: its Ed25519 public key.
    pub const fn endpoint(&self) -> &[u8; 32] {
        &self.endpoint
    }

    /// Where it can be reached, the most promising first. At most [`MAX_ADDRESSES`].
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes the last address away, to make a link shorter.
    pub(crate) fn drop_last(&mut self) -> bool {
        self.addresses.pop().is_some()
    }
}

impl Invitation {
    /// The bytes that a link carries.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut flags = match &self.destination {
            Destination::App => 0,
            Destination::Space(_) => HAS_SECRET,
            Destination::PublicSpace => IS_PUBLIC,
        };
        if self.inviter.is_some() {
            flags |= HAS_INVITER;
        }
        let mut bytes = vec![VERSION, flags];
        if let Destination::Space(secret) = &self.destination {
            bytes.extend(secret.as_bytes());
        }
        if let Some(inviter) = &self.inviter {
            bytes.extend(inviter.endpoint);
            for address in &inviter.addresses {
                match address.ip() {
                    IpAddr::V4(ip) => {
                        bytes.push(IPV4);
                        bytes.extend(ip.octets());
                    }
                    IpAddr::V6(ip) => {
                        bytes.push(IPV6);
                        bytes.extend(ip.octets());
                    }
                }
                bytes.extend(address.port().to_be_bytes());
            }
        }
        bytes
    }

    /// Reads an invitation. Exactly the bytes that [`Self::to_bytes`] writes are accepted.
    ///
    /// # Errors
    /// See [`InvitationError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvitationError> {
        let mut rest = bytes;
        let [version] = take(&mut rest, "its version")?;
        if version != VERSION {
            return Err(InvitationError::UnknownVersion(version));
        }
        let [flags] = take(&mut rest, "its flags")?;
        let unknown = flags & !(HAS_SECRET | HAS_INVITER | IS_PUBLIC);
        if unknown != 0 {
            return Err(InvitationError::UnknownFlags(unknown));
        }
        let destination = match (flags & HAS_SECRET != 0, flags & IS_PUBLIC != 0) {
            (true, true) => return Err(InvitationError::TwoDestinations),
            (true, false) => {
                Destination::Space(SpaceSecret::from_bytes(take(&mut rest, "the space's secret")?))
            }
            (false, true) => Destination::PublicSpace,
            (false, false) => Destination::App,
        };
        let inviter = if flags & HAS_INVITER != 0 {
            let endpoint = take(&mut rest, "the id of who invites")?;
            Some(Inviter { endpoint, addresses: read_addresses(&mut rest)? })
        } else {
            None
        };
        if !rest.is_empty() {
            return Err(InvitationError::TrailingBytes(rest.len()));
        }
        Ok(Self { destination, inviter })
    }
}

fn read_addresses(rest: &mut &[u8]) -> Result<Vec<SocketAddr>, InvitationError> {
    const WITHIN: &str = "an address";
    let mut addresses = Vec::new();
    while !rest.is_empty() {
        if addresses.len() == MAX_ADDRESSES {
            return Err(InvitationError::TooManyAddresses);
        }
        let [kind] = take(rest, WITHIN)?;
        let ip: IpAddr = match kind {
            IPV4 => take::<4>(rest, WITHIN)?.into(),
            IPV6 => take::<16>(rest, WITHIN)?.into(),
            other => return Err(InvitationError::UnknownAddress(other)),
        };
        let address = SocketAddr::new(ip, u16::from_be_bytes(take(rest, WITHIN)?));
        if !usable(&address) {
            return Err(InvitationError::UnusableAddress(address));
        }
        if addresses.contains(&address) {
            return Err(InvitationError::DoubledAddress(address));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// Whether anybody could be reached there. A link-local IPv6 address needs a scope, which means
/// nothing on another machine.
fn usable(address: &SocketAddr) -> bool {
    let ip = address.ip();
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !link_local
}

fn take<const N: usize>(
    rest: &mut &[u8],
    within: &'static str,
) -> Result<[u8; N], InvitationError> {
    let (head, tail) =
        rest.split_first_chunk::<N>().ok_or(InvitationError::Truncated { within })?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn invitations() -> impl Strategy<Value = Invitation> {
        let destination = prop_oneof![
            Just(Destination::App),
            Just(Destination::PublicSpace),
            any::<[u8; 32]>()
                .prop_map(|secret| Destination::Space(SpaceSecret::from_bytes(secret))),
        ];
        let addresses = prop::collection::vec(any::<(IpAddr, u16)>(), 0..10);
        let inviter = (any::<[u8; 32]>(), addresses).prop_map(|(endpoint, addresses)| {
            Inviter::new(endpoint, addresses.into_iter().map(SocketAddr::from))
        });
        (destination, prop::option::of(inviter))
            .prop_map(|(destination, inviter)| Invitation { destination, inviter })
    }

    fn full() -> Vec<u8> {
        let mut bytes = vec![1, 3];
        bytes.extend([7; 32]);
        bytes.extend([8; 32]);
        bytes.extend([4, 192, 0, 2, 1, 0x12, 0x34]);
        bytes
    }

    #[test]
    fn each_fault_is_named() {
        use InvitationError::*;
        let with = |change: fn(&mut Vec<u8>)| {
            let mut bytes = full();
            change(&mut bytes);
            Invitation::from_bytes(&bytes).unwrap_err()
        };
        assert_eq!(with(|b| b.clear()), Truncated { within: "its version" });
        assert_eq!(with(|b| b.truncate(1)), Truncated { within: "its flags" });
        assert_eq!(with(|b| b.truncate(33)), Truncated { within: "the space's secret" });
        assert_eq!(with(|b| b.truncate(65)), Truncated { within: "the id of who invites" });
        assert_eq!(with(|b| b.truncate(72)), Truncated { within: "an address" });
        assert_eq!(with(|b| b[0] = 2), UnknownVersion(2));
        assert_eq!(with(|b| b[1] = 0x83), UnknownFlags(0x80));
        assert_eq!(with(|b| b[1] = 7), TwoDestinations);
        assert_eq!(with(|b| b[1] = 1), TrailingBytes(39));
        assert_eq!(with(|b| b[66] = 5), UnknownAddress(5));
        assert_eq!(with(|b| b[71..73].fill(0)), UnusableAddress("192.0.2.1:0".parse().unwrap()));
        assert_eq!(
            with(|b| b.extend([4, 0, 0, 0, 0, 1, 1])),
            UnusableAddress("0.0.0.0:257".parse().unwrap())
        );
        assert_eq!(
            with(|b| b.extend_from_within(66..73)),
            DoubledAddress("192.0.2.1:4660".parse().unwrap())
        );
        assert_eq!(
            with(|b| (0..8).for_each(|i| b.extend([4, 10, 0, 0, i, 1, 1]))),
            TooManyAddresses
        );
    }

    #[test]
    fn an_inviter_keeps_usable_addresses_only() {
        let texts = [
            "10.0.0.1:1",
            "10.0.0.1:1",
            "0.0.0.0:1",
            "10.0.0.2:0",
            "[fe80::1]:1",
            "[ff02::fb]:1",
            "224.0.0.1:1",
            "[2001:db8::1]:1",
            "127.0.0.1:1",
        ];
        let inviter = Inviter::new([0; 32], texts.iter().map(|text| text.parse().unwrap()));
        let kept: Vec<_> = inviter.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(kept, ["10.0.0.1:1", "[2001:db8::1]:1", "127.0.0.1:1"]);
    }

    #[test]
    fn debug_hides_the_secret() {
        let invitation = Invitation::from_bytes(&full()).unwrap();
        assert!(format!("{invitation:?}").contains("SpaceSecret(…)"));
    }

    proptest! {
        #[test]
        fn bytes_and_invitations_are_inverse(invitation in invitations()) {
            prop_assert_eq!(Invitation::from_bytes(&invitation.to_bytes()), Ok(invitation));
        }

        #[test]
        fn what_is_read_is_written_alike(bytes in prop::collection::vec(any::<u8>(), 0..100), head in 0..8u8) {
            let bytes = [&[1, head], bytes.as_slice()].concat();
            if let Ok(invitation) = Invitation::from_bytes(&bytes) {
                prop_assert_eq!(invitation.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_shortened_invitation_is_refused_or_has_fewer_addresses(
            invitation in invitations(), cut in 1usize..200,
        ) {
            let bytes = invitation.to_bytes();
            let end = bytes.len().saturating_sub(cut);
            if let Ok(read) = Invitation::from_bytes(&bytes[..end]) {
                prop_assert_eq!(read.destination, invitation.destination);
                prop_assert_eq!(
                    read.inviter.map(|inviter| *inviter.endpoint()),
                    invitation.inviter.map(|inviter| *inviter.endpoint())
                );
            }
        }
    }
}
