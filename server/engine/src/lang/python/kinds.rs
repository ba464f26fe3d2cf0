//! Node kinds and fields of the Python grammar, looked up once: a kind's name would have to be measured
//! and compared at each node, and the lowering runs at each key press.

use smallvec::SmallVec;
use std::{num::NonZeroU16, sync::LazyLock};
use tree_sitter::{Language, Node};

macro_rules! kinds {
    ($($variant:ident $name:literal)*) => {
        /// A named node kind the lowering tells apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($variant,)* Error, Other }

        static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
            let language: Language = tree_sitter_python::LANGUAGE.into();
            (0..language.node_kind_count() as u16)
                .map(|id| match language.node_kind_for_id(id) {
                    $(Some($name) if language.node_kind_is_named(id) => Kind::$variant,)*
                    _ => Kind::Other,
                })
                .collect()
        });
    };
}

kinds! {
    AliasedImport "aliased_import"
    ArgumentList "argument_list"
    AsPattern "as_pattern"
    AsPatternTarget "as_pattern_target"
    AssertStatement "assert_statement"
    Assignment "assignment"
    Attribute "attribute"
    AugmentedAssignment "augmented_assignment"
    Await "await"
    BinaryOperator "binary_operator"
    Block "block"
    BooleanOperator "boolean_operator"
    BreakStatement "break_statement"
    Call "call"
    CaseClause "case_clause"
    CasePattern "case_pattern"
    Chevron "chevron"
    ClassDefinition "class_definition"
    ClassPattern "class_pattern"
    Comment "comment"
    ComparisonOperator "comparison_operator"
    ConcatenatedString "concatenated_string"
    ConditionalExpression "conditional_expression"
    ConstrainedType "constrained_type"
    ContinueStatement "continue_statement"
    DecoratedDefinition "decorated_definition"
    Decorator "decorator"
    DefaultParameter "default_parameter"
    DeleteStatement "delete_statement"
    DictPattern "dict_pattern"
    Dictionary "dictionary"
    DictionaryComprehension "dictionary_comprehension"
    DictionarySplat "dictionary_splat"
    DictionarySplatPattern "dictionary_splat_pattern"
    DottedName "dotted_name"
    ElifClause "elif_clause"
    ElseClause "else_clause"
    ExceptClause "except_clause"
    ExecStatement "exec_statement"
    ExpressionList "expression_list"
    ExpressionStatement "expression_statement"
    False "false"
    FinallyClause "finally_clause"
    Float "float"
    ForInClause "for_in_clause"
    ForStatement "for_statement"
    FormatExpression "format_expression"
    FunctionDefinition "function_definition"
    FutureImportStatement "future_import_statement"
    GeneratorExpression "generator_expression"
    GenericType "generic_type"
    GlobalStatement "global_statement"
    Identifier "identifier"
    IfClause "if_clause"
    IfStatement "if_statement"
    ImportFromStatement "import_from_statement"
    ImportStatement "import_statement"
    Integer "integer"
    Interpolation "interpolation"
    KeywordArgument "keyword_argument"
    KeywordPattern "keyword_pattern"
    KeywordSeparator "keyword_separator"
    Lambda "lambda"
    LambdaParameters "lambda_parameters"
    List "list"
    ListComprehension "list_comprehension"
    ListPattern "list_pattern"
    ListSplat "list_splat"
    ListSplatPattern "list_splat_pattern"
    MatchStatement "match_statement"
    MemberType "member_type"
    NamedExpression "named_expression"
    None "none"
    NonlocalStatement "nonlocal_statement"
    NotOperator "not_operator"
    Pair "pair"
    Parameters "parameters"
    ParenthesizedExpression "parenthesized_expression"
    ParenthesizedListSplat "parenthesized_list_splat"
    PassStatement "pass_statement"
    PatternList "pattern_list"
    PositionalSeparator "positional_separator"
    PrintStatement "print_statement"
    RaiseStatement "raise_statement"
    ReturnStatement "return_statement"
    Set "set"
    SetComprehension "set_comprehension"
    Slice "slice"
    SplatPattern "splat_pattern"
    SplatType "splat_type"
    String "string"
    StringContent "string_content"
    StringEnd "string_end"
    StringStart "string_start"
    Subscript "subscript"
    True "true"
    TryStatement "try_statement"
    Tuple "tuple"
    TuplePattern "tuple_pattern"
    Type "type"
    TypeAliasStatement "type_alias_statement"
    TypeParameter "type_parameter"
    TypedDefaultParameter "typed_default_parameter"
    TypedParameter "typed_parameter"
    UnaryOperator "unary_operator"
    UnionPattern "union_pattern"
    UnionType "union_type"
    WhileStatement "while_statement"
    WildcardImport "wildcard_import"
    WithClause "with_clause"
    WithItem "with_item"
    WithStatement "with_statement"
    Yield "yield"
}

/// The node's kind; anonymous tokens are `Other`.
pub(super) fn kind(node: Node<'_>) -> Kind {
    // The error node's id lies outside the grammar's table.
    KINDS.get(node.kind_id() as usize).copied().unwrap_or(Kind::Error)
}

macro_rules! fields {
    ($($field:ident $name:literal)*) => {
        /// The ids of the fields the lowering asks for.
        pub(super) struct Fields { $(pub(super) $field: u16,)* }

        /// See [`Fields`].
        pub(super) static F: LazyLock<Fields> = LazyLock::new(|| {
            let language: Language = tree_sitter_python::LANGUAGE.into();
            Fields { $($field: language.field_id_for_name($name).map_or(0, u16::from),)* }
        });
    };
}

fields! {
    alias "alias"
    alternative "alternative"
    argument "argument"
    arguments "arguments"
    attribute "attribute"
    body "body"
    cause "cause"
    condition "condition"
    consequence "consequence"
    definition "definition"
    expression "expression"
    format_specifier "format_specifier"
    function "function"
    guard "guard"
    key "key"
    left "left"
    module_name "module_name"
    name "name"
    object "object"
    operator "operator"
    parameters "parameters"
    return_type "return_type"
    right "right"
    subject "subject"
    subscript "subscript"
    superclasses "superclasses"
    ty "type"
    value "value"
}

/// The first child in the field.
pub(super) fn field(node: Node<'_>, id: u16) -> Option<Node<'_>> {
    node.child_by_field_id(id)
}

/// All named children in the field.
pub(super) fn all(node: Node<'_>, id: u16) -> SmallVec<[Node<'_>; 2]> {
    let Some(id) = NonZeroU16::new(id) else { return SmallVec::new() };
    let mut cursor = node.walk();
    node.children_by_field_id(id, &mut cursor).filter(Node::is_named).collect()
}

/// The first named child that is neither a comment nor skipped text.
pub(super) fn first(node: Node<'_>) -> Option<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).find(|n| !n.is_extra())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_field_is_the_grammars() {
        let language: Language = tree_sitter_python::LANGUAGE.into();
        assert!(KINDS.contains(&Kind::Yield) && KINDS.contains(&Kind::AliasedImport));
        for id in 0..language.node_kind_count() as u16 {
            let name = language.node_kind_for_id(id).unwrap();
            let public = language.node_kind_is_visible(id) && language.node_kind_is_named(id);
            let left_out = [
                "module",
                "dotted_name",
                "import_prefix",
                "relative_import",
                "escape_sequence",
                "escape_interpolation",
                "line_continuation",
                "ellipsis",
                "complex_pattern",
                "keyword_identifier",
                "type_conversion",
                "format_specifier",
                "expression",
                "primary_expression",
                "pattern",
                "parameter",
            ];
            if public && KINDS[id as usize] == Kind::Other {
                assert!(left_out.contains(&name) || name.starts_with('_'), "{name} is not in the table");
            }
        }
        let ids = [F.alias, F.alternative, F.cause, F.guard, F.ty, F.superclasses, F.return_type, F.key];
        assert!(!ids.contains(&0));
    }
}
