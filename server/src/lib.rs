//! qualm
