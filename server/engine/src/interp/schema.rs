//! Schemas that a program builds by calls: what a value is that has passed one.
//!
//! A schema is an object of constants: the kinds it rules out, and the schemas of the parts. So it goes through variables, modules
//! and functions like any other value.

use super::{Interp, Key, Object, Value, call::CallSite, guard::Over};
use crate::{
    ir::{Lit, sym},
    rules::{Schema, SinkBits},
};
use std::sync::Arc;

/// The path of schemas: what a call on one does is said of its members.
const PATH: &str = "validation.schema";
const CLEARS: &str = "(clears)";
const FIELDS: &str = "(fields)";
const ELEMENT: &str = "(element)";

/// Schemas are applied this deep.
const MAX_SCHEMA: u32 = 8;

impl Interp<'_> {
    /// The result of a call that makes or narrows a schema, or that puts a value through one.
    pub(super) fn schema(&mut self, site: &CallSite<'_>, s: &Schema) -> Option<Value> {
        if !self.holds(site, &s.when) {
            return None;
        }
        self.setup.rules.used(s.entry);
        let before = site.receiver.filter(|r| r.path == PATH);
        if let Some(selector) = &s.parses {
            let data = site.select(selector)?.value.clone();
            let passed = self.passed(before?, &data, 0);
            return Some(match s.under {
                None => passed,
                Some(name) => {
                    let mut object = Object::default();
                    object.set(Key::Str(name), passed);
                    Value { object: Some(Arc::new(object)), ..Value::default() }
                }
            });
        }
        let mut object = before.and_then(|b| b.object.as_deref().cloned()).unwrap_or_default();
        let mut bits = bits(&object) | s.clears;
        if let Some(text) = s.pattern.as_ref().and_then(|p| site.select(p)).and_then(|a| a.value.as_str()) {
            bits |= self.pattern_clears(text, Over::Part, true);
        }
        object.set(Key::Str(sym(CLEARS)), Value::lit(Lit::Int(bits.cast_signed())));
        for (selector, key) in [(&s.fields, FIELDS), (&s.element, ELEMENT)] {
            if let Some(a) = selector.as_ref().and_then(|p| site.select(p)) {
                object.set(Key::Str(sym(key)), a.value.clone());
            }
        }
        Some(Value { object: Some(Arc::new(object)), typed: true, ..Value::path(sym(PATH)) })
    }

    /// A value that has passed a schema.
    fn passed(&self, schema: &Value, data: &Value, depth: u32) -> Value {
        let (taint, sources, flow) = data.deep();
        let whole = Value { taint, sources, flow: flow.cloned(), ..Value::default() };
        let Some(object) = schema.object.as_ref().filter(|_| schema.path == PATH && depth < MAX_SCHEMA) else { return whole };
        let part = |key: &str| object.get(&Key::Str(sym(key)));
        if let Some(fields) = part(FIELDS).and_then(|f| f.object.as_ref()).filter(|f| f.closed) {
            // Keys that it does not name are left out.
            let mut out = Object::empty_map();
            for (key, inner) in &fields.fields {
                out.set(key.clone(), self.passed(inner, &whole, depth + 1));
            }
            return Value { object: Some(Arc::new(out)), ..Value::default() };
        }
        if let Some(element) = part(ELEMENT) {
            let mut out = Object::default();
            out.add(&self.passed(element, &whole, depth + 1));
            return Value { object: Some(Arc::new(out)), ..Value::default() };
        }
        let mut value = whole;
        value.clear(bits(object));
        value
    }
}

/// What a schema rules out.
fn bits(object: &Object) -> SinkBits {
    match object.get(&Key::Str(sym(CLEARS))).and_then(|v| v.lit.as_ref()) {
        Some(Lit::Int(bits)) => bits.cast_unsigned(),
        _ => 0,
    }
}
