//! The command line: what can be typed and what it means.

use crate::config::{Config, Level, Setting};
use clap::{Args, Parser, Subcommand, ValueEnum};
use qualm_engine::{Confidence, Language, Persona};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a command ended; the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to say: 0.
    Clean,
    /// There are findings (or rewrites left to apply): 1.
    Findings,
    /// Something kept the command from doing its work: 2.
    Trouble,
}

impl Outcome {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Outcome::Clean => 0,
            Outcome::Findings => 1,
            Outcome::Trouble => 2,
        }
    }
}

/// Vets code as it enters the editor: says what is risky in it and why, and offers rewrites that were proven first.
#[derive(Debug, Parser)]
#[command(name = "qualm", version, max_term_width = 100, after_help = "Exit codes: 0 clean, 1 findings, 2 trouble.")]
pub struct Cli {
    #[allow(missing_docs)]
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Vet files and folders
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Apply rewrites that were proven
    #[command(after_help = FIX_EXAMPLES)]
    Fix(FixArgs),
    /// Show the page of a rule, or list all rules
    Explain(ExplainArgs),
    /// Run the examples of a folder of rules
    #[command(after_help = TEST_RULES_EXAMPLES)]
    TestRules(TestRulesArgs),
    /// Print the configuration that makes an editor use qualm
    #[command(after_help = EDITOR_EXAMPLES)]
    EditorConfig {
        /// The editor
        #[arg(value_enum)]
        name: EditorName,
    },
    /// Make the editors and agents of this machine use qualm
    #[command(after_help = SETUP_EXAMPLES)]
    Setup(SetupArgs),
    /// Show the settings that hold for a place
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigArgs),
    /// Show where the lines of a file came from, and why that is believed
    #[command(after_help = ORIGIN_EXAMPLES)]
    Origin(OriginArgs),
    /// Note what an agent did; its hooks call this with the event on standard input
    #[command(after_help = HOOK_EXAMPLES)]
    Hook(HookArgs),
    /// Check or shorten the record of where text came from
    Ledger(LedgerArgs),
    /// Analyse files for another process of qualm, which starts it
    #[command(hide = true)]
    Worker,
    /// Serve an editor over standard input and output
    Lsp(crate::lsp::Options),
}

const CHECK_EXAMPLES: &str = "Examples:
  qualm check                              this folder, .gitignore honoured
  qualm check src/app.py                   one file
  qualm check --diff origin/main           only what changed since then
  qualm check --as foreign snippet.js      as strictly as text that was just pasted
  qualm check --format sarif > qualm.sarif for code scanning
  git show HEAD:a.py | qualm check - --stdin-filename a.py

Exit codes: 0 clean, 1 findings, 2 trouble.";

const FIX_EXAMPLES: &str = "Examples:
  qualm fix                    apply safe rewrites here, after showing each file's diff and asking
  qualm fix --dry-run src      only show the diff
  qualm fix --yes --review     apply also those that want a second look (then review them)

Exit codes: 0 nothing left to apply, 1 rewrites were left, 2 trouble.";

const TEST_RULES_EXAMPLES: &str = "Examples:
  qualm test-rules .qualm/rules

A bad example must fire on its marked lines, a good one must be silent, a fixed one must be what the rewrite makes.
Exit codes: 0 all hold, 1 some do not or a rule cannot be read, 2 trouble.";

const EDITOR_EXAMPLES: &str = "Examples:
  qualm editor-config helix >> ~/.config/helix/languages.toml
  qualm editor-config kakoune >> ~/.config/kak/kakrc
  qualm editor-config emacs >> ~/.emacs.d/init.el
  qualm editor-config vim > ~/.vim/plugin/qualm.vim    with ALE
  qualm editor-config neovim > ~/.config/nvim/lsp/qualm.lua    then vim.lsp.enable('qualm')";

const SETUP_EXAMPLES: &str = "Examples:
  qualm setup --dry-run            what would be changed, as a diff
  qualm setup                      all editors and agents that are found, after asking
  qualm setup --editor helix       only this one
  qualm setup --undo               take back what was done

Files are merged into, never overwritten. VS Code takes an extension instead: see editors/vscode.
Exit codes: 0 done or nothing to do, 1 something was left undone, 2 trouble.";

const CONFIG_EXAMPLES: &str = "Examples:
  qualm config --why               every setting of this folder and where it came from
  qualm config --why src/app.py    the same for a file, and whether it is excluded
  qualm config --schema            the JSON schema of the settings

Settings live in qualm.toml, looked for from the file upwards to the top of the repository:
  persona = \"regular\"            # regular | pedantic | auditor
  min-confidence = \"medium\"      # low | medium | high
  foreign = false                # vet text of unknown origin as foreign
  exclude = [\"generated/\"]       # globs as in .gitignore, at most 2000
  rules-dir = \".qualm/rules\"     # the team's own rules
  [rules]
  \"sql-injection\" = \"warning\"   # off | info | warning | error";

const ORIGIN_EXAMPLES: &str = "Examples:
  qualm origin src/app.py                    every line with its origin and the evidence
  qualm origin src                           lines by origin, tool and model in a folder
  qualm origin --summary main..feature       the same for the lines these commits brought
  qualm origin src/app.py --agent-trace      as an Agent Trace record
  qualm origin --cyclonedx src > bom.json    as a bill of materials with citations
  qualm origin --write-note HEAD             keep the origins of a commit's lines in refs/notes/qualm

Evidence, the strongest first: what agents' hooks told and still stands there; git notes of qualm and git-ai;
Agent Trace records; commit trailers. What none of them explains is unknown: that is not the same as human.";

const HOOK_EXAMPLES: &str = "Examples:
  qualm hook claude < event.json      as a PostToolUse hook of Claude Code calls it

Agents: claude, codex, gemini, cursor, windsurf, copilot, vscode.
Always exits with 0 and within 5 s, so that a fault of qualm never stops or holds the agent; what was not recorded is
told on standard error.
Nothing of the text is kept: only hashes, lengths and line fingerprints.";

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: excerpt, path, reason and rewrite
    Text,
    /// For scripts: one object with all findings
    Json,
    /// SARIF 2.1.0, for code scanning services
    Sarif,
    /// Annotations in a GitHub workflow
    Github,
}

/// What to set up.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Only this editor or agent (repeatable), found or not
    #[arg(long, value_name = "NAME", value_enum)]
    pub editor: Vec<crate::setup::Target>,
    /// Show what would be done, write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Take back what was set up
    #[arg(long, conflicts_with = "editor")]
    pub undo: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// An editor that takes its configuration as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EditorName {
    /// For Eglot, in the init file
    Emacs,
    /// languages.toml
    Helix,
    /// For kak-lsp, in the kakrc
    Kakoune,
    /// lsp/qualm.lua
    Neovim,
    /// plugin/qualm.vim, for ALE
    Vim,
}

/// How strictly text is vetted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Origin {
    /// As text from outside: pedantic rules speak too
    Foreign,
    /// As text somebody here wrote
    Typed,
}

/// Flags that decide which findings are shown, common to several commands.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub struct Judging {
    /// Show only findings at least this sure [default: medium, or as configured]
    #[arg(long, value_name = "LEVEL", value_parser = confidence)]
    pub min_confidence: Option<Confidence>,
    /// Only this rule (repeatable)
    #[arg(long, value_name = "ID")]
    pub rule: Vec<String>,
    /// Without this rule (repeatable)
    #[arg(long, value_name = "ID")]
    pub no_rule: Vec<String>,
    /// Which rules speak everywhere: regular, pedantic (those for foreign text too) or auditor (all)
    #[arg(long, value_name = "PERSONA", value_parser = persona)]
    pub persona: Option<Persona>,
}

impl Judging {
    /// Every rule id that was named.
    pub fn rule_ids(&self) -> Vec<&str> {
        self.rule.iter().chain(&self.no_rule).map(String::as_str).collect()
    }

    /// Puts the flags on top of a configuration.
    pub fn overrides(&self, origin: Option<Origin>) -> impl Fn(&mut Config) + Send + Sync + 'static {
        let judging = self.clone();
        move |config| {
            if let Some(confidence) = judging.min_confidence {
                config.min_confidence = Setting::flag(confidence, "--min-confidence");
            }
            if let Some(persona) = judging.persona {
                config.persona = Setting::flag(persona, "--persona");
            }
            if let Some(origin) = origin {
                config.foreign = Setting::flag(origin == Origin::Foreign, "--as");
            }
            if !judging.rule.is_empty() {
                config.only = Some(judging.rule.iter().cloned().collect());
            }
            for id in &judging.no_rule {
                config.rules.insert(id.clone(), Setting::flag(Level::Off, "--no-rule"));
            }
        }
    }
}

/// What the analysis of a single file may take. A file that needs more is named and costs no other.
#[derive(Clone, Copy, Debug, Args, Serialize, Deserialize)]
pub struct Limits {
    /// Give a file up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_seconds: u64,
    /// Give a file up when the analysis takes so much memory
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_seconds: 20, max_memory: 2048 }
    }
}

/// `qualm check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files and folders, or `-` for standard input [default: this folder]
    pub paths: Vec<PathBuf>,
    /// Only findings that concern lines changed since this commit, branch or tag
    #[arg(long, value_name = "REF", allow_hyphen_values = true)]
    pub diff: Option<String>,
    /// How strictly to vet [default: typed, or as configured]
    #[arg(long = "as", value_name = "ORIGIN", value_enum)]
    pub origin: Option<Origin>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub judging: Judging,
    /// Do not work out rewrites (faster)
    #[arg(long)]
    pub no_fixes: bool,
    /// Look into all hidden files and folders (those of agents, CI and .env are never left out)
    #[arg(long)]
    pub hidden: bool,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub limits: Limits,
    /// Skip files larger than this many KiB
    #[arg(long, value_name = "KIB", default_value_t = crate::files::MAX_FILE / 1024)]
    pub max_size: u64,
    /// The name that standard input has in the project
    #[arg(long, value_name = "NAME")]
    pub stdin_filename: Option<PathBuf>,
    /// The language, where the file name does not tell it
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    pub language: Option<Language>,
}

impl CheckArgs {
    /// The size limit in bytes.
    pub fn max_size(&self) -> u64 {
        self.max_size.saturating_mul(1024)
    }
}

/// `qualm fix`.
#[derive(Debug, Args)]
pub struct FixArgs {
    /// Files and folders [default: this folder]
    pub paths: Vec<PathBuf>,
    /// Apply also rewrites that may change behaviour and want a second look
    #[arg(long)]
    pub review: bool,
    /// Do not ask
    #[arg(long, short, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Show what would be done, write nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// How strictly to vet [default: typed, or as configured]
    #[arg(long = "as", value_name = "ORIGIN", value_enum)]
    pub origin: Option<Origin>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub judging: Judging,
    /// Look into all hidden files and folders (those of agents, CI and .env are never left out)
    #[arg(long)]
    pub hidden: bool,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub limits: Limits,
}

/// `qualm explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Rule id; without it, all rules are listed
    pub id: Option<String>,
    /// How the page is written
    #[arg(long, value_enum, default_value_t = Page::Text)]
    pub format: Page,
}

/// How a rule's page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// For a terminal
    Text,
    /// Markdown
    Markdown,
}

/// `qualm test-rules`.
#[derive(Debug, Args)]
pub struct TestRulesArgs {
    /// Folder with rules and models, laid out as .qualm/rules is
    pub dir: PathBuf,
    /// Also list what of them no example shows: clauses, sinks, sources, types, ... without `untested = "why"`
    #[arg(long)]
    pub coverage: bool,
}

/// `qualm config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// A file or folder [default: this folder]
    pub path: Option<PathBuf>,
    /// Say for every value which file and line, or which flag, it came from
    #[arg(long)]
    pub why: bool,
    /// Print the JSON schema of all settings instead, for editors
    #[arg(long, exclusive = true)]
    pub schema: bool,
    /// As for `check`
    #[arg(long = "as", value_name = "ORIGIN", value_enum)]
    pub origin: Option<Origin>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub judging: Judging,
}

/// `qualm origin`.
#[derive(Debug, Args)]
pub struct OriginArgs {
    /// Files and folders, or with --summary a range of commits A..B [default: this folder]
    pub paths: Vec<PathBuf>,
    /// Only the totals, as always for a folder
    #[arg(long)]
    pub summary: bool,
    /// Write JSON
    #[arg(long, group = "form")]
    pub json: bool,
    /// Write an Agent Trace record
    #[arg(long, group = "form")]
    pub agent_trace: bool,
    /// Write a CycloneDX 1.7 bill of materials with citations
    #[arg(long, group = "form")]
    pub cyclonedx: bool,
    /// Attach the origins of the lines a commit brought to it, as a git note in refs/notes/qualm
    #[arg(long, value_name = "COMMIT", conflicts_with_all = ["paths", "summary", "form"])]
    pub write_note: Option<String>,
}

/// `qualm hook`. Takes anything: a wrong argument must not make a call fail that an agent's work depends on.
#[derive(Clone, Debug, Args)]
pub struct HookArgs {
    /// The agent
    #[arg(value_name = "AGENT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub agent: Vec<String>,
}

/// `qualm ledger`.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    #[allow(missing_docs)]
    #[command(subcommand)]
    pub command: LedgerCommand,
}

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check the chain of events from end to end
    Verify {
        /// A file or folder of the project [default: this folder]
        path: Option<PathBuf>,
        /// Write the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove events older than a number of days
    Prune {
        /// A file or folder of the project [default: this folder]
        path: Option<PathBuf>,
        /// Keep the events of this many days
        #[arg(long, value_name = "DAYS")]
        keep: u32,
    },
}

fn choose<T>(text: &str, choices: &[(&str, T)]) -> Result<T, String>
where
    T: Copy,
{
    let names: Vec<&str> = choices.iter().map(|c| c.0).collect();
    choices.iter().find(|c| c.0 == text).map(|c| c.1).ok_or_else(|| format!("one of {}", names.join(", ")))
}

fn confidence(text: &str) -> Result<Confidence, String> {
    choose(text, &[("low", Confidence::Low), ("medium", Confidence::Medium), ("high", Confidence::High)])
}

fn persona(text: &str) -> Result<Persona, String> {
    choose(text, &[("regular", Persona::Regular), ("pedantic", Persona::Pedantic), ("auditor", Persona::Auditor)])
}

fn language(text: &str) -> Result<Language, String> {
    Language::by_name(text).or_else(|| Language::by_id(text)).ok_or_else(|| {
        let names: Vec<&str> = Language::all().map(|l| l.info().name).collect();
        format!("one of {}", names.join(", "))
    })
}
