//! Strings that are put together: their characters and holes, each with its place in the file, whatever
//! way they were put together (interpolation, `+`, `%`, `.format`).

use super::{edits::Edits, site::Context};
use crate::{ir::ExprId, lang::Language};
use std::ops::Range;
use tree_sitter::Node;

/// One element of the string.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// A character of the text and the bytes that stand for it.
    Char(char, Range<usize>),
    Hole(Hole),
    /// Where one literal ends and the next begins: source that is kept.
    Join(Range<usize>),
}

/// A place where a value is put in.
#[derive(Clone, Debug)]
pub(super) struct Hole {
    /// Source text of the value.
    pub code: String,
    /// Where the value itself stands.
    pub value: Range<usize>,
    /// What is to be replaced with the hole, delimiters included.
    pub range: Range<usize>,
    /// What has to follow the replacement so that the literals around it stay whole.
    pub glue: String,
    /// The value was made a string by hand: `str(x)`; this is `x`.
    pub bare: Option<String>,
    /// A format that a value by itself would not have (`:>10`).
    pub formatted: bool,
}

/// A string token of the source.
#[derive(Clone, Debug)]
struct Token {
    range: Range<usize>,
    /// Text between the quotes.
    content: Range<usize>,
    /// Index of its first and last part.
    parts: Range<usize>,
    doubled: bool,
}

/// A string with all its parts.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub parts: Vec<Part>,
    tokens: Vec<Token>,
    /// Source to take away when the holes are gone (`% args`, `.format(..)`).
    tail: Option<Range<usize>>,
    /// Doubled characters that become single ones then: `%%` or `{{`.
    percent: bool,
}

impl Shape {
    /// The shape of an expression. The error says what is not understood.
    pub(super) fn of(context: &Context<'_>, id: ExprId) -> Result<Shape, String> {
        let node = context.node(id).ok_or("the text is put together in a way that is not understood")?;
        let mut reader = Reader { text: &context.file.text, language: context.file.language, parts: Vec::new(), tokens: Vec::new() };
        let (mut tail, mut percent) = (None, false);
        match node.kind() {
            "binary_operator" if reader.operator(node) == "%" && reader.is_text(left(node)) => {
                let (l, r) = (left(node), node.child_by_field_name("right"));
                reader.read(l.ok_or("a part is missing")?)?;
                let values = values_of_percent(reader.text, r.ok_or("a part is missing")?)?;
                reader.percent(&values)?;
                tail = l.map(|l| l.end_byte()..node.end_byte());
                percent = true;
            }
            "call" if reader.is_format(node) => {
                let function = node.child_by_field_name("function").ok_or("a part is missing")?;
                let object = function.child_by_field_name("object").ok_or("a part is missing")?;
                reader.read(object)?;
                let arguments = node.child_by_field_name("arguments").ok_or("a part is missing")?;
                reader.format(arguments)?;
                tail = Some(object.end_byte()..node.end_byte());
            }
            _ => reader.read(node)?,
        }
        let Reader { parts, tokens, .. } = reader;
        Ok(Shape { parts, tokens, tail, percent })
    }

    pub(super) fn holes(&self) -> impl Iterator<Item = (usize, &Hole)> {
        self.parts.iter().enumerate().filter_map(|(i, p)| if let Part::Hole(h) = p { Some((i, h)) } else { None })
    }

    /// Replaces parts `from..to` with `text`.
    pub(super) fn replace(&self, parts: Range<usize>, text: &str, edits: &mut Edits) {
        let range = |p: &Part| match p {
            Part::Char(_, r) | Part::Join(r) => r.clone(),
            Part::Hole(h) => h.range.clone(),
        };
        let slice = &self.parts[parts];
        let (Some(first), Some(last)) = (slice.first(), slice.last()) else { return };
        edits.replace(range(first).start..range(last).end, text);
    }

    /// Takes away what held the values, when no hole is left that `kept` names: prefixes, doubled characters, `% args`.
    /// `gone` are the parts that were replaced. Joins inside them are the caller's.
    pub(super) fn settle(&self, kept: &[usize], gone: &[Range<usize>], file: &str, edits: &mut Edits) -> Result<(), String> {
        let replaced = |i: usize| gone.iter().any(|g| g.contains(&i));
        if let Some(tail) = &self.tail {
            if !kept.is_empty() {
                return Err("some of the values must stay in the text, and the others can't be told from them".into());
            }
            edits.replace(tail.clone(), "");
        }
        for token in &self.tokens {
            let prefix = file.get(token.range.start..token.content.start).unwrap_or_default();
            let own = |i: &usize| token.parts.contains(i);
            let interpolated = self.tail.is_none() && token.doubled;
            let template = prefix == "`";
            if self.tail.is_none() && !interpolated && !template || kept.iter().any(own) {
                continue;
            }
            let had_holes = token.parts.clone().any(|i| matches!(self.parts[i], Part::Hole(_)));
            if template {
                if had_holes {
                    requote(file, token, edits);
                }
                continue;
            }
            if interpolated {
                let letters = prefix.trim_end_matches(['"', '\'']);
                let kept: String = letters.chars().filter(|c| !matches!(c, 'f' | 'F')).collect();
                edits.replace(token.range.start..token.range.start + letters.len(), kept);
            }
            for i in token.parts.clone().filter(|i| !replaced(*i)) {
                if let Part::Char(c, range) = &self.parts[i]
                    && range.len() == 2
                    && matches!(c, '{' | '}' | '%')
                    && (self.percent == (*c == '%'))
                {
                    edits.replace(range.clone(), c.to_string());
                }
            }
        }
        Ok(())
    }

    /// Range of a doubled `%` that stands for one.
    pub(super) fn is_percent_format(&self) -> bool {
        self.percent
    }
}

/// A template literal without holes becomes a plain string, if it can.
fn requote(file: &str, token: &Token, edits: &mut Edits) {
    let content = file.get(token.content.clone()).unwrap_or_default();
    if content.contains(['\n', '\\']) {
        return;
    }
    let first = super::edits::quote(file);
    let other = if first == '"' { '\'' } else { '"' };
    if let Some(q) = [first, other].into_iter().find(|q| !outside_holes(content).contains(*q)) {
        edits.replace(token.range.start..token.content.start, q.to_string());
        edits.replace(token.content.end..token.range.end, q.to_string());
    }
}

/// The text of a template without its holes.
fn outside_holes(content: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    let mut previous = ' ';
    for c in content.chars() {
        match c {
            '{' if depth > 0 || previous == '$' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
        previous = c;
    }
    out
}

fn left(node: Node<'_>) -> Option<Node<'_>> {
    let mut l = node.child_by_field_name("left")?;
    while l.kind() == "parenthesized_expression" {
        l = l.named_child(0)?;
    }
    Some(l)
}

/// Values of `text % values`, by position or name.
enum Values {
    List(Vec<(Range<usize>, Option<String>)>),
    Named(Vec<(String, Range<usize>)>),
}

fn values_of_percent(text: &str, right: Node<'_>) -> Result<Values, String> {
    let source = |n: Node<'_>| text.get(n.byte_range()).unwrap_or_default().to_string();
    let mut cursor = right.walk();
    match right.kind() {
        "tuple" => {
            let items: Vec<_> = right.named_children(&mut cursor).filter(|n| !n.is_extra()).collect();
            if items.iter().any(|n| n.kind() == "list_splat") {
                return Err("the values are spread".into());
            }
            Ok(Values::List(items.into_iter().map(|n| (n.byte_range(), stringified(text, n))).collect()))
        }
        "dictionary" => {
            let mut named = Vec::new();
            for pair in right.named_children(&mut cursor).filter(|n| !n.is_extra()) {
                let (Some(k), Some(v)) = (pair.child_by_field_name("key"), pair.child_by_field_name("value")) else {
                    return Err("the values are spread".into());
                };
                named.push((source(k).trim_matches(['"', '\'']).to_string(), v.byte_range()));
            }
            Ok(Values::Named(named))
        }
        "parenthesized_expression" => match right.named_child(0) {
            Some(inner) => Ok(Values::List(vec![(inner.byte_range(), stringified(text, inner))])),
            None => Err("a part is missing".into()),
        },
        _ => Ok(Values::List(vec![(right.byte_range(), stringified(text, right))])),
    }
}

/// `x` of `str(x)` and `String(x)`.
fn stringified(text: &str, node: Node<'_>) -> Option<String> {
    let function = node.child_by_field_name("function")?;
    let name = text.get(function.byte_range())?;
    let arguments = node.child_by_field_name("arguments")?;
    if !matches!(name, "str" | "String") || arguments.named_child_count() != 1 {
        return None;
    }
    let only = arguments.named_child(0)?;
    (!matches!(only.kind(), "keyword_argument" | "list_splat" | "spread_element" | "generator_expression"))
        .then(|| text.get(only.byte_range()).unwrap_or_default().to_string())
}

struct Reader<'a> {
    text: &'a str,
    language: Language,
    parts: Vec<Part>,
    tokens: Vec<Token>,
}

impl<'a> Reader<'a> {
    fn source(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn operator(&self, node: Node<'_>) -> &'a str {
        node.child_by_field_name("operator").map(|o| self.source(o)).unwrap_or_default()
    }

    fn is_text(&self, node: Option<Node<'_>>) -> bool {
        node.is_some_and(|n| matches!(n.kind(), "string" | "concatenated_string"))
    }

    fn is_format(&self, node: Node<'_>) -> bool {
        node.child_by_field_name("function").is_some_and(|f| {
            f.child_by_field_name("attribute").is_some_and(|a| self.source(a) == "format") && self.is_text(f.child_by_field_name("object"))
        })
    }

    fn read(&mut self, node: Node<'_>) -> Result<(), String> {
        let mut operands = Vec::new();
        self.operands(node, &mut operands, 0)?;
        if !operands.iter().any(|n| is_literal(*n)) {
            return Err("the text is not put together here".into());
        }
        for (i, node) in operands.iter().enumerate() {
            if is_literal(*node) {
                if i > 0 && is_literal(operands[i - 1]) {
                    let end = self.tokens.last().map_or(0, |t| t.content.end);
                    let at = self.parts.len();
                    self.literal(*node)?;
                    let start = self.tokens.iter().find(|t| t.parts.start >= at).map_or(end, |t| t.content.start);
                    if let Some(Part::Join(r)) = self.parts.get_mut(at) {
                        *r = end..start;
                    } else {
                        self.shift(at, Part::Join(end..start));
                    }
                } else {
                    self.literal(*node)?;
                }
                continue;
            }
            let Some(previous) = i.checked_sub(1).map(|p| operands[p]).filter(|p| is_literal(*p)) else {
                return Err("a value stands where a name or keyword of the language belongs".into());
            };
            let token = self.tokens.last().cloned().ok_or("a part is missing")?;
            debug_assert!(token.range.end <= previous.end_byte());
            let close = self.text.get(token.content.end..token.range.end).unwrap_or_default();
            let end = closed(self.text, node.end_byte(), token.range.end, node.start_byte());
            let (range, glue) = match operands.get(i + 1).filter(|n| is_literal(**n)) {
                Some(next) => {
                    let first = first_token(*next);
                    let open = opening(self.text, first);
                    let between = self.text.get(end..open.end).unwrap_or_default();
                    let opener = self.text.get(open.clone()).unwrap_or_default();
                    let own = self.text.get(token.range.start..token.content.start).unwrap_or_default();
                    let one_line = !self.text.get(token.content.end..open.end).unwrap_or_default().contains('\n');
                    let glue = if own == opener && one_line { String::new() } else { format!("{close}{between}") };
                    (token.content.end..open.end, glue)
                }
                None => (token.content.end..end, close.to_string()),
            };
            let bare = stringified(self.text, *node);
            self.parts.push(Part::Hole(Hole {
                code: self.source(*node).to_string(),
                value: node.byte_range(),
                range,
                glue,
                bare,
                formatted: false,
            }));
        }
        Ok(())
    }

    /// Puts a part before others that were read already.
    fn shift(&mut self, at: usize, part: Part) {
        self.parts.insert(at, part);
        for t in self.tokens.iter_mut().filter(|t| t.parts.start >= at) {
            t.parts = t.parts.start + 1..t.parts.end + 1;
        }
    }

    fn operands<'t>(&self, node: Node<'t>, out: &mut Vec<Node<'t>>, depth: usize) -> Result<(), String> {
        if depth > 60 {
            return Err("the text is put together of too many parts".into());
        }
        match node.kind() {
            "binary_operator" | "binary_expression" if self.operator(node) == "+" => {
                let (Some(l), Some(r)) = (node.child_by_field_name("left"), node.child_by_field_name("right")) else {
                    return Err("a part is missing".into());
                };
                self.operands(l, out, depth + 1)?;
                self.operands(r, out, depth + 1)?;
            }
            _ => out.push(node),
        }
        Ok(())
    }

    fn literal(&mut self, node: Node<'_>) -> Result<(), String> {
        if node.kind() == "concatenated_string" {
            let mut cursor = node.walk();
            for child in node.named_children(&mut cursor).filter(|n| n.kind() == "string") {
                if self.tokens.last().is_some_and(|t| t.range.start >= node.start_byte()) {
                    let end = self.tokens.last().map_or(0, |t| t.content.end);
                    self.parts.push(Part::Join(end..opening(self.text, child).end));
                }
                self.token(child)?;
            }
            return Ok(());
        }
        self.token(node)
    }

    fn token(&mut self, node: Node<'_>) -> Result<(), String> {
        let open = opening(self.text, node);
        let prefix = self.text.get(open.clone()).unwrap_or_default();
        let letters = prefix.trim_end_matches(['"', '\'', '`']).to_ascii_lowercase();
        let quotes = prefix.len() - letters.len();
        let content = open.end..node.end_byte().saturating_sub(quotes).max(open.end);
        let python = self.language == Language::Python;
        let doubled = python && (letters.contains('f') || letters.contains('t'));
        let raw = letters.contains('r');
        let from = self.parts.len();
        let mut at = content.start;
        let mut cursor = node.walk();
        let holes = node.named_children(&mut cursor).filter(|n| matches!(n.kind(), "interpolation" | "template_substitution"));
        for hole in holes {
            self.chars(at..hole.start_byte(), raw, doubled);
            let inner = hole.child_by_field_name("expression").or_else(|| hole.named_child(0)).ok_or("a hole is empty")?;
            let after = self.text.get(inner.end_byte()..hole.end_byte()).unwrap_or_default();
            let after = after.trim_end_matches('}').trim();
            if after.starts_with('=') {
                return Err("a hole writes its own name into the text".into());
            }
            let mut code = self.source(inner).to_string();
            if let Some(("(", ")")) =
                self.text.get(hole.start_byte() + 1..hole.end_byte() - 1).map(|t| (&t[..1.min(t.len())], &t[t.len().saturating_sub(1)..]))
                && inner.kind() == "parenthesized_expression"
            {
                code = code.trim_start_matches('(').trim_end_matches(')').to_string();
            }
            let formatted = !matches!(after, "" | "!r" | "!s" | "!a");
            let bare = stringified(self.text, inner);
            self.parts.push(Part::Hole(Hole {
                code,
                value: inner.byte_range(),
                range: hole.byte_range(),
                glue: String::new(),
                bare,
                formatted,
            }));
            at = hole.end_byte();
        }
        self.chars(at..content.end, raw, doubled);
        self.tokens.push(Token { range: node.byte_range(), content, parts: from..self.parts.len(), doubled });
        Ok(())
    }

    /// The characters that a piece of source stands for.
    fn chars(&mut self, range: Range<usize>, raw: bool, doubled: bool) {
        let Some(text) = self.text.get(range.clone()) else { return };
        let mut chars = text.char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            let start = range.start + i;
            if c == '\\' && !raw {
                let Some((j, e)) = chars.next() else { break };
                let span = start..range.start + j + e.len_utf8();
                match e {
                    'n' | 'r' => self.parts.push(Part::Char('\n', span)),
                    't' => self.parts.push(Part::Char('\t', span)),
                    '\n' | '\r' => {}
                    c => self.parts.push(Part::Char(c, span)),
                }
                continue;
            }
            let mut span = start..start + c.len_utf8();
            if doubled && matches!(c, '{' | '}') && chars.peek().is_some_and(|(_, n)| *n == c) {
                chars.next();
                span.end += 1;
            }
            self.parts.push(Part::Char(c, span));
        }
    }

    /// Finds the conversions of a `%` format among the characters.
    fn percent(&mut self, values: &Values) -> Result<(), String> {
        let mut next = 0;
        let mut i = 0;
        while i < self.parts.len() {
            let Part::Char('%', start) = self.parts[i].clone() else {
                i += 1;
                continue;
            };
            let char_at = |i: usize| match self.parts.get(i) {
                Some(Part::Char(c, r)) => Some((*c, r.clone())),
                _ => None,
            };
            let (mut c, mut r) = char_at(i + 1).ok_or("a `%` is not followed by a conversion")?;
            let mut end = i + 2;
            if c == '%' {
                self.collapse(i..end, Part::Char('%', start.start..r.end));
                i += 1;
                continue;
            }
            let mut name = None;
            if c == '(' {
                let mut text = String::new();
                loop {
                    let (k, _) = char_at(end).ok_or("a name in the format is not closed")?;
                    end += 1;
                    if k == ')' {
                        break;
                    }
                    text.push(k);
                }
                name = Some(text);
                (c, r) = char_at(end).ok_or("a `%` is not followed by a conversion")?;
                end += 1;
            }
            let formatted = !matches!(c, 's' | 'r' | 'd' | 'i' | 'u');
            if formatted {
                return Err("a value is formatted in a way that a parameter can't be".into());
            }
            let (value, bare) = match (values, name) {
                (Values::List(list), None) => list.get(next).cloned().ok_or("there are fewer values than conversions")?,
                (Values::Named(all), Some(name)) => {
                    let value = all.iter().find(|(k, _)| *k == name).ok_or("a named value is missing")?;
                    (value.1.clone(), None)
                }
                _ => return Err("the values come from elsewhere".into()),
            };
            next += 1;
            let code = self.text.get(value.clone()).unwrap_or_default().to_string();
            let hole = Hole { code, value, range: start.start..r.end, glue: String::new(), bare, formatted: false };
            self.collapse(i..end, Part::Hole(hole));
            i += 1;
        }
        if let Values::List(list) = values
            && list.len() != next
        {
            return Err("there are more values than conversions".into());
        }
        Ok(())
    }

    /// Finds the fields of a `.format` call among the characters.
    fn format(&mut self, arguments: Node<'_>) -> Result<(), String> {
        let mut positional = Vec::new();
        let mut named: Vec<(String, Range<usize>)> = Vec::new();
        let mut cursor = arguments.walk();
        for a in arguments.named_children(&mut cursor).filter(|n| !n.is_extra()) {
            match a.kind() {
                "keyword_argument" => {
                    if let (Some(name), Some(value)) = (a.child_by_field_name("name"), a.child_by_field_name("value")) {
                        named.push((self.source(name).to_string(), value.byte_range()));
                    }
                }
                "list_splat" | "dictionary_splat" => return Err("the values are spread".into()),
                _ => positional.push((a.byte_range(), stringified(self.text, a))),
            }
        }
        let (mut next, mut i) = (0, 0);
        while i < self.parts.len() {
            let Part::Char(c @ ('{' | '}'), start) = self.parts[i].clone() else {
                i += 1;
                continue;
            };
            let mut end = i + 1;
            let mut field = String::new();
            loop {
                let Some(Part::Char(k, r)) = self.parts.get(end).cloned() else { return Err("a field of the format is not closed".into()) };
                end += 1;
                if k == c && field.is_empty() {
                    self.collapse(i..end, Part::Char(c, start.start..r.end));
                    break;
                }
                if k == '}' {
                    let field = field.trim_end_matches("!r").trim_end_matches("!s");
                    let (value, bare) = if field.is_empty() {
                        next += 1;
                        positional.get(next - 1).cloned()
                    } else if let Ok(n) = field.parse::<usize>() {
                        positional.get(n).cloned()
                    } else {
                        named.iter().find(|(k, _)| k == field).map(|(_, v)| (v.clone(), None))
                    }
                    .ok_or("a field of the format is more than a name or number")?;
                    let code = self.text.get(value.clone()).unwrap_or_default().to_string();
                    let hole = Hole { code, value, range: start.start..r.end, glue: String::new(), bare, formatted: false };
                    self.collapse(i..end, Part::Hole(hole));
                    break;
                }
                field.push(k);
            }
            i += 1;
        }
        Ok(())
    }

    /// Makes one part of several.
    fn collapse(&mut self, parts: Range<usize>, by: Part) {
        let less = parts.len() - 1;
        let at = parts.start;
        self.parts.splice(parts, [by]);
        for t in &mut self.tokens {
            if t.parts.start > at {
                t.parts.start -= less;
            }
            if t.parts.end > at {
                t.parts.end -= less;
            }
        }
    }
}

fn is_literal(node: Node<'_>) -> bool {
    matches!(node.kind(), "string" | "concatenated_string" | "template_string")
}

fn first_token(node: Node<'_>) -> Node<'_> {
    if node.kind() == "concatenated_string" { node.named_child(0).unwrap_or(node) } else { node }
}

/// Prefix letters and quotes of a string.
fn opening(text: &str, node: Node<'_>) -> Range<usize> {
    let start = node.start_byte();
    if let Some(first) = node.child(0)
        && first.kind() == "string_start"
    {
        return first.byte_range();
    }
    start..(start + 1).min(text.len())
}

/// The end of an operand with the parentheses that belong to it alone.
fn closed(text: &str, end: usize, from: usize, start: usize) -> usize {
    let open = text.get(from..start).unwrap_or_default().matches('(').count();
    let mut at = end;
    for _ in 0..open {
        match text.get(at..).and_then(|t| t.find(')').filter(|i| t[..*i].trim().is_empty())) {
            Some(i) => at += i + 1,
            None => break,
        }
    }
    at
}

/// An expression, shortened for messages.
pub(super) fn shown(code: &str) -> String {
    let short: String = code.chars().take(40).collect();
    if short.len() < code.len() { format!("{short}…") } else { short }
}
