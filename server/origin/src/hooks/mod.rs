//! What coding agents tell when they have edited a file: each agent's hook writes one JSON object to standard input,
//! every one in its own words. Here they become one [`HookEvent`], and that becomes events of the ledger.
//!
//! Everything an agent sends is taken as a claim of unknown quality: fields may be missing, of another type, or
//! unknown; text may hold raw control characters. What cannot be understood yields nothing, never a guess.

mod events;
mod json;
mod lines;
mod patch;
mod payload;

pub use events::{Surroundings, events};
pub use lines::added;
pub use payload::parse;

/// An agent whose hooks are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// Cursor, its agent and its Tab completion.
    Cursor,
    /// Windsurf's Cascade.
    Windsurf,
    /// Copilot CLI.
    Copilot,
    /// The agents of VS Code.
    VsCode,
}

impl Agent {
    /// Every agent.
    pub const ALL: [Agent; 7] = [Agent::Claude, Agent::Codex, Agent::Gemini, Agent::Cursor, Agent::Windsurf, Agent::Copilot, Agent::VsCode];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Agent::Claude => "claude",
            Agent::Codex => "codex",
            Agent::Gemini => "gemini",
            Agent::Cursor => "cursor",
            Agent::Windsurf => "windsurf",
            Agent::Copilot => "copilot",
            Agent::VsCode => "vscode",
        }
    }

    /// The program, as provenance records name it.
    pub fn tool(self) -> &'static str {
        match self {
            Agent::Claude => "claude-code",
            Agent::Codex => "codex",
            Agent::Gemini => "gemini-cli",
            Agent::Cursor => "cursor",
            Agent::Windsurf => "windsurf",
            Agent::Copilot => "copilot-cli",
            Agent::VsCode => "github-copilot",
        }
    }

    /// What the agent wants to read when all is well: some take only JSON, the others show or ignore any output.
    pub fn answer(self) -> &'static str {
        match self {
            Agent::Gemini | Agent::Cursor | Agent::VsCode => "{}\n",
            Agent::Claude | Agent::Codex | Agent::Windsurf | Agent::Copilot => "",
        }
    }
}

/// When a hook speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the tool runs; nothing has changed yet.
    Before,
    /// After it ran.
    After,
    /// Any other occasion: a session starts, the agent stops.
    Other,
}

/// One hook event in our words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookEvent {
    /// Who speaks.
    pub agent: Agent,
    /// When.
    pub phase: Phase,
    /// The agent's own name of the event.
    pub name: String,
    /// Its name of the tool; empty if none.
    pub tool: String,
    /// Session or conversation; empty if not told.
    pub session: String,
    /// The tool call; empty if not told.
    pub call: String,
    /// The model; empty if not told.
    pub model: String,
    /// Milliseconds since 1970, if told.
    pub time: Option<i64>,
    /// The agent's working folder, if told.
    pub cwd: Option<String>,
    /// The workspace's folders, if told.
    pub roots: Vec<String>,
    /// The agent's record of the conversation, if told; the model may stand there.
    pub transcript: Option<String>,
    /// Whether the text is an accepted inline completion rather than an agent's edit.
    pub inline: bool,
    /// What was done, in order.
    pub work: Vec<Work>,
}

/// What a tool did (or is about to do).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Replaced parts of a file.
    Edit {
        /// As the agent names it.
        path: String,
        /// In order.
        edits: Vec<Edit>,
    },
    /// Wrote a whole file.
    Write {
        /// As the agent names it.
        path: String,
        /// All of it.
        text: String,
        /// What it held before, if told. Empty for a file that is new.
        before: Option<String>,
    },
    /// Changed a file; the new lines are known with their places.
    Patched {
        /// As the agent names it.
        path: String,
        /// New text of whole lines and the 1-based line it begins on, if known.
        hunks: Vec<(Option<u32>, String)>,
    },
    /// Deleted a file.
    Delete {
        /// As the agent names it.
        path: String,
    },
    /// Ran a command. What it was is not kept: commands carry secrets.
    Command,
}

/// A replacement of text by text, not necessarily whole lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The text that was there; empty for an insertion.
    pub old: String,
    /// The text that is there now.
    pub new: String,
    /// Whether every occurrence was replaced.
    pub all: bool,
    /// 1-based line the new text begins on, if told.
    pub line: Option<u32>,
}

/// Why a payload says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It is larger than any edit.
    #[error("the event is larger than {} MiB", MAX_PAYLOAD / 1024 / 1024)]
    TooLarge,
    /// It is no JSON, even read tolerantly. The reason names a place, never the text.
    #[error("the event is not readable as JSON ({0})")]
    Json(String),
    /// It is JSON, but no object.
    #[error("the event is not a JSON object")]
    NoObject,
}

/// Larger payloads are not read.
pub const MAX_PAYLOAD: usize = 64 * 1024 * 1024;
