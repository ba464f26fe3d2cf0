//! The protocol's requests and notifications. Each handler takes effect in one synchronous call before its first
//! `.await`; what takes time runs elsewhere; none waits for the client.

use super::{
    actions::{self, Offer},
    answer::Answer,
    convert::{self, FIX_ALL, Place, command},
    home, hover, origin,
    publish::Out,
    session::{Session, Snapshot},
    vet, work,
};
use crate::project::is_manifest;
use qualm_engine::Safety;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};
use tower_lsp::{
    Client, LanguageServer, UriExt,
    jsonrpc::{Error, Result},
    lsp_types::*,
};

/// A pull or an action waits this long for the analysis; a client that asks again costs less than one that hangs.
const WAIT: Duration = Duration::from_secs(10);

/// The language server of one client.
pub struct Qualm {
    pub(super) session: Arc<Session>,
    pub(super) client: Client,
    pub(super) vetting: vet::Running,
    /// For tokens of progress this side begins.
    pub(super) tokens: AtomicU32,
}

impl Qualm {
    fn wake(&self, key: &str) {
        work::wake(&self.session, key);
    }

    /// The answer for the text of the snapshot; `None` when the text moved on or it takes too long.
    async fn answer(&self, snapshot: &Snapshot) -> Option<Arc<Answer>> {
        if snapshot.desynced {
            return None;
        }
        self.wake(&snapshot.key);
        let mut answers = snapshot.answers.clone();
        let newer = |a: &Option<Arc<Answer>>| {
            a.as_ref().is_some_and(|a| {
                let same = a.stamp.version == snapshot.stamp.version && a.stamp.epoch >= snapshot.stamp.epoch && a.complete;
                a.stamp.version > snapshot.stamp.version || same
            })
        };
        let answer = tokio::time::timeout(WAIT, answers.wait_for(newer)).await.ok()?.ok()?.clone()?;
        (answer.stamp.version == snapshot.stamp.version).then_some(answer)
    }

    /// Looks for changed settings and rules and reads them again. Called off the reading task.
    async fn recheck(session: Arc<Session>) {
        let worker = session.clone();
        let changed = session.errands.run(move || {
            let now = worker.homes.fingerprint();
            worker.homes.changed_since(now)
        });
        if changed.await.unwrap_or(false) {
            reload(&session);
        }
    }

    fn fetch_settings(&self) {
        if !self.session.announced().configuration {
            return;
        }
        let (client, session) = (self.client.clone(), self.session.clone());
        tokio::spawn(async move {
            let Ok(answers) = client.configuration(convert::settings_request()).await else { return };
            let settings = answers.into_iter().next().unwrap_or_default();
            if session.homes.configure(settings) {
                reload(&session);
            }
        });
    }

    /// Version and hash of a document as this side has it: the proof that messages take effect in order.
    pub(super) async fn text_hash(&self, params: Value) -> Result<Value> {
        let snapshot = params["uri"].as_str().and_then(|uri| self.session.snapshot(uri));
        // Whoever looks at the document only now would see a later text.
        tokio::task::yield_now().await;
        Ok(snapshot.map_or(Value::Null, |s| {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            for byte in s.rope.chunks().flat_map(str::bytes) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            json!({"version": s.stamp.version, "hash": format!("{hash:016x}"), "desynced": s.desynced})
        }))
    }

    /// `qualm/origin`: an editor that knows more says where text came from.
    // The library takes handlers of notifications as futures.
    #[allow(clippy::unused_async)]
    pub(super) async fn origin_told(&self, params: Value) {
        self.told(params, origin::now());
    }

    /// Takes what was told at this time, in milliseconds since 1970.
    pub(super) fn told(&self, params: Value, time: i64) {
        let Some(snapshot) = params.pointer("/textDocument/uri").and_then(Value::as_str).and_then(|uri| self.session.snapshot(uri)) else {
            return;
        };
        self.session.origin.word(&snapshot.key);
        // A place counts in the text it was said of only.
        let same = params.pointer("/textDocument/version").is_none_or(|v| v.is_null() || *v == snapshot.stamp.version);
        let place = Place { announced: self.session.announced(), uri: &snapshot.uri, rope: &snapshot.rope };
        let range = params.get("range").filter(|_| same).and_then(|r| serde_json::from_value::<Range>(r.clone()).ok());
        let range = range.map(|r| place.bytes(r));
        match serde_json::from_value::<origin::Told>(params) {
            Ok(told) => origin::told(&self.session, &snapshot.key, &told, range, time),
            Err(error) => tracing::warn!("qualm/origin: {error}"),
        }
    }

    /// `qualm/originRuns`: where each part of a document came from.
    pub(super) async fn origin_runs(&self, params: Value) -> Result<Value> {
        let snapshot = params.pointer("/textDocument/uri").and_then(Value::as_str).and_then(|uri| self.session.snapshot(uri));
        let Some(snapshot) = snapshot else { return Ok(Value::Null) };
        let runs = self.session.origin.runs(&snapshot.key);
        // Whoever looks at the document only now would see a later text.
        tokio::task::yield_now().await;
        let place = Place { announced: self.session.announced(), uri: &snapshot.uri, rope: &snapshot.rope };
        Ok(place.runs(&runs, &snapshot.regions, snapshot.stamp.version))
    }

    /// A person corrects an origin or reviews a region; `keep`: it is yet to be written into the ledger.
    pub(super) fn correct(&self, name: &str, arguments: &[Value], keep: bool) -> Result<()> {
        let wrong = || Error::invalid_params("a document, and a range in it, are needed");
        let snapshot = arguments.first().and_then(Value::as_str).and_then(|uri| self.session.snapshot(uri)).ok_or_else(wrong)?;
        self.session.origin.word(&snapshot.key);
        let range = arguments.last().and_then(|r| serde_json::from_value::<Range>(r.clone()).ok()).ok_or_else(wrong)?;
        let bytes = Place { announced: self.session.announced(), uri: &snapshot.uri, rope: &snapshot.rope }.bytes(range);
        let author = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_else(|_| "somebody here".into());
        if name == command::REVIEW {
            origin::reviewed(&self.session, &snapshot.key, bytes, author, keep);
        } else {
            let kind = arguments.get(1).and_then(Value::as_str).and_then(|k| k.parse().ok()).ok_or_else(wrong)?;
            self.session.origin.relabel(&snapshot.key, bytes, kind, &author);
            origin::saved(&self.session, &snapshot.key);
        }
        origin::again(&self.session, &snapshot.key);
        if self.session.announced().lens_refresh {
            let client = self.client.clone();
            tokio::spawn(async move { client.code_lens_refresh().await });
        }
        Ok(())
    }

    // The library takes handlers of notifications as futures.
    #[allow(clippy::unused_async)]
    pub(super) async fn cancel_progress(&self, params: WorkDoneProgressCancelParams) {
        self.vetting.cancel(&params.token);
    }

    fn resolvable(&self, snapshot: &Snapshot, what: &str, finding: Option<&qualm_engine::Finding>) -> Value {
        let mut data = json!({"uri": snapshot.uri.as_str(), "version": snapshot.stamp.version, "what": what});
        if let Some(f) = finding {
            data["rule"] = json!(&*f.rule);
            data["span"] = json!([f.span.start, f.span.end]);
        }
        data
    }

    fn menu(&self, snapshot: &Snapshot, answer: &Answer, offers: Vec<Offer>, params: &CodeActionParams) -> Vec<CodeActionOrCommand> {
        let announced = self.session.announced();
        let place = Place { announced, uri: &snapshot.uri, rope: &snapshot.rope };
        let rules = answer.home.workspace.engine.rules();
        let mut out = Vec::new();
        let mut explained: Vec<&str> = Vec::new();
        let mut allows = Vec::new();
        let mut tail = Vec::new();
        let all = actions::findings(answer);
        for offer in &offers {
            let finding = &all[offer.index];
            let range = place.range(&finding.span);
            let code = NumberOrString::String(finding.rule.to_string());
            // The client's own copy of the diagnostic, so that it can tell what the action is for.
            let theirs: Vec<Diagnostic> =
                params.context.diagnostics.iter().filter(|d| d.range == range && d.code.as_ref() == Some(&code)).take(1).cloned().collect();
            let add = |title: String, what: &str, edit: &[qualm_engine::Edit]| {
                let mut action = convert::action(title, CodeActionKind::QUICKFIX);
                action.diagnostics = (!theirs.is_empty()).then(|| theirs.clone());
                if announced.lazy {
                    action.data = Some(self.resolvable(snapshot, what, Some(finding)));
                } else {
                    action.edit = Some(place.workspace_edit(edit, snapshot.stamp.version));
                }
                action
            };
            match &offer.fix {
                Ok(fix) => {
                    let mut action = add(fix.title.clone(), "fix", &fix.edits);
                    action.is_preferred = (announced.preferred && fix.safety == Safety::Safe).then_some(true);
                    out.push(action.into());
                }
                Err(refusal) if announced.disabled && offer.has_recipe => {
                    let title = rules.rule(&finding.rule).map_or(&*finding.rule, |r| &r.title);
                    let mut action = convert::action(format!("Rewrite: {title}"), CodeActionKind::QUICKFIX);
                    action.disabled = Some(convert::disabled(refusal.to_string()));
                    tail.push(action.into());
                }
                Err(_) => {}
            }
            if let Some(edit) = &offer.allow {
                let action = add(format!("Allow {} here (say why)", finding.rule), "allow", std::slice::from_ref(edit));
                allows.push(action.into());
            }
            if announced.commands && !explained.contains(&&*finding.rule) {
                explained.push(&finding.rule);
                let title = format!("Explain {}", finding.rule);
                let mut action = convert::action(title.clone(), CodeActionKind::QUICKFIX);
                action.command = Some(convert::explain(title, &finding.rule));
                tail.push(action.into());
            }
        }
        out.extend(allows);
        out.extend(tail);
        out
    }
}

/// Settings or rules changed: everything is judged anew.
pub(super) fn reload(session: &Arc<Session>) {
    session.homes.reload();
    for key in session.invalidate(|_, _| true) {
        work::wake(session, &key);
    }
    // Without an open document nobody would read the new settings and say what is wrong with them.
    let worker = session.clone();
    session.errands.spawn(move || preload(&worker));
}

fn preload(session: &Session) {
    for folder in session.homes.folders() {
        session.home(Some(&folder.join("_")));
    }
    let now = session.homes.fingerprint();
    session.homes.changed_since(now);
}

fn file_path(uri: &Uri) -> Option<PathBuf> {
    uri.to_file_path().map(std::borrow::Cow::into_owned)
}

/// Whether an action of this kind was asked for.
fn wants(only: Option<&Vec<CodeActionKind>>, kind: &str) -> bool {
    only.is_none_or(|only| {
        only.iter()
            .any(|o| o.as_str().is_empty() || kind == o.as_str() || kind.strip_prefix(o.as_str()).is_some_and(|r| r.starts_with('.')))
    })
}

impl LanguageServer for Qualm {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let folders = convert::folders(&params);
        self.session.homes.start(folders, params.initialization_options.unwrap_or_default());
        let worker = self.session.clone();
        self.session.errands.spawn(move || preload(&worker));
        Ok(convert::initialize_result(self.session.announced()))
    }

    async fn initialized(&self, _: InitializedParams) {
        let registrations = convert::registrations(self.session.announced());
        if !registrations.is_empty() {
            let client = self.client.clone();
            tokio::spawn(async move {
                if let Err(error) = client.register_capability(registrations).await {
                    tracing::info!("the client did not register what it said it could: {}", error.code);
                }
            });
        }
        self.fetch_settings();
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        let key = document.uri.as_str().to_owned();
        self.session.open(document.uri.clone(), &document.language_id, document.version, &document.text);
        let path = self.session.snapshot(&key).and_then(|s| s.path);
        origin::opened(&self.session, &key, path.clone());
        self.session.send(Out::Opened(document.uri));
        self.wake(&key);
        if let Some(path) = path {
            work::opened(&self.session, &path);
        }
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let key = params.text_document.uri.as_str();
        let changed = self.session.change(key, params.text_document.version, &convert::changes(params.content_changes), origin::now());
        if changed.analyse {
            self.wake(key);
        }
        if changed.burst {
            origin::ask_hooks(&self.session, key);
        }
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        let uri = params.text_document.uri;
        if let Some(document) = self.session.close(uri.as_str()) {
            self.session.send(Out::Closed(uri));
            if let Some(path) = &document.path {
                work::closed(&self.session, path);
            }
        }
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        origin::saved(&self.session, params.text_document.uri.as_str());
        let path = file_path(&params.text_document.uri);
        let configuration = path.as_deref().is_some_and(home::is_configuration);
        // It counts as it is on disk, and what it says concerns every file.
        if let Some(path) = path.filter(|p| is_manifest(p)) {
            work::files_changed(&self.session, &[path], true);
        }
        // A client that watches files tells of all but the moment of this very save; others tell nothing.
        if configuration || !self.session.announced().watch {
            tokio::spawn(Self::recheck(self.session.clone()));
        }
    }

    async fn did_change_configuration(&self, params: DidChangeConfigurationParams) {
        if self.session.announced().configuration {
            self.fetch_settings();
        } else if self.session.homes.configure(params.settings) {
            reload(&self.session);
        }
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        let paths = |folders: &[WorkspaceFolder]| -> Vec<PathBuf> { folders.iter().filter_map(|f| file_path(&f.uri)).collect() };
        self.session.homes.change_folders(paths(&params.event.added), &paths(&params.event.removed));
        reload(&self.session);
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        let paths: Vec<PathBuf> = params.changes.iter().filter_map(|c| file_path(&c.uri)).collect();
        if paths.iter().any(|p| home::is_configuration(p)) {
            reload(&self.session);
            return;
        }
        // A file that appears or goes may be what an import means, in documents that depended on nothing before; so is it with
        // what is declared.
        let set_changed = params.changes.iter().any(|c| c.typ != FileChangeType::CHANGED) || paths.iter().any(|p| is_manifest(p));
        work::files_changed(&self.session, &paths, set_changed);
    }

    async fn diagnostic(&self, params: DocumentDiagnosticParams) -> Result<DocumentDiagnosticReportResult> {
        let Some(snapshot) = self.session.snapshot(params.text_document.uri.as_str()) else { return Ok(convert::empty_report()) };
        if !snapshot.desynced {
            self.wake(&snapshot.key);
        }
        let wanted = snapshot.stamp;
        // Any answer of this text or a later one will do: the client drops what is too late, and asks again.
        let ready =
            |a: &Option<Arc<Answer>>| a.as_ref().is_some_and(|a| a.stamp.version >= wanted.version && a.stamp.epoch >= wanted.epoch);
        let mut answers = snapshot.answers.clone();
        if !snapshot.desynced {
            let _ = tokio::time::timeout(WAIT, answers.wait_for(ready)).await;
        }
        let answer = answers.borrow().clone();
        Ok(answer.map_or_else(convert::empty_report, |a| convert::report(a.id, &a.diagnostics, params.previous_result_id.as_deref())))
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let Some(snapshot) = self.session.snapshot(params.text_document.uri.as_str()) else { return Ok(None) };
        let announced = self.session.announced();
        let only = params.context.only.as_ref();
        let quick = wants(only, CodeActionKind::QUICKFIX.as_str());
        // Working all rewrites out takes time: without lazy edits only for who asks for them.
        let asked = only.is_some() || params.context.trigger_kind != Some(CodeActionTriggerKind::AUTOMATIC);
        let all = wants(only, FIX_ALL) && (announced.lazy || asked);
        if !announced.literals || !(quick || all) {
            return Ok(None);
        }
        let Some(answer) = self.answer(&snapshot).await else { return Ok(None) };
        let bytes = Place { announced, uri: &snapshot.uri, rope: &snapshot.rope }.bytes(params.range);
        let lazy = announced.lazy;
        let (bytes_start, bytes_end) = (bytes.start, bytes.end);
        let worked = work::guarded(&self.session, snapshot, move |snapshot| {
            let offers = if quick { actions::offers(&snapshot, &answer, &bytes) } else { Vec::new() };
            let rules = answer.home.workspace.engine.rules();
            let promising = all
                && actions::findings(&answer)
                    .iter()
                    .any(|f| rules.rule(&f.rule).is_some_and(|r| r.fixes.iter().any(|x| x.safety == Safety::Safe)));
            let edits = if promising && !lazy { actions::fix_all(&snapshot, &answer.home) } else { None };
            (snapshot, answer, offers, promising, edits)
        });
        let Some((snapshot, answer, offers, promising, edits)) = worked.await else { return Ok(None) };
        // The text may have changed while its rewrites were proven.
        if self.session.snapshot(&snapshot.key).is_none_or(|now| now.stamp.version != snapshot.stamp.version || now.desynced) {
            return Ok(None);
        }
        let mut out = self.menu(&snapshot, &answer, offers, &params);
        if quick
            && announced.commands
            && let Some(region) =
                snapshot.regions.iter().find(|r| r.range.start <= bytes_end && bytes_start < r.range.end.max(r.range.start + 1))
        {
            let place = Place { announced, uri: &snapshot.uri, rope: &snapshot.rope };
            let actions = convert::origin_actions(&snapshot.uri, place.range(&region.range), region.reviewed);
            out.extend(actions.into_iter().map(CodeActionOrCommand::from));
        }
        if promising && (lazy || edits.is_some()) {
            let mut action = convert::action("Apply every safe rewrite".into(), CodeActionKind::new(FIX_ALL));
            match edits {
                Some(edits) => {
                    let place = Place { announced, uri: &snapshot.uri, rope: &snapshot.rope };
                    action.edit = Some(place.workspace_edit(&edits, snapshot.stamp.version));
                }
                None => action.data = Some(self.resolvable(&snapshot, "all", None)),
            }
            out.push(action.into());
        }
        Ok((!out.is_empty()).then_some(out))
    }

    async fn code_action_resolve(&self, mut action: CodeAction) -> Result<CodeAction> {
        let Some(data) = action.data.clone() else { return Ok(action) };
        let snapshot = data["uri"].as_str().and_then(|uri| self.session.snapshot(uri));
        let Some(snapshot) = snapshot.filter(|s| !s.desynced && data["version"] == s.stamp.version) else {
            return Err(Error::content_modified());
        };
        let Some(answer) = self.answer(&snapshot).await else { return Err(Error::content_modified()) };
        let worked = work::guarded(&self.session, snapshot, move |snapshot| {
            let edits = if data["what"] == "all" {
                actions::fix_all(&snapshot, &answer.home)
            } else {
                let found = actions::findings(&answer)
                    .iter()
                    .position(|f| data["rule"] == *f.rule && data["span"] == json!([f.span.start, f.span.end]));
                found.and_then(|index| {
                    let span = actions::findings(&answer)[index].span.clone();
                    let offer = actions::offers(&snapshot, &answer, &span).into_iter().find(|o| o.index == index)?;
                    if data["what"] == "allow" { offer.allow.map(|e| vec![e]) } else { offer.fix.ok().map(|f| f.edits) }
                })
            };
            (snapshot, edits)
        });
        let Some((snapshot, Some(edits))) = worked.await else { return Err(Error::content_modified()) };
        let place = Place { announced: self.session.announced(), uri: &snapshot.uri, rope: &snapshot.rope };
        action.edit = Some(place.workspace_edit(&edits, snapshot.stamp.version));
        Ok(action)
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let position = params.text_document_position_params;
        let Some(snapshot) = self.session.snapshot(position.text_document.uri.as_str()) else { return Ok(None) };
        let Some(answer) = self.answer(&snapshot).await else { return Ok(None) };
        let announced = self.session.announced();
        let place = Place { announced, uri: &snapshot.uri, rope: &snapshot.rope };
        let byte = place.bytes(Range { start: position.position, end: position.position }).start;
        let found: Vec<qualm_engine::Finding> = hover::at(&answer, byte).into_iter().cloned().collect();
        let Some(first) = found.first().cloned() else { return Ok(None) };
        let (session, markdown) = (self.session.clone(), announced.markdown);
        let worked = work::guarded(&self.session, snapshot, move |snapshot| {
            let fix = actions::offers(&snapshot, &answer, &first.span)
                .into_iter()
                .find(|o| actions::findings(&answer)[o.index] == first)
                .and_then(|o| o.fix.ok());
            let region = snapshot.regions.iter().find(|r| first.span.start < r.range.end && r.range.start < first.span.end);
            let origin = region.map(|r| r.origin.describe());
            let rules = answer.home.workspace.engine.rules();
            let text = hover::text(&found.iter().collect::<Vec<_>>(), rules, fix.as_ref(), origin.as_deref(), markdown);
            let place = Place { announced: session.announced(), uri: &snapshot.uri, rope: &snapshot.rope };
            convert::hover(text, markdown, place.range(&first.span))
        });
        Ok(worked.await)
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        let Some(snapshot) = self.session.snapshot(params.text_document.uri.as_str()) else { return Ok(None) };
        if snapshot.regions.is_empty() {
            return Ok(None);
        }
        let Some(answer) = self.answer(&snapshot).await else { return Err(Error::content_modified()) };
        let place = Place { announced: self.session.announced(), uri: &snapshot.uri, rope: &snapshot.rope };
        Ok(Some(place.lenses(&snapshot.regions, &answer.findings)))
    }

    async fn inlay_hint(&self, params: InlayHintParams) -> Result<Option<Vec<InlayHint>>> {
        let Some(snapshot) = self.session.snapshot(params.text_document.uri.as_str()) else { return Ok(None) };
        if snapshot.regions.is_empty() {
            return Ok(None);
        }
        let Some(answer) = self.answer(&snapshot).await else { return Err(Error::content_modified()) };
        let place = Place { announced: self.session.announced(), uri: &snapshot.uri, rope: &snapshot.rope };
        Ok(Some(place.hints(&snapshot.regions, &answer.findings, params.range)))
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<LSPAny>> {
        match params.command.as_str() {
            command::EXPLAIN => {
                let Some(id) = params.arguments.first().and_then(Value::as_str) else {
                    return Err(Error::invalid_params("the id of a rule is missing"));
                };
                self.explain(id.to_owned()).await;
                Ok(None)
            }
            command::VET_WORKSPACE => {
                self.vet_workspace(params.work_done_progress_params.work_done_token);
                Ok(None)
            }
            command::ORIGIN => {
                self.told(params.arguments.into_iter().next().unwrap_or_default(), origin::now());
                Ok(None)
            }
            command::RELABEL | command::REVIEW => {
                self.correct(&params.command, &params.arguments, true)?;
                Ok(None)
            }
            other => Err(Error::invalid_params(format!("unknown command {other}"))),
        }
    }
}

impl Qualm {
    async fn explain(&self, id: String) {
        let session = self.session.clone();
        let page = self.session.errands.run(move || {
            let homes = session.homes.all();
            let home = homes.iter().find(|h| h.workspace.engine.rules().rule(&id).is_some());
            home.and_then(|h| h.workspace.engine.rules().rule(&id).map(crate::explain::markdown))
                .unwrap_or_else(|| format!("No rule has the id {id}."))
        });
        let Ok(page) = page.await else { return };
        let shown = self.session.announced().show_document.then(|| page_file(&page)).flatten();
        let (client, session) = (self.client.clone(), self.session.clone());
        tokio::spawn(async move {
            if let Some(uri) = shown
                && client.show_document(convert::show(uri)).await.is_ok_and(|shown| shown)
            {
                return;
            }
            session.send(Out::Tell(page));
        });
    }
}

/// Writes a page where only this user can have put it.
fn page_file(page: &str) -> Option<Uri> {
    let folder = tempfile::Builder::new().prefix("qualm-explain-").tempdir().ok()?;
    let path = folder.path().join("explain.md");
    std::fs::write(&path, page).ok()?;
    // The editor reads it after this call; the system clears temporary files.
    let _: PathBuf = folder.keep();
    Uri::from_file_path(Path::new(&path))
}
