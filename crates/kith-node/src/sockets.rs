//! The UDP sockets of an offline node: one for each private address of this machine, each bounded to
//! the network of its address. So nothing leaves the LAN, whatever addresses a peer claims to have:
//! hole punching would probe them. An address that the machine gets later has no socket before the
//! next start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};

use if_addrs::{IfAddr, get_if_addrs};
use kith_overlay::transport::{Bind, Scope, scope};

/// Sockets at most. Machines with many containers have more addresses than anybody needs here.
const MAX_SOCKETS: usize = 32;

/// All of them, on the given ports of IPv4 and IPv6; 0 stands for any free one, the same for all.
pub(crate) fn bounded_sockets([v4, v6]: [u16; 2]) -> Vec<Bind> {
    let ports =
        [free_port(v4, Ipv4Addr::UNSPECIFIED.into()), free_port(v6, IpAddr::from([0u16; 8]))];
    let interfaces = get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the machine's addresses can't be had: this machine only");
        Vec::new()
    });
    let mut binds = vec![Bind {
        addr: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports[0]),
        prefix: Some(8),
        required: true,
    }];
    for interface in interfaces {
        let (ip, prefix) = match &interface.addr {
            IfAddr::V4(addr) => (IpAddr::V4(addr.ip), addr.prefixlen),
            IfAddr::V6(addr) => (IpAddr::V6(addr.ip), addr.prefixlen),
        };
        let bind = bounded(ip, interface.index.unwrap_or_default(), prefix, ports);
        if let Some(bind) = bind.filter(|bind| binds.iter().all(|other| other.addr != bind.addr)) {
            binds.push(bind);
        }
    }
    binds.truncate(MAX_SOCKETS);
    binds
}

/// The socket of one address; none for an address that others on the internet could have.
fn bounded(ip: IpAddr, interface: u32, prefix: u8, ports: [u16; 2]) -> Option<Bind> {
    let addr = match ip {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), ports[0]),
        IpAddr::V6(ip) => {
            let index = if ip.is_unicast_link_local() { interface } else { 0 };
            SocketAddrV6::new(ip, ports[1], 0, index).into()
        }
    };
    let probe = |mut addr: SocketAddr| {
        addr.set_port(1);
        scope(&addr)
    };
    if probe(addr).is_none_or(|scope| scope > Scope::Local) {
        return None;
    }
    // Never wider than the private range that the address is from.
    let range = match ip {
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
    Some(Bind { addr, prefix: Some(prefix.max(range)), required: false })
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
            ("::1", 128, Some("[::1]:6/128")),
            ("fe80::5", 64, Some("[fe80::5%3]:6/64")),
            ("fd00::5", 0, Some("[fd00::5]:6/7")),
            ("2001:db8::5", 64, None),
        ] {
            let bind = bounded(ip.parse().expect("an address"), 3, prefix, [4, 6]);
            let got = bind.map(|bind| format!("{}/{}", bind.addr, bind.prefix.expect("bounded")));
            assert_eq!(got.as_deref(), want, "{ip}/{prefix}");
        }
    }

    #[test]
    fn this_machine_always_and_one_port_for_all() {
        let binds = bounded_sockets([0, 0]);
        assert!(binds[0].addr.ip().is_loopback() && binds[0].required);
        let ports: std::collections::BTreeSet<_> =
            binds.iter().filter(|bind| bind.addr.is_ipv4()).map(|bind| bind.addr.port()).collect();
        assert!(ports.len() == 1 && !ports.contains(&0));
        assert!(binds.iter().all(|bind| bind.prefix.is_some_and(|prefix| prefix > 0)));
    }
}
