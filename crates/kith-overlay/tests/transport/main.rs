//! Connections between real endpoints on 127.0.0.1: one behaviour in each file, one binary for all.

mod support;

mod banned_peer;
mod blocked_peer;
mod bounded_sockets;
mod checks;
mod floods;
mod last_words;
mod lost_connection;
mod misbehaving_peers;
mod other_sockets;
mod peers_of_a_space;
mod places;
mod replay;
mod restarted_peer;
mod simultaneous_dials;
mod slow_peers;
mod spaces_come_and_go;
mod two_peers_meet;
mod vectors;

#[path = "../../../../fuzz/replay.rs"]
mod corpus;
