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
mod wrap;

use crate::{
    analysis::{Cache, Project, Refusal, SourceFile},
    finding::{Finding, Fix},
    judge::Judges,
    rules::{FixSpec, Recipe, RuleSet},
};
use edits::Edits;
use gate::Gate;
use site::Context;
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
type Outcome = Result<Proposal, String>;

/// The proven rewrite of a finding of this very file; see [`crate::Engine::fix`].
pub(crate) fn rewrite(
    rules: &Arc<RuleSet>,
    judges: &Judges,
    cache: Cache,
    file: &SourceFile,
    finding: &Finding,
    project: &dyn Project,
) -> Result<Fix, Refusal> {
    let specs = rules.rule(&finding.rule).map_or(&[][..], |r| &r.fixes);
    if specs.is_empty() {
        return Err(Refusal("this rule has no rewrite".into()));
    }
    let gate = Gate::new(rules, judges, cache, file, finding, project).map_err(Refusal)?;
    let context = Context::of(rules, file, finding, gate.sites()).map_err(Refusal)?;
    let Some(spec) = specs.iter().find(|s| applies(s, &context)) else {
        return Err(Refusal("this rule has no rewrite for such code".into()));
    };
    // A mistake in a recipe costs the rewrite, never the finding.
    let proposal = catch_unwind(AssertUnwindSafe(|| propose(&spec.recipe, &context, &gate)))
        .unwrap_or_else(|_| Err("the recipe failed; this is a bug in qualm".into()))
        .map_err(Refusal)?;
    let fix = proposal.edits.into_fix(&file.text, proposal.title, spec.safety).map_err(Refusal)?;
    match gate.prove(&fix) {
        Ok(()) => Ok(fix),
        Err(gate::Failure::StillThere) if proposal.left.is_some() => Err(Refusal(proposal.left.unwrap_or_default())),
        Err(failure) => Err(Refusal(failure.to_string())),
    }
}

fn applies(spec: &FixSpec, context: &Context<'_>) -> bool {
    (spec.languages.is_empty() || spec.languages.contains(&context.file.language))
        && spec.call.as_ref().is_none_or(|set| {
            let last = context.path.rsplit('.').next().unwrap_or_default();
            set.contains(context.path) || set.members.iter().any(|m| m == last)
        })
}

fn propose(recipe: &Recipe, context: &Context<'_>, gate: &Gate<'_>) -> Outcome {
    match recipe {
        Recipe::Parametrise => parametrise::propose(context),
        Recipe::Argv => argv::propose(context, gate),
        Recipe::ReplaceCall { with, import } => call::replace_call(context, with, import.as_deref()),
        Recipe::SetArgument { argument, key, value, import } => {
            call::set_argument(context, argument, key.as_deref(), value, import.as_deref())
        }
        Recipe::RemoveArgument { argument } => call::remove_argument(context, argument),
        Recipe::SetValue { value, import } => call::set_value(context, value, import.as_deref()),
        Recipe::Wrap { with, import } => wrap::propose(context, with, import.as_deref(), gate),
        Recipe::ContainPath => path::propose(context),
        Recipe::EnvSecret { name } => insert::env_secret(context, name.as_deref()),
        Recipe::AddMiddleware { statement, import } => insert::add_middleware(context, statement, import.as_deref()),
        Recipe::InsertGuard { statement, import } => insert::insert_guard(context, statement, import.as_deref()),
        Recipe::DeleteStatement => insert::delete_statement(context),
    }
}
