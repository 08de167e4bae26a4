//! Memory of a virtual machine.

use std::fs;
use std::hint::black_box;

/// From which power of two of pages on the system gives free memory back to its host.
const REPORTED_ORDER: &str = "/sys/module/page_reporting/parameters/page_reporting_order";
/// Above the largest that there is.
const NONE: &str = "11";
/// Memory that is touched, if there is twice as much: 8 GiB.
const TOUCHED: u64 = 8 << 30;

/// Holds on to a virtual machine's memory while something is measured.
///
/// What it never used, or gave back, its host has to find anew, page by page: up to 1.5 s for a GiB.
/// What writes files takes free memory all the time, and a stream without files takes none.
pub(crate) struct WarmMemory {
    /// What is to be set again.
    order: Option<String>,
}

impl WarmMemory {
    /// Touches memory, and keeps it, where this process may say so.
    pub(crate) fn new() -> Self {
        let order = fs::read_to_string(REPORTED_ORDER).ok();
        let order = order.filter(|_| fs::write(REPORTED_ORDER, NONE).is_ok());
        let info = fs::read_to_string("/proc/meminfo").expect("Linux tells it");
        let available = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let kib = available.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let bytes = (kib.expect("a number") * 1024 / 2).min(TOUCHED);
        black_box(vec![1_u8; usize::try_from(bytes).expect("it fits into memory")]);
        Self { order }
    }
}

impl Drop for WarmMemory {
    fn drop(&mut self) {
        if let Some(order) = &self.order {
            fs::write(REPORTED_ORDER, order.trim()).expect("it could be written before");
        }
    }
}
