//! Declared types: what an annotation says of a value, and what a declared field of a record holds.
//!
//! What types mean is data of the models (`[[type]]`, `[[constraint]]`, `[[validator]]`). A class of the project keeps the taint of
//! what it was made of: its fields have it, as far as their own types and constraints let it through.

use super::{
    Callee, Env, Frame, Interp, Object, Value,
    call::{ArgValue, CallSite},
    exec::U,
    guard::Over,
    value::ClassRef,
};
use crate::{
    ir::{Arg, ExprId, ExprKind, Field, Lit, Op, Spread, Sym},
    rules::{SinkBits, TypeKind},
};
use std::sync::Arc;

/// Types are looked into this deep, other names of types included.
const MAX_TYPE: u32 = 8;

/// What a declared type says of a value.
#[derive(Clone)]
pub(super) struct Declared {
    /// Sink kinds that a value of it can be dangerous for.
    pub keeps: SinkBits,
    /// Its access path; empty if there is none.
    pub path: Sym,
    /// The class of the project that it is.
    pub class: Option<Arc<ClassRef>>,
    /// A container of these.
    pub element: Option<Box<Declared>>,
    /// Given by a framework, and no data.
    pub object: bool,
}

impl Default for Declared {
    fn default() -> Self {
        Declared { keeps: !0, path: Sym::default(), class: None, element: None, object: false }
    }
}

impl Declared {
    /// One of two.
    fn or(mut self, other: Declared) -> Declared {
        self.keeps |= other.keeps;
        if self.path.is_empty() {
            self.path = other.path;
        }
        self.class = self.class.or(other.class);
        self.element = self.element.or(other.element);
        self.object &= other.object;
        self
    }
}

impl Interp<'_> {
    /// Gives a value what its declared type says.
    pub(super) fn apply_type(&mut self, u: U<'_>, ty: ExprId, value: &mut Value) {
        let declared = self.declared(u, ty, 0);
        self.declare(&declared, value);
    }

    /// No hostile text can be one.
    pub(super) fn is_harmless(&self, declared: &Declared) -> bool {
        declared.keeps & self.form_bits() == 0
    }

    /// Gives a value what a declaration says.
    pub(super) fn declare(&mut self, declared: &Declared, value: &mut Value) {
        let harmless = self.is_harmless(declared);
        if declared.keeps != !0 {
            value.clear(!declared.keeps);
        }
        if !declared.path.is_empty() && (harmless || value.path.is_empty() || value.path.ends_with(')') || !value.typed) {
            value.path = declared.path;
            value.typed = true;
        }
        if value.object.is_some() {
            return;
        }
        if let Some(class) = &declared.class {
            value.object = self.instance(class).object;
        } else if let Some(element) = declared.element.as_deref() {
            let mut one = Value { taint: value.taint, sources: value.sources, flow: value.flow.clone(), ..Value::default() };
            self.declare(element, &mut one);
            value.clear(!element.keeps);
            if !one.path.is_empty() || one.object.is_some() {
                let mut list = Object::default();
                list.add(&one);
                value.object = Some(Arc::new(list));
            }
        }
    }

    /// What a type says.
    pub(super) fn declared(&mut self, u: U<'_>, ty: ExprId, depth: u32) -> Declared {
        if depth > MAX_TYPE || !self.step() {
            return Declared::default();
        }
        match &u.expr(ty).kind {
            ExprKind::Name(_) | ExprKind::Member { .. } => {
                let value = self.expr(u, ty);
                self.named_type(&value, depth)
            }
            ExprKind::Class(id) => {
                let value = self.class_value(u, *id, !u.class(*id).bases.is_empty());
                self.named_type(&value, depth)
            }
            ExprKind::Index { object, index } => {
                let outer = self.expr(u, *object);
                let arguments = match &u.expr(*index).kind {
                    ExprKind::List(items) => items.as_slice(),
                    _ => std::slice::from_ref(index),
                };
                let Some((first, rest)) = arguments.split_first() else { return self.named_type(&outer, depth) };
                match self.type_kind(outer.path) {
                    Some(TypeKind::Inner) => self.declared(u, *first, depth + 1),
                    Some(TypeKind::List) => {
                        let element = self.declared(u, *first, depth + 1);
                        Declared { object: element.object, element: Some(Box::new(element)), ..Declared::default() }
                    }
                    Some(TypeKind::Choice) => self.choice(),
                    Some(TypeKind::Annotated) => {
                        let mut declared = self.declared(u, *first, depth + 1);
                        for note in rest {
                            declared.keeps &= !self.constraint(u, *note);
                            declared.object |= self.is_injection(u, *note);
                        }
                        declared
                    }
                    _ => self.named_type(&outer, depth),
                }
            }
            // `A | B | None`: chains nest to the left.
            ExprKind::Binary { op: Op::Other, .. } => {
                let (mut parts, mut at) = (Vec::new(), ty);
                while let (ExprKind::Binary { op: Op::Other, left, right }, true) = (&u.expr(at).kind, parts.len() < 100) {
                    parts.push(*right);
                    at = *left;
                }
                parts.push(at);
                let null = |x: &ExprId| matches!(u.expr(*x).kind, ExprKind::Lit(Lit::Null));
                let mut types = parts.into_iter().rev().filter(|x| !null(x));
                let Some(first) = types.next() else { return Declared::default() };
                let first = self.declared(u, first, depth + 1);
                types.fold(first, |all, x| all.or(self.declared(u, x, depth + 1)))
            }
            // A constant as a type.
            ExprKind::List(_) => self.choice(),
            ExprKind::Await(x) => self.declared(u, *x, depth + 1),
            ExprKind::Call { callee, .. } => {
                let outer = self.expr(u, *callee);
                let mut declared = self.named_type(&outer, depth);
                declared.keeps &= !self.constraint(u, ty);
                declared
            }
            _ => Declared::default(),
        }
    }

    /// One of some constants.
    fn choice(&self) -> Declared {
        Declared { keeps: self.size_bit(), ..Declared::default() }
    }

    pub(super) fn type_kind(&self, path: Sym) -> Option<TypeKind> {
        let models = self.setup.models;
        let by_name = || {
            let name = path.rsplit_once(['.', '/'])?.1;
            models.type_names.get(&Sym::existing(name)?).filter(|_| !models.owners.contains(&path))
        };
        let (kind, entry) = models.types.get(&path).or_else(by_name)?;
        self.setup.rules.used(*entry);
        Some(*kind)
    }

    /// A name for `Annotated[T, ..]` stands for `T`, or for what the framework hands over.
    pub(super) fn type_alias(&self, outer: &Value, arguments: &Value) -> Option<Value> {
        if outer.path.is_empty() || self.type_kind(outer.path) != Some(TypeKind::Annotated) {
            return None;
        }
        let (first, notes) = arguments.object.as_ref()?.list.as_ref()?.split_first()?;
        let injected = notes.iter().find(|n| self.type_kind(n.path) == Some(TypeKind::Object));
        Some(injected.unwrap_or(first).clone())
    }

    /// What a type says that is the value of a name.
    fn named_type(&mut self, value: &Value, depth: u32) -> Declared {
        let value = self.force(value);
        if let Callee::Class(class) = &value.callee {
            let unit = class.unit.clone();
            if let Some(alias) = unit.class(class.class).alias {
                return self.within_class(class, |me| me.declared(&unit, alias, depth + 1));
            }
            if self.is_choice(class) {
                return Declared { path: value.path, ..self.choice() };
            }
            let object = self.type_kind(value.path) == Some(TypeKind::Object);
            return Declared { path: value.path, class: Some(class.clone()), object, ..Declared::default() };
        }
        // An enumeration that is an object.
        if value.object.as_ref().is_some_and(|o| o.closed && o.class.is_none() && o.list.is_none() && o.summary().constant) {
            return self.choice();
        }
        match self.type_kind(value.path) {
            Some(TypeKind::Form) => Declared { keeps: self.size_bit(), path: value.path, ..Declared::default() },
            Some(TypeKind::Object) => Declared { path: value.path, object: true, ..Declared::default() },
            Some(TypeKind::Plain | TypeKind::Inner | TypeKind::List | TypeKind::Choice | TypeKind::Annotated) => Declared::default(),
            Some(TypeKind::Record) | None => {
                // A name for `Literal["a", "b"]`.
                let outer = value.path.rsplit_once('.').and_then(|(outer, _)| Sym::existing(outer));
                if outer.is_some_and(|o| self.type_kind(o) == Some(TypeKind::Choice)) {
                    return self.choice();
                }
                Declared { path: value.path, ..Declared::default() }
            }
        }
    }

    /// An enumeration: whatever is made one of its members, or nothing.
    pub(super) fn is_choice(&self, class: &Arc<ClassRef>) -> bool {
        self.has_base(class, TypeKind::Form)
    }

    /// Whether some class that it derives from is of this kind.
    fn has_base(&self, class: &Arc<ClassRef>, kind: TypeKind) -> bool {
        let mut at = vec![class.clone()];
        let mut left = 64;
        while let (Some(class), true) = (at.pop(), left > 0) {
            left -= 1;
            for base in &class.bases {
                match &base.callee {
                    Callee::Class(b) => at.push(b.clone()),
                    _ if self.type_kind(base.path) == Some(kind) => return true,
                    _ => {}
                }
            }
        }
        false
    }

    /// A framework hands it over: `Depends(..)`.
    pub(super) fn is_injection(&mut self, u: U<'_>, x: ExprId) -> bool {
        let x = if let ExprKind::Call { callee, .. } = &u.expr(x).kind { *callee } else { x };
        matches!(u.expr(x).kind, ExprKind::Name(_) | ExprKind::Member { .. }) && {
            let path = self.expr(u, x).path;
            self.type_kind(path) == Some(TypeKind::Object)
        }
    }

    /// What a call in a declaration rules out: `Field(pattern=..)`, `@IsUUID()`.
    pub(super) fn constraint(&mut self, u: U<'_>, x: ExprId) -> SinkBits {
        let (callee, args): (ExprId, &[Arg]) = match &u.expr(x).kind {
            ExprKind::Call { callee, args, .. } => (*callee, args),
            ExprKind::Name(_) | ExprKind::Member { .. } => (x, &[]),
            _ => return 0,
        };
        if !matches!(u.expr(callee).kind, ExprKind::Name(_) | ExprKind::Member { .. }) {
            return 0;
        }
        let path = self.expr(u, callee).path;
        let models = self.setup.models;
        let Some(roles) = models.calls.get(&path).filter(|r| !r.constraints.is_empty()) else { return 0 };
        let args: Vec<ArgValue> = args
            .iter()
            .map(|a| ArgValue { name: a.name, value: self.expr(u, a.value), expr: a.value, spread: a.spread != Spread::No, span: a.span })
            .collect();
        let site =
            CallSite { unit: u, args: &args, receiver: None, receiver_expr: None, path, span: u.expr(x).span, callee: u.expr(callee).span };
        let mut bits = 0;
        for c in &roles.constraints {
            if self.holds(&site, &c.when) {
                self.setup.rules.used(c.entry);
                bits |= c.clears;
                // Whether the whole text must match is not known of every framework.
                if let Some(text) = c.pattern.as_ref().and_then(|p| site.select(p)).and_then(|a| a.value.as_str()) {
                    bits |= self.pattern_clears(text, Over::Part, true);
                }
            }
        }
        bits
    }

    /// Evaluates what a class's body says, where it says it.
    fn within_class<T>(&mut self, class: &Arc<ClassRef>, f: impl FnOnce(&mut Self) -> T) -> T {
        let env = Env::inside(class.env.clone());
        self.call_depth += 1;
        let (out, ..) = self.inside(class.module, class.item, Frame::default(), env, f);
        self.call_depth -= 1;
        out
    }

    /// What a declared field holds that nothing was put into by name.
    pub(super) fn field_value(&mut self, class: &Arc<ClassRef>, field: &Field, this: &Value) -> Value {
        let unit = class.unit.clone();
        let c = unit.class(class.class);
        if class.module == 0
            && let Some(n) = c.name
        {
            self.record.deps.insert(n);
        }
        let mut v = Value::default();
        if let Some(x) = field.value {
            match &unit.expr(x).kind {
                ExprKind::Lit(l) => v.lit = Some(l.clone()),
                ExprKind::Func(id) => {
                    v.callee = Callee::Func(Arc::new(super::FuncRef::method(class, *id, Some(this.clone()))));
                }
                _ => {}
            }
        }
        let whole = Value { taint: this.taint, sources: this.sources, flow: this.flow.clone(), ..Value::default() };
        let given = this.object.as_ref().and_then(|o| o.rest.as_deref().cloned());
        if whole.taint != 0 || given.as_ref().is_some_and(|g| g.deep().0 != 0) {
            v.lit = None;
            v.add_taint(&whole);
            if let Some(g) = &given {
                v.add_taint(g);
            }
            v.derived.clear();
        }
        // Who was given something without looking at it does not enforce its types.
        let checked = given.is_none() || this.taint != 0 || self.has_base(class, TypeKind::Record);
        self.within_class(class, |me| {
            if v.taint != 0 && checked {
                let mut out = 0;
                for d in &field.decorators {
                    out |= me.constraint(&unit, *d);
                }
                if let Some(x) = field.value {
                    out |= me.constraint(&unit, x);
                }
                v.clear(out);
            }
            if let Some(t) = field.ty {
                let mut declared = me.declared(&unit, t, 0);
                if !checked {
                    declared.keeps = !0;
                }
                me.declare(&declared, &mut v);
            }
        });
        if v.taint != 0 { self.validated(class, field.name, v) } else { v }
    }

    /// A value after the functions of its class that check the field.
    fn validated(&mut self, class: &Arc<ClassRef>, field: Sym, mut value: Value) -> Value {
        let models = self.setup.models;
        if models.validators.is_empty() {
            return value;
        }
        let unit = class.unit.clone();
        for m in &unit.class(class.class).methods {
            let names_it = unit.func(*m).decorators.iter().any(|d| {
                let ExprKind::Call { callee, args, .. } = &unit.expr(*d).kind else { return false };
                let named = |a: &Arg| matches!(&unit.expr(a.value).kind, ExprKind::Lit(Lit::Str(s)) if **s == *field || **s == *"*");
                args.iter().any(named) && {
                    let path = self.within_class(class, |me| me.expr(&unit, *callee).path);
                    models.validators.get(&path).is_some_and(|entry| {
                        self.setup.rules.used(*entry);
                        true
                    })
                }
            });
            if names_it {
                let receiver = Value { callee: Callee::Class(class.clone()), ..Value::default() };
                let function = Arc::new(super::FuncRef::method(class, *m, Some(receiver)));
                let span = unit.func(*m).name_span;
                let argument = ArgValue { name: None, value: value.clone(), expr: ExprId(0), spread: false, span };
                let after = self.follow(&function, &[argument], None).value;
                if after.lit != Some(Lit::Null) {
                    value.taint &= after.deep().0;
                    value.clear(0);
                }
            }
        }
        value
    }

    /// A new instance of a class that has no constructor of its own: data classes and models keep what they are given.
    pub(super) fn new_record(&mut self, class: &Arc<ClassRef>, args: &[ArgValue]) -> Value {
        let mut this = self.instance(class);
        let mut object = this.object.as_deref().cloned().unwrap_or_default();
        let names = self.field_names(class);
        let mut given: Vec<(Sym, Value)> = Vec::new();
        for (i, a) in args.iter().enumerate() {
            match (a.name.or_else(|| names.get(i).copied().filter(|_| !a.spread)), &a.value.object) {
                (Some(n), _) if !a.spread => given.push((n, a.value.clone())),
                (_, Some(o)) if a.spread && o.class.is_none() && o.list.is_none() => {
                    given
                        .extend(o.fields.iter().filter_map(|(k, v)| if let super::Key::Str(n) = k { Some((*n, v.clone())) } else { None }));
                    if let Some(rest) = &o.rest {
                        object.add(rest);
                    }
                    if a.value.taint != 0 {
                        object.add(&Value { object: None, ..a.value.clone() });
                    }
                }
                _ => object.add(&a.value),
            }
        }
        let checks = self.has_base(class, TypeKind::Record);
        for (name, value) in given {
            let mut value = value;
            if checks
                && value.taint != 0
                && let Some((owner, i)) = self.declared_field(class, name)
            {
                // What the field lets through of it.
                let unit = owner.unit.clone();
                let any = Value { taint: !0, sources: !0, ..Value::default() };
                value.clear(!self.field_value(&owner, &unit.class(owner.class).fields[i], &any).taint);
            }
            object.set(super::Key::Str(name), value);
        }
        this.object = Some(Arc::new(object));
        this
    }

    /// The class and the index of a declared field, own or inherited.
    fn declared_field(&self, class: &Arc<ClassRef>, name: Sym) -> Option<(Arc<ClassRef>, usize)> {
        let mut at = vec![class.clone()];
        let mut left = 64;
        while let (Some(class), true) = (at.pop(), left > 0) {
            left -= 1;
            if let Some(i) = class.unit.class(class.class).fields.iter().position(|f| f.name == name) {
                return Some((class, i));
            }
            at.extend(class.bases.iter().rev().filter_map(|b| if let Callee::Class(b) = &b.callee { Some(b.clone()) } else { None }));
        }
        None
    }

    /// Names of the declared fields, those of base classes first.
    fn field_names(&self, class: &Arc<ClassRef>) -> Vec<Sym> {
        fn collect(class: &Arc<ClassRef>, depth: u32, names: &mut Vec<Sym>) {
            for base in class.bases.iter().filter(|_| depth < MAX_TYPE) {
                if let Callee::Class(b) = &base.callee {
                    collect(b, depth + 1, names);
                }
            }
            for f in &class.unit.class(class.class).fields {
                if !names.contains(&f.name) && names.len() < super::value::MAX_FIELDS {
                    names.push(f.name);
                }
            }
        }
        let mut names = Vec::new();
        collect(class, 0, &mut names);
        names
    }

    /// Making an enumeration's member of something: it is one of them afterwards, or the call has raised.
    pub(super) fn chosen(&mut self, class: &Arc<ClassRef>, args: &[ArgValue]) -> Option<Value> {
        let [only] = args else { return None };
        if !self.is_choice(class) {
            return None;
        }
        let bits = self.all_bits();
        self.clear_value(&only.value.clone(), bits);
        let path = class.bases.iter().map(|b| b.path).find(|p| !p.is_empty()).unwrap_or_default();
        Some(Value { typed: !path.is_empty(), path, ..Value::default() })
    }

    /// A member that was found on an object of a class, as a part of that object.
    pub(super) fn part_of(&mut self, owner: &Value, place: Sym, mut value: Value) -> Value {
        if !value.callee_is_none() {
            return value;
        }
        value.derive(owner);
        self.at_place(&mut value, place);
        if !owner.place.is_empty() {
            self.take_cleared(&mut value, self.env.cleared(owner.place));
            value.doubt_less(self.env.promised(owner.place));
        }
        value
    }
}
