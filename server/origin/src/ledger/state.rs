//! What was known of a file when it was last saved, so that its origins are known again byte by byte after downtime:
//! runs, line fingerprints and lengths, never text. Unlike the events it is no evidence, only a memory of what followed
//! from them: it is overwritten at every save and no hash covers it.

use super::{LedgerError, store::Store};
use crate::{
    model::{Origin, OriginId, Origins},
    reanchor::Kept,
    runs::{Run, Runs},
};
use rusqlite::params;

/// A file as it was known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// Fingerprint and length in bytes of each line.
    pub lines: Vec<(u64, usize)>,
    /// Length in bytes of each run, and its index in [`State::origins`].
    pub runs: Vec<(usize, usize)>,
    /// Each origin once.
    pub origins: Vec<Origin>,
}

impl State {
    /// The state of a text whose origins are ids of `table`.
    pub fn of(text: &str, runs: &Runs, table: &Origins, time: i64) -> Self {
        let mut ids: Vec<OriginId> = Vec::new();
        let runs = runs.slice(0..runs.len()).into_iter().map(|(range, id)| {
            let index = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                ids.push(id);
                ids.len() - 1
            });
            (range.len(), index)
        });
        let runs = runs.collect();
        let lines = Kept::of(text, Runs::default()).lines;
        Self { time, lines, runs, origins: ids.into_iter().map(|id| table.get(id).clone()).collect() }
    }

    /// The same with ids of `table`.
    pub fn kept(self, table: &mut Origins) -> Kept {
        let ids: Vec<OriginId> = self.origins.iter().map(|o| table.intern(o)).collect();
        let id = |index: usize| ids.get(index).copied().unwrap_or(OriginId::PRESENT);
        // No text is so long that its lengths could not be added up.
        let bounded = |len: usize| len.min(u32::MAX as usize);
        let runs: Vec<Run> = self.runs.iter().map(|(len, index)| Run { len: bounded(*len), origin: id(*index) }).collect();
        let lines = self.lines.into_iter().map(|(print, len)| (print, bounded(len))).collect();
        Kept { lines, runs: Runs::of(&runs) }
    }
}

impl Store {
    /// Keeps the state of a file instead of the one before.
    pub(super) fn keep(&mut self, file: &str, state: &State) -> Result<(), LedgerError> {
        let lines: Vec<u8> = state.lines.iter().flat_map(|l| [l.0.to_le_bytes(), (l.1 as u64).to_le_bytes()].concat()).collect();
        let runs: Vec<u8> = state.runs.iter().flat_map(|r| [(r.0 as u64).to_le_bytes(), (r.1 as u64).to_le_bytes()].concat()).collect();
        let origins = serde_json::to_string(&state.origins).map_err(|e| LedgerError::Database(e.to_string()))?;
        let sql = "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)";
        self.connection().prepare_cached(sql)?.execute(params![file, state.time, lines, runs, origins])?;
        Ok(())
    }

    /// The state of a file, if one was kept.
    pub(super) fn state(&self, file: &str) -> Result<Option<State>, LedgerError> {
        let mut statement = self.connection().prepare_cached("SELECT time, lines, runs, origins FROM state WHERE file = ?")?;
        let mut rows = statement.query([file])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (lines, runs): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
        let origins = serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default();
        let lines = pairs(&lines).map(|(print, len)| (print, len as usize)).collect();
        let runs = pairs(&runs).map(|(len, index)| (len as usize, index as usize)).collect();
        Ok(Some(State { time: row.get(0)?, lines, runs, origins }))
    }
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    bytes.chunks_exact(16).map(move |pair| (number(&pair[..8]), number(&pair[8..])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ledger::{Ledger, Options},
        model::{Evidence, Kind},
        reanchor::reanchor,
    };

    #[test]
    fn a_file_is_known_again_byte_by_byte() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("qualm/ledger.sqlite");
        let mut table = Origins::default();
        let [typed, agent] = [Kind::Typed, Kind::Agent].map(|k| table.intern(&Origin::new(k, Evidence::Hook, 1).by("t", "m", "s")));
        let text = "first = 1\nsecond = secret()\n";
        let runs = Runs::of(&[Run { len: 12, origin: typed }, Run { len: 4, origin: agent }, Run { len: text.len() - 16, origin: typed }]);
        {
            let ledger = Ledger::open_file(&file, Options::default());
            ledger.keep("a.py", &State::of("old", &Runs::new(3, typed), &table, 4)).unwrap();
            ledger.keep("a.py", &State::of(text, &runs, &table, 5)).unwrap();
        }
        let ledger = Ledger::open_file(&file, Options::default());
        assert_eq!(ledger.state("b.py").unwrap(), None);
        let state = ledger.state("a.py").unwrap().unwrap();
        assert_eq!(state, State::of(text, &runs, &table, 5));
        assert!(ledger.verify().unwrap().sound());
        let mut other = Origins::default();
        let offline = other.intern(&Origin::new(Kind::Unknown, Evidence::Offline, 9));
        let kept = state.kept(&mut other);
        let found = reanchor(&[&kept], &format!("new()\n{text}"), offline);
        let kinds: Vec<Kind> = [0, 6, 18, 22].map(|at| other.get(found.at(at).unwrap()).kind).into();
        assert_eq!(kinds, [Kind::Unknown, Kind::Typed, Kind::Agent, Kind::Typed]);
        for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(6).any(|w| w == b"secret"), "no text is kept");
        }
    }

    #[test]
    fn a_damaged_state_covers_any_text() {
        let state = State { lines: vec![(7, usize::MAX), (1, 2)], runs: vec![(3, 9), (0, 0)], ..State::default() };
        let mut table = Origins::default();
        assert_eq!(reanchor(&[&state.kept(&mut table)], "a\nb\n", OriginId::PRESENT).len(), 4);
    }
}
