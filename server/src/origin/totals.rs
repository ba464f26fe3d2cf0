//! Lines counted by origin, tool and model.

use crate::provenance::LineOrigin;
use std::collections::BTreeMap;

/// A row of the totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub origin: String,
    pub tool: String,
    pub model: String,
    pub lines: usize,
}

/// How many lines there are of each origin, tool and model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub lines: usize,
    /// Most lines first; the row of unknown lines comes last and is always there.
    pub rows: Vec<Row>,
}

impl Totals {
    /// Counts lines.
    pub fn of<'o>(origins: impl Iterator<Item = &'o LineOrigin>) -> Self {
        let mut counts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        let (mut lines, mut unknown) = (0, 0);
        for origin in origins {
            lines += 1;
            if origin.origin == "unknown" {
                unknown += 1;
            } else {
                *counts.entry((&origin.origin, &origin.tool, &origin.model)).or_default() += 1;
            }
        }
        let row = |(origin, tool, model): (&str, &str, &str), lines: usize| Row {
            origin: origin.to_owned(),
            tool: tool.to_owned(),
            model: model.to_owned(),
            lines,
        };
        let mut rows: Vec<Row> = counts.into_iter().map(|(key, lines)| row(key, lines)).collect();
        rows.sort_by_key(|r| std::cmp::Reverse(r.lines));
        rows.push(row(("unknown", "", ""), unknown));
        Self { lines, rows }
    }

    /// The share of a row in percent.
    pub fn percent(&self, row: &Row) -> f64 {
        if self.lines == 0 { 0.0 } else { row.lines as f64 * 100.0 / self.lines as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_share_is_always_told() {
        let line = |origin: &str| LineOrigin { origin: origin.to_owned(), ..LineOrigin::default() };
        let lines = [line("agent"), line("typed"), line("agent")];
        let totals = Totals::of(lines.iter());
        let told: Vec<_> = totals.rows.iter().map(|r| (r.origin.as_str(), r.lines)).collect();
        assert_eq!(told, [("agent", 2), ("typed", 1), ("unknown", 0)]);
        let none = Totals::of(std::iter::empty());
        assert_eq!((none.rows.len(), none.percent(&none.rows[0])), (1, 0.0));
    }
}
