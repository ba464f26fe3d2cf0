//! Conditions as guards: what a test that holds says of the places it looks at.
//!
//! Guards are keyed on *places* (`req.query.to`), not on variables, and also clear what the tested value
//! was computed from: after `if (!ALLOWED.has(url.host)) return`, `url` and the text it was parsed from are known.

use super::{Interp, Value, call::ArgValue, exec::U};
use crate::{
    ir::{ExprId, ExprKind, Lit, Op, Sym},
    rules::{Selector, SinkBits},
};

/// Names of checks whose code is not at hand: their answer is taken at its word.
const CHECKERS: &[&str] = &[
    "valid",
    "allow",
    "safe",
    "sanit",
    "permit",
    "whitelist",
    "trusted",
    "verif",
    "is_ok",
    "isok",
    "authori",
    "within",
    "inside",
    "contain",
];

impl Interp<'_> {
    /// The value's places become harmless for these sink kinds from here on.
    pub(super) fn clear_value(&mut self, value: &Value, bits: SinkBits) {
        for place in std::iter::once(value.place).chain(value.derived.iter().copied()) {
            if !place.is_empty() {
                self.env.clear(place, bits);
            }
        }
    }

    /// The test came out as `truth`: remembers what that clears.
    pub(super) fn refine(&mut self, u: U<'_>, test: ExprId, truth: bool) {
        match &u.expr(test).kind {
            ExprKind::Not(x) => self.refine(u, *x, !truth),
            ExprKind::Await(x) => self.refine(u, *x, truth),
            ExprKind::Assign { value, .. } => self.refine(u, *value, truth),
            ExprKind::Binary { op: op @ (Op::And | Op::Or), left, right } => {
                if (*op == Op::And) == truth {
                    self.refine(u, *left, truth);
                    self.refine(u, *right, truth);
                } else {
                    // One of the two came out: only what both clear is sure.
                    let before = self.env.cleared.clone();
                    self.refine(u, *left, truth);
                    let left = std::mem::replace(&mut self.env.cleared, before.clone());
                    self.refine(u, *right, truth);
                    self.env.cleared.retain(|place, bits| {
                        *bits &= left.get(place).copied().unwrap_or(0) | before.get(place).copied().unwrap_or(0);
                        *bits != 0
                    });
                }
            }
            ExprKind::Binary { op, left, right } => self.comparison(u, *op, *left, *right, truth),
            ExprKind::Call { callee, args, .. } => {
                let args = args.clone();
                self.call_test(u, test, *callee, &args, truth);
            }
            _ => {}
        }
    }

    fn comparison(&mut self, u: U<'_>, op: Op, left: ExprId, right: ExprId, truth: bool) {
        let (a, b) = (self.quiet(u, left), self.quiet(u, right));
        let (equal, member) = (matches!(op, Op::Eq | Op::Ne), matches!(op, Op::In | Op::NotIn));
        if equal {
            if (op == Op::Eq) != truth {
                return;
            }
            for (x, y) in [(&a, &b), (&b, &a)] {
                if x.path == "typeof" {
                    match y.as_str() {
                        Some("number" | "boolean" | "bigint") => self.clear_value(x, self.form_bits()),
                        Some("string") => {
                            let nosql = self.sink_bit("nosql") | self.sink_bit("prototype");
                            self.clear_value(x, nosql);
                        }
                        _ => {}
                    }
                } else if y.lit.is_some() && y.lit != Some(Lit::Null) {
                    self.clear_value(x, self.all_bits());
                } else if y.taint == 0 && (!y.place.is_empty() || !y.path.is_empty()) && x.taint != 0 {
                    // Equal to something that did not come from outside.
                    self.clear_value(x, self.form_bits());
                } else if y.derived.contains(&x.place) && !x.place.is_empty() {
                    // `if (path.basename(name) === name)`: equal to its own cleaned form.
                    let bits = x.taint & !y.taint;
                    self.clear_value(x, bits);
                }
            }
        } else if member {
            let holds = (op == Op::In) == truth;
            if holds && b.deep().0 == 0 && a.as_str().is_none() {
                self.clear_value(&a, self.all_bits());
            } else if !holds && a.as_str().is_some() {
                let bits = self.blacklist(a.as_str().unwrap_or_default());
                self.clear_value(&b, bits);
            }
        } else if matches!(op, Op::Lt | Op::Gt | Op::Le | Op::Ge) {
            // A size that was compared with something is bounded on both sides.
            let bits = self.size_bit();
            for (x, y) in [(&a, &b), (&b, &a)] {
                if y.deep().0 == 0 || y.bounded {
                    self.clear_value(x, bits);
                }
            }
        } else if op == Op::InstanceOf && truth && matches!(b.path.as_str(), "Number" | "Date" | "Boolean") {
            self.clear_value(&a, self.form_bits());
        }
    }

    /// What the absence of this text in a value makes impossible.
    fn blacklist(&self, text: &str) -> SinkBits {
        if text.contains("..") || text == "/" || text == "\\" || text == "\0" {
            self.sink_bit("path")
        } else if text == "<" {
            self.sink_bit("html")
        } else if text == "\n" || text == "\r" || text == "\r\n" {
            self.sink_bit("log") | self.sink_bit("header")
        } else if text == "'" || text == "\"" {
            self.sink_bit("xpath") | self.sink_bit("sql") | self.sink_bit("code")
        } else {
            0
        }
    }

    /// Evaluates without findings or marks: the condition itself was already judged.
    fn quiet(&mut self, u: U<'_>, x: ExprId) -> Value {
        match &u.expr(x).kind {
            ExprKind::Lit(l) => Value::lit(l.clone()),
            ExprKind::Name(n) => self.name(*n),
            _ => {
                let findings = self.record.findings.len();
                let marks = self.record.facts.marks.len();
                let v = self.expr(u, x);
                self.record.findings.truncate(findings);
                self.record.facts.marks.truncate(marks);
                v
            }
        }
    }

    fn call_test(&mut self, u: U<'_>, test: ExprId, callee: ExprId, args: &[crate::ir::Arg], truth: bool) {
        // A function of the project: what its result says of its arguments.
        if let Some(effects) = self.predicates.get(&(std::sync::Arc::as_ptr(u) as usize, test)).cloned() {
            let list = if truth { &effects.when_true } else { &effects.when_false };
            for (i, bits) in list {
                if let Some(a) = args.iter().filter(|a| a.name.is_none()).nth(*i) {
                    let v = self.quiet(u, a.value);
                    self.clear_value(&v, *bits);
                }
            }
            return;
        }
        let (receiver, receiver_expr, name, path) = match &u.expr(callee).kind {
            ExprKind::Member { object, name } => {
                // A test of the text of something is a test of the thing: `str(path).startswith(base)`.
                let object = match &u.expr(*object).kind {
                    ExprKind::Call { callee, args, .. }
                        if args.len() == 1 && matches!(u.expr(*callee).kind, ExprKind::Name(n) if n == "str" || n == "String") =>
                    {
                        args[0].value
                    }
                    _ => *object,
                };
                let r = self.quiet(u, object);
                let path = self.member_path(r.path, *name);
                (Some(r), Some(object), *name, path)
            }
            ExprKind::Name(n) => {
                let f = self.name(*n);
                (None, None, *n, if f.path.is_empty() { *n } else { f.path })
            }
            _ => return,
        };
        let values: Vec<ArgValue> = args
            .iter()
            .map(|a| ArgValue { name: a.name, value: self.quiet(u, a.value), expr: a.value, spread: false, span: a.span })
            .collect();
        let models = self.setup.models;
        let roles = models
            .calls
            .get(&path)
            .or_else(|| models.methods.get(&name).filter(|_| receiver.as_ref().is_some_and(super::call::is_unknown)));
        if let Some(r) = roles
            && !r.guards.is_empty()
        {
            let site =
                super::call::CallSite { unit: u, args: &values, receiver: receiver.as_ref(), receiver_expr, path, span: u.expr(test).span };
            let mut matched = false;
            for g in r.guards.iter().filter(|g| !g.raises) {
                if !self.holds(&site, &g.when) {
                    continue;
                }
                matched = true;
                if g.holds != truth {
                    continue;
                }
                let v = match &g.arg {
                    Selector::Receiver => receiver.clone(),
                    Selector::Any => values.first().map(|a| a.value.clone()),
                    s => site.select(s).map(|a| a.value.clone()),
                };
                if let Some(v) = v {
                    if v.deep().0 & g.clears != 0 {
                        self.setup.rules.used(g.entry);
                    }
                    self.clear_value(&v, g.clears);
                }
            }
            if matched {
                return;
            }
        }
        self.native_test(receiver.as_ref(), name, &values, truth);
    }

    /// Tests of strings and containers that every language has.
    fn native_test(&mut self, receiver: Option<&Value>, name: Sym, args: &[ArgValue], truth: bool) {
        let first = args.first().map(|a| &a.value);
        let Some(r) = receiver else {
            match name.as_str() {
                "isinstance" => {
                    if truth && args.get(1).is_some_and(|t| matches!(t.value.path.as_str(), "int" | "float" | "bool")) {
                        self.clear_value(&first.cloned().unwrap_or_default(), self.form_bits());
                    }
                }
                "isNaN" => {
                    if !truth {
                        self.clear_value(&first.cloned().unwrap_or_default(), self.form_bits());
                    }
                }
                "all" | "any" | "len" | "bool" | "callable" | "hasattr" => {
                    // `all(c in ALLOWED for c in text)`: every part was tested.
                    if name == "all" && truth {
                        self.clear_value(&first.cloned().unwrap_or_default(), self.form_bits());
                    }
                }
                _ => self.named_check(name, args, None, truth),
            }
            return;
        };
        match name.as_str() {
            "has" | "includes" | "contains" | "__contains__" | "hasOwnProperty" => {
                let Some(a) = first else { return };
                if r.deep().0 == 0 {
                    // A fixed collection holds the value.
                    if truth {
                        self.clear_value(a, self.all_bits());
                    }
                } else if let (Some(text), false) = (a.as_str(), truth) {
                    let bits = self.blacklist(text);
                    self.clear_value(r, bits);
                }
            }
            "startswith" | "startsWith" | "is_relative_to" | "startsWithPath" => {
                let Some(a) = first else { return };
                if !truth && a.as_str() == Some("-") {
                    // No option of a program.
                    let bits = self.sink_bit("argument");
                    self.clear_value(r, bits);
                }
                if truth && is_resolved(r) && is_resolved(a) {
                    // Wherever the base comes from, the path is under it.
                    let bits = self.sink_bit("path");
                    self.clear_value(r, bits);
                }
                if !truth || a.deep().0 != 0 {
                    return;
                }
                let mut bits = 0;
                if is_resolved(r) || name == "is_relative_to" {
                    bits |= self.sink_bit("path");
                }
                if let Some(prefix) = a.as_str() {
                    // A fixed host, or a path on the own site.
                    if prefix.starts_with('/') || prefix.find("://").is_some_and(|i| prefix[i + 3..].contains(['.', '/', ':'])) {
                        bits |= self.sink_bit("redirect") | self.sink_bit("url");
                    }
                } else {
                    bits |= self.sink_bit("redirect") | self.sink_bit("url");
                }
                self.clear_value(r, bits);
            }
            "issubset" => {
                // `set(text).issubset(ALLOWED)`
                if truth && first.is_some_and(|a| a.deep().0 == 0) {
                    self.clear_value(r, self.all_bits());
                }
            }
            "isdigit" | "isnumeric" | "isdecimal" | "isalnum" | "isalpha" | "isidentifier" | "isascii" => {
                if truth && name != "isascii" {
                    self.clear_value(r, self.form_bits());
                }
            }
            "every" => {
                if truth {
                    self.clear_value(r, self.form_bits());
                }
            }
            "test" | "match" | "fullmatch" | "search" | "exec" => {
                // `/^[a-z]+$/.test(x)`, `PATTERN.match(x)`: an anchored pattern says what the text is made of.
                let (pattern, subject) = if r.path == "RegExp" || r.taint == 0 { (r, first) } else { (first.unwrap_or(r), Some(r)) };
                let Some(subject) = subject else { return };
                let anchored = match pattern.as_str() {
                    Some(p) => {
                        (p.starts_with('^') || matches!(name.as_str(), "match" | "fullmatch"))
                            && (p.ends_with('$') || p.ends_with("\\Z") || name == "fullmatch")
                            && !p.contains(".*")
                            && !p.contains(".+")
                    }
                    None => r.taint == 0 && name != "search",
                };
                let bad_form = !truth && pattern.as_str().is_some_and(|p| p.contains("[^") && !p.starts_with('^'));
                if truth && anchored || bad_form {
                    self.clear_value(subject, self.form_bits());
                }
            }
            _ => self.named_check(name, args, Some(r), truth),
        }
    }

    /// `isValidUrl(x)` from somewhere we cannot look into.
    fn named_check(&mut self, name: Sym, args: &[ArgValue], receiver: Option<&Value>, truth: bool) {
        let lower = name.to_lowercase();
        if !CHECKERS.iter().any(|c| lower.contains(c)) {
            return;
        }
        let negative = lower.contains("invalid") || lower.contains("unsafe") || lower.contains("disallow");
        if truth == negative {
            return;
        }
        for a in args {
            if a.value.taint != 0 {
                self.clear_value(&a.value.clone(), self.form_bits());
            }
        }
        if let Some(r) = receiver.filter(|r| r.taint != 0) {
            self.clear_value(&r.clone(), self.form_bits());
        }
    }
}

/// Whether a path value went through resolution, so that a prefix test means something.
fn is_resolved(v: &Value) -> bool {
    let path = v.path.as_str();
    ["resolve", "realpath", "abspath", "normpath", "normalize", "realpathSync", "absolute", "join"]
        .iter()
        .any(|f| path.contains(&format!(".{f}()")) || path.ends_with(f))
        || path.starts_with("pathlib.")
}
