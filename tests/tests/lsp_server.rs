//! The language server as clients see it.

#[path = "lsp/client.rs"]
mod client;
#[path = "lsp/lifecycle.rs"]
mod lifecycle;
#[path = "lsp/model.rs"]
mod model;
#[path = "lsp/order.rs"]
mod order;
