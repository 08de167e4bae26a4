//! The listening sockets: both loopback addresses, on one port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;
use tracing::info;

use crate::port_owner;

/// Tries to find a port that is free in both families, where any will do.
const PICKS: usize = 16;

/// Both loopback addresses, bound and listening. Connections wait until they are served.
#[derive(Debug)]
pub struct Listeners {
    pub(crate) v4: TcpListener,
    pub(crate) v6: Option<TcpListener>,
    port: u16,
}

/// Why the gateway can't listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The configured address is not this machine's own.
    #[error(
        "kith's pages can't be served at {0}. They are for this machine only. Give a loopback \
         address, such as 127.0.0.1:4848."
    )]
    NotLoopback(IpAddr),
    /// Another program has the port.
    #[error(
        "Port {} of {} is taken by {holder}. Stop that program, or choose another port for kith \
         with --http 127.0.0.1:PORT; what pages keep in the browser belongs to the port.",
        .addr.port(), .addr.ip()
    )]
    Taken {
        /// The address.
        addr: SocketAddr,
        /// Who could hold it, in words.
        holder: String,
    },
    /// The system refused for another reason.
    #[error("kith can't listen on {addr}: {source}.")]
    Io {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl Listeners {
    /// Binds 127.0.0.1 and `[::1]` on the port of `addr`, or neither. A machine without an IPv6
    /// loopback gets the first alone. Port 0 picks one.
    ///
    /// # Errors
    /// [`BindError`]: the address is not a loopback one, or can't be had.
    pub async fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        if !addr.ip().is_loopback() {
            return Err(BindError::NotLoopback(addr.ip()));
        }
        if addr.port() != 0 {
            return Self::bind_both(addr.port()).await;
        }
        let mut tried = Self::bind_both(0).await;
        for _ in 1..PICKS {
            match tried {
                Err(BindError::Taken { .. }) => tried = Self::bind_both(0).await,
                Ok(_) | Err(BindError::NotLoopback(_) | BindError::Io { .. }) => break,
            }
        }
        tried
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    async fn bind_both(port: u16) -> Result<Self, BindError> {
        let v4 = bind_one(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).await?;
        let port = v4
            .local_addr()
            .map_err(|source| BindError::Io {
                addr: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
                source,
            })?
            .port();
        let v6 = match bind_one(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port)).await {
            Ok(listener) => Some(listener),
            Err(BindError::Io { source, .. }) if lacks_ipv6(&source) => {
                info!("this machine has no IPv6 loopback: pages are at 127.0.0.1 only");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { v4, v6, port })
    }
}

async fn bind_one(addr: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { addr, holder: port_owner::of(addr) },
        _ => BindError::Io { addr, source },
    })
}

/// Whether the error says that there is no `::1` at all, rather than that it can't be had now.
fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.to_string().contains("family not supported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn refuses_other_addresses_than_loopback() {
        let refused = Listeners::bind("0.0.0.0:0".parse().unwrap()).await;
        assert!(matches!(refused, Err(BindError::NotLoopback(_))));
    }

    #[tokio::test]
    async fn a_port_taken_in_either_family_is_an_error_that_names_its_holder() {
        for taken in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(other) = TcpListener::bind(taken).await else { continue };
            let addr = other.local_addr().unwrap();
            let refused = Listeners::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), addr.port()));
            let error = refused.await.unwrap_err();
            assert!(matches!(&error, BindError::Taken { addr: named, .. } if *named == addr));
            let text = error.to_string();
            assert!(text.contains(&addr.port().to_string()), "{text}");
            #[cfg(target_os = "linux")]
            assert!(text.contains(&std::process::id().to_string()), "{text}");
        }
    }
}
