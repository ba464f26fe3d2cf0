//! Rules about what is not there: a control that an application or a route lacks.

use crate::{
    interp::{Facts, MarkFact, Pos, RawFinding, RouteFact},
    ir::Sym,
    rules::{Missing, RuleKind, RuleSet, Scope, Subject},
};
use std::ops::Range;

/// Findings of all `missing` rules over the facts of a file. `imported` are marks of project files it imports.
pub(crate) fn judge(rules: &RuleSet, facts: &Facts, imported: &[Sym], place: &dyn Fn(&Pos) -> Option<Range<usize>>) -> Vec<RawFinding> {
    let mut out = Vec::new();
    if facts.apps.is_empty() && facts.routes.is_empty() {
        return out;
    }
    for (ix, rule) in rules.rules.iter().enumerate() {
        let RuleKind::Missing(m) = &rule.kind else { continue };
        let mut report = |pos: Pos| {
            out.push(RawFinding {
                rule: ix,
                pos,
                around: pos,
                named: pos,
                path: Sym::default(),
                placeholder: None,
                message: None,
                confidence: rule.confidence,
                persona: rule.persona,
                steps: Vec::new(),
                needs: Vec::new(),
            });
        };
        match m.subject {
            Subject::App => {
                let wanted = |(framework, _): &&(Sym, Pos)| rule.frameworks.is_empty() || rule.frameworks.contains(framework);
                let Some((_, pos)) = facts.apps.iter().find(wanted) else { continue };
                let there =
                    |kind: &Sym| facts.marks.iter().any(|f| f.kind == *kind) || m.scope == Scope::Project && imported.contains(kind);
                if m.has.iter().all(|any| any.iter().any(there)) && !m.lacks.iter().any(there) {
                    let at = facts.marks.iter().find(|f| f.kind == m.anchor).map_or(*pos, |f| f.pos);
                    report(at);
                }
            }
            Subject::Route => {
                for (pos, handlers) in routes(&facts.routes) {
                    let own = own_marks(facts, pos, &handlers, place);
                    if let Some(at) = lacking(m, facts, imported, &own) {
                        report(at.unwrap_or(pos));
                    }
                }
            }
        }
    }
    out
}

/// Routes with all functions that were registered in one place (middleware and handler).
fn routes(facts: &[RouteFact]) -> Vec<(Pos, Vec<(u64, u32)>)> {
    let mut out: Vec<(Pos, Vec<(u64, u32)>)> = Vec::new();
    for r in facts {
        match out.last_mut() {
            Some((pos, handlers)) if *pos == r.pos => handlers.push(r.handler),
            _ => out.push((r.pos, vec![r.handler])),
        }
    }
    out
}

/// Marks seen inside a route's functions or in its registration.
fn own_marks<'f>(facts: &'f Facts, pos: Pos, handlers: &[(u64, u32)], place: &dyn Fn(&Pos) -> Option<Range<usize>>) -> Vec<&'f MarkFact> {
    let whole = place(&pos);
    facts
        .marks
        .iter()
        .filter(|f| {
            f.route.is_some_and(|r| handlers.contains(&r))
                || f.route.is_none()
                    && f.pos.module == 0
                    && whole.as_ref().is_some_and(|w| place(&f.pos).is_some_and(|p| !p.is_empty() && w.start <= p.start && p.end <= w.end))
        })
        .collect()
}

/// Where to report a route that lacks the control: `Some(None)` = at the route.
fn lacking(m: &Missing, facts: &Facts, imported: &[Sym], own: &[&MarkFact]) -> Option<Option<Pos>> {
    let anywhere = |kind: &str| facts.marks.iter().any(|f| f.kind == kind);
    let has = |kind: &Sym| match kind.strip_prefix("app:") {
        Some(kind) => anywhere(kind),
        None => own.iter().any(|f| f.kind == *kind),
    };
    if !m.has.iter().all(|any| any.iter().any(has)) {
        return None;
    }
    let lacked = |kind: &Sym| match m.scope {
        Scope::Route => has(kind),
        Scope::File => anywhere(kind),
        Scope::Project => anywhere(kind) || imported.contains(kind),
    };
    if m.lacks.iter().any(lacked) {
        return None;
    }
    Some(own.iter().find(|f| f.kind == m.anchor).map(|f| f.pos))
}
