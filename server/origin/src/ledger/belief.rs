//! Between events of the ledger and the origins that a document's runs carry: what a hook recorded becomes the signal
//! that explains a change in the editor, and what the editor learned becomes an event.

use super::event::{Action, Event};
use crate::{
    memory::{About, Signal},
    model::{Evidence, Kind, Origin},
};

impl Event {
    /// The event of text that came into a file. `line` is 1-based, 0 if not known.
    pub fn of_origin(origin: &Origin, file: &str, line: u32, text: &str) -> Self {
        let event = Event {
            time: origin.time,
            action: if origin.evidence == Evidence::Correction { Action::Relabel } else { Action::Insert },
            file: file.to_owned(),
            origin: origin.kind.as_str().to_owned(),
            confidence: origin.confidence,
            tool: origin.tool.clone(),
            model: origin.model.clone(),
            session: origin.session.clone(),
            evidence: origin.evidence.as_str().to_owned(),
            line,
            ..Event::default()
        };
        event.with_text(text)
    }

    /// What the event makes believe of its text.
    pub fn believed(&self) -> Origin {
        // The first word is the evidence's name, what follows says more: `hook:claude:PostToolUse:Edit`.
        let word = self.evidence.split([':', ' ']).next().unwrap_or("");
        let kind = self.origin.parse().unwrap_or(Kind::Unknown);
        let origin = Origin::new(kind, Evidence::parse(word), self.time).by(&self.tool, &self.model, &self.session);
        Origin { confidence: self.confidence, ..origin }
    }

    /// The signal for a document in which the text may arrive; `None` for an event that brought none.
    pub fn signal(&self) -> Option<Signal> {
        let brought = self.action == Action::Insert && self.lines.iter().any(|l| *l != 0);
        let about = About::Text { hash: self.hash, lines: self.lines.clone() };
        brought.then(|| Signal { origin: self.believed(), about, time: self.time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_believed_survives_the_ledger() {
        let origin = Origin::new(Kind::Completion, Evidence::Editor, 7).by("copilot", "gpt", "s");
        let event = Event::of_origin(&origin, "a.py", 3, "x = 1\n");
        assert_eq!((event.believed(), event.action.as_str(), event.bytes), (origin.clone(), "insert", 6));
        assert_eq!(event.signal().map(|s| s.origin), Some(origin));
        assert_eq!(Event::of_origin(&Origin::new(Kind::Typed, Evidence::Correction, 7), "a", 0, "x").action, Action::Relabel);
    }

    #[test]
    fn a_hook_explains_what_arrives_in_the_editor() {
        let event = Event { origin: "agent".into(), evidence: "hook:claude:PostToolUse:Edit".into(), confidence: 99, ..Event::default() };
        let signal = event.clone().with_text("return 1\n").signal().unwrap();
        assert_eq!((signal.origin.kind, signal.origin.evidence), (Kind::Agent, Evidence::Hook));
        assert!(event.with_text("\n\n").signal().is_none());
        let later = Event { origin: "of a later version".into(), ..Event::default() };
        assert_eq!(later.believed().kind, Kind::Unknown);
    }
}
