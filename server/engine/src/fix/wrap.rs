//! `wrap`: the dangerous part goes through a function that makes it harmless where it stands.

use super::{Outcome, Proposal, call, edits::Edits, shape::Shape, site::Context};
use crate::{
    finding::Safety,
    ir::{ExprId, ExprKind},
};
use std::ops::Range;

/// More holes than this are not tried one by one.
const MAX_HOLES: usize = 8;

pub(super) fn propose(context: &Context<'_>, with: &str, import: Option<&str>) -> Outcome {
    let value = dangerous(context)?;
    let places = match Shape::of(context, value) {
        Ok(shape) => shape.holes().map(|(_, h)| h.value.clone()).collect(),
        Err(_) => vec![context.range(context.unit.expr(value).span)],
    };
    if places.is_empty() {
        return Err("the dangerous part is put in elsewhere".into());
    }
    let make = |places: &[Range<usize>]| -> Result<Proposal, String> {
        let mut edits = Edits::default();
        let function = call::qualified(context, with, import, &mut edits)?;
        for place in places {
            edits.insert(place.start, format!("{function}("));
            edits.insert(place.end, ")");
        }
        Ok(Proposal::new(format!("Pass it through {function}"), edits))
    };
    if places.len() == 1 || places.len() > MAX_HOLES {
        return Ok(make(&places)?);
    }
    // Only what has to be wrapped is: a part that is markup on purpose would be spoilt.
    let mut wanted = places;
    let mut i = 0;
    while i < wanted.len() && wanted.len() > 1 {
        let mut fewer = wanted.clone();
        fewer.remove(i);
        let p = make(&fewer)?;
        let proven = p.edits.into_fix(&context.file.text, p.title, Safety::Review).is_ok_and(|fix| context.prove(&fix).is_ok());
        if proven {
            wanted = fewer;
        } else {
            i += 1;
        }
    }
    Ok(make(&wanted)?)
}

/// What the finding underlines, or what the variable that it underlines was made of.
fn dangerous(context: &Context<'_>) -> Result<ExprId, String> {
    let mut value = context.the_value()?;
    // `(await x)`, `x as T` and the like stand for what they hold.
    while let ExprKind::Await(inner) = context.unit.expr(value).kind {
        value = inner;
    }
    if let ExprKind::Name(_) = context.unit.expr(value).kind
        && let Ok(built) = context.built(value, context.finding.span.start)
        && Shape::of(context, built).is_ok()
    {
        return Ok(built);
    }
    Ok(value)
}
