//! Rewrites. A recipe proposes edits for a finding, the gate proves them on a copy of the file; what
//! is not proven is not offered, and the refusal says why in plain words.

mod argv;
mod call;
mod edits;
mod gate;
mod imports;
mod insert;
mod parametrise;
mod path;
mod shape;
mod site;
mod sql;
#[cfg(test)]
mod tests;
mod wrap;

pub(crate) use gate::Demand;

use crate::{
    analysis::{Cache, Project, Refusal, SourceFile},
    finding::{Finding, Fix},
    judge::Judges,
    rules::{FixSpec, Recipe, RuleSet},
};
use edits::Edits;
use gate::Gate;
use site::{Context, Habits};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// What a recipe proposes.
struct Proposal {
    /// Imperative, for the menu.
    title: String,
    edits: Edits,
    /// Why the finding may still be there afterwards, if it is: what the recipe had to leave alone.
    left: Option<String>,
}

impl Proposal {
    fn new(title: impl Into<String>, edits: Edits) -> Self {
        Self { title: title.into(), edits, left: None }
    }
}

/// What a recipe gives: a proposal, or why it cannot be right here.
type Outcome = Result<Proposal, Refusal>;

/// The rewrites of one file; see [`crate::Engine::rewrites`].
///
/// They share one analysis of the file, and one budget: what a file costs without rewrites decides how much its rewrites may cost.
pub struct Rewrites<'a> {
    rules: &'a Arc<RuleSet>,
    file: &'a SourceFile,
    habits: Habits,
    gate: Option<Gate<'a>>,
    /// Findings that nothing was worked out for.
    left_out: usize,
}

impl<'a> Rewrites<'a> {
    pub(crate) fn new(
        rules: &'a Arc<RuleSet>,
        judges: &'a Judges,
        cache: Cache,
        file: &'a SourceFile,
        project: &'a dyn Project,
        demand: Demand,
    ) -> Self {
        let gate = Gate::new(rules, judges, cache, file, project, demand);
        Self { rules, file, habits: Habits::default(), gate, left_out: 0 }
    }

    /// The proven rewrite of a finding of the file, or why there is none.
    pub fn of(&mut self, finding: &Finding) -> Result<Fix, Refusal> {
        let outcome = self.work_out(finding);
        self.left_out += usize::from(outcome == Err(Refusal::Budget));
        outcome
    }

    /// Number of findings whose rewrites were not worked out because the budget was spent ([`Refusal::Budget`]).
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    fn work_out(&self, finding: &Finding) -> Result<Fix, Refusal> {
        let unfit = Refusal::Unfit;
        let specs = self.rules.rule(&finding.rule).map_or(&[][..], |r| &r.fixes);
        if specs.is_empty() {
            return Err(unfit("this rule has no rewrite".into()));
        }
        let gate =
            self.gate.as_ref().filter(|g| g.knows(finding)).ok_or_else(|| unfit("the finding is not in this text any more".into()))?;
        let context = Context::of(self.rules, self.file, finding, gate, &self.habits).map_err(unfit)?;
        let Some(spec) = specs.iter().find(|s| applies(s, &context)) else {
            return Err(unfit("this rule has no rewrite for such code".into()));
        };
        if let Some(rule) = spec.unless.iter().find(|rule| gate.speaks(rule, &context.around)) {
            return Err(format!("what `{rule}` says here would still be true").into());
        }
        // A mistake in a recipe costs the rewrite, never the finding.
        let proposal = catch_unwind(AssertUnwindSafe(|| propose(&spec.recipe, &context)))
            .unwrap_or_else(|_| Err("the recipe failed; this is a bug in qualm".into()))?;
        let fix = proposal.edits.into_fix(&self.file.text, proposal.title, spec.safety).map_err(unfit)?;
        match gate.prove(finding, &fix) {
            Ok(()) => Ok(fix),
            Err(gate::Failure::StillThere) if proposal.left.is_some() => Err(unfit(proposal.left.unwrap_or_default())),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn applies(spec: &FixSpec, context: &Context<'_>) -> bool {
    (spec.languages.is_empty() || spec.languages.contains(&context.file.language))
        && spec.call.as_ref().is_none_or(|set| {
            let last = context.path.rsplit('.').next().unwrap_or_default();
            set.contains(context.path) || set.members.iter().any(|m| m == last)
        })
}

fn propose(recipe: &Recipe, context: &Context<'_>) -> Outcome {
    match recipe {
        Recipe::Parametrise => parametrise::propose(context),
        Recipe::Argv => argv::propose(context),
        Recipe::ReplaceCall { with, without, import } => call::replace_call(context, with, without.as_ref(), import.as_deref()),
        Recipe::SetArgument { argument, key, value, import } => {
            call::set_argument(context, argument, key.as_deref(), value, import.as_deref())
        }
        Recipe::RemoveArgument { argument } => call::remove_argument(context, argument),
        Recipe::SetValue { value, import } => call::set_value(context, value, import.as_deref()),
        Recipe::Wrap { with, import } => wrap::propose(context, with, import.as_deref()),
        Recipe::ContainPath => path::propose(context),
        Recipe::EnvSecret { name } => insert::env_secret(context, name.as_deref()),
        Recipe::AddMiddleware { statement, import } => insert::add_middleware(context, statement, import.as_deref()),
        Recipe::InsertGuard { statement, import } => insert::insert_guard(context, statement, import.as_deref()),
        Recipe::DeleteStatement => insert::delete_statement(context),
    }
}
