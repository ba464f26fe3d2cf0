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
        let evidence = origin.evidence.as_str();
        let by = if origin.author.is_empty() { String::new() } else { format!(":{}", origin.author) };
        let event = Event {
            time: origin.time,
            action: if origin.evidence == Evidence::Correction { Action::Relabel } else { Action::Insert },
            file: file.to_owned(),
            origin: origin.kind.as_str().to_owned(),
            confidence: origin.confidence,
            tool: origin.tool.clone(),
            model: origin.model.clone(),
            session: origin.session.clone(),
            evidence: format!("{evidence}{by}"),
            line,
            ..Event::default()
        };
        event.with_text(text)
    }

    /// The event of a person who looked at text of this origin and found it good.
    pub fn of_review(origin: &Origin, file: &str, line: u32, text: &str, author: &str, time: i64) -> Self {
        let event = Self::of_origin(origin, file, line, text);
        Event { time, action: Action::Review, evidence: format!("review:{author}"), ..event }
    }

    /// What the event makes believe of its text.
    pub fn believed(&self) -> Origin {
        // The first word is the evidence's name, what follows says more: `hook:claude:PostToolUse:Edit`.
        let word = self.evidence.split([':', ' ']).next().unwrap_or("");
        let kind = self.origin.parse().unwrap_or(Kind::Unknown);
        let origin = Origin::new(kind, Evidence::parse(word), self.time).by(&self.tool, &self.model, &self.session);
        let author = if origin.evidence == Evidence::Correction { self.evidence.split_once(':').map_or("", |e| e.1) } else { "" };
        Origin { confidence: self.confidence, author: author.to_owned(), ..origin }
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
        assert_eq!(event.signal().map(|s| s.origin), Some(origin.clone()));
        let corrected = Origin { author: "ann".into(), ..Origin::new(Kind::Typed, Evidence::Correction, 7) };
        let event = Event::of_origin(&corrected, "a", 0, "x");
        assert_eq!((event.believed(), event.action, &*event.evidence), (corrected, Action::Relabel, "correction:ann"));
        let review = Event::of_review(&origin, "a.py", 3, "x = 1\n", "ann", 9);
        assert_eq!((review.action, review.time, &*review.evidence, review.lines.len()), (Action::Review, 9, "review:ann", 1));
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
