//! Compiled rules and models: what the interpreter and the judges look things up in. Built by
//! [`super::load`]; immutable afterwards.

use super::coverage::{Coverage, Entry};
use crate::{
    finding::{Confidence, Persona, Safety, Severity},
    ir::{Lit, Sym},
    lang::Language,
};
use regex::{Regex, RegexBuilder};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::{Arc, OnceLock};

/// Index into [`RuleSet::rules`].
pub type RuleIx = usize;
/// Index into [`RuleSet::entries`].
pub type EntryIx = u32;
/// The index of what stands in no file: the interpreter itself made it.
pub const NO_ENTRY: EntryIx = EntryIx::MAX;
/// A set of sink kinds, one bit each (see [`RuleSet::sink_kinds`]).
pub type SinkBits = u64;
/// A set of source kinds, one bit each (see [`RuleSet::source_kinds`]).
pub type SourceBits = u16;

/// Which argument something is about.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Selector {
    /// The n-th positional argument, or what is spread over the positions.
    Index(usize),
    /// The n-th positional argument and nothing else: the place of an argument that was selected by name.
    Position(usize),
    Keyword(Sym),
    /// The first of these that is given.
    First(Vec<Selector>),
    Receiver,
    Any,
    /// The right side of an assignment, the operand of a rule.
    Value,
    /// Any function among the arguments.
    Callback,
}

/// A constant a condition compares with. Strings compare case-insensitively and are stored in lower case.
#[derive(Clone, Debug, PartialEq)]
pub struct Const(pub Lit);

/// A regular expression: its form is checked when it is loaded, its machine built when it is first used.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Arc<str>,
    regex: Arc<OnceLock<Option<Regex>>>,
}

impl Pattern {
    /// Checks the form. The error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        regex_syntax::ast::parse::Parser::new().parse(text).map_err(|e| format!("`{text}` is no regular expression: {}", e.kind()))?;
        Ok(Self { text: text.into(), regex: Arc::default() })
    }

    /// Its source text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The machine. Without Unicode's tables, which take many times as long to build, unless the expression cannot do
    /// without (it names characters outside ASCII, or what any character matches). `None` if it would be larger than
    /// allowed (2 MiB), or uses what the engine does not offer.
    pub fn regex(&self) -> Option<&Regex> {
        let build = |unicode| RegexBuilder::new(&self.text).unicode(unicode).size_limit(2 << 20).dfa_size_limit(2 << 20).build().ok();
        self.regex.get_or_init(|| build(false).or_else(|| build(true))).as_ref()
    }

    /// Whether it matches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex().is_some_and(|r| r.is_match(text))
    }
}

/// One test of a condition; see `rules/README.md`.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Test {
    Is(Vec<Const>),
    Not(Vec<Const>),
    Missing(bool),
    Matches(Pattern),
    NotMatches(Pattern),
    /// A constant that reads like a key or a password, not like words.
    Random(bool),
    Literal(bool),
    Built(bool),
    /// An object, map or list literal.
    Object(bool),
    /// `None` = any source kind.
    Tainted(bool, Option<SourceBits>),
    Path(PathSet),
    NotPath(PathSet),
    Name(Pattern),
    NotName(Pattern),
    Unbounded(bool),
    /// A constant number less than this.
    Below(f64),
}

/// What must hold of a call, assignment or fallback.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Condition {
    /// Tests on one argument, or on the option `key` (dotted) inside it.
    Arg {
        selector: Selector,
        key: Option<Vec<Sym>>,
        tests: Vec<Test>,
    },
    Target(Pattern),
    NotTarget(Pattern),
    Inside(Pattern),
    NotInside(Pattern),
    File(Pattern),
    NotFile(Pattern),
    /// The arguments as the words of a command line.
    Words(Pattern),
    Has(Sym),
    Lacks(Sym),
}

/// Expanded path patterns.
#[derive(Clone, Debug, Default)]
pub struct PathSet {
    /// Full paths.
    pub exact: Vec<Sym>,
    /// Names after `*.`: members of an unknown receiver.
    pub members: Vec<Sym>,
    /// Prefixes before a trailing `.*`.
    pub prefixes: Vec<Sym>,
}

impl PathSet {
    /// Whether a full path is in the set; `*.name` patterns match paths that consist of an empty receiver.
    pub fn contains(&self, path: Sym) -> bool {
        self.exact.contains(&path) || path.rsplit_once('.').is_some_and(|(head, _)| self.prefixes.iter().any(|p| p.as_str() == head))
    }
}

/// A place where untrusted data does harm.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Sink {
    /// Where it stands.
    pub entry: EntryIx,
    pub bit: SinkBits,
    pub kind: Sym,
    pub arg: Selector,
    pub when: Vec<Condition>,
    /// Placeholder style of the driver for recipes.
    pub placeholder: Option<Sym>,
    pub confidence: Confidence,
    /// Taint inside a container counts too (query objects).
    pub deep: bool,
    /// Says what happens here, where the rule's own message would be untrue.
    pub message: Option<Arc<str>>,
}

/// Taint enters.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Source {
    /// Where it stands.
    pub entry: EntryIx,
    pub bits: SourceBits,
    pub safe_for: SinkBits,
    /// The argument that becomes tainted instead of the result.
    pub argument: Option<Selector>,
    pub when: Vec<Condition>,
}

/// Taint is removed.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Sanitizer {
    /// Where it stands.
    pub entry: EntryIx,
    pub clears: SinkBits,
    pub arg: Option<Selector>,
    pub when: Vec<Condition>,
}

/// A test that makes a value harmless.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Guard {
    /// Where it stands.
    pub entry: EntryIx,
    pub clears: SinkBits,
    pub arg: Selector,
    pub holds: bool,
    pub raises: bool,
    pub when: Vec<Condition>,
}

/// A call that calls a function it is given: a thread, a timer, an executor.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// Where it stands.
    pub entry: EntryIx,
    /// The function.
    pub function: Selector,
    /// The argument that is a list of the function's arguments; `None`: they follow the function.
    pub list: Option<Selector>,
    /// Arguments between the function and its own (a delay).
    pub skip: usize,
}

/// Where taint goes in a call that does not simply pass it on.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Destination {
    None,
    Result,
    Receiver,
    Arg(usize),
    /// Parameter `n` of a function passed as argument.
    Callback(usize),
}

/// See [`Destination`].
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Propagate {
    /// Where it stands.
    pub entry: EntryIx,
    pub from: Selector,
    pub to: Destination,
}

/// The receiver becomes another type.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct State {
    /// Where it stands.
    pub entry: EntryIx,
    pub ty: Sym,
    pub when: Vec<Condition>,
}

/// A call that makes or narrows a schema, or puts a value through one. A schema has the path `validation.schema`.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Schema {
    /// Where it stands.
    pub entry: EntryIx,
    pub clears: SinkBits,
    /// The regular expression that values match.
    pub pattern: Option<Selector>,
    /// The schemas of an object's fields.
    pub fields: Option<Selector>,
    /// The schema of a list's elements.
    pub element: Option<Selector>,
    /// The value that is put through the receiver.
    pub parses: Option<Selector>,
    /// The field of the result that it is in then.
    pub under: Option<Sym>,
    pub when: Vec<Condition>,
}

/// An entry point.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Route {
    /// Where it stands.
    pub entry: EntryIx,
    pub path_arg: Option<Selector>,
    /// Type paths of the handler's parameters; empty string = none.
    pub params: Vec<Sym>,
    pub tainted_params: bool,
    /// Sink kind of the returned string.
    pub returns: Option<SinkBits>,
    /// Parts of the route's path that become parameters: what they cannot be, by their form. The group `name` is the parameter's.
    pub placeholders: Arc<[(Pattern, SinkBits)]>,
}

/// What a declared type says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// No hostile text can be one: numbers, dates, identifiers with a fixed form, enumerations.
    Form,
    /// Nothing.
    Plain,
    /// It is given by a framework and no data; what is read from it may be.
    Object,
    /// What its first argument says.
    Inner,
    /// Its elements are what its first argument says.
    List,
    /// One of the constants that it lists.
    Choice,
    /// What its first argument says, within the constraints that follow.
    Annotated,
    /// Classes that derive from it check what they are made of.
    Record,
}

/// What a call in a declaration (a default, an annotation, a decorator) rules out of what is declared with it.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Constraint {
    /// Where it stands.
    pub entry: EntryIx,
    pub clears: SinkBits,
    /// The regular expression that it must match.
    pub pattern: Option<Selector>,
    pub when: Vec<Condition>,
}

/// A fact about the file.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Mark {
    /// Where it stands.
    pub entry: EntryIx,
    pub kind: Sym,
    pub when: Vec<Condition>,
}

/// A `call`, `assign` or `fallback` clause of a rule.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Clause {
    /// Where it stands.
    pub entry: EntryIx,
    pub rule: RuleIx,
    pub when: Vec<Condition>,
    /// The argument to underline.
    pub report: Option<Selector>,
    /// `fallback`: regex on the key or the target.
    pub name: Option<Pattern>,
}

/// Everything known about calling a path.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct CallRoles {
    pub sources: Vec<Source>,
    pub sinks: Vec<Sink>,
    pub sanitizers: Vec<Sanitizer>,
    pub guards: Vec<Guard>,
    pub propagates: Vec<Propagate>,
    pub invokes: Vec<Invoke>,
    pub states: Vec<State>,
    pub routes: Vec<Route>,
    pub marks: Vec<Mark>,
    pub constraints: Vec<Constraint>,
    pub schemas: Vec<Schema>,
    pub clauses: Vec<Clause>,
    /// Framework name if the call creates an application.
    pub app: Option<(Sym, EntryIx)>,
}

/// Everything known about reading or assigning a path.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct MemberRoles {
    pub sources: Vec<Source>,
    /// Assignment sinks.
    pub sinks: Vec<Sink>,
    /// `assign` clauses.
    pub clauses: Vec<Clause>,
    /// Marks set by reading the member.
    pub read_marks: Vec<Mark>,
    /// Marks set by assigning it.
    pub assign_marks: Vec<Mark>,
    /// `fallback` clauses on this value.
    pub fallbacks: Vec<Clause>,
    /// Kinds for which the value is harmless, whatever it was taken from.
    pub clears: Option<(SinkBits, EntryIx)>,
}

/// The kinds of sources that are only perhaps from outside: `stored`, `param`, `unknown`, by the loader's numbers.
pub const DOUBTFUL: SourceBits = 0b1110;

/// An untyped parameter known by its name.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ParamType {
    /// Where it stands.
    pub entry: EntryIx,
    pub name: Sym,
    pub with: Vec<Sym>,
    /// Empty: nothing but that it is an object and no data.
    pub ty: Sym,
}

/// The models of one family (`python`, `javascript`) with the clauses of all rules that apply to it.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Models {
    /// By exact path of the callee.
    pub calls: FxHashMap<Sym, CallRoles>,
    /// `*.name`: methods of receivers whose path is unknown.
    pub methods: FxHashMap<Sym, CallRoles>,
    /// By exact path of the member.
    pub members: FxHashMap<Sym, MemberRoles>,
    /// `*.name`: members of receivers whose path is unknown.
    pub any_members: FxHashMap<Sym, MemberRoles>,
    /// `prefix.*`.
    pub prefixes: FxHashMap<Sym, MemberRoles>,
    /// `prefix.*` for calls.
    pub call_prefixes: FxHashMap<Sym, CallRoles>,
    /// Decorators that make a function an entry point, by path of the decorator's callee.
    pub decorators: FxHashMap<Sym, Vec<Route>>,
    /// Type of a call's result, by path of the callee.
    pub returns: FxHashMap<Sym, (Sym, EntryIx)>,
    /// Kinds for which a guard on a member, or on the result of a call (by path with `()`), decides about what it was taken from.
    pub decides: FxHashMap<Sym, (SinkBits, EntryIx)>,
    /// Type of the result of `*.name` methods.
    pub method_returns: FxHashMap<Sym, (Sym, EntryIx)>,
    /// Prefix replaced by another path.
    pub aliases: FxHashMap<Sym, (Sym, EntryIx)>,
    /// Names of a function's parameters in order, without the receiver; empty: by position only, `*name`: any number more
    /// by position, `*`: what follows goes by name only, `**`: more by name.
    pub signatures: FxHashMap<Sym, Arc<[Sym]>>,
    /// The same of `*.name` methods.
    pub method_signatures: FxHashMap<Sym, Arc<[Sym]>>,
    pub params: Vec<ParamType>,
    /// Declared types, by path.
    pub types: FxHashMap<Sym, (TypeKind, EntryIx)>,
    /// `*.name`: types of modules that nothing is known of.
    pub type_names: FxHashMap<Sym, (TypeKind, EntryIx)>,
    /// Decorators of methods that check the fields they name.
    pub validators: FxHashMap<Sym, EntryIx>,
    /// Paths of which something is known: their members, calls of them or on them.
    pub owners: FxHashSet<Sym>,
    /// `assign` clauses by name of the target.
    pub named_assigns: Vec<(Pattern, Clause)>,
    pub import_marks: FxHashMap<Sym, Vec<Mark>>,
    /// Marks by the regex on defined function or class names.
    pub define_marks: Vec<(Pattern, Mark)>,
    /// Marks by the regex on string constants.
    pub string_marks: Vec<(Pattern, Mark)>,
    /// Marks by the regex on `METHOD /path` of a route.
    pub route_marks: Vec<(Pattern, Mark)>,
    /// Objects whose members are sources: requests.
    pub carriers: FxHashSet<Sym>,
    /// Words for parts of a request, in the names of functions that ask for one.
    pub request_words: Vec<Sym>,
    /// Modules of the standard library, for `dependency` rules.
    pub stdlib: Vec<Sym>,
    /// Well-known package names, for `like_known`.
    pub known: Vec<Sym>,
    /// Import name -> names of the distributions that bring it, where they differ.
    pub distributions: FxHashMap<Sym, Vec<Sym>>,
    /// Import names that many distributions share and none is named after.
    pub namespaces: FxHashSet<Sym>,
}

/// Where a text rule searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TextPlace {
    String,
    Comment,
    Code,
    File,
}

/// The kind of a rule with what only that kind has.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum RuleKind {
    Taint {
        sink: SinkBits,
        sources: SourceBits,
        pedantic_sources: SourceBits,
    },
    /// `call`, `assign` and `fallback` clauses; they live in [`Models`].
    Clauses,
    /// Source snippets; compiled by the judge of patterns.
    Pattern(Vec<Snippets>),
    Missing(Missing),
    Text {
        places: Vec<TextPlace>,
        /// Each with the entry that it is.
        regexes: Vec<(Pattern, EntryIx)>,
        entropy: Option<f64>,
        /// Only what reads like a key or a password.
        random: bool,
        not: Vec<Pattern>,
        files: Option<Pattern>,
        not_files: Option<Pattern>,
        /// In files of the first, what matches the second as a whole is harmless.
        unless: Option<(Pattern, Pattern)>,
        /// Comments in declarations of types do not count.
        outside_types: bool,
    },
    Change(Change),
    Dependency {
        undeclared: bool,
        like_known: bool,
        names: Vec<Sym>,
    },
}

/// What an edit did, judged on the lines removed and added.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Change {
    pub added: Option<Pattern>,
    pub removed: Option<Pattern>,
    pub more_removed: bool,
    pub files: Option<Pattern>,
}

/// The snippets of a `pattern` rule in one language.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Snippets {
    /// JavaScript's hold for TypeScript too.
    pub language: Language,
    /// Each with the entry that it is.
    pub any: Vec<(Arc<str>, EntryIx)>,
    /// Regexes on the text of holes.
    pub filters: Vec<(Sym, Pattern)>,
    /// The same, of which none may match.
    pub unless: Vec<(Sym, Pattern)>,
}

/// Name of a framework.
pub type App = Sym;

/// What a `missing` rule attaches to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Subject {
    App,
    Route,
}

/// How far a control may be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Scope {
    Route,
    File,
    Project,
}

/// A control that an app or route lacks.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Missing {
    pub subject: Subject,
    /// All of these; inside one, any.
    pub has: Vec<Vec<Sym>>,
    pub lacks: Vec<Sym>,
    pub scope: Scope,
    /// `app`, `route` or a mark kind.
    pub anchor: Sym,
}

/// A rewrite recipe with its parameters.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct FixSpec {
    pub recipe: Recipe,
    pub safety: Safety,
    pub languages: Vec<Language>,
    /// Only for calls of these paths.
    pub call: Option<PathSet>,
    /// Not where one of these rules speaks about the same code: what it says weighs more.
    pub unless: Vec<Arc<str>>,
}

/// See the table in `rules/README.md`.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Recipe {
    Parametrise,
    Argv,
    ReplaceCall { with: String, without: Option<Selector>, import: Option<String> },
    SetArgument { argument: Selector, key: Option<String>, value: String, import: Option<String> },
    RemoveArgument { argument: Selector },
    SetValue { value: String, import: Option<String> },
    Wrap { with: String, import: Option<String> },
    ContainPath,
    EnvSecret { name: Option<String> },
    AddMiddleware { statement: String, import: Option<String> },
    InsertGuard { statement: String, import: Option<String> },
    DeleteStatement,
}

/// What an example block claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExampleKind {
    Bad,
    Good,
    Fixed,
    Refused,
    Before,
    With,
}

/// One fenced block of a rule file.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Example {
    pub kind: ExampleKind,
    /// `None`: a language without lowering (text rules only).
    pub language: Option<Language>,
    pub foreign: bool,
    /// File name given with `path=`.
    pub path: Option<String>,
    /// The block's text without `finding` comments.
    pub text: String,
    /// Lines (0-based) that were marked with a `finding` comment.
    pub findings: Vec<usize>,
    /// Lines with the rules that their comment names: `finding: rule, rule`. On pages of libraries only.
    pub named: Vec<(usize, String)>,
    /// 1-based line of the block in the rule file.
    pub line: usize,
}

/// One risk.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Rule {
    pub id: Arc<str>,
    pub title: String,
    pub cwe: Vec<u32>,
    pub owasp: Option<String>,
    pub severity: Severity,
    pub persona: Persona,
    pub confidence: Confidence,
    /// Empty = all.
    pub languages: Vec<Language>,
    pub frameworks: Vec<Sym>,
    pub message: Option<String>,
    pub kind: RuleKind,
    pub fixes: Vec<FixSpec>,
    /// Markdown between the title and the first second-level heading.
    pub why: String,
    /// Markdown of the section `Lesson`.
    pub lesson: String,
    pub examples: Vec<Example>,
    /// The file it came from.
    pub file: String,
}

/// All rules and models, ready to be used by any number of threads.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// All rules, sorted by id.
    pub rules: Vec<Rule>,
    /// Names of the sink kinds; the index is the bit.
    pub sink_kinds: Vec<Sym>,
    /// Names of the source kinds; the index is the bit.
    pub source_kinds: Vec<Sym>,
    /// By family: `python`, `javascript`.
    pub models: FxHashMap<&'static str, Models>,
    /// Taint rules by bit of their sink kind.
    pub taint_rules: Vec<Vec<RuleIx>>,
    /// What the tables were made of.
    pub entries: Vec<Entry>,
    /// Counts, once it was asked for.
    pub coverage: Option<Arc<Coverage>>,
}

impl RuleSet {
    /// The rule with this id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.binary_search_by(|r| (*r.id).cmp(id)).ok().map(|i| &self.rules[i])
    }
    /// The models for a language.
    pub fn models(&self, language: Language) -> Option<&Models> {
        self.models.get(language.info().models)
    }
}
