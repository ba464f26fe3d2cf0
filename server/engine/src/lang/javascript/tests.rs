//! What the lowering makes of each construct, as printed by [`crate::ir_dump`].

#![allow(clippy::needless_raw_string_hashes)]

use crate::{
    Language,
    ir::{ExprKind, Unit},
    ir_dump::dump,
    lang, syntax,
};

fn units(language: Language, text: &str) -> Vec<(usize, Unit)> {
    let tree = syntax::parse(language, text, None, || true).unwrap();
    syntax::items(&tree).into_iter().map(|item| (item.start_byte(), lang::lower(language, text, item))).collect()
}

fn lowered(language: Language, text: &str) -> String {
    units(language, text).iter().map(|(_, unit)| dump(unit)).collect::<String>().trim_end().replace('\n', "; ")
}

fn check(language: Language, text: &str, expected: &str) {
    assert_eq!(lowered(language, text), expected, "{text}");
    assert!(units(language, text).iter().all(|(_, unit)| !unit.broken), "{text}");
}

#[test]
fn imports_of_both_kinds() {
    check(
        Language::Tsx,
        r#"import a, { b as c, d } from "m"; import * as n from "./x"; import "side"; import type { T } from "t";"#,
        r#"import a -> m (module m); import c -> m.b (module m member b); import d -> m.d (module m member d); import n -> ./x (module ./x); import (effect) -> side (module side); import T -> t.T (module t member T)"#,
    );
    check(
        Language::Tsx,
        r#"const a = require("m"), { b, c: d } = require("./n"); const e = require("m").f;"#,
        r#"import a -> m (module m); import b -> ./n.b (module ./n member b); import d -> ./n.c (module ./n member c); import e -> m.f (module m member f)"#,
    );
    check(Language::Tsx, r#"import x = require("m");"#, r#"import x -> m (module m)"#);
}

#[test]
fn exports_of_both_kinds() {
    check(
        Language::Tsx,
        r#"export const a = 1; export default function f() {} export { b as c }; export * from "./m"; export { q } from "./r";"#,
        r#"(assign a 1); export a a; fn f (); export default f; export c b; import * -> ./m (module ./m member *); import q -> ./r.q (module ./r member q); export q q"#,
    );
    check(
        Language::Tsx,
        r#"module.exports = { a }; exports.b = c; module.exports.d = 1;"#,
        r#"export default (map "a":a); (assign (. module exports) (map "a":a)); export b c; (assign (. exports b) c); export d 1; (assign (. (. module exports) d) 1)"#,
    );
}

#[test]
fn functions_and_parameters() {
    check(
        Language::Tsx,
        r#"function f(a, { b, c: d = 1 }, [e, ...g], h = 2, ...i) { return a }"#,
        r#"fn f (a {b: b c: d=1} [e *g] h=2 *i);   return a"#,
    );
    check(
        Language::Tsx,
        r#"const f = async (x: string, y?: Foo): Promise<Bar> => x + 1; const g = x => { x };"#,
        r#"(assign f (async fn f (x:string y:Foo) -> (index Promise Bar) {return (+ x 1)})); (assign g (fn g (x) {x}))"#,
    );
}

#[test]
fn classes() {
    check(
        Language::Tsx,
        r#"class A extends B.C implements D { static x = 1; #p: string; y; constructor(private readonly z: Z) { super() } @Get("/:id") async m(@Param("id") id: string) {} static n() {} get o() { return 1 } }"#,
        r#"class A : (. B C) D;   field x 1;   field p:string;   field y;   field z:Z;   fn constructor (z:Z);     (call super);   @(call Get "/:id");   async fn m (@(call Param "id") id:string);   static fn n ();   fn o ();     return 1"#,
    );
}

#[test]
fn objects_and_strings() {
    check(
        Language::Tsx,
        r#"const o = { a, "b-c": 1, [d]: 2, ...e, f() {}, async g() {}, get h() { return 1 } };"#,
        r#"(assign o (map "a":a "b-c":1 d:2 **e "f":(fn f () {}) "g":(async fn g () {}) "h":(fn h () {return 1})))"#,
    );
    check(Language::Tsx, r#"`a${b}c` + tag`d${e}`;"#, r#"(+ (template "a" b "c") (tagged tag (template "d" e)))"#);
}

#[test]
fn operators() {
    check(Language::Tsx, r#"a?.b?.[c]?.(d) ?? e || f && g;"#, r#"(?? (call (index (. a b) c) d) (or e (and f g)))"#);
    check(
        Language::Tsx,
        r#"x = a ? b : c; x += 1; x ??= y; x++; delete x.y; void 0; typeof x === "string"; !x; -x; a in b; c instanceof D;"#,
        r#"(assign x (? a b c)); (assign+ x 1); (assign?? x y); (:= x (+ x 1)); (delete (. x y)); null; (== (typeof x) "string"); (not x); (unary x); (in a b); (instanceof c D)"#,
    );
}

#[test]
fn control_flow() {
    check(
        Language::Tsx,
        r#"if (a) b(); else if (c) { d() } else e();"#,
        r#"if a;   (call b); else;   if c;     (call d);   else;     (call e)"#,
    );
    check(
        Language::Tsx,
        r#"for (let i = 0; i < 3; i++) { if (i) continue; break } for (const x of y) z(x); for (const k in o) z(k); while (a) b(); do c(); while (d);"#,
        r#"block;   (assign i 0);   loop while (< i 3);     if i;       continue;     break;     (:= i (+ i 1)); loop x in y;   (call z x); loop k in (call (. Object keys) o);   (call z k); loop while a;   (call b); do loop while d;   (call c)"#,
    );
    check(
        Language::Tsx,
        r#"switch (a) { case 1: case 2: b(); break; default: c() }"#,
        r#"switch-through a; case 1; case 2;   (call b);   break; default;   (call c)"#,
    );
    check(
        Language::Tsx,
        r#"try { a() } catch (e) { b(e) } finally { c() } try { d() } catch { e() }"#,
        r#"try;   (call a); except as e;   (call b e); finally;   (call c); try;   (call d); except;   (call e)"#,
    );
    check(Language::Tsx, r#"throw new Error("x"); label: for (;;) { break label }"#, r#"throw (new Error "x"); block;   loop;     break"#);
    check(
        Language::Tsx,
        r#"async function f() { await g(); yield_; for await (const x of y) {} } function* h() { yield 1; yield* i }"#,
        r#"async fn f ();   (await (call g));   yield_;   loop x in y; fn h ();   (await 1);   (await i)"#,
    );
}

#[test]
fn casts_and_declarations() {
    check(
        Language::TypeScript,
        r#"const x = y as unknown as string; const z = y!; const w = <T>y; const v = y satisfies T;"#,
        r#"(assign x y); (assign z y); (assign w y); (assign v y)"#,
    );
    check(
        Language::Tsx,
        r#"interface I { a: string } type T = string; enum E { A = 1, B } declare const d: T; abstract class Q { abstract m(): void } namespace N { const a = 1 }"#,
        r#"type I;   field a:string; type T = string; (assign E (map "A":1 "B":2)); class Q; block;   (assign a 1)"#,
    );
    check(
        Language::TypeScript,
        r#"interface J extends I, N.K<T> { a?: "x" | 1 | null; b: L[]; "c": Record<string, M>; f(): void } export type A = J & { d: { e: boolean } };"#,
        r#"type J : I (index (. N K) T);   field a:(op (list "x") (list 1));   field b:(index Array L);   field c:(index Record (list string M)); type A : J;   field d: {type;   field e:boolean}; export A A"#,
    );
}

#[test]
fn literals() {
    check(
        Language::Tsx,
        r#"/a\/b+/gi.test(x); "\x41\u{1F600}\n\0"; 0x10; 1_000; 1n; .5; null; undefined; true; NaN"#,
        r#"(call (. /a\/b+/ test) x); "A😀\n\0"; 16; 1000; 1; 0.5; null; null; true; NaN"#,
    );
}

#[test]
fn calls_and_elements() {
    check(
        Language::Tsx,
        r#"new Foo(a, ...b); new Bar; import("x"); super.m();"#,
        r#"(new Foo a *b); (new Bar); (call import "x"); (call (. super m))"#,
    );
    check(
        Language::Tsx,
        r#"const el = <div className="a" onClick={() => f()} {...rest}>t {x} <Foo.Bar y={1} /><>u</></div>;"#,
        r#"(assign el (call jsx "div" className="a" onClick=(fn () {return (call f)}) **rest "t " x " " (call jsx (. Foo Bar) y=1) (call jsx "" "u")))"#,
    );
}

#[test]
fn bindings() {
    check(
        Language::Tsx,
        r#"let a, b: string; var c = 1; [a, b] = [b, a]; ({ a, b: { c } } = d);"#,
        r#"(declare a); (declare b:string); (assign c 1); (assign [a b] (list b a)); (assign {a: a b: {c: c}} d)"#,
    );
    check(
        Language::Tsx,
        r#"if (a) { function f() {} } ; (function () { g() })(); (() => h())();"#,
        r#"if a;   fn f (); (call (fn () {(call g)})); (call (fn () {return (call h)}))"#,
    );
}

#[test]
fn spans_are_relative_to_the_item() {
    let text = "// é\nconst a = 1;\nf(`x${b}`);\n";
    let units = units(Language::JavaScript, text);
    let (base, unit) = units.last().unwrap();
    let name = unit.exprs.iter().find(|e| matches!(e.kind, ExprKind::Name(n) if n == "b")).unwrap();
    assert_eq!(&text[name.span.in_file(*base)], "b");
}

#[test]
fn broken_and_hostile_code_is_lowered_as_far_as_it_goes() {
    for text in ["const a = ;", "function f( {", "class {", "x = `a${", "<div>", "import {", "a?.", "({", "\u{0}", "f(\"\\u{zz}\")"] {
        for language in [Language::JavaScript, Language::TypeScript, Language::Tsx] {
            lowered(language, text);
        }
    }
    let deep = format!("x = {}1{};", "[".repeat(5_000), "]".repeat(5_000));
    lowered(Language::JavaScript, &deep);
    let calls = format!("{}x{};", "f(".repeat(5_000), ")".repeat(5_000));
    lowered(Language::JavaScript, &calls);
}
