//! Where text came from.

pub mod hooks;
pub mod ledger;
pub mod time;
