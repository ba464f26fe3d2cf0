//! Expressions.

use super::{Callee, Interp, Key, Object, Shape, Value, exec::U, value::MAX_SHAPE};
use crate::ir::{Entry, ExprId, ExprKind, Lit, Op, Sym, sym};
use std::sync::Arc;

impl Interp<'_> {
    /// Evaluates an expression.
    pub(super) fn expr(&mut self, u: U<'_>, id: ExprId) -> Value {
        if !self.step() || !self.down() {
            return Value::default();
        }
        let value = self.eval(u, id);
        self.up();
        value
    }

    fn eval(&mut self, u: U<'_>, id: ExprId) -> Value {
        let e = u.expr(id);
        match &e.kind {
            ExprKind::Lit(l) => {
                if let Lit::Str(s) = l {
                    self.string_marks(s, e.span);
                }
                Value::lit(l.clone())
            }
            ExprKind::Regex(pattern) => Value { path: sym("RegExp"), typed: true, ..Value::str(pattern) },
            ExprKind::Name(name) => {
                let span = e.span;
                let mut v = self.name(*name);
                if let Some(f) = &v.flow
                    && f.prev.is_none()
                    && f.pos.span == crate::ir::Span::default()
                {
                    v.flow = Some(super::Flow::then(None, self.pos(span), f.note));
                }
                if self.unknown_source != 0 && v.is_undeclared() {
                    // Harmless by itself; a text that it becomes part of may not be.
                    v.flow = Some(super::Flow::then(None, self.pos(span), super::Note::Source(v.path)));
                }
                v
            }
            ExprKind::Member { object, name } => {
                let owner = self.expr(u, *object);
                let pos = self.pos(e.span);
                self.member_value(&owner, *name, pos)
            }
            ExprKind::Index { object, index } => {
                let owner = self.expr(u, *object);
                let key = self.expr(u, *index);
                let pos = self.pos(e.span);
                self.index_value(&owner, &key, pos)
            }
            ExprKind::Slice { object, from, to } => {
                let v = self.expr(u, *object);
                let from = from.map(|x| self.expr(u, x));
                let to = to.map(|x| self.expr(u, x));
                super::strings::slice(&v, from.as_ref(), to.as_ref(), self.size_bit())
            }
            ExprKind::Call { callee, args, construct, .. } => self.call(u, id, *callee, args, *construct),
            ExprKind::Binary { op, left, right } => self.binary_expr(u, *op, *left, *right),
            ExprKind::Not(x) => {
                let v = self.expr(u, *x);
                match v.truth() {
                    Some(t) => Value::lit(Lit::Bool(!t)),
                    None => {
                        let mut out = Value::default();
                        out.derive(&v);
                        out
                    }
                }
            }
            ExprKind::TypeOf(x) => {
                let v = self.expr(u, *x);
                let mut out = Value::path(sym("typeof"));
                out.derive_same(&v);
                out
            }
            ExprKind::Unary(x) => {
                let v = self.expr(u, *x);
                let lit = match v.lit {
                    Some(Lit::Int(i)) => i.checked_neg().map(Lit::Int),
                    Some(Lit::Float(f)) => Some(Lit::Float(-f)),
                    _ => None,
                };
                Value {
                    lit,
                    taint: v.taint & self.size_bit(),
                    sources: v.sources,
                    flow: v.flow.clone(),
                    derived: v.derived,
                    ..Value::default()
                }
            }
            ExprKind::Cond { test, then, other } => {
                let t = self.expr(u, *test);
                match t.truth() {
                    Some(true) => return self.expr(u, *then),
                    Some(false) => return self.expr(u, *other),
                    None => {}
                }
                let before = self.env.fork();
                self.refine(u, *test, true);
                let a = self.expr(u, *then);
                let after = std::mem::replace(&mut self.env, before);
                self.refine(u, *test, false);
                let b = self.expr(u, *other);
                let here = std::mem::take(&mut self.env);
                self.env = after.join(here);
                let mut v = a.join(&b);
                // Choosing between constants by untrusted data gives a constant.
                v.place = Sym::default();
                v
            }
            ExprKind::Template(parts) => {
                let parts: Vec<Value> = parts.iter().map(|p| self.expr(u, *p)).collect();
                self.concat(&parts)
            }
            ExprKind::Format { value, spec } => {
                let v = self.expr(u, *value);
                // `:d`, `:.2f` and the like only take numbers.
                if spec.ends_with(['d', 'f', 'x', 'e', 'g', '%']) && spec.starts_with(':') {
                    return Value { lit: v.lit, ..Value::default() };
                }
                let v = Value { path: Sym::default(), ..v };
                if spec.contains("!r") || spec.contains("!a") { self.quoted(v) } else { v }
            }
            ExprKind::List(items) => {
                let mut object = Object::empty_list();
                let mut whole = Value::default();
                for i in items {
                    match &u.expr(*i).kind {
                        ExprKind::Spread(x) => {
                            let v = self.expr(u, *x);
                            match v.object.as_ref().and_then(|o| o.list.clone()) {
                                Some(list) if v.taint == 0 => list.into_iter().for_each(|v| object.push(v)),
                                _ => {
                                    let e = self.element(&v);
                                    object.add(&e);
                                }
                            }
                        }
                        _ => {
                            let v = self.expr(u, *i);
                            whole.derive_same(&v);
                            object.push(v);
                        }
                    }
                }
                whole.object = Some(Arc::new(object));
                whole
            }
            ExprKind::Map(entries) => self.map(u, entries),
            ExprKind::Comprehension { element, clauses, conditions } => {
                let outer = self.env.fork();
                for (pattern, iter) in clauses {
                    let v = self.expr(u, *iter);
                    let e = self.element(&v);
                    self.bind(u, pattern, e, None);
                }
                for c in conditions {
                    self.expr(u, *c);
                    self.refine(u, *c, true);
                }
                let v = self.expr(u, *element);
                self.env = outer;
                let mut object = Object::default();
                object.add(&v);
                let mut out = Value { object: Some(Arc::new(object)), ..Value::default() };
                out.derive(&v);
                out
            }
            ExprKind::Func(f) => {
                let v = self.function_value(u, *f);
                if let Callee::Func(func) = &v.callee {
                    self.define_marks(u.func(*f).name, u.func(*f).name_span);
                    self.add_root(func);
                }
                v
            }
            ExprKind::Class(c) => self.class_value(u, *c, true),
            // The value of a promise goes by the promise's path.
            ExprKind::Await(x) => self.expr(u, *x),
            ExprKind::Assign { target, value } => {
                let v = self.expr(u, *value);
                self.bind(u, target, v.clone(), Some(*value));
                v
            }
            ExprKind::Spread(x) => self.expr(u, *x),
            ExprKind::Opaque(parts) => {
                let mut out = Value::default();
                for p in parts {
                    let v = self.expr(u, *p);
                    out.add_taint(&v);
                }
                out
            }
        }
    }

    fn map(&mut self, u: U<'_>, entries: &[Entry]) -> Value {
        let mut object = Object::empty_map();
        for entry in entries {
            let Some(k) = entry.key else {
                let v = self.expr(u, entry.value);
                match &v.object {
                    Some(o) if o.class.is_none() && o.list.is_none() && v.taint == 0 => {
                        for (k, v) in &o.fields {
                            object.set(k.clone(), v.clone());
                        }
                        if let Some(rest) = &o.rest {
                            object.add(rest);
                        }
                        object.closed &= o.closed;
                    }
                    _ => {
                        object.closed = false;
                        if v.deep().0 != 0 {
                            object.add(&v);
                        }
                    }
                }
                continue;
            };
            let key = self.expr(u, k);
            let outer = self.frame.target;
            if let Some(name) = key.as_str() {
                self.frame.target = Some(sym(name));
            }
            let value = self.expr(u, entry.value);
            self.frame.target = outer;
            match self.key(&key) {
                Some(key) => {
                    if let Key::Str(name) = key {
                        self.assigned(u, Sym::default(), name, &value, entry.value, entry.span);
                    }
                    object.set(key, value);
                }
                None => object.add(&value),
            }
        }
        Value { object: Some(Arc::new(object)), ..Value::default() }
    }

    fn binary_expr(&mut self, u: U<'_>, op: Op, left: ExprId, right: ExprId) -> Value {
        // Long chains nest to the left; they are walked, not recursed into.
        let mut chain = vec![(op, right)];
        let mut first = left;
        while let ExprKind::Binary { op, left, right } = &u.expr(first).kind {
            if matches!(op, Op::And | Op::Or | Op::Coalesce) || chain.len() > 100_000 {
                break;
            }
            chain.push((*op, *right));
            first = *left;
        }
        if chain.len() == 1 && matches!(op, Op::And | Op::Or | Op::Coalesce) {
            return self.short_circuit(u, op, left, right);
        }
        let mut value = self.expr(u, first);
        while let Some((op, right)) = chain.pop() {
            if matches!(op, Op::And | Op::Or | Op::Coalesce) {
                let r = self.expr(u, right);
                value = value.join(&r);
                continue;
            }
            let r = self.expr(u, right);
            value = self.binary(op, &value, &r);
        }
        value
    }

    fn short_circuit(&mut self, u: U<'_>, op: Op, left: ExprId, right: ExprId) -> Value {
        let l = self.expr(u, left);
        let truth = match op {
            Op::Coalesce => l.lit.as_ref().map(|l| *l != Lit::Null),
            _ => l.truth(),
        };
        match (op, truth) {
            (Op::And, Some(false)) | (Op::Or | Op::Coalesce, Some(true)) => return l,
            (Op::And, Some(true)) | (Op::Or | Op::Coalesce, Some(false)) => return self.expr(u, right),
            _ => {}
        }
        let outer = self.env.fork();
        self.refine(u, left, op == Op::And);
        let r = self.expr(u, right);
        self.env = outer;
        if matches!(op, Op::Or | Op::Coalesce) {
            self.fallback(u, left, &l, right, &r);
            let mut v = l.join(&r);
            // A guard on the outcome is one on the left: where the default was taken, that was empty.
            v.derive_same(&l);
            if l.lit.is_none() && r.lit.is_some() {
                // Keep what is known of the left: a default does not change its path.
                v.path = l.path;
                v.typed = l.typed;
            }
            return v;
        }
        // `a && b` is a test or a conditional value: its text is that of b.
        let mut v = r;
        v.lit = None;
        v
    }

    /// The result of an operator.
    pub(super) fn binary(&mut self, op: Op, a: &Value, b: &Value) -> Value {
        use Lit::{Bool, Float, Int, Null, Str};
        let lit = match (op, &a.lit, &b.lit) {
            (Op::Add, Some(Str(x)), Some(Str(y))) if x.len() + y.len() < 65_536 => Some(Str(format!("{x}{y}").into())),
            (Op::Add, Some(Int(x)), Some(Int(y))) => x.checked_add(*y).map(Int),
            (Op::Sub, Some(Int(x)), Some(Int(y))) => x.checked_sub(*y).map(Int),
            (Op::Mul, Some(Int(x)), Some(Int(y))) => x.checked_mul(*y).map(Int),
            (Op::Div, Some(Int(x)), Some(Int(y))) if *y != 0 && x.checked_rem(*y) == Some(0) => x.checked_div(*y).map(Int),
            (Op::Mod, Some(Int(x)), Some(Int(y))) if *y != 0 => x.checked_rem_euclid(*y).map(Int),
            (Op::Lt, Some(Int(x)), Some(Int(y))) => Some(Bool(x < y)),
            (Op::Gt, Some(Int(x)), Some(Int(y))) => Some(Bool(x > y)),
            (Op::Le, Some(Int(x)), Some(Int(y))) => Some(Bool(x <= y)),
            (Op::Ge, Some(Int(x)), Some(Int(y))) => Some(Bool(x >= y)),
            (Op::Eq, Some(x), Some(y)) if !matches!(x, Float(_)) && !matches!((x, y), (Null, _) | (_, Null)) => Some(Bool(x == y)),
            (Op::Ne, Some(x), Some(y)) if !matches!(x, Float(_)) && !matches!((x, y), (Null, _) | (_, Null)) => Some(Bool(x != y)),
            (Op::In, Some(Str(x)), Some(Str(y))) => Some(Bool(y.contains(&**x))),
            (Op::NotIn, Some(Str(x)), Some(Str(y))) => Some(Bool(!y.contains(&**x))),
            _ => None,
        };
        if let Some(lit) = lit {
            return Value::lit(lit);
        }
        match op {
            Op::Add => {
                if let (Some(x), Some(y)) =
                    (a.object.as_ref().and_then(|o| o.list.as_ref()), b.object.as_ref().and_then(|o| o.list.as_ref()))
                {
                    return Value::list(x.iter().chain(y).take(super::value::MAX_FIELDS).cloned().collect());
                }
                // A list and one whose elements are not known: what it begins with stays.
                if let Some(known) = a.object.as_ref().filter(|o| o.list.is_some())
                    && b.as_str().is_none()
                    && !b.is_built()
                {
                    let mut object = known.as_ref().clone();
                    let rest = self.element(b);
                    object.add(&rest);
                    return Value { object: Some(Arc::new(object)), ..Value::default() };
                }
                if a.object.is_some() && b.object.is_some() && a.taint | b.taint == 0 {
                    return a.join(b);
                }
                self.concat(&[a.clone(), b.clone()])
            }
            Op::Mod if a.as_str().is_some() || a.is_built() => self.percent(a, b),
            Op::Div if a.path.starts_with("pathlib.") || b.path.starts_with("pathlib.") => {
                let mut v = self.concat(&[a.clone(), b.clone()]);
                v.path = sym("pathlib.Path");
                v.typed = true;
                v
            }
            Op::Sub | Op::Mul | Op::Div | Op::Mod | Op::Other => {
                let mut v = Value::default();
                v.add_taint(a);
                v.add_taint(b);
                if op == Op::Sub || op == Op::Div || a.bounded && b.bounded {
                    v.bounded = a.bounded;
                }
                v
            }
            _ => {
                let mut v = Value::default();
                v.derive(a);
                v.derive(b);
                v
            }
        }
    }

    /// Strings put together.
    pub(super) fn concat(&mut self, parts: &[Value]) -> Value {
        if parts.iter().all(|p| p.as_str().is_some()) {
            let text: String = parts.iter().filter_map(Value::as_str).collect();
            if text.len() < 65_536 {
                return Value::str(&text);
            }
        }
        let mut shape = Shape::default();
        let mut out = Value::default();
        let (path, slash) = (self.sink_bit("path"), self.sink_bit("slash"));
        let leads = self.sink_bit("url") | self.sink_bit("redirect");
        // Whoever sets the environment is the operator.
        let env = self.source_bit("env");
        for (i, p) in parts.iter().enumerate() {
            let glued;
            // What holds no separator and has other text around it is no `..`.
            let p = if p.taint & (path | slash) == path && (ends_inside(&shape.text) || parts.get(i + 1).is_some_and(begins_inside)) {
                glued = Value { taint: p.taint & !path, ..p.clone() };
                &glued
            } else {
                p
            };
            if shape.tainted.is_none() && p.deep().0 & leads != 0 && p.deep().1 & !env != 0 {
                let inner = p.shape.as_ref().and_then(|s| s.tainted).unwrap_or(0);
                shape.tainted = Some(shape.text.len() as u32 + inner);
            }
            match (&p.lit, &p.shape) {
                (Some(Lit::Str(s)), _) => push_text(&mut shape.text, s),
                (Some(Lit::Int(i)), _) => push_text(&mut shape.text, &i.to_string()),
                (_, Some(inner)) => push_text(&mut shape.text, &inner.text),
                _ => shape.text.push('\0'),
            }
            self.put_into(&mut out, p);
        }
        if shape.text.contains('\0') || out.taint != 0 {
            out.shape = Some(Arc::new(shape));
        }
        out
    }

    /// A value becomes part of a text. One that is declared nowhere could be anything.
    fn put_into(&self, text: &mut Value, part: &Value) {
        text.add_taint(part);
        if self.unknown_source != 0 && part.is_undeclared() {
            if text.taint == 0 {
                text.flow.clone_from(&part.flow);
            }
            text.taint |= self.all_bits();
            text.sources |= self.unknown_source;
        }
    }

    /// `"..." % args`.
    fn percent(&mut self, format: &Value, args: &Value) -> Value {
        let args: Vec<Value> = match args.object.as_ref() {
            Some(o) if o.class.is_none() => match &o.list {
                Some(l) => l.clone(),
                None => o.fields.iter().map(|f| f.1.clone()).collect(),
            },
            _ => vec![args.clone()],
        };
        let mut text = format.as_str().map(str::to_string).or_else(|| format.shape.as_ref().map(|s| s.text.clone())).unwrap_or_default();
        let numeric = super::strings::numeric_holes(&text);
        let kinds = super::strings::holes(&text);
        for hole in ["%s", "%r", "%d", "%i", "%f"] {
            text = text.replace(hole, "\0");
        }
        let mut out = Value::default();
        out.add_taint(format);
        for (i, a) in args.iter().enumerate() {
            if !numeric.get(i).copied().unwrap_or(false) {
                let quoted = matches!(kinds.get(i), Some('r' | 'a')).then(|| self.quoted(a.clone()));
                self.put_into(&mut out, quoted.as_ref().unwrap_or(a));
            }
        }
        if args.iter().all(Value::is_constant) && format.lit.is_some() && out.taint == 0 {
            out.lit = Some(Lit::Str(text.replace('\0', "?").into()));
            return out;
        }
        let tainted = hole_of(&text, args.iter().position(|a| a.deep().0 != 0));
        out.shape = Some(Arc::new(Shape { text, tainted }));
        out
    }

    /// As `repr` writes it: line ends are `\n`.
    fn quoted(&self, mut v: Value) -> Value {
        v.taint &= !self.sink_bit("log");
        v
    }

    /// `"{}".format(..)`.
    pub(super) fn format_call(&mut self, format: &Value, args: &[Value]) -> Value {
        let mut out = Value::default();
        out.add_taint(format);
        let quoted = format.as_str().is_some_and(super::strings::all_quoted);
        for a in args {
            let escaped = quoted.then(|| self.quoted(a.clone()));
            self.put_into(&mut out, escaped.as_ref().unwrap_or(a));
        }
        let text = format.as_str().map(str::to_string).or_else(|| format.shape.as_ref().map(|s| s.text.clone())).unwrap_or_default();
        let text = super::strings::format_holes(&text);
        // Fields may be named or numbered: any may be the first.
        let tainted = args.iter().any(|a| a.deep().0 != 0).then_some(0).and_then(|first| hole_of(&text, Some(first)));
        out.shape = Some(Arc::new(Shape { text, tainted }));
        out
    }
}

/// The byte of a text's n-th hole.
fn hole_of(text: &str, nth: Option<usize>) -> Option<u32> {
    text.match_indices('\0').nth(nth?).map(|(at, _)| at as u32)
}

fn push_text(to: &mut String, text: &str) {
    if to.len() < MAX_SHAPE {
        to.push_str(text);
    }
}

/// Whether what is put behind this text goes on with a name in a path.
fn ends_inside(text: &str) -> bool {
    text.chars().next_back().is_some_and(|c| !matches!(c, '/' | '\\' | '\0' | '.'))
}

/// Whether a text goes on with the name before it.
fn begins_inside(v: &Value) -> bool {
    v.as_str()
        .or(v.shape.as_ref().map(|s| s.text.as_str()))
        .and_then(|t| t.chars().find(|c| *c != '.'))
        .is_some_and(|c| !matches!(c, '/' | '\\' | '\0'))
}
