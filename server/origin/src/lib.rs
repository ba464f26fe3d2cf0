//! Where text came from.

pub mod model;

pub mod hooks;
pub mod interchange;
pub mod ledger;
pub mod time;
