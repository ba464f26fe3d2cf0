//! Modules: evaluation of a file's top level, imports between project files, and which module level
//! containers functions change.

use super::{Callee, Env, Evaluated, Frame, Interp, Value};
use crate::ir::{ExprId, ExprKind, Pattern, StmtKind, Sym, Unit, sym};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// Methods that put something into a container.
const MUTATORS: &[&str] =
    &["append", "add", "insert", "extend", "update", "setdefault", "push", "unshift", "set", "splice", "put", "appendleft"];

/// Names whose members are assigned or that take part in a mutating call inside any function of the items.
pub(super) fn mutated(items: &[(u64, Arc<Unit>)]) -> FxHashSet<Sym> {
    let mut names = FxHashSet::default();
    for (_, unit) in items {
        names.extend(unit_mutations(unit));
    }
    names
}

/// The container names one unit changes.
pub(crate) fn unit_mutations(unit: &Unit) -> Vec<Sym> {
    let mut names = Vec::new();
    let root = |mut id: ExprId| loop {
        match &unit.expr(id).kind {
            ExprKind::Name(n) => return Some(*n),
            ExprKind::Member { object, .. } | ExprKind::Index { object, .. } => id = *object,
            _ => return None,
        }
    };
    for expr in &unit.exprs {
        match &expr.kind {
            ExprKind::Call { callee, .. } => {
                if let ExprKind::Member { object, name } = &unit.expr(*callee).kind
                    && MUTATORS.contains(&name.as_str())
                {
                    names.extend(root(*object));
                }
            }
            ExprKind::Assign { target, .. } => {
                if let Pattern::Index { object, .. } | Pattern::Member { object, .. } = &**target {
                    names.extend(root(*object));
                }
            }
            _ => {}
        }
    }
    unit.each_statement(&mut |s| {
        if let StmtKind::Assign { target: Pattern::Index { object, .. } | Pattern::Member { object, .. }, .. } = &s.kind {
            names.extend(root(*object));
        }
    });
    names.sort_unstable();
    names.dedup();
    names
}

impl Interp<'_> {
    /// Runs a module's top level once.
    pub(super) fn evaluate_module(&mut self, index: u32) {
        if index != 0 {
            self.record.touched.insert(index);
        }
        if self.modules[index as usize].state != Evaluated::Not || !self.down() {
            return;
        }
        self.modules[index as usize].state = Evaluated::Running;
        let items = self.modules[index as usize].items.clone();
        let saved = (
            std::mem::take(&mut self.env),
            std::mem::replace(&mut self.module, index),
            self.item,
            std::mem::take(&mut self.frame),
            self.globals_dirty,
            self.record.route.take(),
        );
        // Findings of other files are reported there, not here.
        let outer = (index != 0).then(|| {
            let facts = &self.record.facts;
            (self.record.findings.len(), facts.apps.len(), facts.routes.len(), facts.marks.len())
        });
        let at_top = self.at_top;
        self.at_top = index == 0 && at_top;
        for (item, unit) in items.iter() {
            self.item = *item;
            self.hoist(unit);
        }
        for (item, unit) in items.iter() {
            self.item = *item;
            if index == 0 {
                self.steps = self.steps.max(super::ROOT_STEPS / 2);
            }
            self.block(unit, &unit.body);
        }
        self.at_top = at_top;
        let env = std::mem::replace(&mut self.env, saved.0);
        self.modules[index as usize].globals = Arc::new(env);
        self.modules[index as usize].state = Evaluated::Done;
        self.up();
        self.module = saved.1;
        self.item = saved.2;
        self.frame = saved.3;
        self.globals_dirty = saved.4;
        self.record.route = saved.5;
        if let Some((findings, apps, routes, marks)) = outer {
            self.record.findings.truncate(findings);
            let facts = &mut self.record.facts;
            facts.apps.truncate(apps);
            facts.routes.truncate(routes);
            self.modules[index as usize].marks = facts.marks.drain(marks.min(facts.marks.len())..).map(|m| m.kind).collect();
        }
    }

    /// Binds the functions and classes of an item before anything runs.
    pub(super) fn hoist(&mut self, unit: &Arc<Unit>) {
        for s in &unit.body {
            match s.kind {
                StmtKind::Func(id) => {
                    if let Some(name) = unit.func(id).name {
                        let value = self.function_value(unit, id);
                        self.env.set(name, value);
                    }
                }
                StmtKind::Class(id) => {
                    if let Some(name) = unit.class(id).name.filter(|n| !unit.class(id).is_type || self.names_type(*n)) {
                        let value = self.class_value(unit, id, false);
                        self.env.set(name, value);
                    }
                }
                _ => {}
            }
        }
        self.globals_dirty = true;
    }

    /// Whether nothing but a type has this name: types and values may share one.
    pub(super) fn names_type(&self, name: Sym) -> bool {
        self.env.own(name).is_none_or(|v| matches!(&v.callee, Callee::Class(c) if c.unit.class(c.class).is_type))
    }

    /// The module's variables as the functions of the module see them.
    pub(super) fn share_globals(&mut self) {
        if self.call_depth == 0 && self.globals_dirty && self.modules[self.module as usize].state == Evaluated::Running {
            self.modules[self.module as usize].globals = Arc::new(self.env.fork());
            self.globals_dirty = false;
        }
    }

    /// A variable of module level; reading one of the analysed file is recorded as a dependency.
    pub(super) fn global(&mut self, name: Sym) -> Option<Value> {
        let module = self.module as usize;
        if module == 0 {
            self.record.deps.insert(name);
        }
        let mut value = self.modules[module].globals.get(name)?.clone();
        if self.stored_source != 0
            && self.modules[module].mutated.contains(&name)
            && value.taint == 0
            && matches!(value.callee, Callee::None)
            && (value.object.as_ref().is_some_and(|o| o.class.is_none()) || is_container_type(value.path))
        {
            // What one request put in, another one reads.
            value.object = None;
            value.lit = None;
            value.taint = self.all_bits();
            value.sources = self.stored_source;
            let pos = self.pos(crate::ir::Span::default());
            value.flow = Some(super::Flow::then(None, pos, super::Note::Stored(name)));
        }
        Some(value)
    }

    /// `local` names what an import brings in.
    pub(super) fn import(&mut self, local: Sym, path: Sym, module: Sym, member: Option<Sym>) {
        let path = self.alias(path);
        self.import_marks(module);
        let mut value = Value { typed: true, ..Value::path(path) };
        if let Some(index) = self.project_module(module) {
            if local == "*" {
                self.evaluate_module(index);
                let globals = self.modules[index as usize].globals.clone();
                let names = globals.own_names();
                super::value::work::spend(names.len());
                for name in names {
                    if let Some(v) = globals.own(name) {
                        self.env.set(name, v.clone());
                    }
                }
                return;
            }
            value.callee = Callee::Import(index, member);
        }
        self.bind_name(local, value);
    }

    /// The value behind an import of a project module.
    pub(super) fn force(&mut self, value: &Value) -> Value {
        let Callee::Import(index, member) = value.callee else { return value.clone() };
        self.evaluate_module(index);
        let Some(member) = member else { return value.clone() };
        let mut found = self.imported(index, member);
        if let Some(v) = &mut found {
            if let Callee::Import(next, inner) = v.callee
                && (next != index || inner != Some(member))
                && self.down()
            {
                let forced = self.force(&v.clone());
                self.up();
                return forced;
            }
            if v.path.is_empty() && v.lit.is_none() {
                v.path = value.path;
            }
            v.place = value.place;
            return found.unwrap_or_default();
        }
        Value { callee: Callee::None, ..value.clone() }
    }

    /// A member of a project module: an export, a global, or a submodule.
    pub(super) fn imported(&mut self, index: u32, member: Sym) -> Option<Value> {
        self.evaluate_module(index);
        let m = &self.modules[index as usize];
        if let Some(v) = m.exports.get(&member) {
            return Some(v.clone());
        }
        if let Some(v) = m.exports.get(&sym("default")) {
            if member == "default" {
                return Some(v.clone());
            }
            let key = super::Key::Str(member);
            if let Some(inner) = v.object.as_ref().and_then(|o| o.get(&key)) {
                return Some(inner.clone());
            }
        }
        if let Some(v) = m.globals.get(member) {
            return Some(v.clone());
        }
        let specifier = m.specifier;
        let sub = if specifier.ends_with('.') { format!("{specifier}{member}") } else { format!("{specifier}.{member}") };
        let index = self.project_module(sym(&sub))?;
        Some(Value { callee: Callee::Import(index, None), ..Value::path(sym(&sub)) })
    }

    /// Runs `f` as if in another module, with an empty frame.
    pub(super) fn inside<T>(&mut self, module: u32, item: u64, frame: Frame, env: Env, f: impl FnOnce(&mut Self) -> T) -> (T, Frame, Env) {
        if module != 0 {
            self.record.touched.insert(module);
        }
        let saved_env = std::mem::replace(&mut self.env, env);
        self.frames += 1;
        let saved_frame = std::mem::replace(&mut self.frame, Frame { id: self.frames, ..frame });
        let saved = (std::mem::replace(&mut self.module, module), std::mem::replace(&mut self.item, item));
        let out = f(self);
        (self.module, self.item) = saved;
        let frame = std::mem::replace(&mut self.frame, saved_frame);
        let env = std::mem::replace(&mut self.env, saved_env);
        (out, frame, env)
    }
}

fn is_container_type(path: Sym) -> bool {
    matches!(
        path.as_str(),
        "Map"
            | "Set"
            | "WeakMap"
            | "dict()"
            | "list()"
            | "dict"
            | "list"
            | "set()"
            | "collections.defaultdict"
            | "collections.defaultdict()"
            | "collections.OrderedDict"
            | "collections.deque()"
    )
}
