//! What the lowering makes of each construct, as printed by [`crate::ir_dump`].

use crate::ir::{ExprKind, Lit, Span, StmtKind, Unit};
use crate::{Language, ir_dump::dump, lang, syntax};
use std::fmt::Write as _;

fn units(text: &str) -> Vec<(usize, Unit)> {
    let tree = syntax::parse(Language::Python, text, None, || true).unwrap();
    syntax::items(&tree).into_iter().map(|item| (item.start_byte(), lang::lower(Language::Python, text, item))).collect()
}

fn lowered(text: &str) -> String {
    units(text).iter().fold(String::new(), |mut out, (_, unit)| {
        write!(out, "{}", dump(unit)).unwrap();
        out
    })
}

/// Each line of `cases` is a text and its lowering with `=>` between them; line breaks are `¶` in the
/// text and `;` in the lowering.
fn check(cases: &str) {
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (text, expected) = case.split_once("  =>  ").unwrap();
        let text = format!("{}\n", text.replace("¶", "\n"));
        assert_eq!(lowered(&text).trim_end().replace('\n', "; "), expected, "{text}");
        assert!(units(&text).iter().all(|(_, unit)| !unit.broken), "{text}");
    }
}

#[test]
fn imports() {
    check(
        r"
        import os.path, sys as s  =>  import os -> os (module os.path); import s -> sys (module sys)
        import a.b.c as d  =>  import d -> a.b.c (module a.b.c)
        from a.b import (c as d, e)  =>  import d -> a.b.c (module a.b member c); import e -> a.b.e (module a.b member e)
        from . import x  =>  import x -> .x (module . member x)
        from ..p.q import r  =>  import r -> ..p.q.r (module ..p.q member r)
        from .m import *  =>  import * -> .m (module .m member *)
        from __future__ import annotations  =>  import annotations -> __future__.annotations (module __future__ member annotations)
        import a . b  =>  import a -> a (module a.b)
        ",
    );
}

#[test]
fn definitions() {
    check(
        r#"
        def f(a, /, b: int = 1, *args: str, c, d=2, **kw): return a  =>  fn f (a b:int=1 *args:str kw:c kw:d=2 **kw);   return a
        def f(*, a): "doc"  =>  fn f (kw:a);   "doc"
        @app.route("/x", methods=["GET"])¶@b¶async def g() -> "C": ...  =>  @(call (. app route) "/x" methods=(list "GET")); @b; async fn g () -> C;   (opaque)
        class A(B, c.D, metaclass=M):¶ x: int¶ y = z = 1¶ def m(self): pass¶ class I: pass¶ f()  =>  class A : B (. c D);   field x:int;   field y 1;   field z 1;   fn m (self);   class I;   (call f)
        class A:¶ @staticmethod¶ def n(): pass  =>  class A;   @staticmethod;   static fn n ()
        class A(B, k=f()): pass  =>  class A : B;   (call f)
        g = lambda x, *y, z=1: x  =>  (assign g (fn g (x *y kw:z=1) {return x}))
        type X[T: int] = list[T]  =>  (assign X (index list T))
        def h[T: int](a: T) -> T: return a  =>  fn h (a:T) -> T;   return a
        "#,
    );
}

#[test]
fn annotations() {
    check(
        r#"
        x: "flask.Request" = 1  =>  (assign x:(. flask Request) 1)
        x: Optional["a.B"]  =>  (declare x:(index Optional (. a B)))
        x: t.Optional["a.B"] | None  =>  (declare x:(op (index (. t Optional) (. a B)) null))
        x: Literal["a"]  =>  (declare x:(index Literal "a"))
        x: "no name"  =>  (declare x:"no name")
        x: dict[str, "B"]  =>  (declare x:(index dict (list str B)))
        x: Annotated[A, Depends(f)]  =>  (declare x:(index Annotated (list A (call Depends f))))
        "#,
    );
}

#[test]
fn strings() {
    check(
        r#"
        "\x41\u00e9\101\t\q\\"  =>  "AéA\t\\q\\"
        "\N{BULLET}"  =>  "�"
        r"\n" '\\'  =>  "\\n\\"
        b"\xff\u00e9"  =>  "ÿ\\u00e9"
        'a' "b" f"c"  =>  "abc"
        'a' f"{b}c"  =>  (template "a" b "c")
        f"{{x}} {x!r:>10}"  =>  (template "{x} " (format x "!r:>10"))
        f"{x=} {y = !r}"  =>  (template "x=" (format x "=") " " "y = " (format y "!r"))
        f"{a:{w}.2f}"  =>  (template (format (opaque a w) ":{w}.2f"))
        f"{f'{a}b'}"  =>  (template (template a "b"))
        rf"\d{a}"  =>  (template "\\d" a)
        "%s" % (a,)  =>  (% "%s" (list a))
        "{}".format(a)  =>  (call (. "{}" format) a)
        ""  =>  ""
        r'\\', rb'\''  =>  (list "\\\\" "\\'")
        "#,
    );
    assert_eq!(lowered("'a\\\nb'\n"), "\"ab\"\n");
    assert_eq!(lowered("'''a\nb'''\n"), "\"a\\nb\"\n");
}

#[test]
fn expressions() {
    check(
        r"
        a < b <= c is not d  =>  (and (< a b) (and (<= b c) (!= c d)))
        a not in b  =>  (not-in a b)
        a and b or not c  =>  (or (and a b) (not c))
        x if y else z  =>  (? y x z)
        a - b + c  =>  (+ (- a b) c)
        a ** -b  =>  (op a (unary b))
        a[1:2][::2]  =>  (slice (slice a 1 2) ~ ~)
        a[b, c], a[b:c, d]  =>  (list (index a (list b c)) (index a (list (opaque b c) d)))
        f(*a, **b, k=c)  =>  (call f *a **b k=c)
        f(x for x in y)  =>  (call f (comprehension x for x in y))
        a.b(c).d[e](f)  =>  (call (index (. (call (. a b) c) d) e) f)
        [a for a, b in c if a for d in e if d]  =>  (comprehension a for [a b] in c for d in e if a if d)
        {f(k): v for k, v in m}  =>  (comprehension v for [k v] in m if (call f k))
        [*a, b], {**a, 1: c}, {a, b}, ()  =>  (list (list *a b) (map **a 1:c) (list a b) (list))
        lambda: (yield)  =>  (fn () {return (await null)})
        (n := f()) + 1  =>  (+ (:= n (call f)) 1)
        -1, 0xff, 1_0, 0o17, 017, 1e3, 2j, ...  =>  (list -1 255 10 15 15 1000.0 2.0 (opaque))
        99999999999999999999  =>  1e20
        True, False, None  =>  (list true false null)
        ",
    );
}

#[test]
fn statements() {
    check(
        r#"
        a = b = c  =>  (assign a c); (assign b c)
        a.b, (c, *d), e[0] = f  =>  (assign [(. a b) [c *d] (index e 0)] f)
        a += 1  =>  (assign+ a 1)
        a //= b  =>  (assign/ a b)
        a |= b; c >>= d  =>  (assignop a b); (assignop c d)
        x: int; pass  =>  (declare x:int)
        type(a).b = "c"  =>  (assign (. (call type a) b) "c")
        type(a)[0].b(d).e = c  =>  (assign (. (call (. (index (call type a) 0) b) d) e) c)
        type(a)[0] = c  =>  (assign (index (call type a) 0) c)
        del a, b[c]  =>  (delete a (index b c))
        assert a, "m"  =>  assert a
        assert a, f(x)  =>  (call f x); assert a
        raise A from b  =>  throw A
        raise A from b()  =>  (call b); throw A
        raise  =>  throw
        if a: b¶elif c: d¶else: e  =>  if a;   b; else;   if c;     d;   else;     e
        while a: break¶else: continue  =>  loop while a;   break; else;   continue
        for i, (a, b) in c, d: pass  =>  loop [i [a b]] in (list c d)
        try: a¶except (A, b.B) as e: c¶except: d¶else: f¶finally: g  =>  try;   a; except A (. b B) as e;   c; except;   d; else;   f; finally;   g
        try: a¶except* E as e: b  =>  try;   a; except E as e;   b
        try: a¶except E, e: b  =>  try;   a; except E as e;   b
        with a() as b, c: d  =>  (assign b (call a)); c; block;   d
        with (a as b, c as d): e  =>  (assign b a); (assign d c); block;   e
        async def f():¶ async with a as (b, c):¶  await d  =>  async fn f ();   (assign [b c] a);   block;     (await d)
        def f():¶ global a, b¶ x = yield from c  =>  fn f ();   global a b;   (assign x (await c))
        print "a", b  =>  (call print "a" b)
        print >>f, a  =>  (call print file=f a)
        exec "a" in b  =>  (call exec "a" b)
        "#,
    );
}

#[test]
fn matches() {
    check(
        r#"
        match a:¶ case "x" | "y": b  =>  switch a; case "x" "y";   b
        match a:¶ case 1 | -2: b¶ case -3.5: c  =>  switch a; case 1 -2;   b; case -3.5;   c
        match a:¶ case F.B | None: b¶ case _: c  =>  switch a; case (. F B) null;   b; default;   c
        match a:¶ case x: b  =>  switch a; default;   (assign x a);   b
        match a:¶ case 1 if g: b  =>  switch a; case (opaque 1);   if g;     b
        match a:¶ case [x, *r, _]: b  =>  switch a; case (opaque);   (assign [x *r _] a);   b
        match a:¶ case {"k": v, **r}: b  =>  switch a; case (opaque);   (assign v (index a "k"));   (assign r (opaque a));   b
        match a:¶ case P(0, x=p): b  =>  switch a; case (opaque P);   (assign p (. a x));   b
        match a:¶ case str(s) as t: b  =>  switch a; case (opaque str);   (assign s a);   (assign t a);   b
        match a, b:¶ case (c, d), e: f  =>  switch (list a b); case (opaque);   (assign [_ e] (list a b));   (assign [c d] (opaque (list a b)));   f
        "#,
    );
}

#[test]
fn spans_are_relative_to_the_item() {
    let text = "x = 1\n@d\nasync def f(a):\n    b = 1  # c\n    return \"flask.Request\"\n    # end\n";
    let units = units(text);
    let (base, unit) = &units[1];
    let func = &unit.funcs[0];
    let at = |span: Span| &text[span.in_file(*base)];
    assert_eq!(at(func.name_span), "f");
    assert_eq!(at(func.body_span), "b = 1  # c\n    return \"flask.Request\"");
    assert!(at(func.span).starts_with("@d"));
    assert_eq!(at(func.params[0].span), "a");
    let text = "r: 'flask.Request' = 0\n";
    let (_, unit) = &self::units(text)[0];
    let StmtKind::Assign { ty: Some(ty), .. } = unit.body[0].kind else { panic!("{unit:?}") };
    let ExprKind::Member { object, .. } = unit.expr(ty).kind else { panic!("{unit:?}") };
    assert_eq!(&text[unit.expr(object).span.in_file(0)], "flask");
    assert_eq!(&text[unit.expr(ty).span.in_file(0)], "flask.Request");
}

/// The IR must be flat enough for whoever walks it by recursion, as the printer does.
#[test]
fn deep_nesting_is_cut() {
    let many = 100_000;
    let brackets = [("(", ")"), ("[", "]"), ("{", "}"), ("f(", ")"), ("a[", "]"), ("\"\".join(", ")")];
    let prefixes = ["not ", "-", "lambda: ", "x if y else ", "await ", "*", "("].map(|open| (open, ""));
    for (open, close) in brackets.into_iter().chain(prefixes) {
        lowered(&format!("x = {}1{}\n", open.repeat(many / open.len()), close.repeat(many / open.len())));
    }
    for link in [".a", "()", "[0]", ".a()", " + b", " - b + c", " and b", " < b", " or b and c", " % b", " | b", " ** b", " '' ''"] {
        lowered(&format!("x = a{}\n", link.repeat(20_000)));
    }
    lowered(&format!("{}1\n", "a = ".repeat(20_000)));
    lowered(&format!("if a:\n b\n{}else:\n c\n", "elif f(d):\n e\n".repeat(5_000)));
    lowered(&(0..1_000).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "if a:\n"));
    lowered(&format!("match a:\n case {}x{}: b\n", "[".repeat(5_000), "]".repeat(5_000)));
    lowered(&format!("x: {}x{}\n", "A[".repeat(5_000), "]".repeat(5_000)));
}

#[test]
fn long_chains_keep_all_operands() {
    let text = format!("x = a{}\n", (0..5_000).fold(String::new(), |text, i| format!("{text} + 'p{i}'")));
    let (_, unit) = &units(&text)[0];
    assert!(!unit.broken);
    let literals = unit.exprs.iter().filter_map(|e| match &e.kind {
        ExprKind::Lit(Lit::Str(text)) => Some(text.to_string()),
        _ => None,
    });
    assert!(literals.eq((0..5_000).map(|i| format!("p{i}"))));
    let text = format!("if a:\n b\n{}else:\n c\n", "elif f(d):\n e\n".repeat(100));
    let (_, unit) = &units(&text)[0];
    assert!(!unit.broken);
    assert_eq!(dump(unit).matches("(call f d)").count(), 100);
}

#[test]
fn broken_text_keeps_its_parts() {
    assert!(lowered("def f(:\n  eval(x)\n").contains("eval"));
    assert!(lowered("def g(a):\n    os.system('ls ' + a\n\ndef h(): pass\n").contains("system"));
    assert!(lowered("x = foo.\ny = 1\n").contains("foo"));
    assert!(units("eval(input(\n").iter().any(|(_, unit)| unit.broken));
}

#[test]
fn cut_texts_do_not_panic() {
    let text = "@a(b)\nclass C(D, e=f()):\n  x: 'y.Z' = 1\n  async def m(self, *, a: b = 1, **c):\n    with (o() as f, g): f'{a!r:>{w}} {b=}' '\\x41'\n    \
        match a, b:\n      case {'k': [v, *_], **r} if -1 < v < 2: del v\n    try: raise X from y\n    except* (A, B) as e: yield\n    \
        finally: return [i async for i in a[1:2, ::3] if (n := i)] or {**a, 'é': 0x_ff}\n";
    for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        lowered(&text[..cut]);
        lowered(&text[cut..]);
        let mut without = text.to_owned();
        without.remove(cut);
        lowered(&without);
    }
}
