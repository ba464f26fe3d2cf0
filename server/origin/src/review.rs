//! Reviews of ranges: they follow the text and end when the reviewed text changes.

use crate::align::{Part, Source};
use std::ops::Range;

/// Where a reviewed range is after an edit; `None` if it changed. `parts` says what the edit's new text was before;
/// `blank`: only white space changed.
pub(crate) fn survives(
    review: &Range<usize>,
    edit: &Range<usize>,
    (removed, text): (&str, &str),
    parts: &[Part],
    blank: bool,
) -> Option<Range<usize>> {
    let place = |at: usize| at - edit.len() + text.len();
    if edit.end <= review.start {
        return Some(place(review.start)..place(review.end));
    }
    if edit.start >= review.end {
        return Some(review.clone());
    }
    if blank {
        let start = review.start.min(edit.start);
        return Some(start..place(review.end.max(edit.end)));
    }
    // All that was reviewed within the edit must still be there, with nothing new among it.
    let inside = review.start.max(edit.start) - edit.start..review.end.min(edit.end) - edit.start;
    let kept = parts.iter().filter_map(|p| match p.source {
        Source::Old(from) => {
            let (start, end) = (from.max(inside.start), (from + p.range.len()).min(inside.end));
            (start < end).then(|| (start..end, p.range.start + start - from))
        }
        _ => None,
    });
    let kept: Vec<(Range<usize>, usize)> = kept.collect();
    let letters = |text: &str| text.bytes().filter(|b| !b.is_ascii_whitespace()).count();
    let still: usize = kept.iter().filter_map(|(r, _)| removed.get(r.clone())).map(letters).sum();
    let (first, last) = (kept.first()?, kept.last()?);
    let span = first.1..last.1 + last.0.len();
    let broken = parts.iter().any(|p| p.source == Source::New && p.range.start < span.end && p.range.end > span.start);
    if still != letters(removed.get(inside)?) || broken || kept.windows(2).any(|w| w[0].0.end > w[1].0.start) {
        return None;
    }
    let start = if review.start < edit.start { review.start } else { edit.start + span.start };
    let end = if review.end > edit.end { place(review.end) } else { edit.start + span.end };
    // With the edit's borders inside the review, new text there is new text in it.
    let reaches = |from: usize, to: usize| parts.iter().any(|p| p.source == Source::New && p.range.start < to && p.range.end > from);
    let open = review.start < edit.start && reaches(0, span.start) || review.end > edit.end && reaches(span.end, text.len());
    (!open).then_some(start..end)
}
