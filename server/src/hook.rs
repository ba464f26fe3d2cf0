//! `qualm hook AGENT`: an agent's hook tells what it did, the ledger keeps it. The agent waits meanwhile, so this is
//! quick, and nothing that goes wrong here may stop the agent: it always succeeds and tells faults on standard error.

use crate::{
    cli::HookArgs,
    files::{self, Content, MAX_FILE},
    lines::one_line,
};
use anyhow::Context;
use qualm_origin::{
    hooks::{self, Agent, HookEvent, Surroundings, Work},
    ledger::{Action, Durability, Event, Ledger, Options, Place, Query, resolved},
    regular,
};
use std::{
    cell::OnceCell,
    io::{self, IsTerminal, Read, Seek, SeekFrom, Write},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, SystemTime},
};

/// The hook ends after this long, whatever it is doing.
const DEADLINE: Duration = Duration::from_secs(5);
/// Waiting for other processes, and for the ledger itself, ends after this long: the agent waits too.
const PATIENCE: Duration = Duration::from_secs(1);
/// As much as the main thread would have.
const STACK_SIZE: usize = 8 << 20;
/// So many bytes at the end of an agent's transcript are searched for the model.
const TRANSCRIPT_END: u64 = 256 * 1024;

/// Runs the command. Whatever it waits for (the event, a file system, the ledger, other processes), it ends in time.
pub fn run(args: &HookArgs) {
    let (tell, told) = mpsc::channel();
    let doing = Arc::new(Mutex::new("the event was not read".to_owned()));
    let (args, open) = (args.clone(), doing.clone());
    let worker = move || {
        let done = panic::catch_unwind(AssertUnwindSafe(|| record(&args, &open)));
        let _ = tell.send(match done {
            Ok(done) => done.err().map(|error| format!("{error:#}")),
            // The panic's own message has been written already.
            Err(_) => Some(format!("an internal fault; {}", lock(&open))),
        });
    };
    let fault = match thread::Builder::new().stack_size(STACK_SIZE).spawn(worker) {
        Ok(_) => told.recv_timeout(DEADLINE).unwrap_or_else(|_| {
            Some(format!("{}: it took longer than {} s, and the agent must not wait", lock(&doing), DEADLINE.as_secs()))
        }),
        Err(error) => Some(format!("{}: {error}", lock(&doing))),
    };
    if let Some(fault) = fault {
        let _ = writeln!(io::stderr(), "qualm hook: {}", one_line(&fault));
    }
}

fn lock(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records the event. `open` says what is not done yet.
fn record(args: &HookArgs, open: &Mutex<String>) -> anyhow::Result<()> {
    let name = args.agent.first().map_or("", String::as_str);
    let Some(agent) = Agent::ALL.into_iter().find(|a| a.name() == name) else {
        let known: Vec<&str> = Agent::ALL.iter().map(|a| a.name()).collect();
        anyhow::bail!("{name:?} is no agent I know; one of {}", known.join(", "));
    };
    // First of all, so that the agent has its answer whatever follows.
    let mut out = io::stdout().lock();
    let _ = out.write_all(agent.answer().as_bytes()).and_then(|()| out.flush());
    anyhow::ensure!(!io::stdin().is_terminal(), "the event is read from standard input, which is a terminal");
    let mut bytes = Vec::new();
    io::stdin().lock().take(hooks::MAX_PAYLOAD as u64 + 1).read_to_end(&mut bytes)?;
    let mut event = hooks::parse(agent, &bytes)?;
    if event.work.is_empty() {
        return Ok(());
    }
    *lock(open) = not_recorded(&event);
    if event.model.is_empty() {
        event.model = event.transcript.as_deref().and_then(model_in).unwrap_or_default();
    }
    let session = Session::of(&event)?;
    for place in session.places(&event) {
        let commands = place == session.home;
        let project = Project { session: &session, event: &event, place, ledger: OnceCell::new() };
        let mut events = hooks::events(&event, &project);
        events.retain(|e| commands || e.action != Action::Command);
        if events.is_empty() {
            continue;
        }
        let ledger = project.ledger();
        ledger.append(&events).with_context(|| lock(open).clone())?;
        if let Some(notice) = ledger.notice() {
            anyhow::bail!("{notice}");
        }
    }
    Ok(())
}

/// What is missing should this not come to an end.
fn not_recorded(event: &HookEvent) -> String {
    let mut files: Vec<&str> = Vec::new();
    for work in &event.work {
        match work {
            Work::Command => files.push("a command"),
            Work::Edit { path, .. } | Work::Write { path, .. } | Work::Patched { path, .. } | Work::Delete { path } => files.push(path),
        }
    }
    let more = files.len().saturating_sub(3);
    files.truncate(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("not recorded of {} ({}): {}{more}", event.agent.tool(), event.tool, files.join(", "))
}

/// Where the agent works.
struct Session {
    cwd: PathBuf,
    /// The folders whose files are recorded.
    roots: Vec<PathBuf>,
    home: Option<Place>,
}

impl Session {
    fn of(event: &HookEvent) -> io::Result<Self> {
        let told = event.cwd.iter().chain(&event.roots).map(Path::new).filter(|p| p.is_absolute());
        let mut folders: Vec<PathBuf> = told.map(resolved).filter(|p| p.is_dir()).collect();
        if folders.is_empty() {
            folders.push(resolved(&std::env::current_dir()?));
        }
        let cwd = folders[0].clone();
        let home = Place::of(&cwd);
        let top = |folder: PathBuf| Place::of(&folder).and_then(|p| p.top).unwrap_or(folder);
        // Were the root of the file system a root of the session, it would bound nothing.
        let roots = folders.into_iter().map(top).filter(|r| r.parent().is_some()).collect();
        Ok(Self { cwd, roots, home })
    }

    /// The real path of a file, if it is under one of the roots.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let path = resolved(&self.cwd.join(path));
        self.roots.iter().any(|r| path.starts_with(r) && path != *r).then_some(path)
    }

    /// The ledgers that the event concerns.
    fn places(&self, event: &HookEvent) -> Vec<Option<Place>> {
        let mut places = Vec::new();
        for work in &event.work {
            let place = match work {
                Work::Command => self.home.clone(),
                Work::Edit { path, .. } | Work::Write { path, .. } | Work::Patched { path, .. } | Work::Delete { path } => {
                    let Some(path) = self.inside(path) else { continue };
                    Place::of(&path)
                }
            };
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

/// The files of one ledger, as the agent sees them.
struct Project<'s> {
    session: &'s Session,
    event: &'s HookEvent,
    place: Option<Place>,
    ledger: OnceCell<Ledger>,
}

impl Project<'_> {
    fn ledger(&self) -> &Ledger {
        let options = Options { durability: Durability::Process, patience: PATIENCE, deadline: PATIENCE };
        self.ledger.get_or_init(|| Ledger::open(self.place.as_ref(), options))
    }
}

impl Surroundings for Project<'_> {
    fn name(&self, path: &str) -> Option<String> {
        let place = self.place.as_ref()?;
        let path = self.session.inside(path)?;
        // A file of a repository within this one has a ledger of its own.
        (Place::of(&path).as_ref() == Some(place)).then(|| place.name(&path))?
    }

    fn text(&self, path: &str) -> Option<String> {
        match files::read(&self.session.inside(path)?, MAX_FILE) {
            Ok(Content::Text(text)) => Some(text.text),
            _ => None,
        }
    }

    fn before(&self, name: &str) -> Option<Vec<u64>> {
        if self.event.session.is_empty() {
            return None;
        }
        let query = Query { session: Some(self.event.session.clone()), limit: Some(1), ..Query::file(name) };
        let events: Vec<Event> = self.ledger().query(&query).ok()?.into_iter().map(|r| r.event).collect();
        let last = events.into_iter().next_back()?;
        // Only the step right before: an older look at the file says nothing about it now.
        (last.action == Action::Before && last.call == self.event.call).then_some(last.lines)
    }

    fn now(&self) -> i64 {
        now()
    }
}

/// Now, in milliseconds since 1970.
pub fn now() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis() as i64)
}

/// The model that an agent's transcript names last. Only the name is taken from it.
fn model_in(path: &str) -> Option<String> {
    let path = Path::new(path);
    if !path.is_absolute() || !path.extension().is_some_and(|e| e == "jsonl" || e == "json") {
        return None;
    }
    let mut file = regular::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TRANSCRIPT_END))).ok()?;
    let mut end = Vec::new();
    file.take(TRANSCRIPT_END).read_to_end(&mut end).ok()?;
    let text = String::from_utf8_lossy(&end);
    text.rmatch_indices("\"model\":").find_map(|(at, key)| {
        let value = text[at + key.len()..].trim_start().strip_prefix('"')?;
        let model = &value[..value.find('"')?];
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
        (model.len() <= 100 && !model.is_empty() && model.chars().all(named)).then(|| model.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_the_last_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.jsonl");
        let text = "{\"message\":{\"model\":\"old-1\"}}\n{\"message\":{\"model\": \"claude-opus-4-5\"}}\n{\"model\":\"<synthetic>\"}\n";
        std::fs::write(&path, text).unwrap();
        assert_eq!(model_in(path.to_str().unwrap()).as_deref(), Some("claude-opus-4-5"));
        assert_eq!(model_in("/etc/passwd"), None);
        assert_eq!(model_in("t.jsonl"), None);
    }
}
