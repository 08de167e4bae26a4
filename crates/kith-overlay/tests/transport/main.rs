//! Connections between real endpoints on 127.0.0.1: one behaviour in each file, one binary for all.

mod support;

mod two_peers_meet;
