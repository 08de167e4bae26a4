//! Binding the iroh endpoint.

use std::net::SocketAddr;

use iroh::endpoint::{QuicTransportConfig, VarInt, presets};
use iroh::{Endpoint, RelayMode, SecretKey};

use super::gate::Gate;
use super::limits::{ALPN, MAX_STREAMS, SEND_WINDOW, STRANGER_WINDOW, STREAM_WINDOW};
use super::{Bind, Config};

/// Why a node has no connections at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// Another program has the port.
    #[error("the UDP port is taken: {0:?}")]
    InUse(Vec<SocketAddr>),
    /// The system refused for another reason.
    #[error("no UDP socket: {0}")]
    Failed(String),
    /// There is no randomness.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// An endpoint and its sockets.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) endpoint: Endpoint,
    /// None: it sends to everybody.
    pub(crate) bind: Vec<Bind>,
}

/// Binds. Nothing is sent: there is no relay, so iroh makes no reports; no address lookup, so it
/// resolves nothing; and port mapping is not compiled in.
pub(crate) async fn bind(config: &Config, gate: &Gate) -> Result<Bound, BindError> {
    let builder = Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(&config.secret_key))
        .alpns(vec![ALPN.to_vec()])
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .hooks(gate.clone())
        .transport_config(transport(config));
    let builder = sockets(builder, config)?;
    let endpoint = builder.bind().await.map_err(|error| failed(&error, config))?;
    Ok(Bound { endpoint, bind: config.bind.clone() })
}

fn transport(config: &Config) -> QuicTransportConfig {
    let idle = config.timings.idle.try_into().expect("an idle timeout is far below 2^62 ms");
    QuicTransportConfig::builder()
        .receive_window(VarInt::from_u32(STRANGER_WINDOW))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .send_window(SEND_WINDOW)
        .max_concurrent_bidi_streams(VarInt::from_u32(MAX_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(MAX_STREAMS))
        .max_idle_timeout(Some(idle))
        .default_path_max_idle_timeout(config.timings.idle)
        .keep_alive_interval(config.timings.keep_alive)
        .default_path_keep_alive_interval(config.timings.keep_alive)
        .datagram_receive_buffer_size(None)
        .build()
}

#[cfg(not(target_arch = "wasm32"))]
fn sockets(
    mut builder: iroh::endpoint::Builder,
    config: &Config,
) -> Result<iroh::endpoint::Builder, BindError> {
    use iroh::endpoint::BindOpts;

    if config.bind.is_empty() {
        return Ok(builder);
    }
    builder = builder.clear_ip_transports();
    for bind in &config.bind {
        let mut opts = BindOpts::default().set_is_required(bind.required);
        if let Some(prefix) = bind.prefix {
            opts = opts.set_prefix_len(prefix).set_is_default_route(false);
        }
        builder = builder
            .bind_addr_with_opts(bind.addr, opts)
            .map_err(|error| BindError::Failed(error.to_string()))?;
    }
    Ok(builder)
}

#[cfg(target_arch = "wasm32")]
fn sockets(
    builder: iroh::endpoint::Builder,
    _config: &Config,
) -> Result<iroh::endpoint::Builder, BindError> {
    Ok(builder)
}

fn failed(error: &(dyn std::error::Error + 'static), config: &Config) -> BindError {
    let mut cause = Some(error);
    let mut words = Vec::new();
    while let Some(error) = cause {
        let in_use = |io: &std::io::Error| io.kind() == std::io::ErrorKind::AddrInUse;
        if error.downcast_ref().is_some_and(in_use) {
            return BindError::InUse(config.bind.iter().map(|bind| bind.addr).collect());
        }
        words.push(error.to_string());
        cause = error.source();
    }
    words.dedup();
    BindError::Failed(words.join(": "))
}
