//! What a node says of itself on the local network, and what it believes of others.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use kith_overlay::transport::{EndpointId, PeerAddr, parse_id, scope};
use mdns_sd::{ResolvedService, ScopedIp, ServiceInfo};

/// The service type of kith on the local network (RFC 6763).
pub const SERVICE: &str = "_kith._udp.local.";
/// Nodes known on the local network at a time. More than a LAN that carries multicast has people;
/// bounds memory against one that makes nodes up at about 100 KB. Of more, the one heard first is
/// forgotten, so that made-up ones keep no real one out.
pub const MAX_NEIGHBOURS: usize = 256;

/// The property with the endpoint's id, 64 hex digits.
const ID: &str = "id";
/// The property with the UDP port of IPv6, where it is another one than IPv4's.
const PORT6: &str = "port6";

/// What a node says of itself: its endpoint, and the ports of its sockets. The rest of the
/// announcement is random, and drawn anew at each start and in each network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Its endpoint's id.
    pub id: EndpointId,
    /// The UDP port of IPv4.
    pub port4: Option<u16>,
    /// The UDP port of IPv6.
    pub port6: Option<u16>,
}

impl Presence {
    /// The announcement under the name made of 16 random bytes, both as service and as host: the
    /// machine's own name does not appear. The addresses are those of each interface.
    pub(super) fn announcement(&self, random: &[u8; 16]) -> mdns_sd::Result<ServiceInfo> {
        let name = data_encoding::HEXLOWER.encode(random);
        let mut properties = vec![(ID, self.id.to_string())];
        if let Some(port6) = self.port6
            && self.port4 != self.port6
        {
            properties.push((PORT6, port6.to_string()));
        }
        let port = self.port4.or(self.port6).unwrap_or(0);
        let host = format!("{name}.local.");
        let mut info = ServiceInfo::new(SERVICE, &name, &host, "", port, properties.as_slice())?
            .enable_addr_auto();
        // Nobody else draws the same 128 bits, so there is no need to ask first for a second.
        info.set_requires_probe(false);
        Ok(info)
    }
}

/// The nodes that are seen on the local network.
#[derive(Debug)]
pub(super) struct Neighbours {
    me: EndpointId,
    /// By the name of the announcement: when it was first heard, counted, and who it is.
    seen: BTreeMap<String, (u64, PeerAddr)>,
    heard: u64,
}

impl Neighbours {
    pub(super) fn new(me: EndpointId) -> Self {
        Self { me, seen: BTreeMap::new(), heard: 0 }
    }

    /// Takes note of an announcement. Returns the peer where this is news: it is another node, it
    /// can be dialled, and it was not seen with these addresses before.
    pub(super) fn note(&mut self, service: &ResolvedService) -> Option<PeerAddr> {
        let peer = read(service)?;
        if peer.id == self.me || peer.addrs.is_empty() {
            return None;
        }
        let name = service.get_fullname();
        match self.seen.get_mut(name) {
            Some((_, known)) if *known == peer => return None,
            Some((_, known)) => known.clone_from(&peer),
            None => {
                if self.seen.len() >= MAX_NEIGHBOURS
                    && let Some((oldest, _)) = self.seen.iter().min_by_key(|(_, (order, _))| order)
                {
                    self.seen.remove(&oldest.clone());
                }
                self.heard += 1;
                self.seen.insert(name.to_owned(), (self.heard, peer.clone()));
            }
        }
        Some(peer)
    }

    /// Forgets who said goodbye, was not heard of any more, or could not be handed over.
    pub(super) fn forget(&mut self, fullname: &str) {
        self.seen.remove(fullname);
    }
}

/// The peer of an announcement; none where it is not one of kith's.
fn read(service: &ResolvedService) -> Option<PeerAddr> {
    let id = parse_id(service.txt_properties.get_property_val_str(ID)?)?;
    let port4 = service.get_port();
    let port6 = match service.txt_properties.get_property_val_str(PORT6) {
        Some(port) => port.parse().ok()?,
        None => port4,
    };
    let mut addrs: Vec<SocketAddr> = service
        .get_addresses()
        .iter()
        .filter_map(|ip| match ip {
            ScopedIp::V4(ip) => Some(SocketAddrV4::new(*ip.addr(), port4).into()),
            ScopedIp::V6(ip) => {
                Some(SocketAddrV6::new(*ip.addr(), port6, 0, ip.scope_id().index).into())
            }
            _ => None,
        })
        .filter(|addr: &SocketAddr| scope(addr).is_some() && !addr.ip().is_loopback())
        .map(without_needless_scope)
        .collect();
    // IPv4 first, and the addresses that only one link knows last.
    addrs.sort_by_key(|addr| (is_link_local(addr), addr.is_ipv6(), *addr));
    Some(PeerAddr::new(id, addrs))
}

fn is_link_local(addr: &SocketAddr) -> bool {
    match addr.ip() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Only link-local addresses need an interface; others with one would look like different ones.
fn without_needless_scope(addr: SocketAddr) -> SocketAddr {
    if is_link_local(&addr) { addr } else { SocketAddr::new(addr.ip(), addr.port()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seed: u8) -> EndpointId {
        iroh::SecretKey::from_bytes(&[seed; 32]).public()
    }

    fn service(name: &str, ips: &str, properties: &[(&str, String)]) -> ResolvedService {
        ServiceInfo::new(SERVICE, name, "host.local.", ips, 4_000, properties)
            .unwrap()
            .as_resolved_service()
    }

    fn of(seed: u8, name: &str, ips: &str) -> ResolvedService {
        service(name, ips, &[(ID, id(seed).to_string())])
    }

    fn texts(peer: &PeerAddr) -> Vec<String> {
        peer.addrs.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_that_lead_nowhere_are_left_out() {
        let mut neighbours = Neighbours::new(id(1));
        let ips = "127.0.0.1,::1,0.0.0.0,224.0.0.1,fe80::1,fd00::2,10.0.0.2,169.254.1.1";
        let peer = neighbours.note(&of(2, "a", ips)).unwrap();
        assert_eq!(peer.id, id(2));
        assert_eq!(texts(&peer), ["10.0.0.2:4000", "[fd00::2]:4000", "169.254.1.1:4000"]);
        assert_eq!(neighbours.note(&of(3, "b", "127.0.0.1,fe80::1")), None);
    }

    #[test]
    fn this_node_itself_and_what_is_no_news_are_left_out() {
        let mut neighbours = Neighbours::new(id(1));
        assert_eq!(neighbours.note(&of(1, "me", "10.0.0.1")), None);
        assert!(neighbours.note(&of(2, "a", "10.0.0.2")).is_some());
        assert_eq!(neighbours.note(&of(2, "a", "10.0.0.2")), None);
        assert!(neighbours.note(&of(2, "a", "10.0.0.3")).is_some());
        neighbours.forget(&format!("a.{SERVICE}"));
        assert!(neighbours.note(&of(2, "a", "10.0.0.3")).is_some());
    }

    #[test]
    fn ipv6_may_have_a_port_of_its_own() {
        let properties = [(ID, id(2).to_string()), (PORT6, "5000".into())];
        let peer =
            Neighbours::new(id(1)).note(&service("a", "10.0.0.2,fd00::2", &properties)).unwrap();
        assert_eq!(texts(&peer), ["10.0.0.2:4000", "[fd00::2]:5000"]);
    }

    #[test]
    fn other_announcements_are_ignored() {
        let mut neighbours = Neighbours::new(id(1));
        let properties: [&[(&str, String)]; 4] = [
            &[],
            &[(ID, "g".repeat(64))],
            &[(ID, id(2).to_string()[1..].into())],
            &[(ID, id(2).to_string()), (PORT6, "70000".into())],
        ];
        for properties in properties {
            assert_eq!(neighbours.note(&service("a", "10.0.0.2", properties)), None);
        }
    }

    #[test]
    fn made_up_nodes_are_bounded() {
        let mut neighbours = Neighbours::new(id(1));
        for n in 0..300 {
            assert!(neighbours.note(&of(2, &n.to_string(), "10.0.0.2")).is_some());
        }
        assert_eq!(neighbours.seen.len(), MAX_NEIGHBOURS);
        assert!(!neighbours.seen.contains_key(&format!("43.{SERVICE}")));
        assert!(neighbours.seen.contains_key(&format!("44.{SERVICE}")));
    }

    #[test]
    fn what_is_announced_is_read() {
        let presence = Presence { id: id(2), port4: Some(7), port6: Some(8) };
        let info = presence.announcement(&[0xab; 16]).unwrap();
        assert!(info.get_fullname().starts_with(&"ab".repeat(16)));
        assert_eq!(info.get_hostname(), format!("{}.local.", "ab".repeat(16)));
        assert_eq!(info.get_port(), 7);
        assert_eq!(info.get_property_val_str(PORT6), Some("8"));
        let peer = read(&info.as_resolved_service()).unwrap();
        assert_eq!(peer.id, id(2));
    }
}
