//! Conditions as guards: what a test that came out says of the places it looks at.
//!
//! A guard is about the value that was tested, in the branch where the test holds, for the risks that the test is about. It also
//! holds for what the value was made of as far as the value decides that (see [`Value::derived`]): a test of a host decides where
//! an address leads, a test of a length decides nothing but a size. It never holds for a sibling, or for what the value is a part of.

mod each;
mod language;
mod learned;

use super::{Interp, Value, call::ArgValue, exec::U};
use crate::{
    ir::{Arg, ExprId, ExprKind, Lit, Op, Sym, sym},
    rules::{Selector, SinkBits},
};
pub(super) use language::Over;

/// Names of checks whose code is not at hand. Their answer is not proof: what they let pass is doubted less, not believed.
const CHECKERS: &[&str] = &["valid", "allow", "safe", "sanit", "permit", "whitelist", "trusted", "verif", "is_ok", "isok", "authori"];

/// Methods and functions that answer a question about a value.
const TESTS: &[&str] = &[
    "has",
    "includes",
    "contains",
    "__contains__",
    "hasOwnProperty",
    "hasOwn",
    "startswith",
    "startsWith",
    "endswith",
    "endsWith",
    "is_relative_to",
    "issubset",
    "isdigit",
    "isnumeric",
    "isdecimal",
    "isalnum",
    "isalpha",
    "isidentifier",
    "every",
    "some",
    "find",
    "findIndex",
    "indexOf",
    "test",
    "match",
    "fullmatch",
    "search",
    "exec",
    "isinstance",
    "isNaN",
    "all",
    "any",
    "bool",
    "Boolean",
];

impl Interp<'_> {
    /// The value's places become harmless for these sink kinds from here on, and what it was made of as far as it decides that.
    pub(super) fn clear_value(&mut self, value: &Value, bits: SinkBits) {
        for (place, decides) in std::iter::once((value.place, !0)).chain(value.derived.iter().copied()) {
            if !place.is_empty() && bits & decides != 0 {
                self.env.clear(place, bits & decides);
            }
        }
    }

    /// As [`Self::clear_value`], on the word of somebody whose code is not at hand.
    fn doubt_less(&mut self, value: &Value, bits: SinkBits) {
        for (place, decides) in std::iter::once((value.place, !0)).chain(value.derived.iter().copied()) {
            if !place.is_empty() && bits & decides != 0 {
                self.env.promise(place, bits & decides);
            }
        }
    }

    /// The test came out as `truth`: remembers what that clears.
    pub(super) fn refine(&mut self, u: U<'_>, test: ExprId, truth: bool) {
        if !self.down() {
            return;
        }
        match &u.expr(test).kind {
            ExprKind::Not(x) => self.refine(u, *x, !truth),
            // `~list.indexOf(x)`
            ExprKind::Await(x) | ExprKind::Unary(x) => self.refine(u, *x, truth),
            ExprKind::Assign { value, .. } => self.refine(u, *value, truth),
            ExprKind::Binary { op: op @ (Op::And | Op::Or), left, right } => {
                if (*op == Op::And) == truth {
                    self.refine(u, *left, truth);
                    self.refine(u, *right, truth);
                } else {
                    // One of the two came out: only what both clear is sure. The right one is only asked where the left one did not.
                    let before = self.env.fork();
                    self.refine(u, *left, truth);
                    let one = std::mem::replace(&mut self.env, before);
                    self.refine(u, *left, !truth);
                    self.refine(u, *right, truth);
                    self.env.meet_guards(&one);
                }
            }
            ExprKind::Binary { op, left, right } => self.comparison(u, *op, *left, *right, truth),
            ExprKind::Call { callee, args, .. } => {
                let args = args.clone();
                self.call_test(u, test, *callee, &args, truth);
            }
            ExprKind::Name(_) | ExprKind::Member { .. } => self.truthiness(u, test, truth),
            ExprKind::Comprehension { .. } => self.comprehension_test(u, test, truth, truth),
            _ => {}
        }
        self.up();
    }

    /// A variable or member as a test.
    fn truthiness(&mut self, u: U<'_>, x: ExprId, truth: bool) {
        if let ExprKind::Member { object, name } = u.expr(x).kind
            && (name == "length" || name == "size")
        {
            self.filled(u, object, truth);
            return;
        }
        let value = self.quiet(u, x);
        self.apply_facts(value.place, truth);
        if truth {
            self.found(&value);
        } else {
            // Nothing, or an empty text.
            self.clear_value(&value, self.all_bits());
        }
    }

    /// There is a value. Where it was looked up in a store, what it was looked up by stands in there; where it is the match of a
    /// pattern, its parts are parts of what was tested.
    fn found(&mut self, value: &Value) {
        if value.sources & self.stored_source != 0 {
            let bits = self.form_bits();
            for (place, _) in value.derived.clone() {
                self.env.promise(place, bits);
            }
        }
        let match_of_pattern = ["match()", "exec()"].iter().any(|m| value.path.ends_with(m));
        if match_of_pattern
            && !value.place.is_empty()
            && let Some(known) = self.env.facts(value.place)
        {
            let bits = known.when_true.iter().fold(0, |bits, (_, b)| bits | b);
            self.env.clear(value.place, bits);
        }
    }

    /// A container has something in it (or has not).
    fn filled(&mut self, u: U<'_>, x: ExprId, truth: bool) {
        match &u.expr(x).kind {
            ExprKind::Call { .. } | ExprKind::Comprehension { .. } => self.refine(u, x, truth),
            _ => {
                let value = self.quiet(u, x);
                self.apply_facts(value.place, truth);
                if !truth {
                    self.clear_value(&value, self.all_bits());
                }
            }
        }
    }

    fn comparison(&mut self, u: U<'_>, op: Op, left: ExprId, right: ExprId, truth: bool) {
        let constant = |x: ExprId| match &u.expr(x).kind {
            ExprKind::Lit(l) => Some(l.clone()),
            ExprKind::Unary(x) => match u.expr(*x).kind {
                ExprKind::Lit(Lit::Int(i)) => Some(Lit::Int(-i)),
                _ => None,
            },
            _ => None,
        };
        // The constant stands on the right.
        let (op, left, right) = match (constant(left), constant(right)) {
            (Some(_), None) if !matches!(op, Op::In | Op::NotIn | Op::InstanceOf) => (mirrored(op), right, left),
            _ => (op, left, right),
        };
        if let Some(lit) = constant(right)
            && self.compared_with(u, op, left, &lit, truth)
        {
            return;
        }
        let (a, b) = (self.quiet(u, left), self.quiet(u, right));
        match op {
            Op::Eq | Op::Ne if (op == Op::Eq) == truth => {
                self.equal(&a, &b);
                self.equal(&b, &a);
            }
            Op::In | Op::NotIn => {
                let holds = (op == Op::In) == truth;
                if holds && b.path.ends_with(".parents") {
                    // `base in path.parents`
                    let bits = self.sink_bit("path");
                    self.clear_value(&b, bits);
                } else if holds && b.deep().0 == 0 && a.as_str().is_none() {
                    self.clear_value(&a, self.all_bits());
                } else if !holds && a.as_str().is_some() {
                    let bits = self.blacklist(a.as_str().unwrap_or_default());
                    self.clear_value(&b, bits);
                    // `"'" in text[1:-1]`: all of it but the signs around it.
                    if let ExprKind::Slice { object, from, to } = u.expr(right).kind {
                        let one = |x: Option<ExprId>| x.is_none_or(|x| matches!(constant(x), Some(Lit::Int(-1..=1))));
                        if one(from) && one(to) {
                            let whole = self.quiet(u, object);
                            self.clear_value(&whole, bits);
                        }
                    }
                }
            }
            Op::Lt | Op::Gt | Op::Le | Op::Ge => {
                // A size that was compared with something is bounded on both sides.
                let bits = self.size_bit();
                for (x, y) in [(&a, &b), (&b, &a)] {
                    if y.deep().0 == 0 || y.bounded {
                        self.clear_value(x, bits);
                    }
                }
                // `set(text) <= ALLOWED`
                if truth && op == Op::Le && b.deep().0 == 0 && b.object.is_some() && a.path == "set()" {
                    self.clear_value(&a, self.form_bits());
                }
            }
            Op::InstanceOf if truth && matches!(b.path.as_str(), "Number" | "Date" | "Boolean") => {
                self.clear_value(&a, self.form_bits());
            }
            _ => {}
        }
    }

    /// Comparisons with a constant that ask another question: `check(x) === false`, `list.indexOf(x) !== -1`, `m is None`,
    /// `errors.length > 0`. True: that was all.
    fn compared_with(&mut self, u: U<'_>, op: Op, left: ExprId, lit: &Lit, truth: bool) -> bool {
        let equality = matches!(op, Op::Eq | Op::Ne);
        let equal = (op == Op::Eq) == truth;
        match lit {
            Lit::Bool(b) if equality => {
                self.refine(u, left, if equal { *b } else { !*b });
                let value = self.quiet(u, left);
                if equal && value.taint != 0 {
                    self.clear_value(&value, self.all_bits());
                }
                true
            }
            Lit::Null if equality => {
                match &u.expr(left).kind {
                    // Something was found, or nothing was.
                    ExprKind::Call { .. } | ExprKind::Await(_) => self.refine(u, left, !equal),
                    _ => {
                        let value = self.quiet(u, left);
                        self.apply_facts(value.place, !equal);
                        if !equal {
                            self.found(&value);
                        }
                        if equal {
                            self.clear_value(&value, self.all_bits());
                        }
                    }
                }
                true
            }
            Lit::Int(n) => {
                // Whether the comparison says "there is one": at least one element, an index that is one.
                let some = match (op, *n) {
                    (Op::Eq, -1) | (Op::Lt | Op::Le, _) if *n <= 0 && !(op == Op::Le && *n == 0) => Some(!truth),
                    (Op::Ne | Op::Gt, -1) | (Op::Ge, 0) => Some(truth),
                    (Op::Eq | Op::Le, 0) | (Op::Lt, 1) => Some(!truth),
                    (Op::Ne | Op::Gt, 0) | (Op::Ge, 1) => Some(truth),
                    _ => None,
                };
                match &u.expr(left).kind {
                    ExprKind::Call { callee, args, .. } => {
                        let (ExprKind::Member { name, .. } | ExprKind::Name(name)) = u.expr(*callee).kind else { return false };
                        let index =
                            matches!(name.as_str(), "indexOf" | "lastIndexOf" | "findIndex" | "search" | "find" | "rfind" | "index");
                        let length = name == "len" && args.len() == 1;
                        // An index of 0 is one, a length of 0 is none.
                        let zero = matches!((op, *n), (Op::Eq | Op::Ne | Op::Gt | Op::Le, 0) | (Op::Lt | Op::Ge, 1));
                        match some {
                            Some(some) if index && !zero => self.refine(u, left, some),
                            Some(some) if length && zero => {
                                let x = args[0].value;
                                self.filled(u, x, some);
                            }
                            Some(some) if name == "count" && zero => self.refine(u, left, some),
                            // `text.indexOf("https://host/") === 0`
                            _ if name == "indexOf" && *n == 0 && equality => {
                                if let ExprKind::Member { object, .. } = u.expr(*callee).kind
                                    && let Some(first) = args.first()
                                {
                                    let (receiver, first) = (self.quiet(u, object), self.quiet(u, first.value));
                                    self.prefix_test(&receiver, &first, equal);
                                }
                            }
                            _ => return false,
                        }
                        true
                    }
                    ExprKind::Member { object, name } if *name == "length" || *name == "size" => {
                        let zero = matches!((op, *n), (Op::Eq | Op::Ne | Op::Gt | Op::Le, 0) | (Op::Lt | Op::Ge, 1));
                        if let (Some(some), true) = (some, zero) {
                            let object = *object;
                            self.filled(u, object, some);
                        }
                        false
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// `x` equals `y`.
    fn equal(&mut self, x: &Value, y: &Value) {
        if x.path == "typeof" {
            match y.as_str() {
                Some("number" | "boolean" | "bigint") => self.clear_value(x, self.form_bits()),
                Some("string") => {
                    let bits = self.sink_bit("nosql") | self.sink_bit("prototype");
                    self.clear_value(x, bits);
                }
                _ => {}
            }
        } else if y.lit.is_some() && y.lit != Some(Lit::Null) || y.is_constant() && y.object.is_some() {
            self.clear_value(x, self.all_bits());
        } else if y.deep().0 == 0 && (!y.place.is_empty() || !y.path.is_empty()) && (x.taint != 0 || !x.derived.is_empty()) {
            // Equal to something that did not come from outside.
            self.clear_value(x, self.form_bits());
        } else if !x.place.is_empty() && y.derived.iter().any(|d| d.0 == x.place) {
            // `if (path.basename(name) === name)`: equal to its own cleaned form.
            let bits = x.taint & !y.taint;
            self.clear_value(x, bits);
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
    pub(super) fn quiet(&mut self, u: U<'_>, x: ExprId) -> Value {
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

    fn call_test(&mut self, u: U<'_>, test: ExprId, callee: ExprId, args: &[Arg], truth: bool) {
        // A function of the project: what its result says of its arguments.
        if let Some(effects) = self.predicates.get(&(std::sync::Arc::as_ptr(u) as usize, test)).cloned() {
            let list = if truth { &effects.when_true } else { &effects.when_false };
            for learned in list {
                self.learn(u, args, learned);
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
        match (name.as_str(), args) {
            ("bool" | "Boolean", [a]) if receiver.is_none() => return self.refine(u, a.value, truth),
            ("any" | "all" | "next", [a, ..]) if receiver.is_none() && matches!(u.expr(a.value).kind, ExprKind::Comprehension { .. }) => {
                let each = name == "all";
                return self.comprehension_test(u, a.value, truth, each);
            }
            _ => {}
        }
        let values: Vec<ArgValue> = args
            .iter()
            .map(|a| ArgValue { name: a.name, value: self.quiet(u, a.value), expr: a.value, spread: false, span: a.span })
            .collect();
        if let Some(r) = &receiver
            && self.predicate_test(r, name, &values, truth)
        {
            return;
        }
        let models = self.setup.models;
        let roles = models
            .calls
            .get(&path)
            .or_else(|| models.methods.get(&name).filter(|_| receiver.as_ref().is_some_and(super::call::is_unknown)));
        if let Some(r) = roles
            && !r.guards.is_empty()
        {
            let site = super::call::CallSite {
                unit: u,
                args: &values,
                receiver: receiver.as_ref(),
                receiver_expr,
                path,
                span: u.expr(test).span,
                callee: u.expr(callee).span,
            };
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
                "all" | "any" | "len" | "callable" | "hasattr" => {}
                _ => self.named_check(name, args, None, truth),
            }
            return;
        };
        match name.as_str() {
            "has" | "includes" | "contains" | "__contains__" | "hasOwnProperty" | "indexOf" | "lastIndexOf" | "index" | "count" => {
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
            "hasOwn" => {
                if let (true, [holder, key, ..]) = (truth, args)
                    && holder.value.deep().0 == 0
                {
                    let key = key.value.clone();
                    self.clear_value(&key, self.all_bits());
                }
            }
            "startswith" | "startsWith" | "is_relative_to" => {
                let Some(a) = first else { return };
                if name == "is_relative_to" {
                    if truth && (a.deep().0 == 0 || is_resolved(a)) {
                        let bits = self.sink_bit("path");
                        self.clear_value(r, bits);
                    }
                    return;
                }
                self.prefix_test(r, a, truth);
            }
            "issubset" => {
                // `set(text).issubset(ALLOWED)`
                if truth && first.is_some_and(|a| a.deep().0 == 0) {
                    self.clear_value(r, self.all_bits());
                }
            }
            "endswith" | "endsWith" => {
                // What an upload is served as goes by its ending.
                if truth && first.is_some_and(|a| a.deep().0 == 0) {
                    let bits = self.sink_bit("upload");
                    self.clear_value(r, bits);
                }
            }
            "isdigit" | "isnumeric" | "isdecimal" | "isalnum" | "isalpha" | "isidentifier" => {
                if truth {
                    self.clear_value(r, self.form_bits());
                }
            }
            "test" | "match" | "fullmatch" | "search" | "exec" => {
                // `/^[a-z]+$/.test(x)`, `x.match(/^..$/)`, `PATTERN.match(x)`, `re.match(pattern, x)`.
                let second = args.get(1).map(|a| &a.value);
                let (pattern, subject) = match (first, second) {
                    (Some(p), Some(s)) if p.taint == 0 && p.as_str().is_some() && r.taint == 0 => (p, s),
                    (Some(s), _) if r.path == "RegExp" || r.taint == 0 => (r, s),
                    (Some(p), _) => (p, r),
                    _ => return,
                };
                let over = match name.as_str() {
                    "fullmatch" => Over::Whole,
                    // Python's `match` of a pattern begins at the beginning, JavaScript's of a text does not.
                    "match" if !std::ptr::eq(subject, r) => Over::Start,
                    _ => Over::Part,
                };
                let (pattern, subject) = (pattern.clone(), subject.clone());
                match pattern.as_str() {
                    Some(p) => {
                        let bits = self.pattern_clears(p, over, truth);
                        self.clear_value(&subject, bits);
                    }
                    // A pattern from elsewhere.
                    None if truth && pattern.taint == 0 && name != "search" => self.doubt_less(&subject, self.form_bits()),
                    None => {}
                }
            }
            _ => self.named_check(name, args, Some(r), truth),
        }
    }

    /// `text.startsWith(prefix)` came out as `truth`.
    fn prefix_test(&mut self, r: &Value, a: &Value, truth: bool) {
        let path = self.sink_bit("path");
        if !truth {
            match a.as_str() {
                // No option of a program.
                Some("-") => {
                    let bits = self.sink_bit("argument");
                    self.clear_value(r, bits);
                }
                // `path.relative(base, x)`: not upwards.
                Some(".." | "../" | "..\\") if is_relation(r) => self.clear_value(r, path),
                Some("//") => self.half_local(r, "#/", "#//"),
                _ => {}
            }
            return;
        }
        if is_resolved(r) && (a.deep().0 == 0 || is_resolved(a)) {
            // Wherever the base comes from, the path is under it.
            self.clear_value(r, path);
        }
        if a.deep().0 != 0 {
            return;
        }
        // One of several beginnings: what each of them decides.
        if let Some(list) = a.object.as_ref().and_then(|o| o.list.as_ref()) {
            let bits = list.iter().map(|p| p.as_str().map_or(0, |p| self.prefix_clears(p))).reduce(|a, b| a & b).unwrap_or(0);
            self.clear_value(r, bits);
            return;
        }
        let bits = match a.as_str() {
            Some("/") => return self.half_local(r, "#//", "#/"),
            Some(prefix) => self.prefix_clears(prefix),
            None => self.sink_bit("redirect") | self.sink_bit("url"),
        };
        self.clear_value(r, bits);
    }

    /// An address stays on the own site if it begins with one slash (`#/`) and not with two (`#//`): notes the half that was tested,
    /// and believes both together.
    fn half_local(&mut self, r: &Value, other: &str, this: &str) {
        if r.place.is_empty() {
            return;
        }
        let note = |half: &str| sym(&format!("{}{half}", r.place));
        self.env.clear(note(this), 1);
        if self.env.cleared(note(other)) != 0 {
            let bits = self.sink_bit("redirect") | self.sink_bit("url");
            self.clear_value(r, bits);
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
        for v in args.iter().map(|a| &a.value).chain(receiver) {
            if v.taint != 0 {
                self.doubt_less(&v.clone(), self.form_bits());
            }
        }
    }
}

/// The operator with its sides exchanged.
fn mirrored(op: Op) -> Op {
    match op {
        Op::Lt => Op::Gt,
        Op::Gt => Op::Lt,
        Op::Le => Op::Ge,
        Op::Ge => Op::Le,
        other => other,
    }
}

/// Whether a path value went through resolution, so that a prefix test means something.
pub(super) fn is_resolved(v: &Value) -> bool {
    let path = v.path.as_str();
    path.starts_with("pathlib.") || RESOLVERS.iter().any(|f| path.strip_suffix("()").unwrap_or(path).ends_with(f))
}

/// Functions that take `..` out of a path.
pub(super) const RESOLVERS: &[&str] =
    &["resolve", "realpath", "abspath", "normpath", "normalize", "realpathSync", "absolute", "path.join", "posix.join", "safe_join"];

/// A path told from another one: it climbs if and only if it begins with two dots.
fn is_relation(v: &Value) -> bool {
    let path = v.path.as_str();
    ["path.relative()", "path.relpath()", "posix.relative()", "win32.relative()"].iter().any(|f| path.ends_with(f))
}
