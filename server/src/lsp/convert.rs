//! The only place that builds protocol structures: byte offsets and the engine's terms on one side, the protocol on the other.

use super::{
    announced::Announced,
    document::Change,
    edits,
    origin::{self, Region},
    text::Encoding,
};
use crate::workspace::Problem;
use qualm_engine::{Edit, Finding, RuleSet, Severity};
use qualm_origin::{Kind, Origin};
use ropey::Rope;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    io,
    ops::Range as Bytes,
    path::Path,
};
use tower_lsp::{UriExt, lsp_types::*};

/// Commands the server carries out.
pub mod command {
    /// Shows the page of a rule; argument: its id.
    pub const EXPLAIN: &str = "qualm.explain";
    /// Vets every file of the workspace.
    pub const VET_WORKSPACE: &str = "qualm.vetWorkspace";
    /// Tells where text came from; argument: the parameters of `qualm/origin`.
    pub const ORIGIN: &str = "qualm.origin";
    /// Corrects where a range came from; arguments: URI, kind, range.
    pub const RELABEL: &str = "qualm.relabel";
    /// Notes that somebody looked at a range; arguments: URI, range.
    pub const REVIEW: &str = "qualm.review";
}

/// The kind of the action that applies every safe rewrite.
pub const FIX_ALL: &str = "source.fixAll.qualm";

/// What the server can do for this client.
pub fn initialize_result(announced: &Announced) -> InitializeResult {
    let encoding = match announced.encoding {
        Encoding::Utf8 => PositionEncodingKind::UTF8,
        Encoding::Utf16 => PositionEncodingKind::UTF16,
        Encoding::Utf32 => PositionEncodingKind::UTF32,
    };
    let sync = TextDocumentSyncOptions {
        open_close: Some(true),
        change: Some(TextDocumentSyncKind::INCREMENTAL),
        save: Some(SaveOptions { include_text: Some(false) }.into()),
        ..TextDocumentSyncOptions::default()
    };
    let actions = CodeActionOptions {
        code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, CodeActionKind::new(FIX_ALL)]),
        resolve_provider: Some(announced.lazy),
        work_done_progress_options: WorkDoneProgressOptions::default(),
    };
    let diagnostics = DiagnosticOptions {
        identifier: Some("qualm".into()),
        inter_file_dependencies: true,
        workspace_diagnostics: false,
        work_done_progress_options: WorkDoneProgressOptions::default(),
    };
    let commands = ExecuteCommandOptions {
        commands: [command::EXPLAIN, command::VET_WORKSPACE, command::ORIGIN, command::RELABEL, command::REVIEW].map(Into::into).into(),
        work_done_progress_options: WorkDoneProgressOptions { work_done_progress: Some(true) },
    };
    let folders = WorkspaceFoldersServerCapabilities { supported: Some(true), change_notifications: Some(OneOf::Left(true)) };
    InitializeResult {
        server_info: Some(ServerInfo { name: "qualm".into(), version: Some(env!("CARGO_PKG_VERSION").into()) }),
        capabilities: ServerCapabilities {
            position_encoding: Some(encoding),
            text_document_sync: Some(sync.into()),
            code_action_provider: announced.literals.then(|| actions.into()),
            hover_provider: Some(true.into()),
            diagnostic_provider: announced.pull.then_some(DiagnosticServerCapabilities::Options(diagnostics)),
            execute_command_provider: Some(commands),
            code_lens_provider: announced.lenses.then_some(CodeLensOptions { resolve_provider: Some(false) }),
            // Where there are lenses, hints would say the same twice.
            inlay_hint_provider: (announced.hints && !announced.lenses).then_some(OneOf::Left(true)),
            experimental: Some(json!({"qualmOrigin": true})),
            workspace: Some(WorkspaceServerCapabilities { workspace_folders: Some(folders), file_operations: None }),
            ..ServerCapabilities::default()
        },
    }
}

/// Says of a whole document that it is not vetted.
pub fn unvetted(message: &str) -> Diagnostic {
    Diagnostic {
        severity: Some(DiagnosticSeverity::INFORMATION),
        code: Some(NumberOrString::String("not-vetted".into())),
        source: Some("qualm".into()),
        message: message.to_owned(),
        ..Diagnostic::default()
    }
}

/// The folders a client starts with.
pub fn folders(params: &InitializeParams) -> Vec<std::path::PathBuf> {
    let path = |uri: &Uri| uri.to_file_path().map(std::borrow::Cow::into_owned);
    if let Some(folders) = &params.workspace_folders {
        return folders.iter().filter_map(|f| path(&f.uri)).collect();
    }
    #[allow(deprecated)]
    let root = params.root_uri.as_ref().and_then(path).or_else(|| params.root_path.as_ref().map(Into::into));
    root.into_iter().collect()
}

/// The registrations for what changes outside of open documents.
pub fn registrations(announced: &Announced) -> Vec<Registration> {
    let mut all = Vec::new();
    if announced.watch {
        let extensions: Vec<&str> = qualm_engine::Language::all().flat_map(|l| l.info().extensions.iter().copied()).collect();
        let globs = [
            "**/qualm.toml".to_owned(),
            "**/.qualm/rules/**".to_owned(),
            format!("**/*.{{{}}}", extensions.join(",")),
            "**/{package.json,package-lock.json,pyproject.toml,requirements*.txt,setup.cfg,Pipfile,uv.lock,poetry.lock}".to_owned(),
        ];
        let watchers: Vec<Value> = globs.iter().map(|g| json!({"globPattern": g})).collect();
        all.push(Registration {
            id: "qualm-files".into(),
            method: "workspace/didChangeWatchedFiles".into(),
            register_options: Some(json!({"watchers": watchers})),
        });
    }
    if announced.register_configuration {
        all.push(Registration {
            id: "qualm-settings".into(),
            method: "workspace/didChangeConfiguration".into(),
            register_options: Some(json!({"section": "qualm"})),
        });
    }
    all
}

/// What to ask `workspace/configuration` for.
pub fn settings_request() -> Vec<ConfigurationItem> {
    vec![ConfigurationItem { scope_uri: None, section: Some("qualm".into()) }]
}

/// Changes as sent.
pub fn changes(events: Vec<TextDocumentContentChangeEvent>) -> Vec<Change> {
    let numbers = |r: Range| [r.start.line, r.start.character, r.end.line, r.end.character];
    events.into_iter().map(|e| Change { range: e.range.map(numbers), text: e.text }).collect()
}

/// A text whose offsets are to be told in the client's terms.
pub struct Place<'a> {
    #[allow(missing_docs)]
    pub announced: &'a Announced,
    #[allow(missing_docs)]
    pub uri: &'a Uri,
    #[allow(missing_docs)]
    pub rope: &'a Rope,
}

/// Finds another file of the project by its name.
pub type OtherFile<'a> = &'a dyn Fn(&str) -> Option<(Uri, Rope)>;

impl Place<'_> {
    /// A byte range.
    pub fn range(&self, bytes: &Bytes<usize>) -> Range {
        range(self.announced.encoding, self.rope, bytes)
    }

    /// Bytes of a range the client sent.
    pub fn bytes(&self, range: Range) -> Bytes<usize> {
        let at = |p: Position| self.announced.encoding.byte(self.rope, p.line, p.character);
        let start = at(range.start);
        start..at(range.end).max(start)
    }

    /// All findings as diagnostics, in their order.
    pub fn diagnostics(&self, findings: &[Finding], rules: &RuleSet, regions: &[Region], other: OtherFile<'_>) -> Vec<Diagnostic> {
        let mut files = HashMap::new();
        let told = |f: &Finding| {
            let mut diagnostic = self.diagnostic(f, rules, other, &mut files);
            if let Some(region) = regions.iter().find(|r| f.span.start < r.range.end && r.range.start < f.span.end) {
                // Not in the message: the same text has the same findings wherever it came from.
                let message = format!("Origin of this text: {}", region.origin.describe());
                if self.announced.related {
                    let location = Location { uri: self.uri.clone(), range: self.range(&region.range) };
                    diagnostic.related_information.get_or_insert_default().push(DiagnosticRelatedInformation { location, message });
                }
                if self.announced.data {
                    diagnostic.data = Some(json!({"origin": region.origin}));
                }
            }
            diagnostic
        };
        findings.iter().map(told).collect()
    }

    /// What is said at a foreign region: where it came from, how long it is, what is open in it.
    pub fn lenses(&self, regions: &[Region], findings: &[Finding]) -> Vec<CodeLens> {
        let lens = |region: &Region| {
            let range = self.range(&region.range);
            let arguments = if region.reviewed { Vec::new() } else { vec![json!(self.uri.as_str()), json!(range)] };
            let title = origin::summary(region, findings, self.rope);
            let command = if region.reviewed { String::new() } else { command::REVIEW.into() };
            let line = Range { start: range.start, end: range.start };
            CodeLens { range: line, command: Some(Command { title, command, arguments: Some(arguments) }), data: None }
        };
        regions.iter().filter(|r| !r.range.is_empty()).map(lens).collect()
    }

    /// The same as hints behind the region's first line.
    pub fn hints(&self, regions: &[Region], findings: &[Finding], wanted: Range) -> Vec<InlayHint> {
        let mut out = Vec::new();
        for region in regions {
            let line = self.rope.byte_to_line(region.range.start);
            let end = self.rope.line_to_byte(line) + self.rope.line(line).to_string().trim_end_matches(['\n', '\r']).len();
            let position = self.range(&(end..end)).start;
            if position.line < wanted.start.line || position.line > wanted.end.line {
                continue;
            }
            out.push(InlayHint {
                position,
                label: InlayHintLabel::String(origin::summary(region, findings, self.rope)),
                kind: None,
                text_edits: None,
                tooltip: Some(InlayHintTooltip::String(region.origin.describe())),
                padding_left: Some(true),
                padding_right: None,
                data: None,
            });
        }
        out
    }

    /// A document's runs of origin, for maps and marks.
    pub fn runs(&self, runs: &[(Bytes<usize>, Origin)], regions: &[Region], version: i32) -> Value {
        let one = |(bytes, origin): &(Bytes<usize>, Origin)| {
            let region = regions.iter().find(|r| r.range.start <= bytes.start && bytes.end <= r.range.end);
            json!({
                "range": self.range(bytes), "kind": origin.kind.as_str(), "label": origin.kind.label(),
                "description": origin.describe(), "evidence": origin.evidence.as_str(), "confidence": origin.confidence,
                "tool": origin.tool, "model": origin.model, "foreign": origin.is_foreign(),
                "reviewed": region.is_some_and(|r| r.reviewed),
            })
        };
        json!({"version": version, "runs": runs.iter().map(one).collect::<Vec<_>>()})
    }

    fn diagnostic(
        &self,
        finding: &Finding,
        rules: &RuleSet,
        other: OtherFile<'_>,
        files: &mut HashMap<std::sync::Arc<str>, Option<(Uri, Rope)>>,
    ) -> Diagnostic {
        let mut related = Vec::new();
        if self.announced.related {
            for step in &finding.path {
                let location = match &step.file {
                    None => Some(Location { uri: self.uri.clone(), range: self.range(&step.span) }),
                    Some(name) => files
                        .entry(name.clone())
                        .or_insert_with(|| other(name))
                        .as_ref()
                        .map(|(uri, rope)| Location { uri: uri.clone(), range: range(self.announced.encoding, rope, &step.span) }),
                };
                related.extend(location.map(|location| DiagnosticRelatedInformation { location, message: step.note.clone() }));
            }
        }
        let rule = rules.rule(&finding.rule).filter(|_| self.announced.code_description);
        let tags = (self.announced.tags && &*finding.rule == "unused-suppression").then(|| vec![DiagnosticTag::UNNECESSARY]);
        Diagnostic {
            range: self.range(&finding.span),
            severity: Some(match finding.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
                Severity::Info => DiagnosticSeverity::INFORMATION,
            }),
            code: Some(NumberOrString::String(finding.rule.to_string())),
            code_description: rule.and_then(|r| page(r).parse().ok()).map(|href| CodeDescription { href }),
            source: Some("qualm".into()),
            message: finding.message.clone(),
            related_information: (!related.is_empty()).then_some(related),
            tags,
            data: None,
        }
    }

    /// Edits of this text as one workspace edit.
    pub fn workspace_edit(&self, edits: &[Edit], version: i32) -> WorkspaceEdit {
        let text_edit = |e: &Edit| TextEdit { range: self.range(&e.span), new_text: e.text.clone() };
        let edits: Vec<TextEdit> = edits::told(self.announced, self.rope, edits).iter().map(text_edit).collect();
        if self.announced.document_changes {
            let text_document = OptionalVersionedTextDocumentIdentifier { uri: self.uri.clone(), version: Some(version) };
            let edit = TextDocumentEdit { text_document, edits: edits.into_iter().map(OneOf::Left).collect() };
            WorkspaceEdit { document_changes: Some(DocumentChanges::Edits(vec![edit])), ..WorkspaceEdit::default() }
        } else {
            // The protocol's own map; its key is only ever read.
            #[allow(clippy::mutable_key_type)]
            let changes = HashMap::from([(self.uri.clone(), edits)]);
            WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }
        }
    }
}

/// Where to read more about a rule: the team's own file, or what the weakness is called elsewhere.
fn page(rule: &qualm_engine::rules::Rule) -> String {
    let file = Path::new(&rule.file);
    match rule.cwe.first() {
        _ if file.is_absolute() => Uri::from_file_path(file).map_or_else(String::new, |u| u.to_string()),
        Some(cwe) => format!("https://cwe.mitre.org/data/definitions/{cwe}.html"),
        None => String::new(),
    }
}

fn range(encoding: Encoding, rope: &Rope, bytes: &Bytes<usize>) -> Range {
    let at = |byte| {
        let (line, character) = encoding.place(rope, byte);
        Position { line, character }
    };
    Range { start: at(bytes.start), end: at(bytes.end.max(bytes.start)) }
}

/// What is wrong with a configuration or rule file, on its line.
pub fn problem(problem: &Problem) -> Diagnostic {
    let line = problem.line.saturating_sub(1) as u32;
    Diagnostic {
        range: Range { start: Position { line, character: 0 }, end: Position { line: line + u32::from(problem.line > 0), character: 0 } },
        severity: Some(DiagnosticSeverity::ERROR),
        source: Some("qualm".into()),
        message: problem.message.clone(),
        ..Diagnostic::default()
    }
}

/// Equal for equal diagnostics.
pub fn fingerprint(diagnostics: &[Diagnostic]) -> u64 {
    struct Sink(DefaultHasher);
    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut sink = Sink(DefaultHasher::new());
    // Diagnostics always serialise; were it otherwise the id would only be less telling.
    let _ = serde_json::to_writer(&mut sink, diagnostics);
    sink.0.finish()
}

/// The answer to a pull.
pub fn report(id: u64, diagnostics: &[Diagnostic], previous: Option<&str>) -> DocumentDiagnosticReportResult {
    let id = format!("{id:016x}");
    if previous == Some(&id) {
        let unchanged_document_diagnostic_report = UnchangedDocumentDiagnosticReport { result_id: id };
        return DocumentDiagnosticReport::Unchanged(RelatedUnchangedDocumentDiagnosticReport {
            related_documents: None,
            unchanged_document_diagnostic_report,
        })
        .into();
    }
    let full_document_diagnostic_report = FullDocumentDiagnosticReport { result_id: Some(id), items: diagnostics.to_vec() };
    DocumentDiagnosticReport::Full(RelatedFullDocumentDiagnosticReport { related_documents: None, full_document_diagnostic_report }).into()
}

/// A report on a document nobody knows.
pub fn empty_report() -> DocumentDiagnosticReportResult {
    DocumentDiagnosticReport::Full(RelatedFullDocumentDiagnosticReport::default()).into()
}

/// Hover text over a range.
pub fn hover(text: String, markdown: bool, range: Range) -> Hover {
    let kind = if markdown { MarkupKind::Markdown } else { MarkupKind::PlainText };
    Hover { contents: HoverContents::Markup(MarkupContent { kind, value: text }), range: Some(range) }
}

/// A code action before its details.
pub fn action(title: String, kind: CodeActionKind) -> CodeAction {
    CodeAction { title, kind: Some(kind), ..CodeAction::default() }
}

/// Why an action is not offered.
pub fn disabled(reason: String) -> CodeActionDisabled {
    CodeActionDisabled { reason }
}

/// The command that shows the page of a rule.
pub fn explain(title: String, rule: &str) -> Command {
    Command { title, command: command::EXPLAIN.into(), arguments: Some(vec![json!(rule)]) }
}

/// The actions by which a person says where a foreign region came from, or that it was looked at.
pub fn origin_actions(uri: &Uri, range: Range, reviewed: bool) -> Vec<CodeAction> {
    let command = |title: &str, name: &str, arguments: Vec<Value>| {
        let mut action = action(title.into(), CodeActionKind::QUICKFIX);
        action.command = Some(Command { title: title.into(), command: name.into(), arguments: Some(arguments) });
        action
    };
    let kinds = [("I wrote this", Kind::Typed), ("This is an assistant's", Kind::Agent), ("This is vendored code", Kind::Generated)];
    let mut out: Vec<CodeAction> = kinds
        .iter()
        .map(|(title, kind)| {
            command(&format!("Origin: {title}"), command::RELABEL, vec![json!(uri.as_str()), json!(kind.as_str()), json!(range)])
        })
        .collect();
    if !reviewed {
        out.push(command("Origin: mark as reviewed", command::REVIEW, vec![json!(uri.as_str()), json!(range)]));
    }
    out
}

/// A request to show a file to the user.
pub fn show(uri: Uri) -> ShowDocumentParams {
    ShowDocumentParams { uri, external: None, take_focus: Some(true), selection: None }
}
