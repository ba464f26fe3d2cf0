//! Functions of the language itself.

use super::site::ArgValue;
use crate::{
    interp::{Interp, Key, Object, Pos, Value, strings::Effect},
    ir::{Span, Sym, sym},
};
use std::sync::Arc;

impl Interp<'_> {
    /// Whether control goes on after an expression statement with this value.
    pub(in crate::interp) fn never_returns(&self, value: &Value) -> bool {
        matches!(value.path.as_str(), "sys.exit()" | "exit()" | "quit()" | "flask.abort()" | "process.exit()" | "os._exit()" | "os.abort()")
    }

    /// Functions of the language itself.
    pub(in crate::interp) fn native_function(&mut self, path: Sym, args: &[ArgValue], _construct: bool) -> Option<Value> {
        let first = args.first().map(|a| &a.value);
        Some(match path.as_str() {
            "str" | "String" | "bytes" | "repr" | "list" | "tuple" | "sorted" | "reversed" | "set" | "Array.from" | "Object.values"
            | "frozenset" | "Object.freeze" | "iter" | "next" => {
                let v = first.cloned().unwrap_or_else(|| match path.as_str() {
                    "list" | "set" | "tuple" => Value::list(Vec::new()),
                    _ => Value::default(),
                });
                let derived = v.derived.clone();
                let mut out = Value { place: Sym::default(), path: if v.typed { Sym::default() } else { v.path }, derived, ..v.clone() };
                out.derive_same(&v);
                out
            }
            "dict" | "Object.assign" => {
                let mut object = Object::empty_map();
                for a in args {
                    match a.name {
                        Some(n) if !a.spread => object.set(Key::Str(n), a.value.clone()),
                        _ => Effect::Extend(a.value.clone()).apply(&mut object),
                    }
                }
                Value { object: Some(Arc::new(object)), ..Value::default() }
            }
            "getattr" => {
                let name = args.get(1)?.value.as_str().map(sym)?;
                let owner = first?.clone();
                self.member_value(&owner, name, Pos { module: self.module, item: self.item, span: Span::default() })
            }
            "min" | "Math.min" => {
                let mut v = args.iter().fold(Value::default(), |mut v, a| {
                    v.add_taint(&a.value);
                    v
                });
                v.taint &= !self.size_bit();
                v.bounded = true;
                v
            }
            "isinstance" | "hasattr" | "callable" | "Array.isArray" | "Number.isInteger" | "isNaN" | "Number.isFinite" | "Number.isNaN"
            | "bool" | "Boolean" => {
                let mut v = Value::default();
                for a in args {
                    v.derive(&a.value);
                }
                v
            }
            "len" => {
                let mut v = Value::default();
                if let Some(a) = first {
                    v.derive_for(a, self.size_bit());
                }
                v
            }
            _ => return None,
        })
    }
}
