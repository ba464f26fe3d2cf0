//! One analysis of a file, with what can be taken over from the analysis before.
//!
//! A file is cut into items. An item whose text is the same keeps its lowering. The file's top level is evaluated every time (it is
//! short: imports, definitions, assignments); the entry points of an item keep their findings as long as the item, the framework's
//! registrations of its functions, and every definition they read, are the same. What they read is recorded while they run, so the
//! result is the one a fresh analysis would give.

use crate::{
    analysis::{self, Analysis, Project, SourceFile},
    finding::{Finding, Persona, Step},
    interp::{Facts, FuncRef, Interp, Note, Pos, RawFinding, Record, Setup},
    ir::{ExprKind, StmtKind, Sym, Unit},
    judge::{self, Judges},
    lang, missing,
    rules::RuleSet,
    syntax,
};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use std::{
    hash::{Hash, Hasher},
    ops::Range,
    sync::Arc,
};

/// What is kept of a file between two analyses of it. Findings never depend on it, only the time they take.
#[derive(Default)]
pub struct Cache {
    items: FxHashMap<(u64, u32), CachedItem>,
    next_id: u64,
    /// The rules the results were made with.
    rules: Option<Arc<RuleSet>>,
}

struct CachedItem {
    id: u64,
    unit: Arc<Unit>,
    /// What the judges of text and snippets say of it, relative to its first byte.
    said: Arc<[Finding]>,
    roots: Option<CachedRoots>,
    used: bool,
}

/// What the entry points of an item produced.
struct CachedRoots {
    registrations: u64,
    deps: Vec<(Sym, u64)>,
    record: Arc<Record>,
    exhausted: bool,
}

/// An item of this analysis.
struct Item {
    key: (u64, u32),
    id: u64,
    range: Range<usize>,
    unit: Arc<Unit>,
    said: Arc<[Finding]>,
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

/// All findings of a file; see [`analysis::Engine::analyse`].
pub(crate) fn analyse(
    rules: &Arc<RuleSet>,
    judges: &Judges,
    file: &SourceFile,
    cache: &mut Cache,
    project: &dyn Project,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Option<Analysis> {
    analyse_with_sites(rules, judges, file, cache, project, cancelled, &mut Vec::new())
}

/// All findings of a file, and what rewrites must know of them.
pub(crate) fn analyse_with_sites(
    rules: &Arc<RuleSet>,
    judges: &Judges,
    file: &SourceFile,
    cache: &mut Cache,
    project: &dyn Project,
    cancelled: &(dyn Fn() -> bool + Sync),
    sites: &mut Vec<Site>,
) -> Option<Analysis> {
    let models = rules.models(file.language)?;
    if !cache.rules.as_ref().is_some_and(|r| Arc::ptr_eq(r, rules)) {
        *cache = Cache { rules: Some(rules.clone()), next_id: cache.next_id, ..Cache::default() };
    }
    let items = cut(judges, file, cache);
    if cancelled() {
        return None;
    }
    let setup = Setup { rules, models, project, language: file.language, path: &file.path, cancelled };
    let mut interp = Interp::new(setup, items.iter().map(|i| (i.id, i.unit.clone())).collect());
    interp.run_top();
    let mut analysis = Analysis { exhausted: std::mem::take(&mut interp.exhausted), ..Analysis::default() };
    let versions = Versions::new(&items, &interp);

    let mut roots: FxHashMap<u64, Vec<Arc<FuncRef>>> = FxHashMap::default();
    let mut seen = FxHashSet::default();
    for root in &interp.roots {
        if seen.insert((root.func.item, root.func.func)) {
            roots.entry(root.func.item).or_default().push(root.func.clone());
        }
    }
    let top = Arc::new(interp.start_item());
    let imported = if top.facts.apps.is_empty() && top.facts.routes.is_empty() { Vec::new() } else { interp.imported_marks() };
    interp.start_item();

    let mut records = vec![top];
    for item in &items {
        if cancelled() {
            return None;
        }
        let Some(functions) = roots.get(&item.id) else { continue };
        let registrations = registrations(&interp, functions);
        let cached = cache.items.get(&item.key).and_then(|c| c.roots.as_ref());
        if let Some(c) = cached
            && c.registrations == registrations
            && c.deps.iter().all(|(name, v)| versions.of(*name) == *v)
            && c.record.modules.iter().all(|(s, known)| {
                let now = project.module(&file.path, s, file.language).map(|m| (m.path.clone(), m.hash));
                now == *known
            })
        {
            analysis.exhausted |= c.exhausted;
            records.push(c.record.clone());
            continue;
        }
        interp.exhausted = false;
        run(&mut interp, functions);
        let record = Arc::new(interp.start_item());
        let exhausted = std::mem::take(&mut interp.exhausted);
        analysis.exhausted |= exhausted;
        if cancelled() {
            return None;
        }
        let deps = record.deps.iter().map(|d| (*d, versions.of(*d))).collect();
        if let Some(c) = cache.items.get_mut(&item.key) {
            c.roots = Some(CachedRoots { registrations, deps, record: record.clone(), exhausted });
        }
        records.push(record);
    }
    analysis.broken = items.iter().filter(|i| i.unit.broken).map(|i| i.range.clone()).collect();
    let mut depends: Vec<Arc<str>> = records.iter().flat_map(|r| &r.modules).filter_map(|(_, m)| m.as_ref().map(|m| m.0.clone())).collect();
    depends.sort_unstable();
    depends.dedup();
    analysis.depends_on = depends;
    let mut findings = assemble(rules, file, &items, &records, &imported, sites);
    let said = items.iter().flat_map(|i| i.said.iter().map(|f| judge::shifted(f, i.range.start)));
    let whole = judges.file(file, items.iter().map(|i| (i.range.start, &*i.unit)), project);
    findings.extend(said.chain(whole).filter(|f| judge::speaks(f, &file.foreign)));
    let comments: Vec<_> = items.iter().flat_map(|i| i.unit.comments.iter().map(|c| c.in_file(i.range.start))).collect();
    let complete = analysis.broken.is_empty() && !analysis.exhausted;
    let context = judge::suppress::Context { rules, text: &file.text, tree: Some(&file.tree), complete };
    analysis.findings = judge::suppress::apply(context, &comments, findings);
    Some(analysis)
}

/// Runs the entry points of one item, then the functions inside them that nothing called.
fn run(interp: &mut Interp<'_>, functions: &[Arc<FuncRef>]) {
    for f in functions {
        interp.run_root(f);
    }
    let mut next = 0;
    while next < interp.roots.len() && next < 10_000 {
        let f = interp.roots[next].func.clone();
        next += 1;
        if !interp.was_visited(&f) {
            interp.run_root(&f);
        }
    }
}

/// Cuts the file into items; unchanged ones keep their lowering.
fn cut(judges: &Judges, file: &SourceFile, cache: &mut Cache) -> Vec<Item> {
    for item in cache.items.values_mut() {
        item.used = false;
    }
    let mut occurrences: FxHashMap<u64, u32> = FxHashMap::default();
    let mut items = Vec::new();
    for node in syntax::items(&file.tree) {
        let range = node.byte_range();
        let Some(text) = file.text.get(range.clone()) else { continue };
        let hash = analysis::hash(text);
        let n = occurrences.entry(hash).or_insert(0);
        let key = (hash, *n);
        *n += 1;
        // The tree of broken text depends on what stands around it.
        let broken = node.has_error();
        let entry = match cache.items.entry(key) {
            std::collections::hash_map::Entry::Occupied(e) if !broken && !e.get().unit.broken => e.into_mut(),
            e => {
                cache.next_id += 1;
                let unit = Arc::new(lang::lower(file.language, &file.text, node));
                let said = judges.item(file.language, &file.path, &file.text, node, &unit).into();
                e.insert_entry(CachedItem { id: cache.next_id, unit, said, roots: None, used: true }).into_mut()
            }
        };
        entry.used = true;
        items.push(Item { key, id: entry.id, range, unit: entry.unit.clone(), said: entry.said.clone() });
    }
    cache.items.retain(|_, i| i.used);
    items
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
            match defined(&item.unit) {
                Some(names) => {
                    for n in names {
                        let mut h = FxHasher::default();
                        (by_name.get(&n), item.key, item.unit.broken.then_some(item.id)).hash(&mut h);
                        by_name.insert(n, h.finish());
                        n.hash(&mut top);
                    }
                }
                None => (item.key, item.unit.broken.then_some(item.id)).hash(&mut top),
            }
        }
        let mut mutated: Vec<Sym> =
            interp.modules[0].mutated.iter().copied().filter(|n| interp.modules[0].globals.vars.contains_key(n)).collect();
        mutated.sort_unstable();
        mutated.hash(&mut top);
        Self { by_name, top: top.finish() }
    }

    fn of(&self, name: Sym) -> u64 {
        self.by_name.get(&name).copied().unwrap_or(self.top) ^ self.top
    }
}

/// The names an item defines, if it does nothing but define functions and classes.
fn defined(unit: &Unit) -> Option<Vec<Sym>> {
    let mut names = Vec::new();
    for s in &unit.body {
        match &s.kind {
            StmtKind::Func(f) => names.extend(unit.func(*f).name),
            StmtKind::Class(c) => names.extend(unit.class(*c).name),
            StmtKind::Export { name, value } if matches!(unit.expr(*value).kind, ExprKind::Name(_)) => names.push(*name),
            _ => return None,
        }
    }
    Some(names)
}

fn registrations(interp: &Interp<'_>, functions: &[Arc<FuncRef>]) -> u64 {
    let mut h = FxHasher::default();
    for f in functions {
        if let Some(r) = interp.registrations.get(&(f.item, f.func.0)) {
            (f.func.0, &r.params, r.tainted_params, r.returns, &r.label).hash(&mut h);
        }
    }
    h.finish()
}

/// Turns what the entry points left into findings of the file.
fn assemble(
    rules: &RuleSet,
    file: &SourceFile,
    items: &[Item],
    records: &[Arc<Record>],
    imported: &[Sym],
    sites: &mut Vec<Site>,
) -> Vec<Finding> {
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
            message: f.message.clone().unwrap_or_else(|| rule.title.clone()),
            severity: rule.severity,
            confidence: f.confidence,
            persona: f.persona,
            path: f.steps.iter().filter_map(|s| Some(Step { file: s.file.clone(), span: place(&s.pos)?, note: note(s.note) })).collect(),
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

fn note(note: Note) -> String {
    match note {
        Note::Source(p) => format!("untrusted data enters: {p}"),
        Note::Assigned(n) => format!("assigned to {n}"),
        Note::Passed(n) if n.is_empty() => "reaches the dangerous call".to_string(),
        Note::Passed(n) => format!("passed to {n}"),
        Note::Stored(n) => format!("kept in {n} and read again"),
    }
}
