//! Python (2 and 3, as far as one grammar reads both) to the IR.

mod def;
mod expr;
mod imports;
mod kinds;
mod matching;
mod stmt;
mod strings;
mod target;
#[cfg(test)]
mod tests;
mod types;

use super::Lowering;
use tree_sitter::Node;

/// Names that are there without an import.
pub(super) const GLOBALS: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "Exception",
    "FileExistsError",
    "FileNotFoundError",
    "ImportError",
    "IndexError",
    "KeyError",
    "LookupError",
    "NameError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PermissionError",
    "RuntimeError",
    "StopIteration",
    "SystemExit",
    "TimeoutError",
    "TypeError",
    "UnicodeError",
    "ValueError",
    "__file__",
    "__name__",
    "abs",
    "all",
    "any",
    "ascii",
    "bool",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
];

/// Lowers one top level node of a Python file.
pub(super) fn lower(lowering: &mut Lowering<'_>, item: Node<'_>) {
    let mut body = Vec::new();
    stmt::stmt(lowering, item, &mut body);
    lowering.unit.body = body;
}
