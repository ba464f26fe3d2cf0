//! The way from a changed document to its answer: one analysis at a time for each document, always of the newest text,
//! off the task that reads messages.

use super::{
    answer::Answer,
    convert,
    document::{Stamp, shift},
    home::Home,
    publish::Out,
    session::{Installed, Job, Session, Snapshot, lock},
    slate::Task,
};
use crate::{files, scan::fault, workspace::Vetted};
use qualm_engine::{Analysis, Cache, Finding, SourceFile, syntax};
use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tree_sitter::Tree;

/// A parse on the way of a keystroke may take this long; then the earlier findings stand in for a while.
const KEYSTROKE: Duration = Duration::from_millis(60);
/// Nothing is waited for longer than this.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// After this long without a change half-typed code is judged as it stands.
const SETTLE: Duration = Duration::from_millis(700);
/// While changes arrive faster than they can be analysed: the quiet to wait for, and for how long at most.
const QUIET: Duration = Duration::from_millis(4);
const RESTLESS: Duration = Duration::from_millis(40);
/// Documents that depend on a changed one wait this long for its author to pause.
const DEPENDENTS: Duration = Duration::from_millis(250);

/// Sees to it that the document's answer gets up to date.
pub fn wake(session: &Arc<Session>, key: &str) {
    if session.claim(key) {
        session.runtime.spawn(drive(session.clone(), key.to_owned()));
    }
}

async fn drive(session: Arc<Session>, key: String) {
    let mut behind = false;
    loop {
        if behind {
            quiet(&session, &key).await;
        }
        let care = session.wards.care(&key);
        if let Some((delay, _)) = care {
            while let Some(rest) = session.changed(&key).and_then(|changed| delay.checked_sub(changed.elapsed())) {
                tokio::time::sleep(rest.max(QUIET)).await;
            }
        }
        let needed = if care.is_some_and(|c| c.1) { session.slot_count } else { 1 };
        let Ok(permit) = session.slots.acquire_many(needed).await else { return };
        let Some(job) = session.next_job(&key) else { return };
        let worker = session.clone();
        let work = session.analysts.run(move || {
            let noted = worker.slate.begin(Task::Vet, &job.snapshot.key, job.snapshot.stamp.version);
            let outcome = run(&worker, &job);
            drop(noted);
            (job, outcome)
        });
        // Panics are caught further in.
        let Ok((job, outcome)) = work.await else { return };
        drop(permit);
        behind = matches!(outcome, Outcome::Cancelled);
        if care.is_some() && matches!(outcome, Outcome::Done(..)) {
            session.wards.survived(&key);
            session.send(Out::Survived(key.clone()));
        }
        settle(&session, job, outcome);
    }
}

/// Waits until no change has come for a moment.
async fn quiet(session: &Session, key: &str) {
    let end = Instant::now() + RESTLESS;
    while let Some(changed) = session.changed(key) {
        let calm = changed + QUIET;
        let now = Instant::now();
        if calm <= now || end <= now {
            return;
        }
        tokio::time::sleep_until(calm.min(end).into()).await;
    }
}

enum Outcome {
    /// The text changed.
    Cancelled,
    /// The parse takes longer than a keystroke may.
    Slow(Option<Answer>),
    /// An answer, and the text's tree.
    Done(Answer, Option<Tree>),
    /// It took too long altogether, or the engine panicked: an answer without findings.
    Failed(Answer, String),
}

fn settle(session: &Arc<Session>, job: Job, outcome: Outcome) {
    let key = &job.snapshot.key;
    let (answer, tree) = match outcome {
        Outcome::Cancelled | Outcome::Slow(None) => return,
        Outcome::Slow(Some(answer)) => (answer, None),
        Outcome::Done(answer, tree) => (answer, tree),
        Outcome::Failed(answer, message) => {
            if session.first_give_up(key) {
                let name =
                    job.snapshot.path.as_deref().and_then(|p| p.file_name()).map_or(String::new(), |n| n.to_string_lossy().into_owned());
                session.send(Out::Warn(format!("qualm: {name}: {message}")));
            }
            (answer, None)
        }
    };
    let impure = answer.complete && answer.pure.is_some();
    let quick = answer.complete && answer.quick;
    let stamp = answer.stamp;
    // A text without an answer so far may have been edited since it was opened.
    let edited = job.before.as_ref().is_none_or(|b| b.stamp.version != stamp.version);
    let concerned = answer.complete && edited;
    let home = answer.home.clone();
    if let Installed::Current { unasked } = session.install(key, answer, tree) {
        session.warmed(key);
        session.send(Out::Answer { key: key.clone(), unasked });
        if quick {
            let timer = tokio::spawn(analyse_later(session.clone(), key.clone(), stamp, job.changed + SETTLE)).abort_handle();
            session.set_settle(key, stamp, timer);
        } else if impure {
            let timer = tokio::spawn(judge_later(session.clone(), key.clone(), job.changed + SETTLE)).abort_handle();
            session.set_settle(key, stamp, timer);
        }
        if concerned && let Some(path) = &job.snapshot.path {
            tell_dependents(session, &home, key, path, job.changed);
        }
    }
}

/// Documents that were judged with the help of this one are judged anew once its author pauses.
fn tell_dependents(session: &Arc<Session>, home: &Home, key: &str, path: &Path, changed: Instant) {
    let name = home.workspace.name_of(path);
    if !session.any_depends_on(&name) {
        return;
    }
    let (session, key, path) = (session.clone(), key.to_owned(), path.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep_until((changed + DEPENDENTS).into()).await;
        if session.changed(&key) == Some(changed) {
            files_changed(&session, &[path], false);
        }
    });
}

/// The text of a file is no longer the editor's but the disk's.
pub fn closed(session: &Arc<Session>, path: &Path) {
    files_changed(session, &[path.to_owned()], false);
}

/// Analyses the text as a whole, once its author pauses.
async fn analyse_later(session: Arc<Session>, key: String, stamp: Stamp, when: Instant) {
    tokio::time::sleep_until(when.into()).await;
    session.pause(&key, stamp);
    wake(&session, &key);
}

/// Publishes what the text itself says, once its author pauses.
async fn judge_later(session: Arc<Session>, key: String, when: Instant) {
    tokio::time::sleep_until(when.into()).await;
    let Some((_, answer)) = session.current(&key) else { return };
    let Some(pure) = answer.pure.clone() else { return };
    let Some(snapshot) = session.snapshot(&key) else { return };
    let worker = session.clone();
    let made = session.errands.run(move || make(&worker, &snapshot, answer.stamp, pure, None, &answer.depends_on, &answer.home, true));
    let Ok(answer) = made.await else { return };
    if let Installed::Current { unasked } = session.install(&key, answer, None) {
        session.send(Out::Answer { key, unasked });
    }
}

fn run(session: &Session, job: &Job) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| analyse(session, job))) {
        Ok(outcome) => outcome,
        Err(_) => {
            *lock(&job.snapshot.cache) = Cache::default();
            let home = job.before.as_ref().map_or_else(|| session.home(job.snapshot.path.as_deref()), |b| b.home.clone());
            unvetted(session, &job.snapshot, &home, "its analysis failed (please report this)")
        }
    }
}

fn analyse(session: &Session, job: &Job) -> Outcome {
    let snapshot = &job.snapshot;
    let started = Instant::now();
    let home = session.home(snapshot.path.as_deref());
    let name = home.name_of(snapshot);
    let cancelled = || job.cancel.load(Ordering::Relaxed);
    let done = |pure: Vec<Finding>, shown: Option<Vec<Finding>>, depends_on: &[Arc<str>], tree| {
        Outcome::Done(make(session, snapshot, snapshot.stamp, Arc::new(pure), shown, depends_on, &home, true), tree)
    };
    if snapshot.path.as_deref().is_some_and(|p| home.workspace.config.excluded(p)) {
        return done(Vec::new(), None, &[], None);
    }
    let length = snapshot.rope.len_bytes();
    if length as u64 > files::MAX_FILE {
        return unvetted(session, snapshot, &home, &format!("it is larger than {} MiB", files::MAX_FILE >> 20));
    }
    if let Some(why) = session.wards.refuses(&snapshot.key, Task::Vet, length, || String::from(&snapshot.rope)) {
        return unvetted(session, snapshot, &home, &why);
    }
    let text: Arc<str> = String::from(&snapshot.rope).into();
    fault::in_text(&text);
    let foreign = home.foreign_in(snapshot);
    let mut cache = lock(&snapshot.cache);
    if !job.whole
        && let (Some(language), Some(tree), false) = (snapshot.language, &snapshot.tree, snapshot.tree_is_current)
    {
        let file = SourceFile { path: name.clone(), language, text: text.clone(), tree: tree.clone(), foreign: foreign.clone() };
        let analysis = home.analyse_edit(&file, &mut cache, &cancelled);
        if cancelled() {
            return Outcome::Cancelled;
        }
        if let Some(Analysis { findings, broken, depends_on, .. }) = analysis {
            let shown = with_kept(job, &findings, &broken);
            let answer = make(session, snapshot, snapshot.stamp, Arc::new(findings), shown, &depends_on, &home, true);
            return Outcome::Done(Answer { quick: true, ..answer }, None);
        }
    }
    let too_slow = "it takes too long";
    let vetted = match snapshot.language {
        None => Vetted::Plain { path: name, text, foreign },
        Some(language) => {
            let limit = if job.patient { PATIENCE } else { KEYSTROKE };
            let keep_going = || !cancelled() && started.elapsed() < limit;
            let tree = match &snapshot.tree {
                Some(tree) if snapshot.tree_is_current => Some(tree.clone()),
                old if job.whole => syntax::parse_settled(language, &text, old.as_ref(), keep_going),
                old => syntax::parse(language, &text, old.as_ref(), keep_going),
            };
            match tree {
                Some(tree) => Vetted::Source(SourceFile { path: name, language, text, tree, foreign }),
                None if cancelled() => return Outcome::Cancelled,
                None if job.patient => return unvetted(session, snapshot, &home, too_slow),
                None => return Outcome::Slow(meanwhile(session, job)),
            }
        }
    };
    let parsed = started.elapsed();
    let out_of_time = || started.elapsed() > PATIENCE;
    let Some(analysis) = home.analyse(&vetted, &mut cache, &|| cancelled() || out_of_time()) else {
        return if cancelled() { Outcome::Cancelled } else { unvetted(session, snapshot, &home, too_slow) };
    };
    drop(cache);
    if cancelled() {
        return Outcome::Cancelled;
    }
    let Analysis { findings, broken, depends_on, .. } = analysis;
    let judged = started.elapsed();
    let shown = with_kept(job, &findings, &broken);
    let tree = match vetted {
        Vetted::Source(source) => Some(source.tree),
        Vetted::Plain { .. } => None,
    };
    // What a broken text's tree is made from shows in it.
    let quick =
        !job.whole && snapshot.tree.is_some() && !snapshot.tree_is_current && tree.as_ref().is_some_and(|t| t.root_node().has_error());
    let mut outcome = done(findings, shown, &depends_on, tree);
    if let Outcome::Done(answer, _) = &mut outcome {
        answer.quick = quick;
    }
    tracing::debug!(?parsed, ?judged, told = ?started.elapsed(), "analysed");
    outcome
}

/// The answer for a text that is not vetted, which says so.
fn unvetted(session: &Session, snapshot: &Snapshot, home: &Arc<Home>, why: &str) -> Outcome {
    let mut answer = make(session, snapshot, snapshot.stamp, Arc::default(), None, &[], home, true);
    let message = format!("not vetted: {why}");
    answer.diagnostics = Arc::new(vec![convert::unvetted(&message)]);
    answer.id = convert::fingerprint(&answer.diagnostics);
    Outcome::Failed(answer, message)
}

/// The earlier findings where they are now. `None`: there are none yet.
fn meanwhile(session: &Session, job: &Job) -> Option<Answer> {
    let before = job.before.as_ref()?;
    let kept = shifted(job).collect();
    Some(make(session, &job.snapshot, job.snapshot.stamp, Arc::new(kept), None, &before.depends_on, &before.home, false))
}

fn shifted(job: &Job) -> impl Iterator<Item = Finding> {
    let findings = job.before.iter().flat_map(|b| b.findings.iter());
    findings.filter_map(|f| {
        let span = shift(&f.span, &job.splices)?;
        let path = f.path.iter().map(|step| {
            let span = if step.file.is_some() { Some(step.span.clone()) } else { shift(&step.span, &job.splices) };
            span.map(|span| qualm_engine::Step { span, ..step.clone() })
        });
        // A step whose text is gone takes the whole path with it: half a path misleads.
        let path = path.collect::<Option<Vec<_>>>().unwrap_or_default();
        Some(Finding { span, path, ..f.clone() })
    })
}

/// The findings plus those that broken parts had before they broke. `None`: nothing is added.
fn with_kept(job: &Job, findings: &[Finding], broken: &[Range<usize>]) -> Option<Vec<Finding>> {
    // A settled text is not being typed: reloaded settings must not bring old findings back.
    let typing = job.before.as_ref().is_some_and(|b| b.stamp.version != job.snapshot.stamp.version);
    if broken.is_empty() || !typing {
        return None;
    }
    let overlaps = |a: &Range<usize>, b: &Range<usize>| a.start <= b.end && b.start <= a.end;
    let kept: Vec<Finding> = shifted(job)
        .filter(|f| broken.iter().any(|b| overlaps(b, &f.span)))
        .filter(|f| !findings.iter().any(|g| g.rule == f.rule && overlaps(&g.span, &f.span)))
        .collect();
    if kept.is_empty() {
        return None;
    }
    let mut shown = findings.to_vec();
    shown.extend(kept);
    shown.sort_by(|a, b| (a.span.start, a.span.end, &a.rule).cmp(&(b.span.start, b.span.end, &b.rule)));
    Some(shown)
}

#[allow(clippy::too_many_arguments)]
fn make(
    session: &Session,
    snapshot: &Snapshot,
    stamp: Stamp,
    pure: Arc<Vec<Finding>>,
    shown: Option<Vec<Finding>>,
    depends_on: &[Arc<str>],
    home: &Arc<Home>,
    complete: bool,
) -> Answer {
    let (findings, pure) = match shown {
        Some(shown) => (Arc::new(shown), Some(pure)),
        None => (pure, None),
    };
    let place = convert::Place { announced: session.announced(), uri: &snapshot.uri, rope: &snapshot.rope };
    let other = |name: &str| home.other_file(&session.homes.texts, name);
    let diagnostics = place.diagnostics(&findings, home.workspace.engine.rules(), &snapshot.regions, &other);
    Answer {
        stamp,
        findings,
        pure,
        complete,
        quick: false,
        id: convert::fingerprint(&diagnostics),
        diagnostics: Arc::new(diagnostics),
        depends_on: depends_on.to_vec(),
        home: home.clone(),
        offers: std::sync::Mutex::default(),
    }
}

/// Runs work on the rewrites of a document for a request; `None` when it panicked, when such work was an earlier server's end,
/// or when the session ends.
pub async fn guarded<T: Send + 'static>(
    session: &Arc<Session>,
    snapshot: Snapshot,
    work: impl FnOnce(Snapshot) -> T + Send + 'static,
) -> Option<T> {
    let worker = session.clone();
    let done = session.helpers.run(move || {
        let length = snapshot.rope.len_bytes();
        if worker.wards.refuses(&snapshot.key, Task::Rewrite, length, || String::from(&snapshot.rope)).is_some() {
            return None;
        }
        let _noted = worker.slate.begin(Task::Rewrite, &snapshot.key.clone(), snapshot.stamp.version);
        Some(work(snapshot))
    });
    let done = match done.await {
        Ok(None) => return None,
        done => done.ok().flatten(),
    };
    if done.is_none() && !session.panic_told.swap(true, Ordering::Relaxed) {
        session.send(Out::Warn("qualm: working out a rewrite failed; other functions go on (please report this)".into()));
    }
    done
}

/// Other files changed on disk: what depends on them is judged anew.
pub fn files_changed(session: &Arc<Session>, paths: &[PathBuf], set_changed: bool) {
    for home in session.homes.open_now() {
        home.files.forget_manifests();
    }
    judge_dependents(session, paths, set_changed);
}

/// The text of a file is the editor's from now on, also of one that is not on the disk yet.
pub fn opened(session: &Arc<Session>, path: &Path) {
    judge_dependents(session, &[path.to_owned()], !path.exists());
}

fn judge_dependents(session: &Arc<Session>, paths: &[PathBuf], set_changed: bool) {
    let paths: Vec<PathBuf> = paths.iter().map(|p| real(p)).collect();
    let concerned = |path: Option<&Path>, answer: Option<&Answer>| {
        let Some(answer) = answer else { return false };
        // What the editor has of a file counts, not the disk, unless the file declares something.
        if !set_changed && path.is_some_and(|p| paths.iter().any(|c| c == p)) {
            return false;
        }
        let names = paths.iter().map(|p| answer.home.workspace.name_of(p));
        set_changed || names.into_iter().any(|n| answer.depends_on.contains(&n))
    };
    for key in session.invalidate(concerned) {
        wake(session, &key);
    }
}

/// The real place of a file that may be gone.
fn real(path: &Path) -> PathBuf {
    let whole = path.canonicalize();
    let by_folder = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    whole.ok().or_else(by_folder).unwrap_or_else(|| path.to_owned())
}
