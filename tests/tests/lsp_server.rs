//! The language server as clients see it.

#[path = "lsp/client.rs"]
mod client;
#[path = "lsp/dependents.rs"]
mod dependents;
#[path = "lsp/editors.rs"]
mod editors;
#[path = "lsp/lifecycle.rs"]
mod lifecycle;
#[path = "lsp/model.rs"]
mod model;
#[path = "lsp/order.rs"]
mod order;
#[path = "lsp/origin.rs"]
mod origin;
#[path = "lsp/supervisor.rs"]
mod supervisor;
#[path = "lsp/text.rs"]
mod text;
#[path = "lsp/wire.rs"]
mod wire;
