//! Re-anchoring over long files in which nearly half of the lines stand everywhere: every line that stayed or moved with
//! its block keeps its own origin or none, and no new line gets an old one.
#![allow(clippy::unwrap_used)]

use qualm_origin::{
    Evidence, Kind, Origin, OriginId, Origins, Run, Runs,
    reanchor::{Kept, reanchor},
};

const COMMON: [&str; 8] = ["if err != nil {", "}", "return nil", "    x = x + 1", "", "# comment", "    else:", "import os"];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// A line and its true origin; `None` for one that came while nobody watched.
type Line = (String, Option<usize>);

fn written(count: usize, random: &mut Random) -> Vec<Line> {
    let line = |i: usize, random: &mut Random| {
        let common = random.below(100) < 45;
        let text = if common {
            COMMON[random.below(8)].to_owned()
        } else {
            format!("    let v{i} = call_{}(a{});", random.below(500), random.below(50))
        };
        // Blocks of one origin, and here and there a line of another in them.
        let origin = if random.below(1000) == 0 { 9 } else { i / 37 % 5 };
        (text, Some(origin))
    };
    (0..count).map(|i| line(i, random)).collect()
}

fn changed(old: &[Line], edits: usize, moves: usize, random: &mut Random) -> Vec<Line> {
    let mut new = old.to_vec();
    for i in 0..edits {
        let at = random.below(new.len());
        match random.below(3) {
            0 => new.insert(at, (format!("new line {i}"), None)),
            1 => drop(new.remove(at)),
            _ => new[at] = (format!("changed {i}"), None),
        }
    }
    for _ in 0..moves {
        let at = random.below(new.len() - 40);
        let length = 10 + random.below(25);
        let block: Vec<Line> = new.drain(at..at + length).collect();
        let to = random.below(new.len());
        new.splice(to..to, block);
    }
    new
}

#[test]
fn no_line_of_a_long_file_gets_a_wrong_origin() {
    let mut table = Origins::default();
    let ids: Vec<OriginId> = (0..10).map(|n| table.intern(&Origin::new(Kind::Agent, Evidence::Hook, n))).collect();
    for (count, edits, moves, seeds) in [(2_000, 40, 2, 100), (20_000, 200, 5, 40)] {
        let (mut right, mut lost, mut stayed) = (0, 0, 0);
        for seed in 0..seeds {
            let mut random = Random(seed + 42);
            let old = written(count, &mut random);
            let new = changed(&old, edits, moves, &mut random);
            let text = |lines: &[Line]| lines.iter().flat_map(|l| [l.0.as_str(), "\n"]).collect::<String>();
            let runs: Vec<Run> = old.iter().map(|l| Run { len: l.0.len() + 1, origin: ids[l.1.unwrap()] }).collect();
            let kept = Kept::of(&text(&old), Runs::of(&runs));
            let found = reanchor(&[&kept], &text(&new), OriginId::PRESENT);
            let mut at = 0;
            for line in &new {
                let id = found.at(at).unwrap();
                at += line.0.len() + 1;
                let told = ids.iter().position(|known| *known == id);
                let wrong = told.is_some() && told != line.1;
                assert!(!wrong, "seed {seed}: {line:?} is told to be {told:?}");
                right += usize::from(told.is_some());
                lost += usize::from(told.is_none() && line.1.is_some());
                stayed += usize::from(line.1.is_some());
            }
        }
        println!("{count} lines, {seeds} times: {right} of {stayed} lines keep their origin, {lost} lose it, 0 wrong");
        assert!(lost * 200 <= stayed, "{lost} of {stayed} lines lose their origin");
    }
}
