//! Vets every file of the workspace on request, with progress, and until told to stop.

use super::{
    convert::Place,
    publish::Out,
    server::Qualm,
    session::{Session, lock},
};
use crate::{files, workspace::Vetted};
use qualm_engine::{Cache, Language};
use ropey::Rope;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use tower_lsp::{
    UriExt,
    lsp_types::{NumberOrString, Uri, WorkDoneProgressCreateParams, request::WorkDoneProgressCreate},
};

/// The run under way.
#[derive(Default)]
pub struct Running(Mutex<Option<(Option<NumberOrString>, Arc<AtomicBool>)>>);

impl Running {
    /// Stops the run that reports under this token.
    pub fn cancel(&self, token: &NumberOrString) {
        if let Some((Some(own), stop)) = &*lock(&self.0)
            && own == token
        {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// A new run takes the place of the one before.
    fn begin(&self, token: Option<NumberOrString>) -> Arc<AtomicBool> {
        let stop = Arc::new(AtomicBool::new(false));
        if let Some((_, old)) = lock(&self.0).replace((token, stop.clone())) {
            old.store(true, Ordering::Relaxed);
        }
        stop
    }
}

/// What a run found.
#[derive(Clone, Copy, Default)]
struct Tally {
    done: usize,
    all: usize,
    findings: usize,
    files: usize,
}

impl Qualm {
    /// Starts a run; progress goes to the client's token or to one this side creates.
    pub(super) fn vet_workspace(&self, token: Option<NumberOrString>) {
        let own = token.is_none() && self.session.announced().progress;
        let number = self.tokens.fetch_add(1, Ordering::Relaxed);
        let token = token.or_else(|| own.then(|| NumberOrString::String(format!("qualm-vet-{number}"))));
        let stop = self.vetting.begin(token.clone());
        let (session, client) = (self.session.clone(), self.client.clone());
        tokio::spawn(async move {
            let mut token = token;
            if own && let Some(t) = &token {
                let params = WorkDoneProgressCreateParams { token: t.clone() };
                if client.send_request::<WorkDoneProgressCreate>(params).await.is_err() {
                    token = None;
                }
            }
            let (report, mut progress) = watch::channel(Tally::default());
            let (worker, flag) = (session.clone(), stop.clone());
            let work = session.helpers.run(move || run(&worker, &flag, &report));
            if let Some(token) = token {
                let ongoing = client.progress(token, "Vetting the workspace").with_percentage(0).with_cancel_button().begin().await;
                while progress.changed().await.is_ok() {
                    let t = *progress.borrow_and_update();
                    let percent = (t.done * 100).checked_div(t.all).unwrap_or(0) as u32;
                    ongoing.report_with_message(format!("{} of {} files", t.done, t.all), percent, None).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                ongoing.finish().await;
            }
            let Ok(tally) = work.await else { return };
            let stopped = if stop.load(Ordering::Relaxed) { " (stopped)" } else { "" };
            let text = format!("qualm: {} findings in {} of {} files{stopped}", tally.findings, tally.files, tally.done);
            session.send(Out::Tell(text));
        });
    }
}

fn run(session: &Session, stop: &AtomicBool, report: &watch::Sender<Tally>) -> Tally {
    let mut paths: Vec<PathBuf> = session.homes.folders().iter().flat_map(|f| files::walk(f, false)).flatten().collect();
    paths.retain(|p| files::is_candidate(p));
    paths.sort();
    paths.dedup();
    let mut tally = Tally { all: paths.len(), ..Tally::default() };
    for path in paths {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let found = vet(session, &path, stop);
        tally.done += 1;
        tally.findings += found;
        tally.files += usize::from(found > 0);
        report.send_replace(tally);
    }
    tally
}

/// Tells the findings of one file; open documents speak for themselves.
fn vet(session: &Session, path: &Path, stop: &AtomicBool) -> usize {
    if let Some((_, answer)) = session.homes.texts.rope(path).and_then(|(uri, _)| session.current(uri.as_str())) {
        return answer.findings.len();
    }
    let home = session.home(Some(path));
    let Ok(files::Content::Text(text)) = files::read(path, files::MAX_FILE) else { return 0 };
    if home.workspace.config.excluded(path) {
        return 0;
    }
    let file = Vetted::new(&home.workspace.name_of(path), Language::by_path(&path.to_string_lossy()), &text.text, home.foreign());
    let analysed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        home.analyse(&file, &mut Cache::default(), &|| stop.load(Ordering::Relaxed))
    }));
    let Ok(Some(analysis)) = analysed else { return 0 };
    let (Some(uri), rope) = (Uri::from_file_path(path), Rope::from_str(&text.text)) else { return 0 };
    let place = Place { announced: session.announced(), uri: &uri, rope: &rope };
    let other = |name: &str| home.other_file(&session.homes.texts, name);
    let diagnostics = place.diagnostics(&analysis.findings, home.workspace.engine.rules(), &[], &other);
    session.send(Out::File(path.to_owned(), diagnostics));
    analysis.findings.len()
}
