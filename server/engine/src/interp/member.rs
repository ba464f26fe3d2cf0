//! Names, members, elements and types: how values get their access paths, and how sources enter.

use super::{Callee, Flow, FuncRef, Interp, Key, Note, Object, Pos, Value};
use crate::{
    ir::{ExprKind, Lit, Sym, sym},
    rules::Source,
};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// Objects that are there without an import.
const PLATFORM: &[&str] = &[
    "document",
    "window",
    "process",
    "console",
    "JSON",
    "Math",
    "Object",
    "Array",
    "Number",
    "String",
    "Promise",
    "Reflect",
    "Buffer",
    "Date",
    "location",
    "navigator",
    "localStorage",
    "sessionStorage",
    "history",
    "globalThis",
    "Symbol",
    "Intl",
    "RegExp",
    "Error",
    "crypto",
    "module",
];

impl Interp<'_> {
    /// The value of a variable.
    pub(super) fn name(&mut self, name: Sym) -> Value {
        let found = match self.env.get(name) {
            Some(v) => Some(v.clone()),
            None if self.frame.is_entry || self.call_depth > 0 || self.modules[self.module as usize].state == super::Evaluated::Done => {
                self.global(name)
            }
            None => {
                if self.module == 0 {
                    self.record.deps.insert(name);
                }
                None
            }
        };
        let Some(mut value) = found else {
            // A builtin, a global of the platform, or something undeclared.
            let path = self.alias(name);
            let value = Value { typed: PLATFORM.contains(&path.as_str()), ..Value::path(path) };
            return self.of_path(value, Pos { module: self.module, item: self.item, span: crate::ir::Span::default() });
        };
        self.at_place(&mut value, name);
        value
    }

    /// The value was read from a place: what guards said of that holds.
    pub(super) fn at_place(&self, value: &mut Value, place: Sym) {
        value.place = place;
        let cleared = self.env.cleared(place);
        self.take_cleared(value, cleared);
        value.doubt_less(self.env.promised(place));
    }

    pub(super) fn take_cleared(&self, value: &mut Value, cleared: u64) {
        if cleared != 0 {
            value.taint &= !cleared;
            if cleared & self.size_bit() != 0 || value.taint == 0 {
                value.bounded = true;
            }
            if value.taint == 0 {
                value.sources = 0;
                value.flow = None;
            }
        }
    }

    /// `value` has a path that may itself be a source.
    pub(super) fn of_path(&mut self, mut value: Value, pos: Pos) -> Value {
        if value.path.is_empty() {
            return value;
        }
        let models = self.setup.models;
        let roles = models.members.get(&value.path).or_else(|| {
            let (head, _) = value.path.rsplit_once('.')?;
            models.prefixes.get(&Sym::existing(head)?)
        });
        if let Some(roles) = roles {
            for mark in &roles.read_marks {
                self.mark(mark, pos);
            }
            for source in &roles.sources {
                self.enter(&mut value, source, pos);
            }
        }
        value
    }

    /// Untrusted data enters.
    pub(super) fn enter(&mut self, value: &mut Value, source: &Source, pos: Pos) {
        self.setup.rules.used(source.entry);
        value.taint |= !source.safe_for;
        value.sources |= source.bits;
        value.flow = Some(Flow::then(None, pos, Note::Source(value.path)));
        value.lit = None;
    }

    /// `owner.name`.
    pub(super) fn member_value(&mut self, owner: &Value, name: Sym, pos: Pos) -> Value {
        if let Callee::Import(index, None) = owner.callee
            && let Some(v) = self.imported(index, name)
        {
            let forced = self.force(&v);
            if forced.path.is_empty() {
                return Value { path: self.member_path(owner.path, name), ..forced };
            }
            return forced;
        }
        let owner = &self.force(owner);
        let place = if owner.place.is_empty() { Sym::default() } else { self.member_path_raw(owner.place, name) };
        if let Some(object) = &owner.object {
            if let Some(v) = object.get(&Key::Str(name)) {
                let mut v = v.clone();
                self.at_place(&mut v, place);
                return v;
            }
            if let Some(class) = object.class.clone()
                && let Some(v) = self.method(&class, owner, name)
            {
                return self.part_of(owner, place, v);
            }
        }
        if let Callee::Class(class) = &owner.callee {
            let class = class.clone();
            if let Some(v) = self.method(&class, owner, name) {
                return v;
            }
        }
        let models = self.setup.models;
        let path = self.member_path(owner.path, name);
        let mut value = Value { path, place, typed: owner.typed && !path.is_empty(), ..Value::default() };
        if owner.taint != 0 {
            value.taint = owner.taint;
            value.sources = owner.sources;
            value.flow.clone_from(&owner.flow);
        }
        if let Some(rest) = owner.object.as_ref().and_then(|o| o.rest.as_deref()) {
            value.add_taint(rest);
            if value.callee_is_none() {
                value.callee = rest.callee.clone();
            }
        }
        let decides = match models.decides.get(&value.path) {
            Some((bits, entry)) => {
                self.setup.rules.used(*entry);
                *bits
            }
            None if name == "length" || name == "size" => self.size_bit(),
            None => 0,
        };
        value.derive_for(owner, decides);
        value = self.of_path(value, pos);
        let own = value.path;
        self.clear_member(&mut value, own);
        if name == "length" || name == "size" {
            value.path = Sym::default();
            value.taint &= self.size_bit();
        }
        let mut cleared = self.env.cleared(place);
        if !owner.place.is_empty() {
            cleared |= self.env.cleared(owner.place);
        }
        self.take_cleared(&mut value, cleared);
        value.doubt_less(self.env.promised(place) | self.env.promised(owner.place));
        value
    }

    /// Paths of places never go through aliases.
    pub(super) fn member_path_raw(&mut self, base: Sym, name: Sym) -> Sym {
        if base.len() + name.len() > super::MAX_PATH { Sym::default() } else { sym(&format!("{base}.{name}")) }
    }

    /// A method or class field, own or inherited: the class itself, then its bases, from left to right and nearest first.
    fn method(&mut self, class: &Arc<super::value::ClassRef>, this: &Value, name: Sym) -> Option<Value> {
        let mut seen = FxHashSet::default();
        let mut at = vec![class.clone()];
        while let Some(class) = at.pop() {
            if !seen.insert(Arc::as_ptr(&class)) || !self.step() {
                continue;
            }
            if let Some(v) = self.own_method(&class, this, name) {
                return Some(v);
            }
            at.extend(class.bases.iter().rev().filter_map(|b| match &b.callee {
                Callee::Class(b) => Some(b.clone()),
                _ => None,
            }));
        }
        None
    }

    fn own_method(&mut self, class: &Arc<super::value::ClassRef>, this: &Value, name: Sym) -> Option<Value> {
        let unit = class.unit.clone();
        let c = unit.class(class.class);
        if let Some(m) = c.methods.iter().find(|m| unit.func(**m).name == Some(name)) {
            let f = unit.func(*m);
            let is_property =
                f.decorators.iter().any(|d| matches!(unit.expr(*d).kind, ExprKind::Name(n) if n == "property" || n == "cached_property"));
            let bound = (!f.is_static && !matches!(this.callee, Callee::Class(_))).then(|| this.clone());
            let func = Arc::new(FuncRef::method(class, *m, bound));
            if class.module == 0
                && let Some(n) = c.name
            {
                self.record.deps.insert(n);
            }
            if is_property {
                return Some(self.follow(&func, &[], None).value);
            }
            return Some(Value { callee: Callee::Func(func), ..Value::default() });
        }
        c.fields.iter().find(|f| f.name == name).map(|f| self.field_value(class, f, this))
    }

    /// `owner[key]`.
    pub(super) fn index_value(&mut self, owner: &Value, key: &Value, pos: Pos) -> Value {
        match &key.lit {
            Some(Lit::Str(s)) => return self.member_value(owner, sym(s), pos),
            Some(Lit::Int(i)) => {
                if let Some(v) = owner.object.as_ref().and_then(|o| o.get(&Key::Int(*i))) {
                    return v.clone();
                }
                if let Some(s) = owner.as_str() {
                    let n = s.chars().count() as i64;
                    let at = if *i < 0 { n + i } else { *i };
                    if let Some(c) = usize::try_from(at).ok().and_then(|at| s.chars().nth(at)) {
                        return Value::str(c.encode_utf8(&mut [0; 4]));
                    }
                }
            }
            _ => {}
        }
        let owner = self.force(owner);
        if let Some(named) = self.type_alias(&owner, key) {
            return named;
        }
        let mut value = self.element(&owner);
        if value.path.is_empty() {
            value.path = self.member_path(owner.path, sym("[]"));
            value = self.of_path(value, pos);
        }
        value.derive(&owner);
        // `splitext(name)[1]`: one part of several has a name of its own.
        if let Some(Lit::Int(i)) = &key.lit {
            let path = self.member_path(owner.path, sym(&i.to_string()));
            self.clear_member(&mut value, path);
        }
        value
    }

    /// A member that is harmless whatever it was taken from: the ending of a path.
    fn clear_member(&self, value: &mut Value, path: Sym) {
        if let Some((bits, entry)) = self.setup.models.members.get(&path).and_then(|r| r.clears)
            && value.taint & bits != 0
        {
            self.setup.rules.used(entry);
            value.clear(bits);
        }
    }

    /// Some element of a container, or some part of a string.
    pub(super) fn element(&mut self, owner: &Value) -> Value {
        let mut value = match &owner.object {
            Some(o) if o.class.is_none() => o.any(),
            _ => Value::default(),
        };
        if owner.taint != 0 {
            let keep = Value { taint: owner.taint, sources: owner.sources, flow: owner.flow.clone(), ..Value::default() };
            value.add_taint(&keep);
        }
        if value.path.is_empty() && !owner.path.is_empty() {
            value.path = self.member_path(owner.path, sym("[]"));
        }
        value.derive(owner);
        value
    }
}

impl Value {
    pub(super) fn callee_is_none(&self) -> bool {
        matches!(self.callee, Callee::None)
    }
    /// A list literal's value.
    pub(super) fn list(items: Vec<Value>) -> Value {
        let mut object = Object::empty_list();
        for v in items {
            object.push(v);
        }
        Value { object: Some(Arc::new(object)), ..Value::default() }
    }
}
