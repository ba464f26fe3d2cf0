//! Vets every file of the workspace on request, with progress, and until told to stop.

use super::{
    convert::{self, Place},
    publish::Out,
    server::Qualm,
    session::{Session, lock},
    slate::Task,
    work::PATIENCE,
};
use crate::{files, scan::fault, workspace::Vetted};
use qualm_engine::{Cache, Language};
use ropey::Rope;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
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
    unvetted: usize,
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
            let unvetted = if tally.unvetted > 0 { format!(", {} not vetted", tally.unvetted) } else { String::new() };
            let text = format!("qualm: {} findings in {} of {} files{unvetted}{stopped}", tally.findings, tally.files, tally.done);
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
        tally.done += 1;
        match vet(session, &path, stop) {
            Ok(found) => {
                tally.findings += found;
                tally.files += usize::from(found > 0);
            }
            Err(_) if stop.load(Ordering::Relaxed) => tally.done -= 1,
            Err(why) => {
                tally.unvetted += 1;
                session.send(Out::File(path, vec![convert::unvetted(&format!("not vetted: {why}"))]));
            }
        }
        report.send_replace(tally);
    }
    tally
}

/// Tells the findings of one file and gives their number, or says why it is not vetted. Open documents speak for themselves.
fn vet(session: &Session, path: &Path, stop: &AtomicBool) -> Result<usize, String> {
    if let Some((_, answer)) = session.homes.texts.rope(path).and_then(|(uri, _)| session.current(uri.as_str())) {
        return Ok(answer.findings.len());
    }
    let home = session.home(Some(path));
    if home.workspace.config.excluded(path) {
        return Ok(0);
    }
    let text = match files::read(path, files::MAX_FILE) {
        Ok(files::Content::Text(text)) => text,
        Ok(files::Content::TooLarge(_)) => return Err(format!("it is larger than {} MiB", files::MAX_FILE >> 20)),
        Ok(files::Content::Binary) => return Ok(0),
        Err(error) => return Err(format!("it cannot be read: {error}")),
    };
    let key = path.to_string_lossy();
    if let Some(why) = session.wards.refuses(&key, Task::File, 0, String::new) {
        return Err(why);
    }
    let _noted = session.slate.begin(Task::File, &key, 0);
    fault::in_text(&text.text);
    let began = Instant::now();
    let file = Vetted::new(&home.workspace.name_of(path), Language::by_path(&path.to_string_lossy()), &text.text, home.foreign());
    let analysed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        home.analyse(&file, &mut Cache::default(), &|| stop.load(Ordering::Relaxed) || began.elapsed() > PATIENCE)
    }));
    let analysis = match analysed {
        Ok(Some(analysis)) => analysis,
        Ok(None) => return Err("it takes too long".into()),
        Err(_) => return Err("its analysis failed (please report this)".into()),
    };
    let (Some(uri), rope) = (Uri::from_file_path(path), Rope::from_str(&text.text)) else { return Ok(0) };
    let place = Place { announced: session.announced(), uri: &uri, rope: &rope };
    let other = |name: &str| home.other_file(&session.homes.texts, name);
    let diagnostics = place.diagnostics(&analysis.findings, home.workspace.engine.rules(), &[], &other);
    session.send(Out::File(path.to_owned(), diagnostics));
    Ok(analysis.findings.len())
}
