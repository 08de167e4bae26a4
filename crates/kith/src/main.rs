//! The kith program: one node, many networks, apps as links.
//!
//! - [`args`]: what can be typed, and its help.
//! - [`commands`]: one module per command. All but `up` and `demo` ask the running node.
//! - [`control`]: the local socket between the two, over which JSON-RPC of `kith_api` goes.
//! - [`config`]: defaults, file, environment and flags, in layers.
//! - [`node`]: wires the node and the gateway; the only place that knows both.
//! - [`output`]: tables, progress, errors, JSON.
//! - [`system`]: what one operating system does unlike others.
//!
//! Nothing here decides anything about apps, spaces or peers: that is the node's.

mod args;
mod commands;
mod config;
mod control;
mod failure;
mod names;
mod node;
mod output;
mod system;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run()
}
