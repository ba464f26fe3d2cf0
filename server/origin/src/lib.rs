//! Where text came from.

pub mod ledger;
