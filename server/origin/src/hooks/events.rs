//! From a hook event to events of the ledger.

use super::{HookEvent, Phase, Work, lines};
use crate::ledger::{Action, Event};

/// A time in a payload is believed if it is at most this long ago (milliseconds).
const MAX_DELAY: i64 = 60_000;

/// What the events need to know of the world, so that this crate reads no files.
pub trait Surroundings {
    /// The name of a file in the ledger, from the path the agent gave; `None` if it is none of the project's files.
    fn name(&self, path: &str) -> Option<String>;
    /// The text of a file as it is now.
    fn text(&self, path: &str) -> Option<String>;
    /// The line fingerprints of a file (by its name in the ledger) before this session's tool replaced all of it.
    fn before(&self, name: &str) -> Option<Vec<u64>>;
    /// Now, in milliseconds since 1970.
    fn now(&self) -> i64;
}

/// The events of the ledger that a hook event amounts to; none for one that changes nothing.
pub fn events(hook: &HookEvent, around: &impl Surroundings) -> Vec<Event> {
    let base = Event {
        // A time that is told wrongly would make the event claim text that is older, or newer, than itself.
        time: hook.time.filter(|t| (0..=MAX_DELAY).contains(&(around.now() - t))).unwrap_or_else(|| around.now()),
        origin: if hook.inline { "completion" } else { "agent" }.to_owned(),
        confidence: 99,
        tool: hook.agent.tool().to_owned(),
        model: hook.model.clone(),
        session: hook.session.clone(),
        call: hook.call.clone(),
        evidence: evidence(hook),
        ..Event::default()
    };
    let mut found = Vec::new();
    for work in &hook.work {
        match (hook.phase, work) {
            (Phase::After, Work::Command) => found.push(Event { action: Action::Command, ..base.clone() }),
            (_, Work::Command) => {}
            (phase, Work::Edit { path, .. } | Work::Write { path, .. } | Work::Patched { path, .. } | Work::Delete { path }) => {
                let Some(file) = around.name(path) else { continue };
                let base = Event { file, ..base.clone() };
                match phase {
                    Phase::After => changed(work, path, &base, around, &mut found),
                    Phase::Before => found.extend(before(work, path, &base, around)),
                    Phase::Other => {}
                }
            }
        }
    }
    found
}

/// The file as it is before all of it is replaced, so that the lines that stay are not credited to the agent.
fn before(work: &Work, path: &str, base: &Event, around: &impl Surroundings) -> Option<Event> {
    let Work::Write { before: None, .. } = work else { return None };
    let text = around.text(path).unwrap_or_default();
    Some(Event { action: Action::Before, origin: String::new(), confidence: 0, ..base.clone() }.with_text(&text))
}

fn changed(work: &Work, path: &str, base: &Event, around: &impl Surroundings, found: &mut Vec<Event>) {
    let hunks = match work {
        Work::Delete { .. } => {
            found.push(Event { action: Action::Delete, ..base.clone() });
            return;
        }
        Work::Command => return,
        Work::Patched { hunks, .. } => hunks.clone(),
        Work::Edit { edits, .. } => {
            let after = around.text(path);
            edits.iter().flat_map(|edit| lines::of_edit(edit, after.as_deref())).collect()
        }
        Work::Write { text, before, .. } => {
            let told = before.as_deref().map(lines::prints).or_else(|| around.before(&base.file));
            if told.is_none() {
                // Which lines were there before is not known, so the whole file is claimed less firmly.
                let event = Event { confidence: 80, line: 1, evidence: format!("{} whole-file", base.evidence), ..base.clone() };
                found.push(event.with_text(text));
                return;
            }
            lines::new_lines(&told.unwrap_or_default(), text, Some(0))
        }
    };
    found.extend(hunks.into_iter().map(|(line, text)| Event { line: line.unwrap_or(0), ..base.clone() }.with_text(&text)));
}

fn evidence(hook: &HookEvent) -> String {
    let parts = ["hook", hook.agent.name(), &hook.name, &hook.tool];
    parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(":")
}
