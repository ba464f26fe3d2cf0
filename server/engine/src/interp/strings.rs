//! What string and container methods do, in all languages: the part of the standard libraries that
//! every flow goes through.

use super::{Interp, Key, Object, Shape, Value, call::ArgValue};
use crate::{
    ir::{Lit, Sym},
    rules::SinkBits,
};
use std::sync::Arc;

/// For each `%` hole of a format string, whether it only takes numbers.
pub(super) fn numeric_holes(format: &str) -> Vec<bool> {
    holes(format).into_iter().map(|k| matches!(k, 'd' | 'i' | 'f' | 'x' | 'e' | 'g')).collect()
}

/// The conversion of each `%` field.
pub(super) fn holes(format: &str) -> Vec<char> {
    let mut holes = Vec::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            let kind = chars.by_ref().find(|c| c.is_ascii_alphabetic() || *c == '%');
            if let Some(k) = kind.filter(|k| *k != '%') {
                holes.push(k);
            }
        }
    }
    holes
}

/// Whether every `{...}` field is written as `repr` would: `{!r}`, `{name!a:>9}`.
pub(super) fn all_quoted(format: &str) -> bool {
    let fields: Vec<&str> = format.split('{').skip(1).map(|f| f.split('}').next().unwrap_or_default()).collect();
    !fields.is_empty() && fields.iter().all(|f| f.contains("!r") || f.contains("!a"))
}

/// A format string with its `{...}` fields as holes.
pub(super) fn format_holes(format: &str) -> String {
    let mut out = String::with_capacity(format.len());
    let mut depth = 0u32;
    for c in format.chars() {
        match c {
            '{' => {
                depth += 1;
                if depth == 1 {
                    out.push('\0');
                }
            }
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// `x[a:b]`.
pub(super) fn slice(v: &Value, from: Option<&Value>, to: Option<&Value>, size: SinkBits) -> Value {
    if let (Some(s), true) = (v.as_str(), from.is_none_or(|f| f.lit.is_some()) && to.is_none_or(|t| t.lit.is_some())) {
        let chars: Vec<char> = s.chars().take(65_536).collect();
        let n = chars.len() as i64;
        let at = |v: Option<&Value>, default: i64| match v.and_then(|v| v.lit.as_ref()) {
            Some(Lit::Int(i)) => (if *i < 0 { n + i } else { *i }).clamp(0, n),
            _ => default,
        };
        let (a, b) = (at(from, 0), at(to, n));
        return Value::str(&chars[a as usize..b.max(a) as usize].iter().collect::<String>());
    }
    if let Some(list) = v.object.as_ref().and_then(|o| o.list.as_ref())
        && let (Some(Lit::Int(a)), None) = (from.map_or(Some(Lit::Int(0)), |f| f.lit.clone()), to)
        && let Ok(a) = usize::try_from(a)
    {
        return Value::list(list.iter().skip(a).cloned().collect());
    }
    let mut out = Value { lit: None, place: Sym::default(), ..v.clone() };
    out.derive(v);
    if to.is_some_and(|t| t.lit.is_some()) {
        out.taint &= !size;
        out.bounded = true;
    }
    out
}

/// Whether a replacement pattern takes out everything but harmless characters: `[^a-zA-Z0-9_-]`.
pub(super) fn is_negated_class(pattern: &str) -> bool {
    pattern.starts_with("[^") && pattern.ends_with([']', '+', '*']) && !pattern[2..].contains(['<', '\'', '"', ';', '\\', '/']) || {
        // `[^\w.-]`
        pattern.starts_with("[^\\w") && !pattern[4..].contains(['<', '\'', '"', ';', '/'])
    }
}

impl Interp<'_> {
    /// The result of a method of a string or container, if this is one. `receiver` keeps its taint by default.
    pub(super) fn native_method(&mut self, receiver: &Value, name: Sym, args: &[ArgValue]) -> Option<Value> {
        let arg = |i: usize| args.get(i).map(|a| &a.value);
        let string = receiver.as_str();
        Some(match name.as_str() {
            "lower" | "toLowerCase" | "casefold" => map_str(receiver, str::to_lowercase),
            "upper" | "toUpperCase" => map_str(receiver, str::to_uppercase),
            "strip" | "trim" | "lstrip" | "rstrip" | "trimStart" | "trimEnd" if args.is_empty() => {
                map_str(receiver, |s| s.trim().to_string())
            }
            "encode" | "decode" | "toString" | "normalize" | "valueOf" | "copy" | "toWellFormed" | "strip" | "lstrip" | "rstrip" => {
                let mut v = receiver.clone();
                v.derive_same(receiver);
                v.place = Sym::default();
                if v.typed {
                    v.path = Sym::default();
                }
                v
            }
            "concat" => {
                let mut parts = vec![receiver.clone()];
                parts.extend(args.iter().map(|a| a.value.clone()));
                if receiver.object.as_ref().is_some_and(|o| o.list.is_some()) {
                    parts.iter().fold(receiver.clone(), |a, b| a.join(b))
                } else {
                    self.concat(&parts)
                }
            }
            "format" if string.is_some() || receiver.is_built() => {
                let values: Vec<Value> = args.iter().map(|a| a.value.clone()).collect();
                self.format_call(receiver, &values)
            }
            // `sep.join(list)` in Python, `list.join(sep)` in JavaScript.
            "join"
                if string.is_some()
                    || receiver.is_built()
                    || receiver.object.as_ref().is_some_and(|o| o.list.is_some() || o.rest.is_some()) =>
            {
                let (list, sep) = if receiver.object.is_some() { (receiver, arg(0)) } else { (arg(0)?, Some(receiver)) };
                let items = list.object.as_ref().and_then(|o| o.list.clone());
                match items {
                    Some(items) => {
                        let sep = sep.and_then(Value::as_str).unwrap_or(",").to_string();
                        let mut parts = Vec::with_capacity(items.len() * 2);
                        for (i, v) in items.into_iter().enumerate() {
                            if i > 0 {
                                parts.push(Value::str(&sep));
                            }
                            parts.push(v);
                        }
                        let mut v = self.concat(&parts);
                        v.add_taint(list);
                        v
                    }
                    None => {
                        let mut inner = self.element(list);
                        // Elements that were put together keep their beginning.
                        if inner.shape.is_none() {
                            let tainted = (inner.taint != 0).then_some(0);
                            inner.shape = Some(Arc::new(Shape { text: "\0".into(), tainted }));
                        }
                        Value { lit: None, path: Sym::default(), object: None, place: Sym::default(), ..inner }
                    }
                }
            }
            "replace" | "replaceAll" | "sub" | "translate" => self.replace(receiver, args)?,
            "split" | "rsplit" | "splitlines" | "partition" | "rpartition" => {
                let mut v = Value { lit: None, object: None, place: Sym::default(), shape: None, ..receiver.clone() };
                // All parts are the whole; a single one is not.
                v.derive_same(receiver);
                v.path = Sym::default();
                if let (Some(s), Some(sep)) = (string, arg(0).and_then(Value::as_str))
                    && !sep.is_empty()
                {
                    v = Value::list(s.split(sep).take(64).map(Value::str).collect());
                }
                v
            }
            "get" | "pop" | "shift" | "getOrDefault" if receiver.object.as_ref().is_some_and(|o| o.class.is_none()) => {
                let object = receiver.object.clone()?;
                let Some(first) = arg(0) else { return Some(self.element(receiver)) };
                // A configuration is read by section and key.
                let first = if receiver.path.starts_with("configparser.") { arg(1).unwrap_or(first) } else { first };
                let key = self.key(first);
                match key.and_then(|k| object.get(&k).cloned()) {
                    Some(v) => v,
                    None if object.closed && first.lit.is_some() => arg(1).cloned().unwrap_or(Value::lit(Lit::Null)),
                    None => {
                        let mut v = self.element(receiver);
                        if let Some(d) = arg(1) {
                            v = v.join(d);
                        }
                        // A member picked from constants is a constant, whoever picks.
                        v.place = Sym::default();
                        v
                    }
                }
            }
            "keys" | "values" | "items" | "entries" if receiver.object.as_ref().is_some_and(|o| o.class.is_none()) => {
                let inner = self.element(receiver);
                let mut object = Object::default();
                object.add(&inner);
                Value { object: Some(Arc::new(object)), ..Value::default() }
            }
            "startswith" | "startsWith" | "endswith" | "endsWith" | "includes" | "has" | "contains" | "isdigit" | "isalnum" | "isalpha"
            | "test" | "indexOf" | "find" | "index" | "count" | "every" | "some" | "hasOwnProperty" | "isidentifier" | "search"
                if name != "find" && name != "search" || string.is_some() =>
            {
                let known = match (name.as_str(), string, arg(0).and_then(Value::as_str)) {
                    ("startswith" | "startsWith", Some(s), Some(p)) => Some(s.starts_with(p)),
                    ("endswith" | "endsWith", Some(s), Some(p)) => Some(s.ends_with(p)),
                    ("includes", Some(s), Some(p)) => Some(s.contains(p)),
                    _ => None,
                };
                let mut v = Value { lit: known.map(Lit::Bool), ..Value::default() };
                v.derive(receiver);
                for a in args {
                    v.derive(&a.value);
                }
                v
            }
            _ => return None,
        })
    }

    /// Replacing in a string: escaping by hand, white lists, stripping of line ends.
    fn replace(&mut self, receiver: &Value, args: &[ArgValue]) -> Option<Value> {
        // `re.sub(pattern, replacement, text)` comes here with the text as third argument.
        let (subject, pattern, replacement) = match args {
            [p, r, t, ..] if receiver.taint == 0 && t.value.deep().0 != 0 => (&t.value, &p.value, Some(&r.value)),
            [p, r, ..] => (receiver, &p.value, Some(&r.value)),
            [p] => (receiver, &p.value, None),
            [] => return None,
        };
        if let (Some(s), Some(p), Some(r)) = (subject.as_str(), pattern.as_str(), replacement.and_then(Value::as_str))
            && pattern.path.is_empty()
        {
            return Some(Value::str(&s.replace(p, r)));
        }
        let mut v = Value { lit: None, place: Sym::default(), path: Sym::default(), ..subject.clone() };
        v.derive(subject);
        let text = pattern.as_str().unwrap_or_default();
        let with = replacement.and_then(Value::as_str);
        let mut clears = 0;
        if text.contains('<') && with.is_none_or(|w| w.contains("&lt;")) {
            clears |= self.sink_bit("html");
        }
        if (text.contains(['\n', '\r']) || text.contains("\\n") || text.contains("\\r") || text.contains("\\s"))
            && with.is_some_and(|w| !w.contains(['\n', '\r']))
        {
            clears |= self.sink_bit("log") | self.sink_bit("header");
        }
        if text.contains(['\'', '"']) && with.is_some_and(|w| !w.contains(['\'', '"'])) {
            clears |= self.sink_bit("xpath");
        }
        if is_negated_class(text) && with.is_some_and(|w| w.len() <= 1 && w != "/") {
            clears |= self.form_bits();
        }
        v.taint &= !clears;
        if let Some(r) = replacement {
            v.add_taint(r);
        }
        if v.taint == 0 {
            v.flow = None;
            v.sources = 0;
        }
        Some(v)
    }

    /// Effects of a method on its receiver's contents: the new contents, if it has any.
    pub(super) fn container_effect(&self, name: Sym, args: &[ArgValue]) -> Option<Effect> {
        let arg = |i: usize| args.get(i).map(|a| a.value.clone());
        Some(match (name.as_str(), args.len()) {
            ("append" | "push" | "add" | "appendleft", 1) => Effect::Push(arg(0)?),
            ("insert" | "unshift", _) => Effect::Add(args.last()?.value.clone()),
            ("extend", 1) => Effect::Extend(arg(0)?),
            ("set" | "setdefault" | "put" | "__setitem__", 2) => Effect::Set(self.key(&arg(0)?), arg(1)?),
            ("set", 3) => Effect::Set(self.key(&arg(1)?), arg(2)?),
            ("update" | "assign", 1) => Effect::Extend(arg(0)?),
            ("pop", 0) => Effect::Remove(-1),
            ("shift", 0) => Effect::Remove(0),
            ("pop", 1) => match arg(0)?.lit {
                Some(Lit::Int(i)) => Effect::Remove(i),
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// What a method does to its receiver's contents.
pub(super) enum Effect {
    Push(Value),
    Add(Value),
    Extend(Value),
    Set(Option<Key>, Value),
    /// Takes the element at this index out; negative = from the end.
    Remove(i64),
}

impl Effect {
    pub(super) fn apply(self, object: &mut Object) {
        match self {
            Effect::Push(v) => object.push(v),
            Effect::Add(v) => {
                if let Some(list) = object.list.take() {
                    for x in &list {
                        object.add(x);
                    }
                }
                object.add(&v);
            }
            Effect::Remove(i) => {
                if let Some(list) = &mut object.list {
                    let at = if i < 0 { list.len() as i64 + i } else { i };
                    if let Some(at) = usize::try_from(at).ok().filter(|at| *at < list.len()) {
                        list.remove(at);
                    }
                }
            }
            Effect::Set(Some(k), v) => object.set(k, v),
            Effect::Set(None, v) => object.add(&v),
            Effect::Extend(v) => match &v.object {
                Some(o) if v.taint == 0 => {
                    for (k, v) in &o.fields {
                        object.set(k.clone(), v.clone());
                    }
                    for v in o.list.iter().flatten() {
                        object.push(v.clone());
                    }
                    if let Some(r) = &o.rest {
                        object.add(r);
                    }
                }
                _ => object.add(&v),
            },
        }
    }
}

fn map_str(v: &Value, f: impl Fn(&str) -> String) -> Value {
    match v.as_str() {
        Some(s) => Value { lit: Some(Lit::Str(f(s).into())), ..Value::default() },
        None => {
            let mut out = Value { place: Sym::default(), path: Sym::default(), ..v.clone() };
            out.derive_same(v);
            out
        }
    }
}
