//! One analysis of a file, with what can be taken over from the analysis before.
//!
//! A file is cut into items. An item whose text is the same keeps its lowering. The file's top level is evaluated every time (it is
//! short: imports, definitions, assignments); the entry points of an item keep their findings as long as the item, the framework's
//! registrations of its functions, and every definition they read, are the same. What they read is recorded while they run, so the
//! result is the one a fresh analysis would give.

use crate::{
    analysis::{Analysis, Limit, Limits, NotFollowed, Project, SourceFile},
    callers,
    finding::{Finding, Persona, Step},
    interp::{Facts, FuncRef, Interp, Lean, Note, Pos, RawFinding, RawStep, Record, Setup, Top},
    ir::{Stmt, StmtKind, Sym, Unit},
    items::{Cache, Item, Own},
    judge::{self, Judges},
    missing,
    rules::{Rule, RuleSet},
};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use std::{
    hash::{Hash, Hasher},
    ops::Range,
    sync::Arc,
};
use tree_sitter::Tree;

/// What the entry points of an item produced.
pub(crate) struct CachedRoots {
    registrations: u64,
    /// See [`TopCache::leans`].
    leans: u64,
    deps: Vec<(Sym, u64)>,
    record: Arc<Record>,
    limits: Limits,
}

/// Work of an analysis, in steps of the interpreter.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    /// What its result would have taken without a cache; the same for the same file and project.
    pub worth: u64,
    /// What it took.
    pub taken: u64,
}

/// What a rewrite must know of a finding and nobody else asks about.
pub(crate) struct Site {
    pub rule: Arc<str>,
    /// The finding's place, in bytes of the file.
    pub span: Range<usize>,
    /// The call or statement it is about.
    pub around: Range<usize>,
    /// Access path of the call or member; empty if there is none.
    pub path: Sym,
    /// Placeholder style of the driver.
    pub placeholder: Option<Sym>,
    /// Every application's creation in the file.
    pub apps: Arc<[Range<usize>]>,
}

/// All findings of a file; see [`crate::Engine::analyse`].
pub(crate) fn analyse(
    rules: &Arc<RuleSet>,
    judges: &Judges,
    file: &SourceFile,
    cache: &mut Cache,
    project: &dyn Project,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Option<Analysis> {
    cache.for_rules(rules);
    let items = cache.cut(judges, file);
    cache.prune();
    let run = Run { rules, judges, file, project, cancelled, tree: Some(&file.tree), copy: false };
    let analysis = run.analyse(&items, cache, &mut Vec::new());
    cache.keep(file, items, true);
    analysis
}

/// Places and rules of the findings of a file that is of interest only beside another one (their messages and paths are left
/// empty), and its items. What `cache` holds of the other file stays in it, its top level included.
pub(crate) fn analyse_copy(
    rules: &Arc<RuleSet>,
    judges: &Judges,
    file: &SourceFile,
    cache: &mut Cache,
    project: &dyn Project,
    sites: &mut Vec<Site>,
) -> Option<(Analysis, Vec<Item>)> {
    cache.for_rules(rules);
    let items = cache.cut(judges, file);
    let run = Run { rules, judges, file, project, cancelled: &|| false, tree: Some(&file.tree), copy: true };
    let analysis = run.analyse(&items, cache, sites)?;
    Some((analysis, items))
}

/// All findings of a file after an edit, from the items it touched; see [`crate::Engine::analyse_edit`].
pub(crate) fn analyse_edit(
    rules: &Arc<RuleSet>,
    judges: &Judges,
    file: &SourceFile,
    cache: &mut Cache,
    project: &dyn Project,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Option<Analysis> {
    cache.for_rules(rules);
    let items = cache.patched(judges, file)?;
    // Whoever answers findings by comments needs the whole tree.
    let answers = items.iter().any(|i| i.own.answers);
    let run = Run { rules, judges, file, project, cancelled, tree: None, copy: false };
    let analysis = if answers { None } else { run.analyse(&items, cache, &mut Vec::new()) };
    cache.keep(file, items, false);
    analysis
}

/// What one analysis needs.
struct Run<'a> {
    rules: &'a Arc<RuleSet>,
    judges: &'a Judges,
    file: &'a SourceFile,
    project: &'a dyn Project,
    cancelled: &'a (dyn Fn() -> bool + Sync),
    /// The whole file's.
    tree: Option<&'a Tree>,
    /// See [`analyse_copy`].
    copy: bool,
}

impl Run<'_> {
    fn analyse(&self, items: &[Item], cache: &mut Cache, sites: &mut Vec<Site>) -> Option<Analysis> {
        let Run { rules, file, project, cancelled, .. } = *self;
        let models = rules.models(file.language)?;
        if cancelled() {
            return None;
        }
        let setup = Setup { rules, models, project, language: file.language, path: &file.path, cancelled };
        let called = callers::called(items.iter().map(|i| &i.own.uses));
        let mutated = items.iter().flat_map(|i| i.own.mutated.iter().copied()).collect();
        let mut modules: FxHashMap<(Arc<str>, Sym), Option<(Arc<str>, u64)>> = FxHashMap::default();
        // While somebody types only the file's own imports are looked up again: who pauses gets an analysis of the whole.
        let quick = self.tree.is_none();
        let mut holds = |lean: &Lean| {
            let look = || project.module(&lean.from, &lean.specifier, file.language).map(|m| (m.path.clone(), m.hash));
            quick && *lean.from != *file.path || *modules.entry((lean.from.clone(), lean.specifier)).or_insert_with(look) == lean.found
        };
        let mut analysis = Analysis::default();
        let mut records = Vec::new();
        // While somebody types in a definition, the top level around it need not be evaluated again.
        // Broken items are lowered anew each time: of a copy with one nothing is taken over, since what it says is proof.
        let sound = || items.iter().all(|i| !i.unit.broken);
        let known = cache.top.clone().filter(|_| self.tree.is_none() || self.copy && sound());
        let known = known.and_then(|t| Some((t.changed(items)?, t))).filter(|(_, t)| t.imports.iter().all(&mut holds));
        let mut own: FxHashMap<u64, Vec<Arc<FuncRef>>> = FxHashMap::default();
        let mut taken = 0;
        let (mut interp, top) = match known {
            Some((changed, top)) => {
                let state = top.state.clone();
                let mut interp = Interp::resume(setup, state, mutated);
                let changed: Vec<_> = items.iter().filter(|i| changed.contains(&i.id)).map(|i| (i.id, i.unit.clone())).collect();
                guarded(&mut interp, |interp| interp.run_definitions(&changed));
                collect_roots(&interp, &mut own);
                let record = interp.start_item();
                taken += record.steps;
                records.push(Arc::new(record));
                (interp, top)
            }
            None => {
                let mut interp = Interp::new(setup, items.iter().map(|i| (i.id, i.unit.clone())).collect(), mutated);
                guarded(&mut interp, Interp::run_top);
                let limits = std::mem::take(&mut interp.limits);
                let mut roots = FxHashMap::default();
                collect_roots(&interp, &mut roots);
                let visited = interp.visited_items();
                let record = Arc::new(interp.start_item());
                taken += record.steps;
                let unused = record.facts.apps.is_empty() && record.facts.routes.is_empty();
                let imported = if unused { Vec::new() } else { guarded(&mut interp, Interp::imported_marks).unwrap_or_default() };
                let marks = interp.start_item();
                taken += marks.steps;
                let items = items.iter().map(|i| (i.id, i.own.clone())).collect();
                let (state, imports) = (interp.top(), interp.imports());
                let leans = leans(&record, &imports);
                let marks = marks.leans;
                (interp, Arc::new(TopCache { items, visited, state, roots, record, imports, leans, marks, imported, limits }))
            }
        };
        interp.called = called;
        let (roots, imported) = (&top.roots, &top.imported);
        let mut whole = top.limits;
        whole.extend(std::mem::take(&mut interp.limits));
        let mut not_followed: Vec<_> = whole.iter().map(|limit| NotFollowed { span: 0..0, limit }).collect();
        let gave_up =
            |item: &Item, limits: Limits| limits.iter().map(|limit| NotFollowed { span: item.range.clone(), limit }).collect::<Vec<_>>();
        records.push(top.record.clone());
        let mut cost = Cost { worth: records.iter().map(|r| r.steps).sum(), taken };
        let versions = Versions::new(items, &interp);
        for item in items {
            if cancelled() {
                return None;
            }
            let Some(functions) = own.get(&item.id).or_else(|| roots.get(&item.id)) else { continue };
            let registrations = registrations(&interp, functions);
            let cached = cache.entries.get(&item.key).and_then(|c| c.roots.as_ref());
            if let Some(c) = cached
                && c.registrations == registrations
                && c.deps.iter().all(|(name, v)| versions.of(*name) == *v)
                && c.leans == top.leans
                && c.record.leans.iter().all(&mut holds)
            {
                not_followed.extend(gave_up(item, c.limits));
                cost.worth += c.record.steps;
                records.push(c.record.clone());
                continue;
            }
            interp.limits = Limits::default();
            run(&mut interp, functions);
            let record = Arc::new(interp.start_item());
            let limits = std::mem::take(&mut interp.limits);
            not_followed.extend(gave_up(item, limits));
            cost.worth += record.steps;
            cost.taken += record.steps;
            if cancelled() {
                return None;
            }
            let deps = record.deps.iter().map(|d| (*d, versions.of(*d))).collect();
            if let Some(c) = cache.entries.get_mut(&item.key).filter(|c| !self.copy || c.roots.is_none()) {
                c.roots = Some(Arc::new(CachedRoots { registrations, leans: top.leans, deps, record: record.clone(), limits }));
            }
            records.push(record);
        }
        analysis.not_followed = not_followed;
        cache.cost = cost;
        analysis.broken = items.iter().filter(|i| i.unit.broken).map(|i| i.range.clone()).collect();
        if !self.copy {
            let all = records.iter().flat_map(|r| &r.leans).chain(&top.imports).chain(&top.marks);
            let mut depends: Vec<Arc<str>> = all.filter_map(|l| l.found.as_ref().map(|f| f.0.clone())).collect();
            depends.sort_unstable();
            depends.dedup();
            analysis.depends_on = depends;
        }
        let mut findings = self.assemble(items, &records, imported, sites);
        if !self.copy || cache.top.is_none() {
            cache.top = Some(top);
        }
        let said = items.iter().flat_map(|i| i.own.said.iter().map(|f| judge::shifted(f, i.range.start)));
        let imports = items.iter().map(|i| (i.range.start, &*i.own.imports));
        let whole = crate::analysis::guarded(|| self.judges.file(file, imports, project, &mut cache.hits));
        let own = items.iter().flat_map(|i| i.own.limits.iter().map(|limit| NotFollowed { span: i.range.clone(), limit }));
        analysis.not_followed.extend(own.chain(whole.is_none().then_some(NotFollowed { span: 0..0, limit: Limit::Fault })));
        findings.extend(said.chain(whole.unwrap_or_default()).filter(|f| judge::speaks(f, &file.foreign)));
        let mut comments = Vec::new();
        if items.iter().any(|i| i.own.answers) {
            comments = items.iter().flat_map(|i| i.unit.comments.iter().map(|c| c.in_file(i.range.start))).collect();
        }
        let complete = analysis.broken.is_empty() && !analysis.exhausted();
        let context = judge::suppress::Context { rules, text: &file.text, tree: self.tree, complete };
        analysis.findings = judge::suppress::apply(context, &comments, findings);
        Some(analysis)
    }

    /// Turns what the entry points left into findings of the file.
    fn assemble(&self, items: &[Item], records: &[Arc<Record>], imported: &[Sym], sites: &mut Vec<Site>) -> Vec<Finding> {
        let Run { rules, file, .. } = *self;
        let bases: FxHashMap<u64, usize> = items.iter().map(|i| (i.id, i.range.start)).collect();
        let place = |p: &Pos| -> Option<Range<usize>> {
            let base = if p.module == 0 { *bases.get(&p.item)? } else { p.item as usize };
            Some(p.span.in_file(base))
        };
        let mut facts = Facts::default();
        for r in records {
            facts.marks.extend(r.facts.marks.iter().cloned());
            facts.apps.extend(r.facts.apps.iter().copied());
            facts.routes.extend(r.facts.routes.iter().cloned());
        }
        let frameworks = frameworks(items, &facts);
        let marks: FxHashSet<Sym> = facts.marks.iter().map(|m| m.kind).collect();
        let raw: Vec<RawFinding> = missing::judge(rules, &facts, imported, &place);
        let apps: Arc<[Range<usize>]> = facts.apps.iter().filter_map(|a| place(&a.1)).collect();

        // What has an access path as it stands in the file; the path itself for what stands elsewhere, or has no name there.
        let written = |pos: &Pos, path: Sym| {
            let here = pos.module == 0 && (path.is_empty() || path.contains(['.', '/']));
            let code = place(pos).filter(|_| here).and_then(|span| judge::words::shown(file.text.get(span)?));
            code.unwrap_or_else(|| judge::words::path(&path))
        };
        let mut findings: FxHashMap<(usize, usize, usize), Finding> = FxHashMap::default();
        for f in records.iter().flat_map(|r| &r.findings).chain(&raw) {
            let rule = &rules.rules[f.rule];
            if !(rule.languages.is_empty() || rule.languages.contains(&file.language))
                || !(rule.frameworks.is_empty() || rule.frameworks.iter().any(|w| frameworks.contains(w)))
                || !f.needs.iter().all(|(kind, wanted)| (marks.contains(kind) || imported.contains(kind)) == *wanted)
            {
                continue;
            }
            let Some(span) = place(&f.pos) else { continue };
            let around = place(&f.around).unwrap_or_else(|| span.clone());
            let (path, placeholder, apps) = (f.path, f.placeholder, apps.clone());
            sites.push(Site { rule: rule.id.clone(), span: span.clone(), around, path, placeholder, apps });
            if f.persona == Persona::Pedantic && !file.foreign.touches(&span) {
                continue;
            }
            let finding = Finding {
                rule: rule.id.clone(),
                span: span.clone(),
                message: if self.copy { String::new() } else { message(rule, f, &written) },
                severity: rule.severity,
                confidence: f.confidence,
                persona: f.persona,
                path: f
                    .steps
                    .iter()
                    .filter(|_| !self.copy)
                    .filter_map(|s| Some(Step { file: s.file.clone(), span: place(&s.pos)?, note: note(s, &written) }))
                    .collect(),
            };
            findings
                .entry((f.rule, span.start, span.end))
                .and_modify(|old| {
                    // The widest audience, then the surest, then the shortest path.
                    let rank = |f: &Finding| (std::cmp::Reverse(f.persona), f.confidence, std::cmp::Reverse(f.path.len()));
                    if (rank(&finding), &finding.message) > (rank(old), &old.message) {
                        *old = finding.clone();
                    }
                })
                .or_insert(finding);
        }
        findings.into_values().collect()
    }
}

/// The evaluated top level of a file, for as long as only definitions in it change.
pub(crate) struct TopCache {
    /// The items it was made of.
    items: Vec<(u64, Arc<Own>)>,
    /// Those of which a function ran at the top level.
    visited: FxHashSet<u64>,
    state: Top,
    /// Entry points by item.
    roots: FxHashMap<u64, Vec<Arc<FuncRef>>>,
    record: Arc<Record>,
    /// What the file imports.
    imports: Vec<Lean>,
    /// Hash of what the values that it left lean on in other files: an entry point reads them without looking there itself.
    leans: u64,
    /// What the marks of imported modules lean on.
    marks: Vec<Lean>,
    imported: Vec<Sym>,
    limits: Limits,
}

/// See [`TopCache::leans`]: the texts that were looked into, and which file each import names.
fn leans(top: &Record, imports: &[Lean]) -> u64 {
    let mut h = FxHasher::default();
    top.leans.hash(&mut h);
    for lean in imports {
        (lean.specifier, lean.found.as_ref().map(|f| &f.0)).hash(&mut h);
    }
    h.finish()
}

impl TopCache {
    /// The items that are new, if they only define anew what others defined. `None`: the top level is another one.
    fn changed(&self, items: &[Item]) -> Option<FxHashSet<u64>> {
        let old: FxHashMap<u64, &Arc<Own>> = self.items.iter().map(|(id, own)| (*id, own)).collect();
        let (mut before, mut after): (Vec<Sym>, Vec<Sym>) = (Vec::new(), Vec::new());
        let mut fresh = FxHashSet::default();
        let mut kept = 0;
        for item in items {
            if old.contains_key(&item.id) {
                kept += 1;
            } else {
                after.extend(item.own.defines.as_ref()?);
                fresh.insert(item.id);
            }
        }
        if kept < self.items.len() {
            let now: FxHashSet<u64> = items.iter().map(|i| i.id).collect();
            for (id, own) in self.items.iter().filter(|(id, _)| !now.contains(id)) {
                // Where a name has several definitions, the last one counts.
                let last = own.defines.as_ref()?.iter().all(|n| self.state.defined_by(*n).is_none_or(|item| item == Some(*id)));
                if self.visited.contains(id) || !last {
                    return None;
                }
                before.extend(own.defines.as_ref()?);
            }
        }
        before.sort_unstable();
        after.sort_unstable();
        (before == after).then_some(fresh)
    }
}

/// The entry points that the top level found, by item.
fn collect_roots(interp: &Interp<'_>, roots: &mut FxHashMap<u64, Vec<Arc<FuncRef>>>) {
    let mut seen = FxHashSet::default();
    for root in &interp.roots {
        if seen.insert((root.func.item, root.func.func)) {
            roots.entry(root.func.item).or_default().push(root.func.clone());
        }
    }
}

/// Evaluates something; a mistake in the interpreter costs that and nothing else.
fn guarded<'a, T>(interp: &mut Interp<'a>, f: impl FnOnce(&mut Interp<'a>) -> T) -> Option<T> {
    let done = crate::analysis::guarded(|| f(interp));
    if done.is_none() {
        interp.recover();
    }
    done
}

/// Runs the entry points of one item, then the functions inside them that nothing called.
fn run(interp: &mut Interp<'_>, functions: &[Arc<FuncRef>]) {
    for f in functions {
        guarded(interp, |interp| interp.run_root(f));
    }
    let mut next = 0;
    while next < interp.roots.len() && next < 10_000 {
        let f = interp.roots[next].func.clone();
        next += 1;
        if !interp.was_visited(&f) {
            guarded(interp, |interp| interp.run_root(&f));
        }
    }
}

/// Versions of the module level names: what a cached result read must still be the same.
struct Versions {
    by_name: FxHashMap<Sym, u64>,
    top: u64,
}

impl Versions {
    fn new(items: &[Item], interp: &Interp<'_>) -> Self {
        let mut by_name: FxHashMap<Sym, u64> = FxHashMap::default();
        let mut top = FxHasher::default();
        for item in items {
            let own = (item.key, item.unit.broken.then_some(item.id));
            match (&item.own.defines, imported_names(&item.unit)) {
                (Some(names), _) => {
                    for n in names.iter().copied() {
                        let mut h = FxHasher::default();
                        (by_name.get(&n), own).hash(&mut h);
                        by_name.insert(n, h.finish());
                        n.hash(&mut top);
                    }
                }
                // An import is of interest to those alone that read its names; what stands before it may have set them too.
                (None, Some(names)) => {
                    for n in names {
                        let mut h = FxHasher::default();
                        (by_name.get(&n), own, top.finish()).hash(&mut h);
                        by_name.insert(n, h.finish());
                    }
                }
                (None, None) => own.hash(&mut top),
            }
        }
        let mut mutated: Vec<Sym> =
            interp.modules[0].mutated.iter().copied().filter(|n| interp.modules[0].globals.get(*n).is_some()).collect();
        mutated.sort_unstable();
        mutated.hash(&mut top);
        Self { by_name, top: top.finish() }
    }

    fn of(&self, name: Sym) -> u64 {
        self.by_name.get(&name).map_or(self.top, |own| own ^ self.top.rotate_left(1))
    }
}

/// The names that an item binds, if all it does is import them.
fn imported_names(unit: &Unit) -> Option<Vec<Sym>> {
    let name = |s: &Stmt| match s.kind {
        StmtKind::Import { local, .. } if local != "*" && !local.is_empty() => Some(local),
        _ => None,
    };
    if unit.body.is_empty() { None } else { unit.body.iter().map(name).collect() }
}

fn registrations(interp: &Interp<'_>, functions: &[Arc<FuncRef>]) -> u64 {
    let mut h = FxHasher::default();
    for f in functions {
        if let Some(r) = interp.registrations.get(&(f.item, f.func.0)) {
            (f.func.0, &r.params, r.tainted_params, r.returns, &r.label).hash(&mut h);
        }
        interp.is_called(f).hash(&mut h);
    }
    h.finish()
}

/// Frameworks seen: applications created, and top level names of imports.
fn frameworks(items: &[Item], facts: &Facts) -> FxHashSet<Sym> {
    let mut seen: FxHashSet<Sym> = facts.apps.iter().map(|a| a.0).collect();
    for s in items.iter().flat_map(|i| &i.unit.body) {
        if let StmtKind::Import { module, .. } = &s.kind {
            seen.insert(*module);
            let top = module.split(['.', '/']).next().unwrap_or_default();
            if !top.is_empty() && !top.starts_with('@') {
                seen.insert(crate::ir::sym(top));
            }
        }
    }
    seen
}

/// How the note of a step begins that names a variable.
pub(crate) const ASSIGNED: &str = "assigned to ";

/// What a finding says; `written` names things.
fn message(rule: &Rule, f: &RawFinding, written: &dyn Fn(&Pos, Sym) -> String) -> String {
    let Some(template) = f.message.as_deref().or(rule.message.as_deref()) else { return rule.title.clone() };
    if !template.contains('{') {
        return template.to_owned();
    }
    let named = written(&f.named, f.path);
    let source = f.steps.first().map_or_else(String::new, |s| match s.note {
        Note::Source(p) | Note::Stored(p) => written(&s.pos, p),
        _ => String::new(),
    });
    let source = if source.is_empty() { "untrusted data" } else { &source };
    template.replace("{source}", source).replace("{sink}", &named).replace("{call}", &named).replace("{target}", &named)
}

fn note(step: &RawStep, written: &dyn Fn(&Pos, Sym) -> String) -> String {
    match step.note {
        Note::Source(p) => format!("untrusted data enters: {}", written(&step.pos, p)),
        Note::Assigned(n) => format!("{ASSIGNED}{n}"),
        Note::Passed(n) if n.is_empty() => "reaches the dangerous call".to_string(),
        Note::Passed(n) => format!("passed to {n}"),
        Note::Stored(n) => format!("kept in {n} and read again"),
    }
}
