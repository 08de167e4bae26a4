//! Nodes as processes, their sockets as pages use them, and what they are measured against.

mod anchor;
mod figure;
mod kith;
mod page;
pub(crate) mod raw_stream;

pub(crate) use anchor::{Anchor, anchor_main};
pub(crate) use figure::Figure;
pub(crate) use kith::Kith;
pub(crate) use page::Page;

/// Resident memory of a process, in MB.
fn rss_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux tells it");
    let kb: f64 = line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number");
    kb / 1024.0
}
