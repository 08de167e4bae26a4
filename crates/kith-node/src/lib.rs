//! kith-node

pub mod store;
