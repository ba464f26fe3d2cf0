//! Checks a ledger from end to end: every event's hash, the order, both ends of the chain, the file's structure.

use super::{LedgerError, event::Hash, store::Store};

/// At most this many faults are listed; the first one is what matters.
const MAX_FAULTS: usize = 20;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Events looked at.
    pub events: u64,
    /// Events that were removed from the start, by retention.
    pub pruned: u64,
    /// The newest event and its hash: who notes it elsewhere can tell later whether the past was rewritten.
    pub head: (u64, Hash),
    /// What is wrong, first fault first; empty if all is well.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn sound(&self) -> bool {
        self.faults.is_empty()
    }
}

pub(super) fn verify(store: &mut Store) -> Result<Report, LedgerError> {
    let mut faults = store.structure()?;
    let mut found = Vec::new();
    let mut events = 0;
    let mut chain: Option<(u64, Hash)> = None;
    let mut first = None;
    let mut fault = |text: String| {
        // What else is wrong with it is of no interest, and of a forged one it may be everything.
        if found.len() < MAX_FAULTS {
            found.push(text);
        }
    };
    let ends = store.each(|record| {
        events += 1;
        if let Some((seq, hash)) = chain {
            if record.seq != seq.saturating_add(1) {
                fault(format!("events {} to {} are missing", seq.saturating_add(1), record.seq.saturating_sub(1)));
            } else if record.event.chained(&hash) != record.hash {
                fault(format!("event {} was changed, or the one before it", record.seq));
            }
        } else {
            first = Some(record.clone());
        }
        chain = Some((record.seq, record.hash));
    })?;
    let (pruned, start) = ends.pruned;
    if let Some(first) = first {
        if first.seq != pruned.saturating_add(1) {
            found.insert(0, format!("events {} to {} are missing", pruned.saturating_add(1), first.seq.saturating_sub(1)));
        } else if first.event.chained(&start) != first.hash {
            found.insert(0, format!("event {} was changed, or the one before it", first.seq));
        }
    }
    let newest = chain.unwrap_or(ends.pruned);
    if newest.0 < ends.head.0 {
        found.push(format!("events {} to {} are missing", newest.0.saturating_add(1), ends.head.0));
    } else if newest != ends.head {
        found.push(format!("event {} was added past the chain's end, or its hash was changed", newest.0));
    }
    faults.extend(found);
    faults.truncate(MAX_FAULTS);
    Ok(Report { events, pruned, head: ends.head, faults })
}
