//! The UDP sockets of an offline node: one for each private address of this machine, each bounded to
//! the network of its address. So nothing leaves the LAN, whatever addresses a peer claims to have:
//! hole punching would probe them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use if_addrs::{IfAddr, get_if_addrs};
use kith_overlay::transport::{Bind, Scope, scope};

/// Sockets at most. Machines with many containers have more addresses than anybody needs here.
const MAX_SOCKETS: usize = 32;

/// An address of this machine.
#[derive(Clone, Copy, Debug)]
struct Own {
    ip: IpAddr,
    interface: u32,
    prefix: u8,
}

/// What an offline node was told to bind: any address on some port, or one address.
#[derive(Clone, Debug)]
pub(crate) struct Bounded(Vec<SocketAddr>);

/// An address that others on the internet could have: an offline node does not use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotPrivate(pub(crate) IpAddr);

impl Bounded {
    /// Any address, on the given ports of IPv4 and IPv6; 0 stands for any free one, the same for all.
    pub(crate) fn any([v4, v6]: [u16; 2]) -> Self {
        let any = [(Ipv4Addr::UNSPECIFIED.into(), v4), (Ipv6Addr::UNSPECIFIED.into(), v6)];
        Self(any.map(|(ip, port)| settled(SocketAddr::new(ip, port))).to_vec())
    }

    /// What the person gave.
    ///
    /// # Errors
    /// Where that is an address on the internet.
    pub(crate) fn given(addrs: &[SocketAddr]) -> Result<Self, NotPrivate> {
        let far = |addr: &&SocketAddr| !addr.ip().is_unspecified() && !is_private(addr.ip());
        match addrs.iter().find(far) {
            Some(addr) => Err(NotPrivate(addr.ip())),
            None => Ok(Self(addrs.iter().copied().map(settled).collect())),
        }
    }

    /// Whether addresses that the machine gets later need other sockets.
    pub(crate) fn follows(&self) -> bool {
        self.0.iter().any(|addr| addr.ip().is_unspecified())
    }

    /// The sockets, as the machine's addresses are now.
    pub(crate) fn sockets(&self) -> Vec<Bind> {
        self.sockets_of(&own_addresses())
    }

    fn sockets_of(&self, own: &[Own]) -> Vec<Bind> {
        let mut binds: Vec<Bind> = Vec::new();
        for given in &self.0 {
            let (port, any) = (given.port(), given.ip().is_unspecified());
            let loopback = |addr: &Own| addr.ip.is_loopback();
            let mut found: Vec<_> = own
                .iter()
                .filter(|own| own.ip.is_ipv4() == given.is_ipv4() && (any || own.ip == given.ip()))
                .collect();
            // This machine is always there.
            found.sort_by_key(|own| !loopback(own));
            let lone = alone(*given);
            if found.is_empty() && (!any || given.is_ipv4()) {
                found.push(&lone);
            }
            for own in found {
                let required = !any || (own.ip.is_ipv4() && loopback(own));
                let bind = bounded(own, port).map(|bind| Bind { required, ..bind });
                binds.extend(bind.filter(|bind| binds.iter().all(|b| b.addr != bind.addr)));
            }
        }
        binds.truncate(MAX_SOCKETS);
        binds
    }
}

/// The addresses that sockets are bound to, without their ports.
pub(crate) fn addresses(binds: &[Bind]) -> BTreeSet<IpAddr> {
    binds.iter().map(|bind| bind.addr.ip()).collect()
}

fn own_addresses() -> Vec<Own> {
    let interfaces = get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the machine's addresses can't be had: this machine only");
        Vec::new()
    });
    let own = |interface: if_addrs::Interface| {
        let (ip, prefix) = match &interface.addr {
            IfAddr::V4(addr) => (IpAddr::V4(addr.ip), addr.prefixlen),
            IfAddr::V6(addr) => (IpAddr::V6(addr.ip), addr.prefixlen),
        };
        Own { ip, interface: interface.index.unwrap_or_default(), prefix }
    };
    interfaces.into_iter().map(own).collect()
}

/// An address that no interface has (127.0.0.5 is one that can be bound all the same): it reaches
/// this machine, or nobody but itself.
fn alone(given: SocketAddr) -> Own {
    let interface = match given {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(addr) => addr.scope_id(),
    };
    match given.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => {
            Own { ip: Ipv4Addr::LOCALHOST.into(), interface, prefix: 8 }
        }
        ip if ip.is_loopback() && ip.is_ipv4() => Own { ip, interface, prefix: 8 },
        ip => Own { ip, interface, prefix: if ip.is_ipv4() { 32 } else { 128 } },
    }
}

/// Whether nobody on the internet could have this address.
fn is_private(ip: IpAddr) -> bool {
    // Which link a link-local address is of does not matter here, nor the port.
    let addr = match ip {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), 1),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, 1, 0, 1).into(),
    };
    scope(&addr).is_some_and(|scope| scope <= Scope::Local)
}

/// With a port.
fn settled(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_port(free_port(addr.port(), addr.ip()));
    }
    addr
}

/// The socket of one address; none for an address that others on the internet could have.
fn bounded(own: &Own, port: u16) -> Option<Bind> {
    if !is_private(own.ip) {
        return None;
    }
    let addr = match own.ip {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), port),
        IpAddr::V6(ip) => {
            let index = if ip.is_unicast_link_local() { own.interface } else { 0 };
            SocketAddrV6::new(ip, port, 0, index).into()
        }
    };
    // Never wider than the private range that the address is from.
    let range = match own.ip {
        IpAddr::V4(ip) => match ip.octets() {
            [10 | 127, ..] => 8,
            [100, ..] => 10,
            [172, ..] => 12,
            _ => 16,
        },
        IpAddr::V6(ip) if ip.is_loopback() => 128,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 10,
        IpAddr::V6(_) => 7,
    };
    Some(Bind { addr, prefix: Some(own.prefix.max(range)), required: false })
}

/// The port, or a free one. Another program may take it in between: then binding fails, and says so.
fn free_port(wanted: u16, any: IpAddr) -> u16 {
    if wanted != 0 {
        return wanted;
    }
    UdpSocket::bind(SocketAddr::new(any, 0))
        .and_then(|socket| socket.local_addr())
        .map_or(0, |addr| addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(ip: &str, prefix: u8) -> Own {
        Own { ip: ip.parse().expect("an address"), interface: 3, prefix }
    }

    fn shown(binds: &[Bind]) -> Vec<String> {
        let show = |bind: &Bind| format!("{}/{}", bind.addr, bind.prefix.expect("bounded"));
        binds.iter().map(show).collect()
    }

    #[test]
    fn only_private_networks() {
        for (ip, prefix, want) in [
            ("127.0.0.1", 8, Some("127.0.0.1:4/8")),
            ("192.168.7.9", 24, Some("192.168.7.9:4/24")),
            ("192.168.7.9", 0, Some("192.168.7.9:4/16")),
            ("10.1.1.1", 4, Some("10.1.1.1:4/8")),
            ("172.17.0.1", 8, Some("172.17.0.1:4/12")),
            ("100.64.0.1", 8, Some("100.64.0.1:4/10")),
            ("169.254.3.3", 16, Some("169.254.3.3:4/16")),
            ("203.0.113.5", 24, None),
            ("::1", 128, Some("[::1]:4/128")),
            ("fe80::5", 64, Some("[fe80::5%3]:4/64")),
            ("fd00::5", 0, Some("[fd00::5]:4/7")),
            ("2001:db8::5", 64, None),
        ] {
            let got = shown(&bounded(&own(ip, prefix), 4).into_iter().collect::<Vec<_>>());
            assert_eq!(got.first().map(String::as_str), want, "{ip}/{prefix}");
        }
    }

    #[test]
    fn what_is_given_is_bounded_too() {
        let machine = [
            own("192.168.7.9", 24),
            own("203.0.113.5", 24),
            own("127.0.0.1", 8),
            own("fd00::5", 64),
        ];
        for (given, want) in [
            ("0.0.0.0:4", &["127.0.0.1:4/8", "192.168.7.9:4/24"][..]),
            ("[::]:4", &["[fd00::5]:4/64"]),
            ("127.0.0.1:4", &["127.0.0.1:4/8"]),
            ("127.0.0.5:4", &["127.0.0.5:4/8"]),
            ("192.168.7.9:4", &["192.168.7.9:4/24"]),
            ("10.0.0.1:4", &["10.0.0.1:4/32"]),
        ] {
            let given = Bounded::given(&[given.parse().expect("an address")]).expect("private");
            assert_eq!(shown(&given.sockets_of(&machine)), want, "{given:?}");
            assert_eq!(given.follows(), given.0[0].ip().is_unspecified());
        }
        for far in ["203.0.113.5:4", "[2001:db8::5]:4"] {
            let far: SocketAddr = far.parse().expect("an address");
            assert_eq!(Bounded::given(&[far]).expect_err("on the internet"), NotPrivate(far.ip()));
        }
    }

    #[test]
    fn this_machine_always_and_one_port_for_all() {
        let bounded = Bounded::any([0, 0]);
        let binds = bounded.sockets();
        assert!(binds[0].addr.ip().is_loopback() && binds[0].required);
        assert!(binds[1..].iter().all(|bind| !bind.required));
        let ports: BTreeSet<_> =
            binds.iter().filter(|bind| bind.addr.is_ipv4()).map(|bind| bind.addr.port()).collect();
        assert!(ports.len() == 1 && !ports.contains(&0));
        assert!(binds.iter().all(|bind| bind.prefix.is_some_and(|prefix| prefix > 0)));
        // Also where nothing is known of the machine.
        assert_eq!(addresses(&bounded.sockets_of(&[])), [Ipv4Addr::LOCALHOST.into()].into());
    }
}
