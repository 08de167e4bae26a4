//! Configuration, in layers: the defaults' file, `DIR/config.toml`, the environment, flags.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use crate::args::Up;
use crate::failure::{Failure, Result};

const DEFAULTS: &str = include_str!("defaults.toml");
/// The person's own file in the data directory.
const FILE: &str = "config.toml";

/// What a node of this program runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) http: SocketAddr,
    pub(crate) offline: bool,
    pub(crate) open: bool,
    pub(crate) peers: Vec<String>,
    /// Overrides the person's setting; only for those who say so.
    pub(crate) lan: Option<bool>,
    /// The overlay's UDP sockets; none: all interfaces, on the ports of the last run.
    pub(crate) bind: Vec<SocketAddr>,
    pub(crate) log: String,
}

/// What one layer says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    http: Option<SocketAddr>,
    offline: Option<bool>,
    open: Option<bool>,
    peers: Option<Vec<String>>,
    lan: Option<bool>,
    bind: Option<Vec<SocketAddr>>,
    log: Option<String>,
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// A file or a variable that can't be read, with what is wrong in it.
    pub(crate) fn load(data_dir: &Path, flags: &Up) -> Result<Self> {
        let file = match std::fs::read_to_string(data_dir.join(FILE)) {
            Ok(text) => from_file(&text, &data_dir.join(FILE))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Layer::default(),
            Err(error) => {
                let path = data_dir.join(FILE);
                return Err(Failure::new("config", format!("{} can't be read.", path.display()))
                    .why(format!("{error}."))
                    .todo("Make it readable, or remove it."));
            }
        };
        Self::merge([from_flags(flags), from_environment(|name| std::env::var_os(name))?, file])
    }

    /// The first layer that says something wins; the defaults come last.
    fn merge(layers: [Layer; 3]) -> Result<Self> {
        let mut merged: Layer = toml::from_str(DEFAULTS).expect("a test reads the defaults");
        for layer in layers.into_iter().rev() {
            merged.http = layer.http.or(merged.http);
            merged.offline = layer.offline.or(merged.offline);
            merged.open = layer.open.or(merged.open);
            merged.peers = layer.peers.or(merged.peers);
            merged.lan = layer.lan.or(merged.lan);
            merged.bind = layer.bind.or(merged.bind);
            merged.log = layer.log.or(merged.log);
        }
        let config = Self {
            http: merged.http.expect("the defaults name it"),
            offline: merged.offline.expect("the defaults name it"),
            open: merged.open.expect("the defaults name it"),
            peers: merged.peers.expect("the defaults name it"),
            lan: merged.lan,
            bind: merged.bind.unwrap_or_default(),
            log: merged.log.expect("the defaults name it"),
        };
        if !config.http.ip().is_loopback() {
            return Err(Failure::usage(format!("Pages can't be served at {}.", config.http))
                .why("They are for the browsers of this machine only.")
                .todo("Give a loopback address: --http 127.0.0.1:4848."));
        }
        Ok(config)
    }
}

fn from_file(text: &str, path: &Path) -> Result<Layer> {
    toml::from_str(text).map_err(|error| {
        Failure::new("config", format!("{} can't be understood.", path.display()))
            .why(error.to_string().trim_end())
            .todo("Mend it, or remove it.")
    })
}

fn from_flags(flags: &Up) -> Layer {
    Layer {
        http: flags.http,
        offline: flags.offline.then_some(true),
        open: flags.no_open.then_some(false),
        peers: (!flags.peers.is_empty()).then(|| flags.peers.clone()),
        lan: None,
        bind: None,
        log: None,
    }
}

fn from_environment(read: impl Fn(&str) -> Option<OsString>) -> Result<Layer> {
    let text = |name: &str| -> Result<Option<String>> {
        read(name)
            .filter(|value| !value.is_empty())
            .map(|value| value.into_string().map_err(|_| bad_variable(name, "text")))
            .transpose()
    };
    let switch = |name: &str| -> Result<Option<bool>> {
        text(name)?
            .map(|value| match value.as_str() {
                "1" | "true" | "yes" => Ok(true),
                "0" | "false" | "no" => Ok(false),
                _ => Err(bad_variable(name, "1 or 0")),
            })
            .transpose()
    };
    let http = text("KITH_HTTP")?
        .map(|value| value.parse().map_err(|_| bad_variable("KITH_HTTP", "ADDR:PORT")))
        .transpose()?;
    // Commas stand inside an address, so spaces stand between them.
    let peers =
        text("KITH_PEERS")?.map(|value| value.split_whitespace().map(str::to_owned).collect());
    Ok(Layer {
        http,
        offline: switch("KITH_OFFLINE")?,
        open: switch("KITH_OPEN")?,
        peers,
        lan: switch("KITH_LAN")?,
        bind: text("KITH_BIND")?
            .map(|value| value.split_whitespace().map(str::parse).collect::<Result<_, _>>())
            .transpose()
            .map_err(|_| bad_variable("KITH_BIND", "ADDR:PORT"))?,
        log: text("KITH_LOG")?,
    })
}

fn bad_variable(name: &str, wanted: &str) -> Failure {
    Failure::usage(format!("The environment's {name} can't be understood."))
        .todo(format!("Set it to {wanted}, or unset it."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Layer {
        from_file(text, Path::new("config.toml")).unwrap()
    }

    #[test]
    fn the_defaults_name_everything() {
        let config = Config::merge([Layer::default(), Layer::default(), Layer::default()]).unwrap();
        assert_eq!(config.http.to_string(), "127.0.0.1:4848");
        assert!(config.open && !config.offline);
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let up = Up { http: "127.0.0.1:1".parse().ok(), ..Up::default() };
        let environment = from_environment(|name| match name {
            "KITH_HTTP" => Some("127.0.0.1:2".into()),
            "KITH_OFFLINE" => Some("1".into()),
            "KITH_PEERS" => Some("a@1.2.3.4:5,1.2.3.4:6 b@1.2.3.4:7".into()),
            _ => None,
        })
        .unwrap();
        let file = file("http = \"127.0.0.1:3\"\noffline = false\nlog = \"debug\"");
        let config = Config::merge([from_flags(&up), environment, file]).unwrap();
        assert_eq!(config.http.port(), 1);
        assert!(config.offline);
        assert_eq!(config.peers, ["a@1.2.3.4:5,1.2.3.4:6", "b@1.2.3.4:7"]);
        assert_eq!(config.log, "debug");
    }

    #[test]
    fn what_can_not_be_meant_is_said() {
        let error = from_file("port = 1", Path::new("config.toml")).unwrap_err();
        assert!(error.why.contains("port"), "{error:?}");
        let error = from_environment(|name| (name == "KITH_OPEN").then(|| "maybe".into()));
        assert!(error.unwrap_err().what.contains("KITH_OPEN"));
        let open_to_all = file("http = \"0.0.0.0:4848\"");
        let error = Config::merge([Layer::default(), Layer::default(), open_to_all]).unwrap_err();
        assert!(error.todo.contains("127.0.0.1"), "{error:?}");
    }
}
