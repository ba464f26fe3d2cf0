//! The vocabulary of provenance: what kinds of origin there are, why one is believed, and the small ids under which
//! the runs of a document refer to them.

use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

/// Where text came from. The names (`own_copy`, ...) are stable: records, rules and settings use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Typed by hand, proven by the shape and the speed of the changes or told by the editor.
    Typed,
    /// A copy of typed text of the same author's documents.
    #[serde(alias = "own-copy")]
    OwnCopy,
    /// Pasted from outside of the editor.
    Pasted,
    /// An accepted inline completion or inline chat.
    #[serde(alias = "inline-ai", alias = "inline_ai")]
    Completion,
    /// Written by a coding agent.
    Agent,
    /// Made by a formatter, a fixer, a refactoring, a snippet or our own rewrite.
    Tool,
    /// Text of a generated file.
    #[serde(alias = "generated-file")]
    Generated,
    /// Came with a checkout, a pull, a merge or a stash.
    Checkout,
    /// Not known. Never a synonym of "typed".
    #[default]
    #[serde(other)]
    Unknown,
}

impl Kind {
    /// Every kind, in the order in which reports list them.
    pub const ALL: [Kind; 9] = [
        Kind::Typed,
        Kind::OwnCopy,
        Kind::Pasted,
        Kind::Completion,
        Kind::Agent,
        Kind::Tool,
        Kind::Generated,
        Kind::Checkout,
        Kind::Unknown,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Typed => "typed",
            Kind::OwnCopy => "own_copy",
            Kind::Pasted => "pasted",
            Kind::Completion => "completion",
            Kind::Agent => "agent",
            Kind::Tool => "tool",
            Kind::Generated => "generated",
            Kind::Checkout => "checkout",
            Kind::Unknown => "unknown",
        }
    }

    /// The kind for people: "pasted from outside".
    pub fn label(self) -> &'static str {
        match self {
            Kind::Typed => "typed here",
            Kind::OwnCopy => "copied from your own code",
            Kind::Pasted => "pasted from outside",
            Kind::Completion => "accepted completion",
            Kind::Agent => "written by an agent",
            Kind::Tool => "made by a tool",
            Kind::Generated => "generated file",
            Kind::Checkout => "from version control",
            Kind::Unknown => "origin unknown",
        }
    }

    /// Whether text of this kind was written by nobody here, whatever the evidence. Text of unknown origin can be
    /// foreign too, see [`Origin::is_foreign`].
    pub fn is_foreign(self) -> bool {
        matches!(self, Kind::Pasted | Kind::Completion | Kind::Agent)
    }

    /// Whether a model wrote it. Pasted text is foreign, but nobody knows whether a model wrote it.
    pub fn is_ai(self) -> bool {
        matches!(self, Kind::Completion | Kind::Agent)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no kind of origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind of origin")]
pub struct NoKind;

impl FromStr for Kind {
    type Err = NoKind;

    /// Reads a stable name, or one of the spellings that records of others and older ledgers use.
    fn from_str(word: &str) -> Result<Self, NoKind> {
        Ok(match word {
            "own-copy" => Kind::OwnCopy,
            "inline-ai" | "inline_ai" => Kind::Completion,
            "generated-file" => Kind::Generated,
            "paste-external" => Kind::Pasted,
            _ => *Kind::ALL.iter().find(|k| k.as_str() == word).ok_or(NoKind)?,
        })
    }
}

/// Why an origin is believed, the strongest first: a later rung never overrules an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Somebody said so ("I wrote this").
    Correction,
    /// An agent's hook told of text with this content.
    Hook,
    /// Our own edit came back from the editor.
    OwnEdit,
    /// The editor told why the text changed, or which clipboard it pasted.
    Editor,
    /// A record that came with the repository: Agent Trace, a git-ai note.
    Record,
    /// A commit's trailer; it speaks for the commit as a whole.
    Commit,
    /// The repository's head moved when the file changed.
    Git,
    /// The file's name or head says that it is generated.
    FileMark,
    /// The same text was deleted, or stands, in a document of the author.
    SameText,
    /// Single characters, at the cursor, at the speed of hands.
    Keystrokes,
    /// One change brought more than hands can type at once.
    Burst,
    /// The file changed on disk while it was open.
    Disk,
    /// The file changed while nobody watched it.
    Offline,
    /// A change too small to tell anything.
    Chunk,
    /// It was there when the file was first seen.
    #[default]
    #[serde(other)]
    Present,
}

impl Evidence {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::Correction => "correction",
            Evidence::Hook => "hook",
            Evidence::OwnEdit => "own_edit",
            Evidence::Editor => "editor",
            Evidence::Record => "record",
            Evidence::Commit => "commit",
            Evidence::Git => "git",
            Evidence::FileMark => "file_mark",
            Evidence::SameText => "same_text",
            Evidence::Keystrokes => "keystrokes",
            Evidence::Burst => "burst",
            Evidence::Disk => "disk",
            Evidence::Offline => "offline",
            Evidence::Chunk => "chunk",
            Evidence::Present => "present",
        }
    }

    /// Reads a stable name; a word of a later version says nothing.
    pub fn parse(word: &str) -> Self {
        let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word);
        serde::Deserialize::deserialize(word).unwrap_or_default()
    }

    /// The evidence for people: "the agent's hook told so".
    pub fn label(self) -> &'static str {
        match self {
            Evidence::Correction => "you said so",
            Evidence::Hook => "the agent's hook told so",
            Evidence::OwnEdit => "qualm made this edit",
            Evidence::Editor => "the editor told so",
            Evidence::Record => "recorded in the repository",
            Evidence::Commit => "the commit's trailer says so",
            Evidence::Git => "version control changed the file",
            Evidence::FileMark => "the file is marked as generated",
            Evidence::SameText => "the same text was in your documents",
            Evidence::Keystrokes => "single keystrokes at typing speed",
            Evidence::Burst => "arrived all at once",
            Evidence::Disk => "changed on disk while it was open",
            Evidence::Offline => "changed while nobody watched",
            Evidence::Chunk => "too small a change to tell",
            Evidence::Present => "there when the file was first seen",
        }
    }

    /// How sure this evidence makes, in percent.
    pub fn confidence(self) -> u8 {
        match self {
            Evidence::Correction => 100,
            Evidence::Hook | Evidence::OwnEdit => 99,
            Evidence::Editor => 95,
            Evidence::Record | Evidence::Git | Evidence::FileMark | Evidence::SameText | Evidence::Keystrokes => 90,
            Evidence::Commit | Evidence::Burst => 60,
            Evidence::Disk | Evidence::Offline => 50,
            Evidence::Chunk | Evidence::Present => 0,
        }
    }
}

/// What is believed about one event that brought text: its kind, why, how sure, and who.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// Where the text came from.
    pub kind: Kind,
    /// Why that is believed.
    pub evidence: Evidence,
    /// How sure, in percent.
    pub confidence: u8,
    /// The program that made the text (`claude-code`, `rustfmt`); empty if not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// The model; empty if not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// The session or conversation; empty if not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// Who answers for the claim, for a correction; empty otherwise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// When the text came, in milliseconds since 1970; 0 if not known.
    pub time: i64,
}

impl Origin {
    /// An origin with the confidence that its evidence gives.
    pub fn new(kind: Kind, evidence: Evidence, time: i64) -> Self {
        Self { kind, evidence, confidence: evidence.confidence(), time, ..Self::default() }
    }

    /// Text that was there when its file was first seen.
    pub fn present() -> Self {
        Self::default()
    }

    /// Names the program, the model and the session.
    pub fn by(mut self, tool: &str, model: &str, session: &str) -> Self {
        tool.clone_into(&mut self.tool);
        model.clone_into(&mut self.model);
        session.clone_into(&mut self.session);
        self
    }

    /// Whether the text arrived here without being written here: pasted, completed, written by an agent, or of unknown
    /// origin but arrived all at once, on disk, or while nobody watched.
    pub fn is_foreign(&self) -> bool {
        self.kind.is_foreign()
            || self.kind == Kind::Unknown && matches!(self.evidence, Evidence::Burst | Evidence::Disk | Evidence::Offline)
    }

    /// The origin for people: "written by an agent (claude-code, opus): the agent's hook told so".
    pub fn describe(&self) -> String {
        let by = [&self.tool, &self.model, &self.author];
        let by = by.iter().filter(|s| !s.is_empty()).map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
        let by = if by.is_empty() { by } else { format!(" ({by})") };
        format!("{}{by}: {}", self.kind.label(), self.evidence.label())
    }
}

/// An interned [`Origin`]. Only the [`Origins`] that gave it can resolve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginId(pub(crate) u32);

impl OriginId {
    /// The id of [`Origin::present`], in every table.
    pub const PRESENT: OriginId = OriginId(0);

    /// The number, to store runs compactly.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The table of origins: each distinct one once, under a small id. It grows until [`crate::Memory::forget_origins`].
#[derive(Clone, Debug)]
pub struct Origins {
    all: Vec<Arc<Origin>>,
    ids: HashMap<Arc<Origin>, OriginId>,
}

impl Default for Origins {
    fn default() -> Self {
        let present = Arc::new(Origin::present());
        Self { all: vec![present.clone()], ids: HashMap::from([(present, OriginId::PRESENT)]) }
    }
}

impl Origins {
    /// The id of an origin, the same for an equal one.
    pub fn intern(&mut self, origin: &Origin) -> OriginId {
        if let Some(id) = self.ids.get(origin) {
            return *id;
        }
        let id = OriginId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        let origin = Arc::new(origin.clone());
        self.all.push(origin.clone());
        self.ids.insert(origin, id);
        id
    }

    /// Number of origins.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Keeps only the wanted ones (and the first). Gives the new id of each old one, that of text of which nothing is known
    /// for those that are gone.
    pub(crate) fn keep(&mut self, wanted: &[bool]) -> Vec<OriginId> {
        let old = std::mem::take(self).all;
        let keep = |index: usize| wanted.get(index).copied().unwrap_or(false);
        old.iter().enumerate().map(|(index, origin)| if keep(index) { self.intern(origin) } else { OriginId::PRESENT }).collect()
    }

    /// The id of a number that [`OriginId::index`] gave.
    pub fn id(&self, index: usize) -> Option<OriginId> {
        u32::try_from(index).ok().filter(|_| index < self.all.len()).map(OriginId)
    }

    /// The origin of an id. One of another table may give another origin, or that of text of which nothing is known.
    pub fn get(&self, id: OriginId) -> &Origin {
        self.all.get(id.index()).unwrap_or(&self.all[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_read_back() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!("inline-ai".parse(), Ok(Kind::Completion));
        assert_eq!("human".parse::<Kind>(), Err(NoKind));
        assert_eq!(serde_json::from_str::<Kind>("\"of a later version\"").unwrap(), Kind::Unknown);
        assert_eq!((Evidence::parse("own_edit"), Evidence::parse("later")), (Evidence::OwnEdit, Evidence::Present));
        assert_eq!(serde_json::to_value(Evidence::SameText).unwrap(), Evidence::SameText.as_str());
    }

    #[test]
    fn unknown_is_foreign_only_if_it_arrived() {
        assert!(!Origin::present().is_foreign());
        assert!(Origin::new(Kind::Unknown, Evidence::Burst, 1).is_foreign());
        assert!(!Origin::new(Kind::Unknown, Evidence::Chunk, 1).is_foreign());
        assert!(Origin::new(Kind::Pasted, Evidence::Editor, 1).is_foreign());
        assert!(!Origin::new(Kind::OwnCopy, Evidence::SameText, 1).is_foreign());
    }

    #[test]
    fn equal_origins_share_an_id() {
        let mut table = Origins::default();
        let agent = Origin::new(Kind::Agent, Evidence::Hook, 7).by("claude-code", "opus", "s1");
        let id = table.intern(&agent);
        assert_eq!((table.intern(&agent), table.get(id)), (id, &agent));
        assert_eq!(table.intern(&Origin::present()), OriginId::PRESENT);
        let other = table.intern(&Origin::new(Kind::Pasted, Evidence::Editor, 9));
        assert_eq!(table.keep(&[false, false, true]), [OriginId::PRESENT, OriginId::PRESENT, id]);
        assert_eq!((other.index(), table.count(), table.get(id).kind), (2, 2, Kind::Pasted));
        table.keep(&[]);
        table.intern(&agent);
        assert_eq!(agent.describe(), "written by an agent (claude-code, opus): the agent's hook told so");
    }
}
