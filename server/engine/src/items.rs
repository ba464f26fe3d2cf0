//! The items of a file (its top level nodes) and what is kept of them between two analyses.
//!
//! A whole file is cut along its tree. After an edit the touched items alone are parsed, as a text of their own, so that a
//! keystroke costs the same in a long file as in a short one; whoever does that must cut the whole file again once its author
//! pauses, because text around a place may change what the place means while it is half-typed.

use crate::{
    analysis::{self, Limit, Limits, SourceFile},
    callers::Uses,
    finding::Finding,
    interp,
    ir::{ExprKind, StmtKind, Sym, Unit},
    judge::{
        Judges,
        dependency::{self, Import},
        suppress,
        text::Hits,
    },
    lang::{self, Language},
    rules::RuleSet,
    syntax,
};
use rustc_hash::FxHashMap;
use std::{collections::hash_map::Entry, ops::Range, sync::Arc};
use tree_sitter::Node;

/// Longest stretch that is parsed by itself, in bytes; the whole file's parse starts from an old tree and is as fast then.
const MAX_STRETCH: usize = 64 * 1024;

/// What is kept of a file between two analyses of it. Findings never depend on it, only the time they take.
#[derive(Default)]
pub struct Cache {
    pub(crate) entries: FxHashMap<Key, CachedItem>,
    next_id: u64,
    /// The rules the results were made with.
    pub(crate) rules: Option<Arc<RuleSet>>,
    last: Option<Last>,
    /// The top level as it was evaluated last.
    pub(crate) top: Option<Arc<crate::incremental::TopCache>>,
    /// Of the last analysis.
    pub(crate) cost: crate::incremental::Cost,
    /// [`Last::torn`] of the cut being analysed.
    torn: Option<Range<usize>>,
    /// Where expressions over the whole file may match.
    pub(crate) hits: Option<Hits>,
}

/// Hash of an item's text, and how many items before it have the same.
pub(crate) type Key = (u64, u32);

/// The cut of a text in which later edits can be placed.
pub(crate) struct Last {
    path: Arc<str>,
    language: Language,
    text: Arc<str>,
    items: Vec<Item>,
    /// The items that were made of one broken stretch: they are parsed together until it is mended.
    torn: Option<Range<usize>>,
    /// Entries of its items may be gone, or be those of others.
    pruned: bool,
}

#[derive(Clone)]
pub(crate) struct CachedItem {
    lowered: Lowered,
    pub(crate) roots: Option<Arc<crate::incremental::CachedRoots>>,
    used: bool,
}

/// What is known of an item by itself.
#[derive(Clone)]
struct Lowered {
    id: u64,
    unit: Arc<Unit>,
    own: Arc<Own>,
}

/// What an item says whatever is around it. Spans are relative to its first byte.
#[derive(Default)]
pub(crate) struct Own {
    /// Findings of the judges of text and snippets.
    pub said: Vec<Finding>,
    /// The names it defines, if it does nothing but define functions and classes.
    pub defines: Option<Vec<Sym>>,
    /// Names of containers that its functions change.
    pub mutated: Vec<Sym>,
    /// The functions it defines, calls and mentions.
    pub uses: Uses,
    pub imports: Vec<Import>,
    /// Some comment may answer a finding.
    pub answers: bool,
    /// What its lowering and judges gave up: something is missing here.
    pub limits: Limits,
}

impl Own {
    fn of(judges: &Judges, language: Language, path: &str, text: &str, node: Node<'_>, unit: &Unit) -> Self {
        let base = node.start_byte();
        let answers = unit.comments.iter().any(|c| text.get(c.in_file(base)).is_some_and(suppress::possible));
        let (said, limits) = judges.item(language, path, text, node, unit);
        Own {
            said,
            defines: defined(unit),
            mutated: interp::unit_mutations(unit),
            uses: Uses::of(unit),
            imports: dependency::imports(unit),
            answers,
            limits,
        }
    }
}

/// An item of one text.
pub(crate) struct Item {
    pub key: Key,
    /// Another one whenever its text changes.
    pub id: u64,
    pub range: Range<usize>,
    pub unit: Arc<Unit>,
    pub own: Arc<Own>,
}

impl Cache {
    /// A cache with the same results, for an analysis of a changed copy that is thrown away afterwards.
    pub fn fork(&self) -> Self {
        Self { entries: self.entries.clone(), next_id: self.next_id, rules: self.rules.clone(), top: self.top.clone(), ..Self::default() }
    }

    /// The first byte of each item of the last text, by the item's id.
    #[cfg(test)]
    pub(crate) fn bases(&self) -> FxHashMap<u64, usize> {
        self.last.iter().flat_map(|l| &l.items).map(|i| (i.id, i.range.start)).collect()
    }

    /// Forgets everything that was made with other rules.
    pub(crate) fn for_rules(&mut self, rules: &Arc<RuleSet>) {
        if !self.rules.as_ref().is_some_and(|r| Arc::ptr_eq(r, rules)) {
            *self = Cache { rules: Some(rules.clone()), next_id: self.next_id, ..Cache::default() };
        }
    }

    /// Cuts the file along its tree; unchanged items keep their lowering.
    pub(crate) fn cut(&mut self, judges: &Judges, file: &SourceFile) -> Vec<Item> {
        for entry in self.entries.values_mut() {
            entry.used = false;
        }
        let mut occurrences: FxHashMap<u64, u32> = FxHashMap::default();
        let mut items = Vec::new();
        for node in syntax::items(&file.tree) {
            let range = node.byte_range();
            let Some(text) = file.text.get(range.clone()) else { continue };
            let hash = analysis::hash(text);
            let n = occurrences.entry(hash).or_insert(0);
            let key = (hash, *n);
            *n += 1;
            items.push(self.item(judges, file.language, &file.path, &file.text, node, key, range));
        }
        items
    }

    /// Forgets the items that are not in the text that was cut last.
    pub(crate) fn prune(&mut self) {
        self.entries.retain(|_, e| e.used);
    }

    /// The item of a node, its lowering taken over if its text is known.
    #[allow(clippy::too_many_arguments)]
    fn item(&mut self, judges: &Judges, language: Language, path: &str, text: &str, node: Node<'_>, key: Key, range: Range<usize>) -> Item {
        // The tree of broken text depends on what stands around it.
        let broken = node.has_error();
        let entry = match self.entries.entry(key) {
            Entry::Occupied(e) if !broken && !e.get().lowered.unit.broken => e.into_mut(),
            e => {
                self.next_id += 1;
                let unit = analysis::guarded(|| lang::lower(language, text, node));
                let fault = unit.is_none();
                let unit = Arc::new(unit.unwrap_or_default());
                let own = analysis::guarded(|| Own::of(judges, language, path, text, node, &unit));
                let fault = fault || own.is_none();
                let mut own = own.unwrap_or_default();
                if fault {
                    own.limits.add(Limit::Fault);
                }
                let own = Arc::new(own);
                let lowered = Lowered { id: self.next_id, unit, own };
                e.insert_entry(CachedItem { lowered, roots: None, used: true }).into_mut()
            }
        };
        entry.used = true;
        let Lowered { id, unit, own } = entry.lowered.clone();
        Item { key, id, range, unit, own }
    }

    /// Keeps the cut of a text, if edits can be placed in it. Of a broken text the cut before it broke serves better, if
    /// the edits since were placed in that.
    pub(crate) fn keep(&mut self, file: &SourceFile, items: Vec<Item>, whole: bool) {
        if whole && file.tree.root_node().has_error() {
            self.last.take_if(|l| *l.text != *file.text);
            if let Some(last) = &mut self.last {
                last.pruned = true;
            }
            return;
        }
        // An indented item belongs to whatever comes before it, once that changes.
        if items.iter().any(|i| !upright(file.language, &file.text, i.range.start)) {
            self.last = None;
            return;
        }
        let torn = self.torn.take().filter(|_| !whole);
        self.last = Some(Last { path: file.path.clone(), language: file.language, text: file.text.clone(), items, torn, pruned: false });
    }

    /// The items of a text that came from the last one by edits within a stretch of few items; those alone are parsed.
    /// `None`: the file must be cut as a whole (and `last` is gone if it is of no use any more).
    pub(crate) fn patched(&mut self, judges: &Judges, file: &SourceFile) -> Option<Vec<Item>> {
        let last = self.last.take_if(|l| l.language == file.language && l.path == file.path)?;
        if last.text == file.text && !last.pruned {
            self.torn = last.torn;
            return Some(last.items);
        }
        let Some(stretch) = Stretch::of(&last, &file.text) else {
            self.last = Some(last);
            return None;
        };
        let mut items = last.items;
        let text = &file.text[stretch.new.clone()];
        let tree = syntax::parse(file.language, text, None, || true)?;
        let nodes = syntax::items(&tree);
        let (first, end) = (nodes.first()?, nodes.last()?);
        let fits = first.start_byte() == 0 || stretch.new.start == 0;
        let fits = fits && nodes.iter().all(|n| upright(file.language, text, n.start_byte()));
        let fits = fits && (end.end_byte() == text.len() || stretch.new.end == file.text.len());
        if !(tree.root_node().has_error() || fits && separate(file, &stretch, end)) {
            return None;
        }
        let mut old: FxHashMap<Key, CachedItem> = FxHashMap::default();
        for item in &items[stretch.items.clone()] {
            old.extend(self.entries.remove_entry(&item.key));
        }
        let mut fresh = Vec::new();
        let mut occurrences: FxHashMap<u64, u32> = FxHashMap::default();
        for node in nodes {
            let range = node.byte_range();
            let hash = analysis::hash(text.get(range.clone())?);
            let from = occurrences.entry(hash).or_insert(0);
            let key = (hash, (*from..=u32::MAX).find(|n| !self.entries.contains_key(&(hash, *n)))?);
            *from = key.1 + 1;
            if let Some(known) = old.remove(&key) {
                self.entries.insert(key, known);
            }
            let range = stretch.new.start + range.start..stretch.new.start + range.end;
            fresh.push(self.item(judges, file.language, &file.path, text, node, key, range));
        }
        for item in &mut items[stretch.items.end..] {
            item.range = stretch.moved(item.range.start)..stretch.moved(item.range.end);
        }
        self.torn = tree.root_node().has_error().then(|| stretch.items.start..stretch.items.start + fresh.len());
        items.splice(stretch.items, fresh);
        for item in items.iter().filter(|_| last.pruned) {
            if self.entries.get(&item.key).is_none_or(|e| e.lowered.id != item.id) {
                let lowered = Lowered { id: item.id, unit: item.unit.clone(), own: item.own.clone() };
                self.entries.insert(item.key, CachedItem { lowered, roots: None, used: true });
            }
        }
        Some(items)
    }
}

/// Which items an edit touched, and where they are.
struct Stretch {
    items: Range<usize>,
    old: Range<usize>,
    new: Range<usize>,
}

impl Stretch {
    /// The smallest run of items that holds all differences, borders excluded. `None`: too long, or with comments that
    /// answer findings somewhere in the file (what they reach is read off the whole tree).
    fn of(last: &Last, text: &str) -> Option<Self> {
        if last.items.is_empty() || last.items.iter().any(|i| i.own.answers) {
            return None;
        }
        let (start, end) = difference(last.text.as_bytes(), text.as_bytes());
        let count = last.items.len();
        let mut first = last.items.partition_point(|i| i.range.start < start).saturating_sub(1);
        let mut behind = (last.items.partition_point(|i| i.range.end <= end) + 1).clamp(first + 1, count.max(first + 1));
        if let Some(torn) = &last.torn {
            (first, behind) = (first.min(torn.start), behind.max(torn.end));
        }
        let from = if first == 0 { 0 } else { last.items[first].range.start };
        let to = if behind >= count { last.text.len() } else { last.items[behind - 1].range.end };
        let new = from..(to + text.len()).checked_sub(last.text.len())?;
        let fits = new.start <= new.end && new.len() <= MAX_STRETCH && text.is_char_boundary(new.start) && text.is_char_boundary(new.end);
        fits.then_some(Self { items: first..behind, old: from..to, new })
    }

    fn moved(&self, at: usize) -> usize {
        (at + self.new.end) - self.old.end
    }
}

/// The bytes of `old` that differ from `new` between the longest common head and tail.
pub(crate) fn difference(old: &[u8], new: &[u8]) -> (usize, usize) {
    const BLOCK: usize = 1024;
    let most = old.len().min(new.len());
    let mut head = 0;
    while head + BLOCK <= most && old[head..head + BLOCK] == new[head..head + BLOCK] {
        head += BLOCK;
    }
    head += old[head..most].iter().zip(&new[head..most]).take_while(|(a, b)| a == b).count();
    let (old_tail, new_tail) = (&old[head..], &new[head..]);
    let most = old_tail.len().min(new_tail.len());
    let mut tail = 0;
    while tail + BLOCK <= most
        && old_tail[old_tail.len() - tail - BLOCK..old_tail.len() - tail] == new_tail[new_tail.len() - tail - BLOCK..new_tail.len() - tail]
    {
        tail += BLOCK;
    }
    let rest = old_tail[..old_tail.len() - tail].iter().rev().zip(new_tail[..new_tail.len() - tail].iter().rev());
    tail += rest.take(most - tail).take_while(|(a, b)| a == b).count();
    (head, old.len() - tail)
}

/// Whether an item starts its line where indentation means something.
fn upright(language: Language, text: &str, start: usize) -> bool {
    language != Language::Python || start == 0 || text.as_bytes()[start - 1] == b'\n'
}

/// Whether what is around a stretch cannot become part of its items, however they changed: it is on other lines and does
/// not go on with a statement that no sign ended.
fn separate(file: &SourceFile, stretch: &Stretch, end: &Node<'_>) -> bool {
    let (before, behind) = (&file.text[..stretch.new.start], &file.text[stretch.new.end..]);
    let code = behind.trim_start();
    let gap = &behind[..behind.len() - code.len()];
    if !(code.is_empty() || gap.contains('\n')) || !(before.is_empty() || before.ends_with('\n')) {
        return false;
    }
    if file.language == Language::Python {
        return true;
    }
    let closed = end.kind() == "comment" || file.text[..stretch.new.end].ends_with([';', '}']);
    closed || !code.starts_with(['(', '[', '`', '+', '-', '/', '.', '?', '*', ',', '=', '<'])
}

/// The names an item defines, if it does nothing but define functions and classes.
fn defined(unit: &Unit) -> Option<Vec<Sym>> {
    let mut names = Vec::new();
    for s in &unit.body {
        match &s.kind {
            StmtKind::Func(f) => names.extend(unit.func(*f).name),
            StmtKind::Class(c) => names.extend(unit.class(*c).name),
            StmtKind::Export { name, value } if matches!(unit.expr(*value).kind, ExprKind::Name(_)) => names.push(*name),
            _ => return None,
        }
    }
    Some(names)
}
