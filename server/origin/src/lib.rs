//! Where text came from.
