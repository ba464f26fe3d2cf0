//! What a run leaves behind: findings, marks, routes and what they depended on.

use super::value::{Flow, Note, Pos};
use crate::{
    finding::{Confidence, Persona},
    ir::Sym,
    rules::RuleIx,
};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// A step of a finding's path.
#[derive(Clone, Debug)]
pub(crate) struct RawStep {
    pub pos: Pos,
    /// Other file, if it is one.
    pub file: Option<Arc<str>>,
    pub note: Note,
}

/// A finding before its places are known in bytes of the file.
#[derive(Clone, Debug)]
pub(crate) struct RawFinding {
    pub rule: RuleIx,
    pub pos: Pos,
    /// The call or statement the finding is about, for rewrites.
    pub around: Pos,
    /// What is called or assigned, as it is written; empty if that does not name it.
    pub named: Pos,
    /// Access path of the call or member; empty if there is none.
    pub path: Sym,
    /// Placeholder style of the driver, for sinks that run queries.
    pub placeholder: Option<Sym>,
    /// Another message than the rule's.
    pub message: Option<Arc<str>>,
    pub confidence: Confidence,
    pub persona: Persona,
    pub steps: Vec<RawStep>,
    /// Marks that must (not) be in the file.
    pub needs: Vec<(Sym, bool)>,
}

/// A mark and where it was seen.
#[derive(Clone, Debug)]
pub(crate) struct MarkFact {
    pub kind: Sym,
    pub pos: Pos,
    /// The route handler it was seen in, by item and function.
    pub route: Option<(u64, u32)>,
}

/// A registered route.
#[derive(Clone, Debug)]
pub(crate) struct RouteFact {
    pub pos: Pos,
    pub handler: (u64, u32),
}

/// Facts for `missing` rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub marks: Vec<MarkFact>,
    /// Created applications: framework, place.
    pub apps: Vec<(Sym, Pos)>,
    pub routes: Vec<RouteFact>,
}

/// A look-up of an import, and the file that it named, with the hash of its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lean {
    pub from: Arc<str>,
    pub specifier: Sym,
    pub found: Option<(Arc<str>, u64)>,
}

/// Everything one entry point produced; cached with what it depended on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub findings: Vec<RawFinding>,
    pub facts: Facts,
    /// Global names of the analysed file that were read.
    pub deps: FxHashSet<Sym>,
    /// Other modules that were looked into, by index in the run.
    pub touched: FxHashSet<u32>,
    /// The look-ups of imports behind it, those of the modules that it looked into included: made when it is closed.
    pub leans: Vec<Lean>,
    /// Steps it took.
    pub steps: u64,
    /// The route handler being evaluated.
    pub route: Option<(u64, u32)>,
}

impl Record {
    /// The path of a flow from source to sink.
    pub(crate) fn steps(flow: Option<&Arc<Flow>>, file: impl Fn(u32) -> Option<Arc<str>>) -> Vec<RawStep> {
        let mut steps = Vec::new();
        let mut at = flow;
        while let Some(f) = at {
            steps.push(RawStep { pos: f.pos, file: file(f.pos.module), note: f.note });
            at = f.prev.as_ref();
        }
        steps.reverse();
        steps
    }
}
