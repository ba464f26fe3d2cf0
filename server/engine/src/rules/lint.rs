//! What is well-formed and yet cannot be meant: conditions that never hold, paths that nothing has, kinds that nobody reads.

use super::{CallRoles, Condition, EntryIx, MemberRoles, Models, Pattern, RuleError, RuleKind, RuleSet, Selector, SinkBits, Test};
use crate::ir::{Sym, sym};
use rustc_hash::{FxHashMap, FxHashSet};

impl RuleSet {
    /// Looks for mistakes that no single file shows, sorted by file and line. Slow: builds every regular expression.
    pub fn lint(&self) -> Vec<RuleError> {
        let mut lint = Lint { rules: self, found: FxHashSet::default(), never: Vec::new(), met: FxHashSet::default() };
        lint.kinds();
        lint.frameworks();
        for (family, models) in &self.models {
            let Models { calls, methods, call_prefixes, members, any_members, prefixes, decorators, .. } = models;
            let mut table = Table { models, signed: *family == "python" };
            for (path, roles) in calls {
                lint.call(&mut table, Some(*path), roles, models.signatures.get(path).map(|s| &**s));
            }
            table.signed = false;
            for (name, roles) in methods {
                lint.call(&mut table, None, roles, models.method_signatures.get(name).map(|s| &**s));
            }
            for (path, roles) in call_prefixes {
                lint.call(&mut table, Some(*path), roles, None);
            }
            for (path, roles) in members.iter().chain(prefixes) {
                lint.member(&table, Some(*path), roles);
            }
            for roles in any_members.values() {
                lint.member(&table, None, roles);
            }
            for (path, routes) in decorators {
                for route in routes {
                    lint.path(&table, *path, route.entry);
                }
            }
            for (path, (_, entry)) in &models.returns {
                lint.path(&table, *path, *entry);
            }
            for (_, clause) in &models.named_assigns {
                lint.conditions(clause.entry, &clause.when, None);
            }
        }
        // A rule about several languages may name what only one of them has.
        for (entry, path, message) in std::mem::take(&mut lint.never) {
            if !lint.met.contains(&(entry, path)) {
                lint.say(entry, message);
            }
        }
        let mut found: Vec<RuleError> = lint.found.into_iter().map(|(file, line, message)| RuleError { file, line, message }).collect();
        found.sort_by(|a, b| (&a.file, a.line, &a.message).cmp(&(&b.file, b.line, &b.message)));
        found
    }
}

struct Lint<'r> {
    rules: &'r RuleSet,
    found: FxHashSet<(String, usize, String)>,
    /// Paths that nothing has in one family, and those that something may have in one.
    never: Vec<(EntryIx, Sym, String)>,
    met: FxHashSet<(EntryIx, Sym)>,
}

struct Table<'r> {
    models: &'r Models,
    /// Arguments have names here, so that a function must have a signature for its positions to mean anything.
    signed: bool,
}

impl Lint<'_> {
    fn say(&mut self, entry: EntryIx, message: String) {
        if let Some(e) = self.rules.entries.get(entry as usize) {
            self.found.insert((e.file.to_string(), e.line, message));
        }
    }

    // ---- kinds --------------------------------------------------------------------------------

    fn kinds(&mut self) {
        let rules = self.rules;
        // What the interpreter looks for by itself.
        let mut has_sink: SinkBits = self.bits(&["prototype", "size", "slash"]);
        let (mut sinks, mut cleared): (Vec<(SinkBits, EntryIx)>, Vec<(SinkBits, EntryIx)>) = (Vec::new(), Vec::new());
        let everything = !self.bits(&["size"]);
        for models in rules.models.values() {
            for r in models.calls.values().chain(models.methods.values()).chain(models.call_prefixes.values()) {
                sinks.extend(r.sinks.iter().map(|s| (s.bit, s.entry)));
                sinks.extend(r.routes.iter().filter_map(|r| Some((r.returns?, r.entry))));
                cleared.extend(r.sanitizers.iter().map(|s| (s.clears, s.entry)));
                cleared.extend(r.guards.iter().map(|g| (g.clears, g.entry)));
                cleared.extend(r.constraints.iter().map(|c| (c.clears, c.entry)));
                cleared.extend(r.schemas.iter().map(|s| (s.clears, s.entry)));
                cleared.extend(r.sources.iter().map(|s| (s.safe_for, s.entry)));
            }
            for r in models.members.values().chain(models.any_members.values()).chain(models.prefixes.values()) {
                sinks.extend(r.sinks.iter().map(|s| (s.bit, s.entry)));
                cleared.extend(r.sources.iter().map(|s| (s.safe_for, s.entry)));
            }
            sinks.extend(models.decorators.values().flatten().filter_map(|r| Some((r.returns?, r.entry))));
        }
        for (bit, entry) in &sinks {
            has_sink |= bit;
            if rules.taint_rules.get(bit.trailing_zeros() as usize).is_none_or(Vec::is_empty) {
                self.say(*entry, format!("no rule reads sinks of kind {}", self.names(*bit)));
            }
        }
        for (bits, entry) in cleared {
            let unknown = if bits == everything { 0 } else { bits & !has_sink };
            if unknown != 0 {
                self.say(entry, format!("nothing is a sink of kind {}", self.names(unknown)));
            }
        }
        let set: Vec<(Sym, EntryIx)> = rules.models.values().flat_map(set_marks).collect();
        let marks: FxHashSet<Sym> = set.iter().map(|(kind, _)| *kind).collect();
        let mut asked: FxHashSet<Sym> = FxHashSet::default();
        for rule in &rules.rules {
            if let RuleKind::Missing(m) = &rule.kind {
                asked.insert(m.anchor);
                for kind in m.has.iter().flatten().chain(&m.lacks) {
                    let kind = kind.strip_prefix("app:").unwrap_or(kind);
                    asked.insert(sym(kind));
                    if !marks.iter().any(|m| m.as_str() == kind) {
                        self.found.insert((rule.file.clone(), 1, format!("no model sets the mark `{kind}`")));
                    }
                }
            }
        }
        for models in rules.models.values() {
            let clauses = models.calls.values().chain(models.methods.values()).flat_map(|r| &r.clauses);
            for clause in clauses.chain(models.members.values().flat_map(|r| &r.clauses)) {
                for condition in &clause.when {
                    if let Condition::Has(kind) | Condition::Lacks(kind) = condition {
                        asked.insert(*kind);
                        if !marks.contains(kind) {
                            self.say(clause.entry, format!("no model sets the mark `{kind}`"));
                        }
                    }
                }
            }
        }
        for (kind, entry) in set {
            if !asked.contains(&kind) {
                self.say(entry, format!("no rule asks for the mark `{kind}`"));
            }
        }
    }

    fn bits(&self, kinds: &[&str]) -> SinkBits {
        let named = self.rules.sink_kinds.iter().enumerate().filter(|(_, k)| kinds.contains(&k.as_str()));
        named.fold(0, |bits, (i, _)| bits | 1 << i)
    }

    fn names(&self, bits: SinkBits) -> String {
        let named = self.rules.sink_kinds.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
        named.map(|(_, k)| format!("`{k}`")).collect::<Vec<_>>().join(", ")
    }

    fn frameworks(&mut self) {
        let models = self.rules.models.values();
        let roles = models.flat_map(|m| m.calls.values().chain(m.methods.values()).chain(m.call_prefixes.values()));
        let apps: FxHashSet<Sym> = roles.filter_map(|r| Some(r.app?.0)).collect();
        for rule in &self.rules.rules {
            for name in rule.frameworks.iter().filter(|f| !apps.contains(*f)) {
                self.found.insert((rule.file.clone(), 1, format!("no [[app]] has the framework `{name}`")));
            }
        }
    }

    // ---- paths and duplicates -----------------------------------------------------------------

    fn call(&mut self, table: &mut Table<'_>, path: Option<Sym>, roles: &CallRoles, signature: Option<&[Sym]>) {
        let mut seen: FxHashMap<String, EntryIx> = FxHashMap::default();
        let once = |what: String, entry: EntryIx, seen: &mut FxHashMap<String, EntryIx>| seen.insert(what, entry);
        let mut entries: Vec<(EntryIx, &[Condition], Option<&Selector>)> = Vec::new();
        let mut twice = Vec::new();
        for s in &roles.sinks {
            twice.extend(once(format!("{}{:?}{:?}{}", s.bit, s.arg, s.when, s.deep), s.entry, &mut seen).map(|_| s.entry));
            entries.push((s.entry, &s.when, Some(&s.arg)));
        }
        for s in &roles.sources {
            twice.extend(once(format!("from{}{:?}{:?}", s.bits, s.argument, s.when), s.entry, &mut seen).map(|_| s.entry));
            entries.push((s.entry, &s.when, s.argument.as_ref()));
        }
        for s in &roles.sanitizers {
            // The first whose conditions hold decides.
            twice.extend(once(format!("clears{:?}", s.when), s.entry, &mut seen).map(|_| s.entry));
            entries.push((s.entry, &s.when, s.arg.as_ref()));
        }
        for g in &roles.guards {
            twice.extend(once(format!("guard{:?}{:?}{}{}", g.arg, g.when, g.holds, g.raises), g.entry, &mut seen).map(|_| g.entry));
            entries.push((g.entry, &g.when, Some(&g.arg)));
        }
        for c in &roles.clauses {
            twice.extend(once(format!("rule{}{:?}{:?}", c.rule, c.when, c.report), c.entry, &mut seen).map(|_| c.entry));
            entries.push((c.entry, &c.when, c.report.as_ref()));
        }
        for m in &roles.marks {
            twice.extend(once(format!("mark{}{:?}", m.kind, m.when), m.entry, &mut seen).map(|_| m.entry));
            entries.push((m.entry, &m.when, None));
        }
        for c in &roles.constraints {
            twice.extend(once(format!("constraint{}{:?}{:?}", c.clears, c.pattern, c.when), c.entry, &mut seen).map(|_| c.entry));
            entries.push((c.entry, &c.when, c.pattern.as_ref()));
        }
        for s in &roles.schemas {
            twice.extend(once(format!("schema{:?}", s.when), s.entry, &mut seen).map(|_| s.entry));
            let arguments = [&s.pattern, &s.fields, &s.element, &s.parses];
            entries.push((s.entry, &s.when, arguments.into_iter().find_map(Option::as_ref)));
        }
        entries.extend(roles.states.iter().map(|s| (s.entry, &s.when[..], None)));
        entries.extend(roles.propagates.iter().map(|p| (p.entry, &[][..], Some(&p.from))));
        entries.extend(roles.routes.iter().map(|r| (r.entry, &[][..], r.path_arg.as_ref())));
        let called = path.map_or("the method".to_string(), |p| format!("`{p}`"));
        for entry in twice {
            self.say(entry, format!("{called} has the same entry twice"));
        }
        for (entry, when, selector) in entries {
            if let Some(path) = path {
                self.path(table, path, entry);
            }
            self.conditions(entry, when, signature);
            // Rules speak of several languages at once; what a model says is about one.
            let model = self.rules.entries.get(entry as usize).is_some_and(|e| !matches!(e.table, "call" | "assign" | "fallback"));
            if let Some(path) = path.filter(|_| table.signed && model) {
                let asked = when.iter().filter_map(|c| if let Condition::Arg { selector, .. } = c { Some(selector) } else { None });
                for selector in asked.chain(selector) {
                    self.position(entry, path, selector, signature);
                }
            }
        }
    }

    /// A position without the name that the argument has there.
    fn position(&mut self, entry: EntryIx, path: Sym, selector: &Selector, signature: Option<&[Sym]>) {
        let all = if let Selector::First(all) = selector { all.as_slice() } else { std::slice::from_ref(selector) };
        let named = all.iter().any(|s| matches!(s, Selector::Keyword(_)));
        for one in all {
            match (one, signature) {
                (Selector::Index(i), None) if !named => {
                    self.say(entry, format!("argument {i} of `{path}` has no name: a [[signature]] of it is needed"));
                }
                (Selector::Index(i), Some(params)) if !has_position(*i, params) => {
                    self.say(entry, format!("`{path}` has no argument {i}: its [[signature]] ends before"));
                }
                _ => {}
            }
        }
    }

    fn member(&mut self, table: &Table<'_>, path: Option<Sym>, roles: &MemberRoles) {
        let entries = roles.sinks.iter().map(|s| (s.entry, &s.when));
        let entries = entries.chain(roles.sources.iter().map(|s| (s.entry, &s.when)));
        let entries = entries.chain(roles.clauses.iter().chain(&roles.fallbacks).map(|c| (c.entry, &c.when)));
        let entries = entries.chain(roles.read_marks.iter().chain(&roles.assign_marks).map(|m| (m.entry, &m.when)));
        for (entry, when) in entries {
            if let Some(path) = path {
                self.path(table, path, entry);
            }
            self.conditions(entry, when, None);
        }
    }

    /// No value ever has a path that aliases or `[[returns]]` turn into another.
    fn path(&mut self, table: &Table<'_>, path: Sym, entry: EntryIx) {
        let text = path.as_str();
        let ends = text.match_indices('.').map(|(i, _)| i).chain([text.len()]);
        for end in ends {
            if let Some((to, by)) = Sym::existing(&text[..end]).and_then(|p| table.models.aliases.get(&p))
                && *by != entry
            {
                return self.never.push((entry, path, format!("`{path}` is never met: `{}` is another name of `{to}`", &text[..end])));
            }
        }
        for (end, _) in text.match_indices("()") {
            let callee = &text[..end];
            if let Some((to, _)) = Sym::existing(callee).and_then(|p| table.models.returns.get(&p)) {
                return self.never.push((entry, path, format!("`{path}` is never met: `{callee}()` has the type `{to}`")));
            } else if callee.rsplit(['.', '/']).next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_uppercase())) {
                let message = format!("`{path}` is never met: an instance of `{callee}` has the path of its class");
                return self.never.push((entry, path, message));
            }
        }
        self.met.insert((entry, path));
    }

    // ---- conditions ---------------------------------------------------------------------------

    fn conditions(&mut self, entry: EntryIx, when: &[Condition], signature: Option<&[Sym]>) {
        let mut absent: Vec<(&Selector, &Option<Vec<Sym>>)> = Vec::new();
        let mut present: Vec<(&Selector, &Option<Vec<Sym>>)> = Vec::new();
        for condition in when {
            match condition {
                Condition::Arg { selector, key, tests } => {
                    for test in tests {
                        match test {
                            Test::Missing(true) => absent.push((selector, key)),
                            // Holds of what is not there, too.
                            Test::Unbounded(true) => {}
                            _ => present.push((selector, key)),
                        }
                        if let Test::Matches(p) | Test::NotMatches(p) | Test::Name(p) | Test::NotName(p) = test {
                            self.builds(entry, p);
                        }
                    }
                    let needed = tests.iter().all(|t| !matches!(t, Test::Missing(true) | Test::Unbounded(true)));
                    if let (true, Some(params)) = (needed, signature)
                        && !possible(selector, params)
                    {
                        self.say(entry, format!("never holds: the function has no argument {}", shown(selector)));
                    }
                }
                Condition::Words(p)
                | Condition::Target(p)
                | Condition::NotTarget(p)
                | Condition::Inside(p)
                | Condition::NotInside(p)
                | Condition::File(p)
                | Condition::NotFile(p) => {
                    self.builds(entry, p);
                }
                Condition::Has(_) | Condition::Lacks(_) => {}
            }
        }
        if absent.iter().any(|a| present.contains(a)) {
            self.say(entry, "never holds: an argument is asked for that is missing by another condition".to_string());
        }
    }

    fn builds(&mut self, entry: EntryIx, pattern: &Pattern) {
        if pattern.regex().is_none() {
            self.say(entry, format!("`{}` is no regular expression that can be used", pattern.as_str()));
        }
    }
}

fn has_position(at: usize, params: &[Sym]) -> bool {
    match params.iter().position(|p| p.starts_with('*')) {
        Some(end) => at < end || (params[end].len() > 1 && !params[end].starts_with("**")),
        None => at < params.len(),
    }
}

/// Whether a function with these parameters can be given the argument.
fn possible(selector: &Selector, params: &[Sym]) -> bool {
    let more = params.iter().any(|p| p.starts_with("**"));
    match selector {
        Selector::First(all) => all.iter().any(|s| possible(s, params)),
        Selector::Index(i) | Selector::Position(i) => has_position(*i, params),
        Selector::Keyword(k) => more || params.contains(k),
        _ => true,
    }
}

fn shown(selector: &Selector) -> String {
    match selector {
        Selector::First(all) => all.iter().map(shown).collect::<Vec<_>>().join(" or "),
        Selector::Index(i) | Selector::Position(i) => i.to_string(),
        Selector::Keyword(k) => k.to_string(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn set_marks(models: &Models) -> Vec<(Sym, EntryIx)> {
    let calls = models.calls.values().chain(models.methods.values()).chain(models.call_prefixes.values());
    let members = models.members.values().chain(models.any_members.values()).chain(models.prefixes.values());
    let marks = calls.flat_map(|r| &r.marks).chain(members.flat_map(|r| r.read_marks.iter().chain(&r.assign_marks)));
    let marks = marks.chain(models.import_marks.values().flatten());
    let by_text = models.define_marks.iter().chain(&models.string_marks).chain(&models.route_marks);
    marks.chain(by_text.map(|(_, m)| m)).map(|m| (m.kind, m.entry)).collect()
}
