//! What the client said it can do, read once from the raw `initialize` parameters.
//!
//! Raw, because the typed parameters lose `workspace.diagnostics` (the type crate looks for another name).

use super::text::Encoding;
use serde_json::Value;

/// The client's abilities as far as the server's answers depend on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// The unit of columns: the client's first choice.
    pub encoding: Encoding,
    /// Nothing was said about the unit of columns, so that the client may take them for something else than UTF-16.
    pub unit_unsaid: bool,
    /// A carriage return in an edit becomes a line of its own; the client's editor adds those of its file itself.
    pub line_feeds: bool,
    /// Diagnostics are pulled by the client. Needs the refresh request too: without it a result that changes by itself
    /// (settings, another file, half-typed code that settles) would never reach the client, so such clients get pushes.
    pub pull: bool,
    /// `relatedInformation` in the diagnostics model in use.
    pub related: bool,
    /// `codeDescription` in the diagnostics model in use.
    pub code_description: bool,
    /// Diagnostic tags.
    pub tags: bool,
    /// `Diagnostic.data` comes back in code action requests.
    pub data: bool,
    /// Versioned `documentChanges` instead of `changes`.
    pub document_changes: bool,
    /// Code actions may be objects with edits, not only commands.
    pub literals: bool,
    /// `CodeAction.disabled`.
    pub disabled: bool,
    /// `CodeAction.isPreferred`.
    pub preferred: bool,
    /// Edits of code actions may be left to `codeAction/resolve`.
    pub lazy: bool,
    /// Hover text in Markdown.
    pub markdown: bool,
    /// `workspace/configuration` may be asked.
    pub configuration: bool,
    /// `workspace/didChangeConfiguration` must be registered for.
    pub register_configuration: bool,
    /// File watchers may be registered.
    pub watch: bool,
    /// Commands in code actions are sent back.
    pub commands: bool,
    /// `window/showDocument` may be asked.
    pub show_document: bool,
    /// Progress the server begins.
    pub progress: bool,
    /// Code lenses.
    pub lenses: bool,
    /// Lenses may be asked for again.
    pub lens_refresh: bool,
    /// Inlay hints.
    pub hints: bool,
}

impl Announced {
    /// Reads the `initialize` parameters.
    pub fn read(params: &Value) -> Self {
        let capabilities = &params["capabilities"];
        let yes = |pointer: &str| capabilities.pointer(pointer) == Some(&Value::Bool(true));
        let there = |pointer: &str| capabilities.pointer(pointer).is_some_and(Value::is_object);
        let lists = |pointer: &str, wanted: &str| {
            capabilities.pointer(pointer).and_then(Value::as_array).is_some_and(|a| a.iter().any(|v| v == wanted))
        };
        let refresh = yes("/workspace/diagnostics/refreshSupport");
        let pull = there("/textDocument/diagnostic") && refresh;
        // What a diagnostic may hold was announced with the push model first; some clients never repeat it for pulls.
        let of_model = |name: &str| {
            yes(&format!("/textDocument/publishDiagnostics/{name}")) || (pull && yes(&format!("/textDocument/diagnostic/{name}")))
        };
        let encoding = capabilities
            .pointer("/general/positionEncodings")
            .and_then(Value::as_array)
            .and_then(|offered| offered.iter().filter_map(Value::as_str).find_map(Encoding::by_name))
            .unwrap_or_default();
        Self {
            encoding,
            unit_unsaid: capabilities.pointer("/general/positionEncodings").is_none(),
            // It types the text of an edit, and there a carriage return is the return key.
            line_feeds: params.pointer("/clientInfo/name").is_some_and(|name| name == "kakoune-lsp"),
            pull,
            related: of_model("relatedInformation"),
            code_description: of_model("codeDescriptionSupport"),
            tags: there("/textDocument/publishDiagnostics/tagSupport") || (pull && there("/textDocument/diagnostic/tagSupport")),
            data: of_model("dataSupport"),
            document_changes: yes("/workspace/workspaceEdit/documentChanges"),
            literals: there("/textDocument/codeAction/codeActionLiteralSupport"),
            disabled: yes("/textDocument/codeAction/disabledSupport"),
            preferred: yes("/textDocument/codeAction/isPreferredSupport"),
            lazy: lists("/textDocument/codeAction/resolveSupport/properties", "edit") && yes("/textDocument/codeAction/dataSupport"),
            markdown: lists("/textDocument/hover/contentFormat", "markdown"),
            configuration: yes("/workspace/configuration"),
            register_configuration: yes("/workspace/didChangeConfiguration/dynamicRegistration"),
            watch: yes("/workspace/didChangeWatchedFiles/dynamicRegistration"),
            // Some send the commands of actions without having announced it by that name.
            commands: there("/workspace/executeCommand") || lists("/textDocument/codeAction/resolveSupport/properties", "command"),
            show_document: yes("/window/showDocument/support"),
            progress: yes("/window/workDoneProgress"),
            lenses: there("/textDocument/codeLens"),
            lens_refresh: yes("/workspace/codeLens/refreshSupport"),
            hints: there("/textDocument/inlayHint"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_clients_first_encoding_counts() {
        let of = |list: Value| Announced::read(&json!({"capabilities": {"general": {"positionEncodings": list}}})).encoding;
        assert_eq!(of(json!(["utf-7", "utf-32", "utf-8"])), Encoding::Utf32);
        assert_eq!(of(json!([])), Encoding::Utf16);
        assert_eq!(Announced::read(&Value::Null).encoding, Encoding::Utf16);
        let unsaid = |params: Value| Announced::read(&params).unit_unsaid;
        assert!(unsaid(json!({})) && !unsaid(json!({"capabilities": {"general": {"positionEncodings": ["utf-16"]}}})));
    }

    #[test]
    fn pull_needs_refresh() {
        let mut params = json!({"capabilities": {"textDocument": {"diagnostic": {}}}});
        assert!(!Announced::read(&params).pull);
        params["capabilities"]["workspace"] = json!({"diagnostics": {"refreshSupport": true}});
        assert!(Announced::read(&params).pull);
    }
}
