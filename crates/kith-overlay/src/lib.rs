//! kith-overlay
