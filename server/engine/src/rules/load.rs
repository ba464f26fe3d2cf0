//! From files to tables. A file with a mistake is left out whole and reported; the others are used.

use super::{
    App, CallRoles, Change, Clause, Condition, Const, Constraint, Destination, Entry, EntryIx, FixSpec, Guard, Invoke, Mark, MemberRoles,
    Missing, Models, ParamType, PathSet, Pattern, Propagate, Recipe, Route, Rule, RuleKind, RuleSet, Sanitizer, Scope, Selector, Sink,
    SinkBits, Snippets, Source, SourceBits, Subject, Test, TextPlace, TypeKind, markdown, paths, raw,
};
use crate::{
    finding::{Confidence, Persona},
    ir::{Lit, Sym, sym},
    lang::Language,
};
use rustc_hash::FxHashMap;
use std::{collections::BTreeMap, sync::Arc};

/// Files larger than this are refused.
const MAX_FILE: usize = 512 * 1024;
const FAMILIES: [&str; 2] = ["python", "javascript"];

/// What is wrong with a rule or model file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct RuleError {
    /// The file as it was named to the loader.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// What is wrong and what is expected.
    pub message: String,
}

/// Something that goes to several tables by path.
type Wrong = String;

impl RuleSet {
    /// Reads rules (`*.md`) and models (`models/<language>/*.toml`); other files are ignored. A rule with the id of an
    /// earlier one replaces it; a model that is given twice counts once.
    pub fn load<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> (RuleSet, Vec<RuleError>) {
        let files: Vec<(&str, &str)> = files.into_iter().collect();
        let (mut models, mut rules, mut errors) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (name, read) in read_all(&files) {
            match read {
                Read::Nothing => {}
                Read::TooLarge => errors.push(error(name, 1, format!("larger than {MAX_FILE} bytes"))),
                // The pack tested as a folder is there twice.
                Read::Model(text, Ok(_)) if models.iter().any(|(n, t, _)| (*n, *t) == (name, text)) => {}
                Read::Model(text, Ok(model)) => models.push((name, text, model)),
                Read::Model(text, Err(e)) => {
                    let (line, message) = toml_error(&e, text, 1);
                    errors.push(error(name, line, message));
                }
                Read::Rule(rule) => {
                    let stem = name.rsplit(['/', '\\']).next().unwrap_or(name).trim_end_matches(".md");
                    rules.insert(stem, (name, rule));
                }
            }
        }
        // A model file with a mistake is left out whole: what was read up to there is forgotten by beginning anew.
        let mut loader = loop {
            let mut loader = Loader::new();
            let wrong =
                models.iter().enumerate().find_map(|(i, (name, text, model))| Some((i, loader.model_file(name, text, model).err()?)));
            let Some((i, (line, message))) = wrong else { break loader };
            let (name, ..) = models.remove(i);
            errors.push(error(name, line, message));
        };
        loader.errors = errors;
        for (stem, (name, rule)) in rules {
            let before = loader.snapshot();
            if let Err((line, message)) = rule.and_then(|r| loader.rule_file(stem, name, *r)) {
                loader.restore(before);
                loader.errors.push(error(name, line, message));
            }
        }
        loader.finish()
    }
}

/// A file as it was read, before anything is looked up.
enum Read<'f> {
    /// Neither a rule nor a model.
    Nothing,
    TooLarge,
    Model(&'f str, Result<Box<raw::Model>, toml::de::Error>),
    Rule(Result<Box<(markdown::Page<'f>, raw::Rule)>, markdown::Problem>),
}

/// Reads the files, on several processors: it is most of what a start takes.
fn read_all<'f>(files: &[(&'f str, &'f str)]) -> Vec<(&'f str, Read<'f>)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let size: usize = files.iter().map(|f| f.1.len()).sum();
    let mut parts = Vec::new();
    let mut rest = files;
    while !rest.is_empty() {
        let mut sum = 0;
        let enough = rest.iter().position(|f| {
            sum += f.1.len();
            sum > size / threads
        });
        let (part, more) = rest.split_at(enough.map_or(rest.len(), |at| at + 1));
        parts.push(part);
        rest = more;
    }
    let read_part = |part: &[(&'f str, &'f str)]| part.iter().map(|(name, text)| (*name, read(name, text))).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let (first, others) = parts.split_first().map_or((&[][..], &[][..]), |(f, o)| (*f, o));
        let others: Vec<_> = others.iter().map(|part| scope.spawn(|| read_part(part))).collect();
        let mut all = read_part(first);
        for (thread, part) in others.into_iter().zip(&parts[1..]) {
            all.extend(thread.join().unwrap_or_else(|_| read_part(part)));
        }
        all
    })
}

fn read<'f>(name: &str, text: &'f str) -> Read<'f> {
    let (model, rule) =
        (is(name, "toml") && name.contains("models/"), is(name, "md") && !name.contains("models/") && !name.ends_with("README.md"));
    if !model && !rule {
        Read::Nothing
    } else if text.len() > MAX_FILE {
        Read::TooLarge
    } else if model {
        Read::Model(text, toml::from_str(text).map(Box::new))
    } else {
        Read::Rule(markdown::parse(text).and_then(|page| {
            let raw = toml::from_str(page.front).map_err(|e| toml_error(&e, page.front, page.front_line))?;
            Ok(Box::new((page, raw)))
        }))
    }
}

fn is(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, e)| e.eq_ignore_ascii_case(extension))
}

#[derive(Default)]
struct Loader {
    set: RuleSet,
    errors: Vec<RuleError>,
    /// Clauses of rules, added once the rule is known to be whole: `(families, kind, set, clause)`.
    clauses: Vec<(Vec<&'static str>, ClauseKind, PathSet, Clause)>,
    /// Every expression once: many rules ask the same of a file's path.
    patterns: FxHashMap<String, Pattern>,
}

#[derive(Clone, Copy, PartialEq)]
enum ClauseKind {
    Call,
    Assign,
    Fallback,
}

fn error(file: &str, line: usize, message: String) -> RuleError {
    RuleError { file: file.to_string(), line, message }
}

/// The lines of the tables of a file, to find the n-th of a name.
struct Tables<'t> {
    file: Arc<str>,
    lines: Vec<(&'t str, usize)>,
}

impl<'t> Tables<'t> {
    /// `first` is the line of the text's first line.
    fn of(file: &str, text: &'t str, first: usize) -> Self {
        let lines = text.lines().enumerate();
        let tables = lines.filter_map(|(i, l)| Some((l.strip_prefix('[')?.trim_end().trim_matches(['[', ']']), first + i)));
        Self { file: file.into(), lines: tables.collect() }
    }

    fn line(&self, table: &str, nth: usize) -> usize {
        self.lines.iter().filter(|(name, _)| *name == table).nth(nth).map_or(1, |(_, line)| *line)
    }
}

impl Loader {
    fn new() -> Self {
        let mut loader = Self::default();
        for family in FAMILIES {
            loader.set.models.insert(family, Models::default());
        }
        // Kinds that the interpreter itself knows.
        for kind in ["html", "size", "prototype", "slash"] {
            let _ = loader.sink_kind(kind);
        }
        for kind in ["request", "stored", "param", "unknown"] {
            let _ = loader.source_kind(kind);
        }
        loader
    }

    fn snapshot(&self) -> (usize, usize, usize) {
        (self.set.rules.len(), self.clauses.len(), self.set.entries.len())
    }

    fn restore(&mut self, at: (usize, usize, usize)) {
        self.set.rules.truncate(at.0);
        self.clauses.truncate(at.1);
        self.set.entries.truncate(at.2);
    }

    /// Notes the n-th table of a name; `part` is what in it, from 1 on, or 0 for the whole.
    fn entry(&mut self, tables: &Tables<'_>, table: &'static str, nth: usize, part: usize, untested: Option<&String>) -> EntryIx {
        let entries = &mut self.set.entries;
        let (line, untested) = (tables.line(table, nth), untested.map(|why| why.as_str().into()));
        entries.push(Entry { file: tables.file.clone(), table, line, part, untested });
        entries.len() as EntryIx - 1
    }

    fn pattern(&mut self, text: &str) -> Result<Pattern, Wrong> {
        if let Some(known) = self.patterns.get(text) {
            return Ok(known.clone());
        }
        let pattern = Pattern::new(text)?;
        self.patterns.insert(text.to_string(), pattern.clone());
        Ok(pattern)
    }

    fn sink_kind(&mut self, kind: &str) -> Result<SinkBits, Wrong> {
        let kinds = &mut self.set.sink_kinds;
        let i = match kinds.iter().position(|k| *k == kind) {
            Some(i) => i,
            None if kinds.len() >= 64 => return Err("more than 64 kinds of sinks".to_string()),
            None => {
                kinds.push(sym(kind));
                kinds.len() - 1
            }
        };
        Ok(1 << i)
    }

    fn source_kind(&mut self, kind: &str) -> Result<SourceBits, Wrong> {
        const KNOWN: [&str; 10] = ["error", "request", "stored", "file", "env", "argv", "network", "model", "param", "unknown"];
        if !KNOWN.contains(&kind) {
            return Err(format!("unknown source kind `{kind}`; known: {}", KNOWN.join(", ")));
        }
        let kinds = &mut self.set.source_kinds;
        let i = kinds.iter().position(|k| *k == kind).unwrap_or_else(|| {
            kinds.push(sym(kind));
            kinds.len() - 1
        });
        Ok(1 << i)
    }

    /// `*` is everything that a check of form rules out; how much there is of it stays open.
    fn clears(&mut self, kinds: &[String]) -> Result<SinkBits, Wrong> {
        let mut bits = 0;
        for k in kinds {
            bits |= if k == "*" { !self.sink_kind("size")? } else { self.sink_kind(k)? };
        }
        Ok(bits)
    }

    fn sources(&mut self, kinds: &[String]) -> Result<SourceBits, Wrong> {
        kinds.iter().try_fold(0, |bits, k| Ok(bits | self.source_kind(k)?))
    }

    // ---- models -------------------------------------------------------------------------------

    fn model_file(&mut self, name: &str, text: &str, model: &raw::Model) -> Result<(), markdown::Problem> {
        let folder = name.rsplit('/').nth(1).unwrap_or_default().to_string();
        let families: Vec<&'static str> = match FAMILIES.iter().find(|f| **f == folder) {
            Some(f) => vec![f],
            None if folder == "any" => FAMILIES.to_vec(),
            None => {
                return Err((1, format!("models stand in models/python, models/javascript or models/any, not in models/{folder}")));
            }
        };
        let tables = Tables::of(name, text, 1);
        self.model(&families, &tables, model).map_err(|((table, nth), message)| (tables.line(table, nth), message))
    }

    fn model(&mut self, families: &[&'static str], tables: &Tables<'_>, m: &raw::Model) -> Result<(), ((&'static str, usize), String)> {
        macro_rules! each {
            ($name:literal, $list:expr, $f:expr) => {
                for (i, entry) in $list.iter().enumerate() {
                    let index = self.entry(tables, $name, i, 0, entry.untested.as_ref());
                    #[allow(clippy::redundant_closure_call)]
                    $f(self, entry, index).map_err(|e: Wrong| (($name, i), e))?;
                }
            };
        }
        each!("source", m.source, |me: &mut Self, s: &raw::Source, entry: EntryIx| {
            let source = Source {
                entry,
                bits: me.source_kind(s.kind.as_deref().unwrap_or("request"))?,
                safe_for: me.clears(&s.safe_for)?,
                argument: s.argument.as_ref().map(selector),
                when: me.conditions(&s.when)?,
            };
            some(&[&s.path, &s.call], "path or call")?;
            me.calls(families, &s.call, |r| r.sources.push(source.clone()))?;
            me.members(families, &s.path, |r| r.sources.push(source.clone()))
        });
        each!("returns", m.returns, |me: &mut Self, r: &raw::Returns, entry: EntryIx| {
            let set = paths::expand(&r.call.to_vec())?;
            let ty = sym(&r.ty);
            if !r.when.is_empty() {
                return Err("`returns` takes no conditions".to_string());
            }
            for models in me.family(families) {
                models.returns.extend(set.exact.iter().map(|p| (*p, (ty, entry))));
                models.method_returns.extend(set.members.iter().map(|p| (*p, (ty, entry))));
            }
            Ok(())
        });
        each!("decides", m.decides, |me: &mut Self, d: &raw::Decides, entry: EntryIx| {
            let bits = me.clears(&d.kinds)?;
            some(&[&d.path, &d.call], "path or call")?;
            let (paths, calls) = (paths::expand(&d.path.to_vec())?, paths::expand(&d.call.to_vec())?);
            let calls = calls.exact.iter().map(|p| sym(&format!("{p}()")));
            let all: Vec<Sym> = paths.exact.iter().copied().chain(calls).collect();
            for models in me.family(families) {
                models.decides.extend(all.iter().map(|p| (*p, (bits, entry))));
            }
            Ok(())
        });
        each!("alias", m.alias, |me: &mut Self, a: &raw::Alias, entry: EntryIx| {
            let set = paths::expand(&a.from.to_vec())?;
            for models in me.family(families) {
                models.aliases.extend(set.exact.iter().map(|p| (*p, (sym(&a.to), entry))));
            }
            Ok(())
        });
        each!("param", m.param, |me: &mut Self, p: &raw::Param, entry: EntryIx| {
            let ty = match (&p.ty, p.data) {
                (Some(ty), None) => sym(ty),
                (None, Some(false)) => Sym::default(),
                _ => return Err("`type` is needed, or `data = false`".to_string()),
            };
            for models in me.family(families) {
                for name in p.name.to_vec() {
                    models.params.push(ParamType { entry, name: sym(&name), with: p.with.iter().map(|w| sym(w)).collect(), ty });
                }
            }
            Ok(())
        });
        each!("type", m.types, |me: &mut Self, t: &raw::Type, entry: EntryIx| {
            let kind = match t.kind.as_str() {
                "form" => TypeKind::Form,
                "plain" => TypeKind::Plain,
                "object" => TypeKind::Object,
                "inner" => TypeKind::Inner,
                "list" => TypeKind::List,
                "choice" => TypeKind::Choice,
                "annotated" => TypeKind::Annotated,
                "record" => TypeKind::Record,
                other => {
                    return Err(format!(
                        "unknown kind of type `{other}`; known: form, plain, object, inner, list, choice, annotated, record"
                    ));
                }
            };
            let set = paths::expand(&t.path.to_vec())?;
            for models in me.family(families) {
                models.types.extend(set.exact.iter().map(|p| (*p, (kind, entry))));
                models.type_names.extend(set.members.iter().map(|p| (*p, (kind, entry))));
            }
            Ok(())
        });
        each!("schema", m.schema, |me: &mut Self, s: &raw::Schema, entry: EntryIx| {
            let schema = super::Schema {
                entry,
                clears: me.clears(&s.clears)?,
                pattern: s.pattern.as_ref().map(selector),
                fields: s.fields.as_ref().map(selector),
                element: s.element.as_ref().map(selector),
                parses: s.parses.as_ref().map(selector),
                under: s.under.as_deref().map(sym),
                when: me.conditions(&s.when)?,
            };
            me.calls(families, &s.call, |r| r.schemas.push(schema.clone()))
        });
        each!("validator", m.validator, |me: &mut Self, v: &raw::Validator, entry: EntryIx| {
            let set = paths::expand(&v.decorator.to_vec())?;
            for models in me.family(families) {
                models.validators.extend(set.exact.iter().map(|p| (*p, entry)));
            }
            Ok(())
        });
        each!("constraint", m.constraint, |me: &mut Self, c: &raw::Constraint, entry: EntryIx| {
            if c.clears.is_empty() == c.pattern.is_none() {
                return Err("`clears` is needed, or `pattern`".to_string());
            }
            let pattern = c.pattern.as_ref().map(selector);
            let constraint = Constraint { entry, clears: me.clears(&c.clears)?, pattern, when: me.conditions(&c.when)? };
            me.calls(families, &c.call, |r| r.constraints.push(constraint.clone()))
        });
        each!("sink", m.sink, |me: &mut Self, s: &raw::Sink, entry: EntryIx| {
            some(&[&s.call, &s.assign], "call or assign")?;
            let unknown = s.call.to_vec().iter().chain(&s.assign.to_vec()).any(|p| p.starts_with("*."));
            let sink = Sink {
                entry,
                bit: me.sink_kind(&s.kind)?,
                kind: sym(&s.kind),
                arg: s.arg.as_ref().map_or(Selector::Value, selector),
                when: me.conditions(&s.when)?,
                placeholder: s.placeholder.as_deref().map(sym),
                confidence: s.confidence.unwrap_or(if unknown { Confidence::Medium } else { Confidence::High }),
                deep: s.deep,
                message: s.message.as_deref().map(Arc::from),
            };
            if !s.call.to_vec().is_empty() && s.arg.is_none() {
                return Err("a sink of a call needs `arg`".to_string());
            }
            me.calls(families, &s.call, |r| r.sinks.push(sink.clone()))?;
            me.members(families, &s.assign, |r| r.sinks.push(sink.clone()))
        });
        each!("sanitizer", m.sanitizer, |me: &mut Self, s: &raw::Sanitizer, entry: EntryIx| {
            let sanitizer =
                Sanitizer { entry, clears: me.clears(&s.clears)?, arg: s.arg.as_ref().map(selector), when: me.conditions(&s.when)? };
            some(&[&s.path, &s.call], "path or call")?;
            me.members(families, &s.path, |r| r.clears = Some((sanitizer.clears, entry)))?;
            me.calls(families, &s.call, |r| r.sanitizers.push(sanitizer.clone()))
        });
        each!("guard", m.guard, |me: &mut Self, g: &raw::Guard, entry: EntryIx| {
            let guard = Guard {
                entry,
                clears: me.clears(&g.clears)?,
                arg: selector(&g.arg),
                holds: g.holds.unwrap_or(true),
                raises: g.raises,
                when: me.conditions(&g.when)?,
            };
            me.calls(families, &g.call, |r| r.guards.push(guard.clone()))
        });
        each!("invoke", m.invoke, |me: &mut Self, i: &raw::Invoke, entry: EntryIx| {
            let invoke = Invoke { entry, function: selector(&i.function), list: i.list.as_ref().map(selector), skip: i.skip };
            me.calls(families, &i.call, |r| r.invokes.push(invoke.clone()))
        });
        each!("propagate", m.propagate, |me: &mut Self, p: &raw::Propagate, entry: EntryIx| {
            let to = match &p.to {
                raw::Target::Index(i) => Destination::Arg(*i),
                raw::Target::Name(n) => match n.as_str() {
                    "none" => Destination::None,
                    "result" => Destination::Result,
                    "receiver" => Destination::Receiver,
                    other => match other.strip_prefix("callback:").and_then(|i| i.parse().ok()) {
                        Some(i) => Destination::Callback(i),
                        None => {
                            return Err(format!(
                                "unknown `to = \"{other}\"`; known: none, result, receiver, callback:N, an argument's index"
                            ));
                        }
                    },
                },
            };
            let propagate = Propagate { entry, from: selector(&p.from), to };
            me.calls(families, &p.call, |r| r.propagates.push(propagate.clone()))
        });
        each!("state", m.state, |me: &mut Self, s: &raw::Returns, entry: EntryIx| {
            let state = super::State { entry, ty: sym(&s.ty), when: me.conditions(&s.when)? };
            me.calls(families, &s.call, |r| r.states.push(state.clone()))
        });
        for (i, s) in m.signature.iter().enumerate() {
            let set = paths::expand(&s.call.to_vec()).map_err(|e| (("signature", i), e))?;
            let params: Arc<[Sym]> = s.params.iter().map(|p| sym(p)).collect();
            for models in self.family(families) {
                models.signatures.extend(set.exact.iter().map(|p| (*p, params.clone())));
                models.method_signatures.extend(set.members.iter().map(|p| (*p, params.clone())));
            }
        }
        each!("route", m.route, |me: &mut Self, r: &raw::Route, entry: EntryIx| {
            some(&[&r.decorator, &r.call], "decorator or call")?;
            let route = Route {
                entry,
                path_arg: r.path_arg.as_ref().map(selector),
                params: r.params.iter().map(|p| sym(p)).collect(),
                tainted_params: r.tainted_params,
                returns: r.returns.as_deref().map(|k| me.sink_kind(k)).transpose()?,
                placeholders: r
                    .placeholder
                    .iter()
                    .map(|p| Ok((me.pattern(&p.regex)?, me.clears(&p.clears)?)))
                    .collect::<Result<Vec<_>, Wrong>>()?
                    .into(),
            };
            me.calls(families, &r.call, |c| c.routes.push(route.clone()))?;
            let set = paths::expand(&r.decorator.to_vec())?;
            for models in me.family(families) {
                for p in &set.exact {
                    models.decorators.entry(*p).or_default().push(route.clone());
                }
            }
            Ok(())
        });
        each!("app", m.app, |me: &mut Self, a: &raw::App, entry: EntryIx| {
            let app: App = sym(&a.framework);
            me.calls(families, &a.call, |r| r.app = Some((app, entry)))
        });
        each!("mark", m.mark, |me: &mut Self, k: &raw::Mark, entry: EntryIx| {
            let mark = Mark { entry, kind: sym(&k.kind), when: me.conditions(&k.when)? };
            me.calls(families, &k.call, |r| r.marks.push(mark.clone()))?;
            me.members(families, &k.path, |r| r.read_marks.push(mark.clone()))?;
            me.members(families, &k.assign, |r| r.assign_marks.push(mark.clone()))?;
            let imports = paths::expand(&k.import.to_vec())?;
            let define = k.define.as_deref().map(|t| me.pattern(t)).transpose()?;
            let string = k.string.as_deref().map(|t| me.pattern(t)).transpose()?;
            let route = k.route.as_deref().map(|t| me.pattern(t)).transpose()?;
            for models in me.family(families) {
                for p in &imports.exact {
                    models.import_marks.entry(*p).or_default().push(mark.clone());
                }
                models.define_marks.extend(define.clone().map(|p| (p, mark.clone())));
                models.string_marks.extend(string.clone().map(|p| (p, mark.clone())));
                models.route_marks.extend(route.clone().map(|p| (p, mark.clone())));
            }
            Ok(())
        });
        for models in self.family(families) {
            models.request_words.extend(m.request_words.iter().map(|s| sym(s)));
            models.stdlib.extend(m.stdlib.iter().map(|s| sym(s)));
            models.known.extend(m.known.iter().map(|s| sym(s)));
            models.namespaces.extend(m.namespaces.iter().map(|s| sym(s)));
            models.distributions.extend(m.distributions.iter().map(|(a, b)| (sym(a), b.to_vec().iter().map(|d| sym(d)).collect())));
        }
        Ok(())
    }

    fn family<'s>(&'s mut self, families: &'s [&'static str]) -> impl Iterator<Item = &'s mut Models> {
        self.set.models.iter_mut().filter(|(f, _)| families.contains(f)).map(|(_, m)| m)
    }

    fn calls(&mut self, families: &[&'static str], patterns: &raw::Many<String>, mut add: impl FnMut(&mut CallRoles)) -> Result<(), Wrong> {
        let set = paths::expand(&patterns.to_vec())?;
        for models in self.family(families) {
            set.exact.iter().for_each(|p| add(models.calls.entry(*p).or_default()));
            set.members.iter().for_each(|p| add(models.methods.entry(*p).or_default()));
            set.prefixes.iter().for_each(|p| add(models.call_prefixes.entry(*p).or_default()));
        }
        Ok(())
    }

    fn members(
        &mut self,
        families: &[&'static str],
        patterns: &raw::Many<String>,
        mut add: impl FnMut(&mut MemberRoles),
    ) -> Result<(), Wrong> {
        let set = paths::expand(&patterns.to_vec())?;
        for models in self.family(families) {
            set.exact.iter().for_each(|p| add(models.members.entry(*p).or_default()));
            set.members.iter().for_each(|p| add(models.any_members.entry(*p).or_default()));
            set.prefixes.iter().for_each(|p| add(models.prefixes.entry(*p).or_default()));
        }
        Ok(())
    }

    fn conditions(&mut self, list: &[raw::Condition]) -> Result<Vec<Condition>, Wrong> {
        let mut out = Vec::new();
        for c in list {
            let mut tests = Vec::new();
            let set = |p: &raw::Many<String>| paths::expand(&p.to_vec());
            if let Some(v) = &c.is {
                tests.push(Test::Is(constants(v)?));
            }
            if let Some(v) = &c.not {
                tests.push(Test::Not(constants(v)?));
            }
            tests.extend(c.missing.map(Test::Missing));
            if let Some(p) = &c.matches {
                tests.push(Test::Matches(self.pattern(p)?));
            }
            if let Some(p) = &c.not_matches {
                tests.push(Test::NotMatches(self.pattern(p)?));
            }
            tests.extend(c.random.map(Test::Random));
            tests.extend(c.literal.map(Test::Literal));
            tests.extend(c.built.map(Test::Built));
            tests.extend(c.object.map(Test::Object));
            match &c.tainted {
                Some(raw::Tainted::Any(b)) => tests.push(Test::Tainted(*b, None)),
                Some(raw::Tainted::Kinds(k)) => tests.push(Test::Tainted(true, Some(self.sources(k)?))),
                None => {}
            }
            if let Some(p) = &c.path {
                tests.push(Test::Path(set(p)?));
            }
            if let Some(p) = &c.not_path {
                tests.push(Test::NotPath(set(p)?));
            }
            if let Some(p) = &c.name {
                tests.push(Test::Name(self.pattern(p)?));
            }
            if let Some(p) = &c.not_name {
                tests.push(Test::NotName(self.pattern(p)?));
            }
            tests.extend(c.unbounded.map(Test::Unbounded));
            tests.extend(c.below.map(Test::Below));
            let before = out.len();
            match &c.arg {
                Some(arg) => {
                    if tests.is_empty() {
                        return Err("a condition on an argument needs a test (is, not, missing, matches, literal, built, ...)".to_string());
                    }
                    let key = c.key.as_ref().map(|k| k.split('.').map(sym).collect());
                    out.push(Condition::Arg { selector: selector(arg), key, tests });
                }
                None if !tests.is_empty() => return Err("this condition needs `arg`".to_string()),
                None => {}
            }
            let regexes: [(&Option<String>, fn(Pattern) -> Condition); 7] = [
                (&c.words, Condition::Words),
                (&c.target, Condition::Target),
                (&c.not_target, Condition::NotTarget),
                (&c.inside, Condition::Inside),
                (&c.not_inside, Condition::NotInside),
                (&c.file, Condition::File),
                (&c.not_file, Condition::NotFile),
            ];
            for (text, make) in regexes {
                if let Some(t) = text {
                    out.push(make(self.pattern(t)?));
                }
            }
            out.extend(c.has.as_deref().map(|k| Condition::Has(sym(k))));
            out.extend(c.lacks.as_deref().map(|k| Condition::Lacks(sym(k))));
            if out.len() == before {
                return Err("an empty condition".to_string());
            }
        }
        Ok(out)
    }

    // ---- rules --------------------------------------------------------------------------------

    fn rule_file(&mut self, stem: &str, name: &str, (page, raw): (markdown::Page<'_>, raw::Rule)) -> Result<(), markdown::Problem> {
        if raw.id != stem {
            return Err((page.front_line, format!("the id `{}` is not the file's name `{stem}`", raw.id)));
        }
        let at = |key: &str| {
            let found = page.front.lines().position(|l| l.trim_start().starts_with(key));
            page.front_line + found.unwrap_or(0)
        };
        let languages = languages(&raw.languages).map_err(|e| (at("languages"), e))?;
        let families: Vec<&'static str> =
            FAMILIES.into_iter().filter(|f| languages.is_empty() || languages.iter().any(|l| l.info().models == *f)).collect();
        let index = self.set.rules.len();
        let tables = Tables::of(name, page.front, page.front_line);
        let kind = self.rule_kind(&raw, index, &families, &tables).map_err(|(key, e)| (at(key), e))?;
        let fixes = match &raw.fix {
            Some(f) => f.to_vec().iter().map(fix).collect::<Result<_, _>>().map_err(|e| (at("[fix").max(at("[[fix")), e))?,
            None => Vec::new(),
        };
        self.set.rules.push(Rule {
            id: Arc::from(raw.id.as_str()),
            title: page.title.to_string(),
            cwe: raw.cwe,
            owasp: raw.owasp,
            severity: raw.severity,
            persona: raw.persona.unwrap_or(Persona::Regular),
            confidence: raw.confidence.unwrap_or(Confidence::High),
            languages,
            frameworks: raw.frameworks.iter().map(|f| sym(f)).collect(),
            message: raw.message,
            kind,
            fixes,
            why: page.why,
            lesson: page.lesson,
            examples: page.examples,
            file: name.to_string(),
        });
        Ok(())
    }

    fn rule_kind(
        &mut self,
        raw: &raw::Rule,
        index: usize,
        families: &[&'static str],
        tables: &Tables<'_>,
    ) -> Result<RuleKind, (&'static str, String)> {
        let clauses = !(raw.call.is_empty() && raw.assign.is_empty() && raw.fallback.is_empty());
        let kinds = [
            raw.taint.is_some(),
            clauses,
            raw.pattern.is_some(),
            raw.missing.is_some(),
            raw.text.is_some(),
            raw.change.is_some(),
            raw.dependency.is_some(),
        ];
        match kinds.iter().filter(|k| **k).count() {
            1 => {}
            0 => return Err((
                "id",
                "no kind: one of [taint], [[call]]/[[assign]]/[[fallback]], [pattern], [missing], [text], [change], [dependency] is needed"
                    .into(),
            )),
            _ => {
                return Err((
                    "id",
                    "more than one kind: a rule is exactly one of taint, call/assign/fallback, pattern, missing, text, change, dependency"
                        .into(),
                ));
            }
        }
        if let Some(t) = &raw.taint {
            let Some(bit) = self.set.sink_kinds.iter().position(|k| *k == t.sink.as_str()) else {
                return Err(("sink", format!("no model names a sink of kind `{}`", t.sink)));
            };
            let defaults: Vec<String> = ["request", "network", "argv", "model"].map(String::from).to_vec();
            return Ok(RuleKind::Taint {
                sink: 1 << bit,
                sources: self.sources(t.sources.as_ref().unwrap_or(&defaults)).map_err(|e| ("sources", e))?,
                pedantic_sources: self.sources(&t.pedantic_sources).map_err(|e| ("pedantic_sources", e))?,
            });
        }
        if clauses {
            for (list, kind, key, table) in [
                (&raw.call, ClauseKind::Call, "[[call]]", "call"),
                (&raw.assign, ClauseKind::Assign, "[[assign]]", "assign"),
                (&raw.fallback, ClauseKind::Fallback, "[[fallback]]", "fallback"),
            ] {
                for (nth, c) in list.iter().enumerate() {
                    let set = paths::expand(&c.path.to_vec()).map_err(|e| (key, e))?;
                    let empty = set.exact.is_empty() && set.members.is_empty() && set.prefixes.is_empty();
                    if empty && (kind != ClauseKind::Assign || c.name.is_none()) {
                        return Err((key, "a clause needs `path` (an assign clause: `path` or `name`)".into()));
                    }
                    let clause = Clause {
                        entry: self.entry(tables, table, nth, 0, c.untested.as_ref()),
                        rule: index,
                        when: self.conditions(&c.when).map_err(|e| (key, e))?,
                        report: c.report.as_ref().map(selector),
                        name: c.name.as_deref().map(|t| self.pattern(t)).transpose().map_err(|e| (key, e))?,
                    };
                    self.clauses.push((families.to_vec(), kind, set, clause));
                }
            }
            return Ok(RuleKind::Clauses);
        }
        if let Some(p) = &raw.pattern {
            let parts = p.to_vec();
            let parts = parts.iter().enumerate();
            return parts.map(|(nth, s)| snippets(self, s, tables, nth)).collect::<Result<_, _>>().map(RuleKind::Pattern);
        }
        if let Some(m) = &raw.missing {
            return missing(m).map(RuleKind::Missing).map_err(|e| ("[missing]", e));
        }
        if let Some(t) = &raw.text {
            return text_rule(self, t, tables).map_err(|e| ("[text]", e));
        }
        if let Some(c) = &raw.change {
            if c.added.is_none() && c.removed.is_none() {
                return Err(("[change]", "`added` or `removed` is needed".into()));
            }
            let mut optional = |t: &Option<String>| t.as_deref().map(|t| self.pattern(t)).transpose().map_err(|e| ("[change]", e));
            return Ok(RuleKind::Change(Change {
                added: optional(&c.added)?,
                removed: optional(&c.removed)?,
                more_removed: c.more_removed,
                files: optional(&c.files)?,
            }));
        }
        let d = raw.dependency.as_ref().ok_or(("id", "no kind".to_string()))?;
        if !d.undeclared && !d.like_known && d.names.is_empty() {
            return Err(("[dependency]", "one of undeclared, like_known, names is needed".into()));
        }
        Ok(RuleKind::Dependency { undeclared: d.undeclared, like_known: d.like_known, names: d.names.iter().map(|n| sym(n)).collect() })
    }

    /// Sorts the rules by id and puts the clauses where the interpreter looks.
    fn finish(mut self) -> (RuleSet, Vec<RuleError>) {
        let mut order: Vec<usize> = (0..self.set.rules.len()).collect();
        order.sort_by(|a, b| self.set.rules[*a].id.cmp(&self.set.rules[*b].id));
        let mut new_index = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            new_index[*old] = new;
        }
        let mut rules: Vec<Option<Rule>> = std::mem::take(&mut self.set.rules).into_iter().map(Some).collect();
        self.set.rules = order.iter().filter_map(|i| rules[*i].take()).collect();
        for (families, kind, set, mut clause) in std::mem::take(&mut self.clauses) {
            clause.rule = new_index[clause.rule];
            for models in self.family(&families) {
                match kind {
                    ClauseKind::Call => {
                        set.exact.iter().for_each(|p| models.calls.entry(*p).or_default().clauses.push(clause.clone()));
                        set.members.iter().for_each(|p| models.methods.entry(*p).or_default().clauses.push(clause.clone()));
                        set.prefixes.iter().for_each(|p| models.call_prefixes.entry(*p).or_default().clauses.push(clause.clone()));
                    }
                    ClauseKind::Assign => {
                        if let Some(name) = &clause.name {
                            models.named_assigns.push((name.clone(), clause.clone()));
                        }
                        set.exact.iter().for_each(|p| models.members.entry(*p).or_default().clauses.push(clause.clone()));
                        set.members.iter().for_each(|p| models.any_members.entry(*p).or_default().clauses.push(clause.clone()));
                        set.prefixes.iter().for_each(|p| models.prefixes.entry(*p).or_default().clauses.push(clause.clone()));
                    }
                    ClauseKind::Fallback => {
                        set.exact.iter().for_each(|p| models.members.entry(*p).or_default().fallbacks.push(clause.clone()));
                        set.prefixes.iter().for_each(|p| models.prefixes.entry(*p).or_default().fallbacks.push(clause.clone()));
                    }
                }
            }
        }
        for models in self.set.models.values_mut() {
            name_arguments(models);
            let request = self.set.source_kinds.iter().position(|k| *k == "request").map_or(0, |i| 1 << i);
            let heads =
                models.members.iter().filter(|(_, r)| r.sources.iter().any(|s| s.bits == request)).filter_map(|(p, _)| p.rsplit_once('.'));
            // A handler of a class is no request, though it holds one: its methods are given the whole of it.
            models.owners = owners(models);
            models.carriers = heads.filter(|(head, _)| !head.ends_with("Handler")).map(|(head, _)| sym(head)).collect();
        }
        self.set.taint_rules = vec![Vec::new(); 64];
        for (i, rule) in self.set.rules.iter().enumerate() {
            if let RuleKind::Taint { sink, .. } = rule.kind {
                self.set.taint_rules[sink.trailing_zeros() as usize].push(i);
            }
        }
        (self.set, self.errors)
    }
}

/// The paths of which something is known.
fn owners(models: &Models) -> rustc_hash::FxHashSet<Sym> {
    let members = models.calls.keys().chain(models.members.keys()).filter_map(|p| Some(sym(p.rsplit_once('.')?.0)));
    let whole = models.prefixes.keys().chain(models.call_prefixes.keys()).chain(models.types.keys()).copied();
    let types = models.returns.values().map(|(ty, _)| *ty).chain(models.params.iter().map(|p| p.ty));
    members
        .chain(whole)
        .chain(types)
        .chain(models.calls.keys().copied())
        .chain(models.members.keys().copied())
        .filter(|p| !p.is_empty())
        .collect()
}

/// Where the signature of a function is known, an argument is the same by position and by name.
fn name_arguments(models: &mut Models) {
    let Models { calls, methods, signatures, method_signatures, .. } = models;
    let exact = calls.iter_mut().filter_map(|(path, roles)| Some((roles, signatures.get(path)?)));
    let members = methods.iter_mut().filter_map(|(name, roles)| Some((roles, method_signatures.get(name)?)));
    for (roles, params) in exact.chain(members) {
        let name = |s: &mut Selector| *s = by_name_too(s, params);
        roles.sinks.iter_mut().for_each(|s| name(&mut s.arg));
        roles.sources.iter_mut().filter_map(|s| s.argument.as_mut()).for_each(name);
        roles.sanitizers.iter_mut().filter_map(|s| s.arg.as_mut()).for_each(name);
        roles.guards.iter_mut().for_each(|g| name(&mut g.arg));
        roles.propagates.iter_mut().for_each(|p| name(&mut p.from));
        roles.routes.iter_mut().filter_map(|r| r.path_arg.as_mut()).for_each(name);
        roles.clauses.iter_mut().filter_map(|c| c.report.as_mut()).for_each(name);
        roles.constraints.iter_mut().filter_map(|c| c.pattern.as_mut()).for_each(name);
        let conditions = roles.sinks.iter_mut().map(|x| &mut x.when);
        let conditions = conditions.chain(roles.sources.iter_mut().map(|x| &mut x.when));
        let conditions = conditions.chain(roles.sanitizers.iter_mut().map(|x| &mut x.when));
        let conditions = conditions.chain(roles.guards.iter_mut().map(|x| &mut x.when));
        let conditions = conditions.chain(roles.states.iter_mut().map(|x| &mut x.when));
        let conditions = conditions.chain(roles.marks.iter_mut().map(|x| &mut x.when));
        let conditions = conditions.chain(roles.constraints.iter_mut().map(|x| &mut x.when));
        let conditions = conditions.chain(roles.schemas.iter_mut().map(|x| &mut x.when));
        for condition in conditions.chain(roles.clauses.iter_mut().map(|x| &mut x.when)).flatten() {
            if let Condition::Arg { selector, .. } = condition {
                name(selector);
            }
        }
    }
}

/// The selector with the other spelling of each of its arguments.
fn by_name_too(selector: &Selector, params: &[Sym]) -> Selector {
    let all = match selector {
        Selector::First(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let positions = params.iter().position(|p| p.starts_with('*')).unwrap_or(params.len());
    let (mut sure, mut spread) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Selector::Index(i) => {
                let name = params[..positions].get(*i).filter(|p| !p.is_empty());
                sure.push(Selector::Position(*i));
                sure.extend(name.map(|p| Selector::Keyword(*p)));
                spread.push(one.clone());
            }
            Selector::Keyword(k) => {
                sure.push(one.clone());
                sure.extend(params[..positions].iter().position(|p| p == k).map(Selector::Position));
            }
            other => sure.push(other.clone()),
        }
    }
    // `f(*args)` may hold any of them: only when nothing else is there.
    sure.append(&mut spread);
    let mut known = Vec::new();
    sure.retain(|s| {
        !known.contains(s) && {
            known.push(s.clone());
            true
        }
    });
    if let [_] = known[..] { sure.remove(0) } else { Selector::First(sure) }
}

fn some(lists: &[&raw::Many<String>], names: &str) -> Result<(), Wrong> {
    if lists.iter().all(|l| l.to_vec().is_empty()) { Err(format!("{names} is needed")) } else { Ok(()) }
}

fn toml_error(e: &toml::de::Error, text: &str, first: usize) -> markdown::Problem {
    let line = e.span().map_or(0, |s| text.get(..s.start).unwrap_or_default().matches('\n').count());
    (first + line, e.message().to_string())
}

fn selector(s: &raw::Selector) -> Selector {
    match s {
        raw::Selector::Index(i) => Selector::Index(*i),
        raw::Selector::First(list) => Selector::First(list.iter().map(selector).collect()),
        raw::Selector::Name(n) => match n.as_str() {
            "receiver" => Selector::Receiver,
            "any" => Selector::Any,
            "value" => Selector::Value,
            "callback" => Selector::Callback,
            _ => Selector::Keyword(sym(n)),
        },
    }
}

fn constants(values: &[toml::Value]) -> Result<Vec<Const>, Wrong> {
    values
        .iter()
        .map(|v| {
            Ok(Const(match v {
                toml::Value::String(s) if s == "null" => Lit::Null,
                toml::Value::String(s) => Lit::Str(s.to_lowercase().into()),
                toml::Value::Integer(i) => Lit::Int(*i),
                toml::Value::Float(f) => Lit::Float(*f),
                toml::Value::Boolean(b) => Lit::Bool(*b),
                other => return Err(format!("`{other}` is no constant: strings, numbers and booleans are")),
            }))
        })
        .collect()
}

fn languages(names: &[String]) -> Result<Vec<Language>, Wrong> {
    let mut out = Vec::new();
    for n in names {
        let l = Language::by_name(n).ok_or_else(|| {
            format!("unknown language `{n}`; known: {}", Language::all().map(|l| l.info().name).collect::<Vec<_>>().join(", "))
        })?;
        out.push(l);
        // JavaScript rules speak about TypeScript too.
        if l == Language::JavaScript {
            out.extend([Language::TypeScript, Language::Tsx]);
        }
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

fn missing(m: &raw::Missing) -> Result<Missing, Wrong> {
    let kinds = |s: &String| s.split('|').map(|k| sym(k.trim())).collect::<Vec<Sym>>();
    Ok(Missing {
        subject: match m.subject.as_str() {
            "app" => Subject::App,
            "route" => Subject::Route,
            other => return Err(format!("unknown subject `{other}`; known: app, route")),
        },
        has: m.has.iter().map(kinds).collect(),
        lacks: m.lacks.iter().map(|k| sym(k)).collect(),
        scope: match m.scope.as_deref() {
            None | Some("file") => Scope::File,
            Some("route") => Scope::Route,
            Some("project") => Scope::Project,
            Some(other) => return Err(format!("unknown scope `{other}`; known: route, file, project")),
        },
        anchor: sym(m.anchor.as_deref().unwrap_or(&m.subject)),
    })
}

fn snippets(loader: &mut Loader, raw: &raw::PatternRule, tables: &Tables<'_>, nth: usize) -> Result<Snippets, (&'static str, String)> {
    let Some(language) = Language::by_name(&raw.language) else {
        return Err(("language", format!("unknown language `{}`", raw.language)));
    };
    let mut compiled = |list: &BTreeMap<String, String>, key| {
        list.iter().map(|(name, text)| Ok((sym(name), loader.pattern(text).map_err(|e| (key, e))?))).collect::<Result<Vec<_>, _>>()
    };
    let (filters, unless) = (compiled(&raw.filters, "where")?, compiled(&raw.unless, "unless")?);
    let snippets = raw.any.iter().enumerate();
    let any = snippets.map(|(i, s)| (Arc::from(s.as_str()), loader.entry(tables, "pattern", nth, i + 1, raw.untested.as_ref()))).collect();
    Ok(Snippets { language, any, filters, unless })
}

fn text_rule(loader: &mut Loader, t: &raw::Text, tables: &Tables<'_>) -> Result<RuleKind, Wrong> {
    let mut places = Vec::new();
    for p in &t.places {
        places.push(match p.as_str() {
            "string" => TextPlace::String,
            "comment" => TextPlace::Comment,
            "code" => TextPlace::Code,
            "file" => TextPlace::File,
            other => return Err(format!("unknown place `{other}`; known: string, comment, code, file")),
        });
    }
    let expressions = t.regex.to_vec();
    let regexes = expressions.iter().enumerate().map(|(i, r)| {
        let pattern = loader.pattern(r)?;
        Ok::<_, Wrong>((pattern, loader.entry(tables, "text", 0, i + 1, t.untested.as_ref())))
    });
    let regexes = regexes.collect::<Result<Vec<_>, _>>()?;
    if places.is_empty() || regexes.is_empty() {
        return Err("`in` and `regex` must not be empty".to_string());
    }
    Ok(RuleKind::Text {
        places,
        regexes,
        entropy: t.entropy,
        random: t.random,
        not: t.not.to_vec().iter().map(|r| loader.pattern(r)).collect::<Result<_, _>>()?,
        files: t.files.as_deref().map(|f| loader.pattern(f)).transpose()?,
        not_files: t.not_files.as_deref().map(|f| loader.pattern(f)).transpose()?,
        unless: t.unless.as_ref().map(|u| Ok::<_, Wrong>((loader.pattern(&u.files)?, loader.pattern(&u.matches)?))).transpose()?,
        outside_types: t.outside_types,
    })
}

fn fix(f: &raw::Fix) -> Result<FixSpec, Wrong> {
    let need = |v: &Option<String>, name: &str| v.clone().ok_or_else(|| format!("the recipe `{}` needs `{name}`", f.recipe));
    let argument = || f.argument.as_ref().map(selector).ok_or_else(|| format!("the recipe `{}` needs `argument`", f.recipe));
    let import = f.import.clone();
    let recipe = match f.recipe.as_str() {
        "parametrise" => Recipe::Parametrise,
        "argv" => Recipe::Argv,
        "replace-call" => Recipe::ReplaceCall { with: need(&f.with, "with")?, without: f.without.as_ref().map(selector), import },
        "set-argument" => Recipe::SetArgument { argument: argument()?, key: f.key.clone(), value: need(&f.value, "value")?, import },
        "remove-argument" => Recipe::RemoveArgument { argument: argument()? },
        "set-value" => Recipe::SetValue { value: need(&f.value, "value")?, import },
        "wrap" => Recipe::Wrap { with: need(&f.with, "with")?, import },
        "contain-path" => Recipe::ContainPath,
        "env-secret" => Recipe::EnvSecret { name: f.name.clone() },
        "add-middleware" => Recipe::AddMiddleware { statement: need(&f.statement, "statement")?, import },
        "insert-guard" => Recipe::InsertGuard { statement: need(&f.statement, "statement")?, import },
        "delete-statement" => Recipe::DeleteStatement,
        other => return Err(format!("unknown recipe `{other}`")),
    };
    Ok(FixSpec {
        recipe,
        safety: f.safety,
        languages: languages(&f.languages)?,
        call: f.call.as_ref().map(|c| paths::expand(&c.to_vec())).transpose()?,
        unless: f.unless.as_ref().map(raw::Many::to_vec).unwrap_or_default().into_iter().map(Into::into).collect(),
    })
}
