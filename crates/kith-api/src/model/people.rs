//! Peers, and the keys that sign apps.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Traffic;

model! {
    /// Peers.
    #[derive(Eq)]
    struct Peers {
        /// Connected ones first.
        pub peers: Vec<PeerInfo>,
    }

    /// A peer.
    #[derive(Eq)]
    struct PeerInfo {
        /// The endpoint's id, in hex.
        pub id: String,
        /// The name that they go by in a shared space; empty where none is known.
        pub name: String,
        /// How it stands.
        pub state: PeerState,
        /// `direct`, `relay` or `lan`, while connected.
        pub path: Option<String>,
        /// The address in use, or the last one tried.
        pub address: Option<String>,
        /// Round trip in microseconds, while connected.
        #[ts(type = "number | null")]
        pub rtt: Option<u64>,
        /// Since when it is connected.
        #[ts(type = "number | null")]
        pub since: Option<u64>,
        /// By which ways it was found: see [`crate::DiscoveryStatus::way`].
        pub found: Vec<String>,
        /// The spaces shared with it.
        pub spaces: Vec<String>,
        /// Its traffic since the start.
        pub traffic: Traffic,
        /// Tries since the last connection.
        pub failures: u32,
        /// When the next try is due, or the ban ends.
        #[ts(type = "number | null")]
        pub next_try: Option<u64>,
        /// Why the last try failed.
        pub error: Option<String>,
    }

    /// How it stands with a peer.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    enum PeerState {
        /// Connected.
        Connected,
        /// Being dialled.
        Dialing,
        /// To be dialled again later.
        Waiting,
        /// Blocked by the person.
        Blocked,
        /// It broke the protocol, and is kept out until [`PeerInfo::next_try`].
        Banned,
    }

    /// One try to reach someone.
    #[derive(Eq)]
    struct Attempt {
        /// The endpoint's id, in hex.
        pub peer: String,
        /// By which way it was found.
        pub way: String,
        /// What is being done, or how it failed, in words.
        pub state: String,
    }

    /// Whom to block.
    #[derive(Eq)]
    struct BlockPeer {
        /// The endpoint's id, in hex.
        pub peer: String,
        /// True to block, false to take it back.
        pub blocked: bool,
    }

    /// Publishing keys.
    #[derive(Eq)]
    struct Keys {
        /// By name.
        pub keys: Vec<KeyInfo>,
    }

    /// A publishing key.
    #[derive(Eq)]
    struct KeyInfo {
        /// Its name on this node.
        pub name: String,
        /// The app's id: its public half.
        pub app: String,
    }

    /// A publishing key.
    #[derive(Eq)]
    struct KeyRef {
        /// Its name, or the app's id.
        pub key: String,
    }

    /// A publishing key's secret.
    #[derive(Eq)]
    struct ExportedKey {
        /// Its name on this node.
        pub name: String,
        /// The app's id.
        pub app: String,
        /// `kith-key:` and the Ed25519 seed in base64url.
        pub secret: String,
    }

    /// A publishing key to take in.
    #[derive(Eq)]
    struct ImportKey {
        /// Its name on this node.
        pub name: String,
        /// As exported.
        pub secret: String,
    }
}
