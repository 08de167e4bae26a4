//! Nodes as processes, their sockets as pages use them, and what they are measured against.

#![allow(dead_code, unused_imports)] // Each bench uses a part of it.

mod anchor;
pub(crate) mod anchors;
mod door;
mod figure;
mod kith;
mod liar;
mod memory;
mod page;
pub(crate) mod raw_stream;
mod unsynced;

pub(crate) use anchor::{Anchor, Task, anchor_main};
pub(crate) use figure::{Figure, begin};
pub(crate) use kith::Kith;
pub(crate) use liar::Liar;
pub(crate) use memory::WarmMemory;
pub(crate) use page::Page;
pub(crate) use unsynced::Unsynced;

/// Bytes that don't compress, the same at each run, another string for each seed (xorshift64*, Vigna
/// 2016).
pub(crate) fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Resident memory of a process, in MB.
fn rss_mb(pid: u32) -> f64 {
    memory_mb(pid, "VmRSS:")
}

/// The most that it ever had.
fn peak_mb(pid: u32) -> f64 {
    memory_mb(pid, "VmHWM:")
}

/// Processor time of a process since its start, at 100 ticks a second.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = stat.rsplit(") ").next().expect("a name in parentheses");
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

fn memory_mb(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(name)).expect("Linux tells it");
    let kb: f64 = line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number");
    kb / 1024.0
}
