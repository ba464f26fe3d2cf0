//! Where a value stands in a piece of SQL: a small tokenizer over text with holes.

use super::shape::Part;
use std::ops::Range;

/// What can be done with a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Parts that one placeholder takes the place of: the hole, its quotes, and text inside the quotes.
    Value(Range<usize>),
    /// It must stay in the text; why.
    Kept(&'static str),
}

const NAME: &str = "stands where the name of a table or column belongs, which can't be a parameter: choose it from a fixed list";
const CLAUSE: &str = "is a piece of the query itself, which can't be a parameter";
const LIST: &str = "may be a list: IN needs one placeholder for each element";

/// What opened a parenthesis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Paren {
    Values,
    In,
    Function,
    Columns,
    Other,
}

/// An SQL statement read so far.
#[derive(Default)]
struct State {
    /// Words in upper case and punctuation, the last ones last.
    tokens: Vec<String>,
    parens: Vec<Paren>,
    word: String,
    /// The last keyword that starts a clause, one for each open parenthesis and one for the outside.
    clause: Vec<String>,
}

/// For each hole (by index of its part): what can be done with it, and how many placeholders (`?`, `%s`) of the text stand before it.
pub(super) fn places(parts: &[Part], style: &str) -> Vec<(usize, Place, usize)> {
    let mut out: Vec<(usize, Place, usize)> = Vec::new();
    let mut state = State { clause: vec![String::new()], ..State::default() };
    let mut placeholders = 0;
    let mut i = 0;
    while i < parts.len() {
        match &parts[i] {
            Part::Join(_) => i += 1,
            Part::Hole(_) => {
                let glued = !state.word.is_empty();
                state.end_word();
                let place = if glued { Place::Kept(NAME) } else { state.value(parts, i) };
                out.push((i, place, placeholders));
                state.push("?");
                i += 1;
            }
            Part::Char(quote @ ('\'' | '"' | '`'), _) => {
                state.end_word();
                let end = closing(parts, i, *quote);
                let holes: Vec<usize> = (i..end).filter(|k| matches!(parts[*k], Part::Hole(_))).collect();
                let literal = *quote == '\'' || *quote == '"' && state.compares();
                let closed = end > i + 1 && matches!(&parts[end - 1], Part::Char(c, _) if c == quote);
                for hole in holes {
                    let place = match (literal && closed, state.standing()) {
                        (false, _) => Place::Kept(NAME),
                        (true, None) => Place::Value(i..end),
                        (true, Some(why)) => Place::Kept(why),
                    };
                    out.push((hole, place, placeholders));
                }
                state.push("?");
                i = end;
            }
            Part::Char('-', _) if matches!(parts.get(i + 1), Some(Part::Char('-', _))) => {
                while i < parts.len() && !matches!(parts[i], Part::Char('\n', _)) {
                    if matches!(parts[i], Part::Hole(_)) {
                        out.push((i, Place::Kept("stands in a comment"), placeholders));
                    }
                    i += 1;
                }
            }
            Part::Char(c, _) => {
                let next = match parts.get(i + 1) {
                    Some(Part::Char(n, _)) => *n,
                    _ => ' ',
                };
                if *c == '?' && style == "?" || *c == '%' && next == 's' && style == "%s" {
                    placeholders += 1;
                }
                state.char(*c);
                i += 1;
            }
        }
    }
    out
}

/// One past the quote that closes the one at `from`.
fn closing(parts: &[Part], from: usize, quote: char) -> usize {
    let mut i = from + 1;
    while i < parts.len() {
        if matches!(&parts[i], Part::Char(c, _) if *c == quote) {
            if matches!(parts.get(i + 1), Some(Part::Char(c, _)) if *c == quote) {
                i += 2;
                continue;
            }
            return i + 1;
        }
        i += 1;
    }
    parts.len()
}

impl State {
    fn char(&mut self, c: char) {
        if c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | ':' | '$') {
            self.word.push(c.to_ascii_uppercase());
            return;
        }
        self.end_word();
        match c {
            '(' => {
                self.parens.push(self.opened());
                self.clause.push(String::new());
                self.push("(");
            }
            ')' => {
                self.parens.pop();
                if self.clause.len() > 1 {
                    self.clause.pop();
                }
                self.push(")");
            }
            c if c.is_whitespace() => {}
            c => {
                // `<=`, `||` and the like are told by their last character.
                let c = c.to_string();
                self.push(&c);
            }
        }
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        if matches!(
            word.as_str(),
            "SELECT" | "FROM" | "WHERE" | "SET" | "VALUES" | "INTO" | "LIMIT" | "OFFSET" | "BY" | "HAVING" | "ON" | "RETURNING" | "JOIN"
        ) && let Some(last) = self.clause.last_mut()
        {
            last.clone_from(&word);
        }
        self.push(&word);
    }

    fn push(&mut self, token: &str) {
        self.tokens.push(token.to_string());
    }

    fn last(&self) -> &str {
        self.tokens.last().map_or("", String::as_str)
    }

    fn clause(&self) -> &str {
        self.clause.last().map_or("", String::as_str)
    }

    fn opened(&self) -> Paren {
        let before = self.tokens.len().checked_sub(2).map_or("", |i| self.tokens[i].as_str());
        match self.last() {
            "VALUES" | "VALUE" => Paren::Values,
            "," if self.clause() == "VALUES" => Paren::Values,
            "IN" => Paren::In,
            "AND" | "OR" | "NOT" | "WHERE" | "ON" | "FROM" | "SELECT" | "EXISTS" | "SET" | "AS" | "" | "ANY" | "ALL" => Paren::Other,
            word if before == "INTO" || before == "TABLE" || self.clause() == "INTO" && word != "(" => Paren::Columns,
            word if word.starts_with(|c: char| c.is_alphabetic()) => Paren::Function,
            _ => Paren::Other,
        }
    }

    /// Whether what comes next is compared with something.
    fn compares(&self) -> bool {
        self.standing().is_none()
    }

    /// Whether a value can stand here; why not, otherwise.
    fn standing(&self) -> Option<&'static str> {
        let inner = self.parens.last().copied();
        match self.last() {
            "=" | "<" | ">" | "LIKE" | "ILIKE" | "GLOB" | "REGEXP" | "RLIKE" | "MATCH" | "LIMIT" | "OFFSET" | "BETWEEN" | "|" | "+"
            | "-" | "*" | "/" | "THEN" | "ELSE" | "ESCAPE" | "IS" | "~" => None,
            "AND" => {
                let between = self.tokens.iter().rev().skip(1).find(|t| matches!(t.as_str(), "BETWEEN" | "AND" | "OR" | "WHERE"));
                if between.is_some_and(|t| t == "BETWEEN") { None } else { Some(CLAUSE) }
            }
            "(" | "," => match inner {
                Some(Paren::Values | Paren::In | Paren::Function) => None,
                Some(Paren::Columns) => Some(NAME),
                Some(Paren::Other) => Some(CLAUSE),
                None if self.clause() == "LIMIT" => None,
                None => Some(NAME),
            },
            "IN" => Some(LIST),
            "WHERE" | "HAVING" | "ON" | "OR" | "NOT" | "VALUES" | "VALUE" | "INTERVAL" | "DATE" | "TIMESTAMP" | "" | ")" | "?" | ";" => {
                Some(CLAUSE)
            }
            _ => Some(NAME),
        }
    }

    fn value(&self, parts: &[Part], at: usize) -> Place {
        let next = parts[at + 1..].iter().find(|p| !matches!(p, Part::Join(_)));
        let glued = match next {
            Some(Part::Char(c, _)) => c.is_alphanumeric() || matches!(c, '_' | '.' | '(' | '"' | '`'),
            Some(Part::Hole(_)) => true,
            _ => false,
        };
        if glued {
            return Place::Kept(NAME);
        }
        if let Some(why) = self.standing() {
            return Place::Kept(why);
        }
        let lone = matches!(parts[at + 1..].iter().find(|p| !matches!(p, Part::Char(c, _) if c.is_whitespace())), Some(Part::Char(')', _)));
        if self.last() == "(" && self.parens.last() == Some(&Paren::In) && lone {
            return Place::Kept(LIST);
        }
        Place::Value(at..at + 1)
    }
}
