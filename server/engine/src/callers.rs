//! Functions of a file that are only called from within it, as far as one can see: whoever calls them is judged with what it
//! hands them, so their parameters are not unknown.
//!
//! It goes by names alone, since it is asked of the whole file after every edit: an item says once what it calls and mentions.

use crate::ir::{ExprId, ExprKind, FuncId, Lit, Pattern, Span, StmtKind, Sym, Unit, sym};
use rustc_hash::FxHashSet;

/// What an item says of functions. Methods have a dot before their name.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Functions at the top level, and methods that are private by their name.
    defines: Vec<Sym>,
    /// `(the function in which it stands, or nothing, the function that is called)`.
    calls: Vec<(Sym, Sym)>,
    /// Names that are used in another way: as a value, exported, decorated.
    escapes: Vec<Sym>,
}

impl Uses {
    pub(crate) fn of(unit: &Unit) -> Self {
        let mut uses = Uses::default();
        let mut spans: Vec<(Span, Sym)> = Vec::new();
        let mut define = |uses: &mut Uses, id: FuncId, name: Sym| {
            let func = unit.func(id);
            uses.defines.push(name);
            spans.push((func.span, name));
            if !func.decorators.is_empty() {
                uses.escapes.push(name);
            }
        };
        for s in &unit.body {
            match &s.kind {
                StmtKind::Func(id) => {
                    if let Some(name) = unit.func(*id).name {
                        define(&mut uses, *id, name);
                    }
                }
                StmtKind::Assign { target: Pattern::Name(name, _), value, .. } => match &unit.expr(*value).kind {
                    ExprKind::Func(id) => define(&mut uses, *id, *name),
                    ExprKind::List(items) if *name == "__all__" => {
                        uses.escapes.extend(items.iter().filter_map(|i| match &unit.expr(*i).kind {
                            ExprKind::Lit(Lit::Str(s)) => Some(sym(s)),
                            _ => None,
                        }));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        for class in &unit.classes {
            for m in &class.methods {
                if let Some(name) = unit.func(*m).name.filter(|n| is_private(*n)) {
                    define(&mut uses, *m, sym(&format!(".{name}")));
                }
            }
        }
        let callees: FxHashSet<ExprId> =
            unit.exprs.iter().filter_map(|e| if let ExprKind::Call { callee, .. } = &e.kind { Some(*callee) } else { None }).collect();
        for (i, e) in unit.exprs.iter().enumerate() {
            let name = match &e.kind {
                ExprKind::Name(name) => *name,
                ExprKind::Member { name, .. } if is_private(*name) => sym(&format!(".{name}")),
                _ => continue,
            };
            if callees.contains(&ExprId(i as u32)) {
                let inside = spans.iter().find(|(s, _)| s.start <= e.span.start && e.span.end <= s.end);
                uses.calls.push((inside.map(|s| s.1).unwrap_or_default(), name));
            } else {
                uses.escapes.push(name);
            }
        }
        for list in [&mut uses.defines, &mut uses.escapes] {
            list.sort_unstable();
            list.dedup();
        }
        uses.calls.sort_unstable();
        uses.calls.dedup();
        uses
    }
}

fn is_private(name: Sym) -> bool {
    name.starts_with('_') && !name.starts_with("__")
}

/// The functions that other code of the file calls, and nobody else by any sign.
pub(crate) fn called<'u>(items: impl Iterator<Item = &'u Uses> + Clone) -> FxHashSet<Sym> {
    let mut candidates: FxHashSet<Sym> = items.clone().flat_map(|u| &u.defines).copied().collect();
    if candidates.is_empty() {
        return candidates;
    }
    for name in items.clone().flat_map(|u| &u.escapes) {
        candidates.remove(name);
    }
    let calls: Vec<(Sym, Sym)> = items.flat_map(|u| &u.calls).copied().filter(|(from, to)| from != to && candidates.contains(to)).collect();
    let has_caller: FxHashSet<Sym> = calls.iter().map(|c| c.1).collect();
    // From code that runs by itself or that others call, along the calls: functions that only call each other are not reached.
    let mut reached: FxHashSet<Sym> = FxHashSet::default();
    loop {
        let runs = |from: &Sym| reached.contains(from) || !(candidates.contains(from) && has_caller.contains(from));
        let next: Vec<Sym> = calls.iter().filter(|(from, to)| runs(from) && !reached.contains(to)).map(|c| c.1).collect();
        if next.is_empty() {
            return reached;
        }
        reached.extend(next);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Language, analysis::Module};

    fn names(language: Language, text: &str) -> Vec<String> {
        let module = Module::parse("a", language, text).unwrap();
        let uses: Vec<Uses> = module.items.iter().map(|(_, unit)| Uses::of(unit)).collect();
        let mut names: Vec<String> = called(uses.iter()).iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn functions_whose_callers_are_seen() {
        let script = "
            function run(q) { db.run(q) }
            const get = (q) => db.get(q);
            export function shown(q) { db.run(q) }
            function handed(q) { db.run(q) }
            function alone(q) { db.run(q) }
            function again(q) { again(q) }
            function ping(q) { pong(q) }
            function pong(q) { ping(q) }
            function inner(q) { deep(q) }
            function deep(q) { db.run(q) }
            app.get('/', handed); handed(1); shown(1); run('a'); get('b'); inner(1);
        ";
        assert_eq!(names(Language::JavaScript, script), ["deep", "get", "inner", "run"]);
        let module = "
def run(q): ...
def _private(q): ...
@app.route('/')
def page(q): run(q)
def public(q): ...
def thread(q): ...
__all__ = ['public']
class A:
    def _one(self, q): self._two(q)
    def _two(self, q): self._two(q)
    def _three(self, q): ...
    def go(self): self._one(1); public(1); page(1); _private(1); Thread(target=self._three); thread(1); x = thread
";
        assert_eq!(names(Language::Python, module), ["._one", "._two", "_private", "run"]);
    }
}
