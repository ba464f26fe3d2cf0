//! The language-neutral intermediate representation: one small arena per *item* (a top level
//! statement, function or class), structured control flow, no CFG.
//!
//! Every span is in bytes **relative to the first byte of the item**, so that an unchanged item
//! keeps its lowering when text above it moves. A lowering (`lang/<language>.rs`) turns the syntax
//! tree of one item into a [`Unit`]; nothing after it knows which language the text was in.

pub use crate::sym::{Sym, sym};
use std::sync::Arc;

/// A byte range relative to the item's first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range as offsets into the file, given where the item starts.
    pub fn in_file(self, base: usize) -> std::ops::Range<usize> {
        base + self.start as usize..base + self.end as usize
    }
}

/// Index of an expression in its [`Unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);
/// Index of a function in its [`Unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FuncId(pub u32);
/// Index of a class in its [`Unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// A literal. Strings are unescaped; bytes literals are strings too.
#[derive(Clone, Debug, PartialEq)]
pub enum Lit {
    /// A string or bytes literal, unescaped.
    Str(Arc<str>),
    /// An integer that fits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// `None`, `null`, `undefined`.
    Null,
}

/// Binary operators, as far as the interpreter tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    /// `==`, `===`, `is`.
    Eq,
    /// `!=`, `!==`, `is not`.
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
    And,
    Or,
    /// `??`.
    Coalesce,
    /// `x in y` as a membership test (Python; JavaScript's key test).
    In,
    NotIn,
    /// `x instanceof T`.
    InstanceOf,
    Other,
}

/// How an argument, list element or map entry is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Spread {
    /// Not at all.
    #[default]
    No,
    /// `*xs`, `...xs`.
    Positional,
    /// `**kw` (in a call or map literal).
    Keyword,
}

/// One argument of a call.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Keyword name, if given by keyword.
    pub name: Option<Sym>,
    /// The value.
    pub value: ExprId,
    /// Whether the value is spread.
    pub spread: Spread,
    /// The whole argument, keyword included.
    pub span: Span,
}

/// One entry of a map, dict or object literal. `key` is `None` for a spread.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Key expression; identifiers used as keys are string literals. `None` for `**x` / `...x`.
    pub key: Option<ExprId>,
    /// The value (for object methods: a `Func` expression).
    pub value: ExprId,
    /// The whole entry.
    pub span: Span,
}

/// An expression with its place in the text.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A literal.
    Lit(Lit),
    /// A regular expression literal's pattern; flags that change what it means stand in front, as in `(?m)`.
    Regex(Arc<str>),
    /// A variable; `this`/`self` is whatever name the receiver has in the language (`this` in JavaScript).
    Name(Sym),
    /// `object.name`, also `object?.name`.
    Member {
        #[allow(missing_docs)]
        object: ExprId,
        #[allow(missing_docs)]
        name: Sym,
    },
    /// `object[index]`.
    Index {
        #[allow(missing_docs)]
        object: ExprId,
        #[allow(missing_docs)]
        index: ExprId,
    },
    /// `object[a:b]`: a part of a sequence, bounds as given.
    Slice {
        #[allow(missing_docs)]
        object: ExprId,
        #[allow(missing_docs)]
        from: Option<ExprId>,
        #[allow(missing_docs)]
        to: Option<ExprId>,
    },
    /// A call. `new X(a)` is a call with `construct`. JSX `<tag a={b}>c</tag>` is a call of the name
    /// `jsx` with the tag as first argument (string literal for intrinsic tags, expression for
    /// components), attributes as keyword arguments and children as further positional arguments.
    /// A tagged template ``f`a${b}` `` is a call with one `Template` argument and `tagged` set.
    Call {
        #[allow(missing_docs)]
        callee: ExprId,
        #[allow(missing_docs)]
        args: Vec<Arg>,
        /// `new`.
        construct: bool,
        /// A tagged template, not an ordinary call.
        tagged: bool,
    },
    /// A binary operation, comparison, or short-circuit operator. Chained comparisons become `And`.
    Binary {
        #[allow(missing_docs)]
        op: Op,
        #[allow(missing_docs)]
        left: ExprId,
        #[allow(missing_docs)]
        right: ExprId,
    },
    /// Logical negation.
    Not(ExprId),
    /// `typeof x`.
    TypeOf(ExprId),
    /// Numeric negation and the like: the result is a number.
    Unary(ExprId),
    /// `test ? then : other`.
    Cond {
        #[allow(missing_docs)]
        test: ExprId,
        #[allow(missing_docs)]
        then: ExprId,
        #[allow(missing_docs)]
        other: ExprId,
    },
    /// An interpolated string, or adjacent literals: literal parts (`Lit(Str)`) and holes in order.
    Template(Vec<ExprId>),
    /// A hole with a conversion or format (`{x!r:>10}`); `spec` is the text after the value.
    Format {
        #[allow(missing_docs)]
        value: ExprId,
        #[allow(missing_docs)]
        spec: Arc<str>,
    },
    /// List, tuple, set or array literal; spread elements are `Spread` expressions.
    List(Vec<ExprId>),
    /// Dict or object literal.
    Map(Vec<Entry>),
    /// A comprehension or generator: `element for target in iter if conditions`.
    Comprehension {
        /// Produced element (the value for a dict comprehension).
        element: ExprId,
        /// Bound patterns with what they iterate over.
        clauses: Vec<(Pattern, ExprId)>,
        /// Filters.
        conditions: Vec<ExprId>,
    },
    /// A lambda, arrow function, function expression or object method.
    Func(FuncId),
    /// A class expression.
    Class(ClassId),
    /// `await x`, `yield x`, TypeScript `x as T`, `x!`, parentheses: the value of `x`.
    Await(ExprId),
    /// An assignment used as a value (`a = b` in JavaScript, `:=` in Python).
    Assign {
        #[allow(missing_docs)]
        target: Box<Pattern>,
        #[allow(missing_docs)]
        value: ExprId,
    },
    /// `*x` / `...x` inside a list.
    Spread(ExprId),
    /// Anything else: its value may be made of these parts.
    Opaque(Vec<ExprId>),
}

/// The target of a binding.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A variable with the place of its name.
    Name(Sym, Span),
    /// `object.name = ..`.
    Member {
        #[allow(missing_docs)]
        object: ExprId,
        #[allow(missing_docs)]
        name: Sym,
        /// The whole target.
        span: Span,
    },
    /// `object[index] = ..`.
    Index {
        #[allow(missing_docs)]
        object: ExprId,
        #[allow(missing_docs)]
        index: ExprId,
        /// The whole target.
        span: Span,
    },
    /// `a, b = ..`, `[a, b] = ..`.
    List(Vec<Pattern>),
    /// `{ a, b: c } = ..`: `(key, pattern)`.
    Map(Vec<(Sym, Pattern)>),
    /// A pattern with a default value.
    Default(Box<Pattern>, ExprId),
    /// The rest of a list, map or parameter list.
    Rest(Box<Pattern>),
    /// Nothing is bound.
    Ignore,
}

/// A statement with its place in the text.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where it stands (the whole statement).
    pub span: Span,
}

/// One `except`/`catch` clause.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Caught types; empty = everything.
    pub types: Vec<ExprId>,
    /// Name bound to the error.
    pub name: Option<Sym>,
    /// Body.
    pub body: Vec<Stmt>,
    /// The whole clause.
    pub span: Span,
}

/// One case of a `switch`/`match`.
#[derive(Clone, Debug)]
pub struct Case {
    /// Values compared with; empty = default.
    pub tests: Vec<ExprId>,
    /// Body; falls through into the next case unless it ends in a jump (C family) — see [`StmtKind::Switch`].
    pub body: Vec<Stmt>,
}

/// What a statement is.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// A binding or assignment, `with x as y`, `const y = x`; augmented assignment has `op` set.
    Assign {
        #[allow(missing_docs)]
        target: Pattern,
        /// `+=` and friends.
        op: Option<Op>,
        #[allow(missing_docs)]
        value: ExprId,
        /// A declared type, as an expression (`flask.Request`, `Map<string, number>` = `Index`).
        ty: Option<ExprId>,
        /// A name in the target is a new variable of the function around it (a declaration, any assignment in Python), not one
        /// that an enclosing function may have.
        declares: bool,
    },
    /// A declaration without value: `let x: T`, `x: T`.
    Declare {
        #[allow(missing_docs)]
        target: Pattern,
        #[allow(missing_docs)]
        ty: Option<ExprId>,
    },
    /// An expression evaluated for its effect.
    Expr(ExprId),
    /// Branch.
    If {
        #[allow(missing_docs)]
        test: ExprId,
        #[allow(missing_docs)]
        then: Vec<Stmt>,
        #[allow(missing_docs)]
        other: Vec<Stmt>,
    },
    /// Any loop. `for x in xs` has binding and iter; `while t` has test; C-style `for` has its init before
    /// the loop and its step at the end of the body. `do`/`while` has its test after the body.
    Loop {
        #[allow(missing_docs)]
        binding: Option<Pattern>,
        #[allow(missing_docs)]
        iter: Option<ExprId>,
        #[allow(missing_docs)]
        test: Option<ExprId>,
        /// The body runs once before the test is looked at.
        test_last: bool,
        #[allow(missing_docs)]
        body: Vec<Stmt>,
        /// Python's `else`.
        other: Vec<Stmt>,
    },
    /// `switch`/`match`.
    Switch {
        #[allow(missing_docs)]
        subject: ExprId,
        #[allow(missing_docs)]
        cases: Vec<Case>,
        /// Cases fall through (C family).
        fallthrough: bool,
    },
    /// `try`.
    Try {
        #[allow(missing_docs)]
        body: Vec<Stmt>,
        #[allow(missing_docs)]
        handlers: Vec<Handler>,
        /// Python's `else`.
        other: Vec<Stmt>,
        #[allow(missing_docs)]
        finally: Vec<Stmt>,
    },
    /// `return`.
    Return(Option<ExprId>),
    /// `raise`, `throw`.
    Throw(Option<ExprId>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `assert t`.
    Assert(ExprId),
    /// A named function definition.
    Func(FuncId),
    /// A named class definition.
    Class(ClassId),
    /// `local` names the thing at `path`. Paths are dotted: `import os.path as p` = `p -> os.path`,
    /// `from a.b import c` = `c -> a.b.c`, `import a.b` = `a -> a`; relative imports keep their dots
    /// (`from .m import f` = `f -> .m.f`). JavaScript: `const x = require("m")`, `import x from "m"` and
    /// `import * as x from "m"` = `x -> m`, `import { a as b } from "m"` = `b -> m.a`, a leading `node:` is
    /// dropped; relative specifiers stay as written (`./m`), the member after a dot (`./m.a`).
    Import {
        #[allow(missing_docs)]
        local: Sym,
        #[allow(missing_docs)]
        path: Sym,
        /// The module part of `path` as written (`a.b`, `./m`), for cross-file resolution.
        module: Sym,
        /// The imported member, `None` for the whole module.
        member: Option<Sym>,
    },
    /// JavaScript: `export { local as name }`, `export default x`, `module.exports.name = x` (`name` =
    /// `default` for `export default` and `module.exports = x`). The declaration itself is a statement of its own.
    Export {
        #[allow(missing_docs)]
        name: Sym,
        #[allow(missing_docs)]
        value: ExprId,
    },
    /// `global x`, `nonlocal x`.
    Global(Vec<Sym>),
    /// `del x`, `delete x`.
    Delete(Vec<ExprId>),
    /// A block with its own statements and nothing else to say.
    Block(Vec<Stmt>),
}

/// How a parameter takes its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ParamKind {
    /// By position or name.
    #[default]
    Normal,
    /// `*args`, `...rest`.
    Rest,
    /// `**kwargs`.
    KeywordRest,
    /// After `*`: by name only.
    KeywordOnly,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// What it binds (without default).
    pub pattern: Pattern,
    /// Its name, if the pattern is one.
    pub name: Option<Sym>,
    /// Declared type as an expression.
    pub ty: Option<ExprId>,
    /// Default value.
    pub default: Option<ExprId>,
    #[allow(missing_docs)]
    pub kind: ParamKind,
    /// Decorators on the parameter (TypeScript: `@Body() dto`).
    pub decorators: Vec<ExprId>,
    /// The whole parameter.
    pub span: Span,
}

/// A function, method, lambda or arrow function.
#[derive(Clone, Debug)]
pub struct Func {
    /// Name, if it has one (for `const f = () => ..` the variable's name).
    pub name: Option<Sym>,
    /// Parameters; a method's receiver is a parameter only where the language writes it (Python's `self`).
    pub params: Vec<Param>,
    /// Decorators, outermost first.
    pub decorators: Vec<ExprId>,
    /// Declared result type.
    pub returns: Option<ExprId>,
    /// Body; an expression body is one `Return`.
    pub body: Vec<Stmt>,
    /// `async`.
    pub is_async: bool,
    /// Static method (JavaScript `static`, Python `@staticmethod`).
    pub is_static: bool,
    /// The whole function, decorators included.
    pub span: Span,
    /// The name, or the first token of a nameless function.
    pub name_span: Span,
    /// The body's statements, from the first byte of the first to the last byte of the last; the block
    /// with its braces in brace languages.
    pub body_span: Span,
}

/// A field of a class body.
#[derive(Clone, Debug)]
pub struct Field {
    #[allow(missing_docs)]
    pub name: Sym,
    #[allow(missing_docs)]
    pub value: Option<ExprId>,
    #[allow(missing_docs)]
    pub ty: Option<ExprId>,
    /// Decorators on the field.
    pub decorators: Vec<ExprId>,
    #[allow(missing_docs)]
    pub span: Span,
}

/// A class or interface.
#[derive(Clone, Debug)]
pub struct Class {
    /// Name, if it has one.
    pub name: Option<Sym>,
    /// Base classes and implemented interfaces.
    pub bases: Vec<ExprId>,
    /// Decorators.
    pub decorators: Vec<ExprId>,
    /// Methods and constructor (JavaScript: named `constructor`; Python: `__init__`).
    pub methods: Vec<FuncId>,
    /// Fields (also TypeScript constructor parameter properties).
    pub fields: Vec<Field>,
    /// Other statements of the class body (nested classes, calls).
    pub body: Vec<Stmt>,
    /// Only a type (an interface, a type with a name): nothing of it is there when the program runs.
    pub is_type: bool,
    /// Only another name of this type.
    pub alias: Option<ExprId>,
    /// The whole class.
    pub span: Span,
    /// The name.
    pub name_span: Span,
}

/// One lowered item.
#[derive(Debug, Default)]
pub struct Unit {
    /// All expressions.
    pub exprs: Vec<Expr>,
    /// All functions, nested ones included.
    pub funcs: Vec<Func>,
    /// All classes.
    pub classes: Vec<Class>,
    /// The item's statements.
    pub body: Vec<Stmt>,
    /// Comments in the item, in order.
    pub comments: Vec<Span>,
    /// The item holds a syntax error, or was too deep to be lowered whole.
    pub broken: bool,
}

impl Unit {
    /// Shows every statement, those of functions and classes included.
    pub fn each_statement<'u>(&'u self, see: &mut dyn FnMut(&'u Stmt)) {
        statements(&self.body, see);
        for f in &self.funcs {
            statements(&f.body, see);
        }
        for c in &self.classes {
            statements(&c.body, see);
        }
    }

    /// The expression `id`.
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }
    /// The function `id`.
    pub fn func(&self, id: FuncId) -> &Func {
        &self.funcs[id.0 as usize]
    }
    /// The class `id`.
    pub fn class(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }
    /// Adds an expression.
    pub fn push(&mut self, kind: ExprKind, span: Span) -> ExprId {
        self.exprs.push(Expr { kind, span });
        ExprId(self.exprs.len() as u32 - 1)
    }
}

/// Shows each of these statements and those in them.
fn statements<'u>(body: &'u [Stmt], see: &mut dyn FnMut(&'u Stmt)) {
    for s in body {
        see(s);
        match &s.kind {
            StmtKind::If { then, other, .. } => {
                statements(then, see);
                statements(other, see);
            }
            StmtKind::Loop { body, other, .. } => {
                statements(body, see);
                statements(other, see);
            }
            StmtKind::Switch { cases, .. } => {
                for c in cases {
                    statements(&c.body, see);
                }
            }
            StmtKind::Try { body, handlers, other, finally } => {
                statements(body, see);
                for h in handlers {
                    statements(&h.body, see);
                }
                statements(other, see);
                statements(finally, see);
            }
            StmtKind::Block(body) => statements(body, see),
            _ => {}
        }
    }
}
