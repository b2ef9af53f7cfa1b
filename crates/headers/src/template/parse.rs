//! Text to template, by recursive descent. The grammar is in the crate documentation.

use std::ops::Range;

use super::{Argument, Expression, Fallback, Insert, Reference, Segment, Span, Template};
use crate::CompileErrorKind as Kind;
use crate::compile::Problem;
use crate::name::{is_name_start, is_segment_byte};
use crate::suggest::suggest;

const FUNCTIONS: [&str; 4] = ["basic", "base64", "json", "join"];

/// Reads all of it: a placeholder that cannot be read is reported and skipped, so that one run shows them all.
pub(super) fn parse(text: &str) -> (Template, Vec<Problem>) {
    if text.len() > Template::MAX_LEN {
        let problem = Problem::new(Kind::TemplateTooLong, 0..0);
        return (Template { segments: Vec::new() }, vec![problem]);
    }
    let mut parser = Parser { text, position: 0, closer: '}', problems: Vec::new() };
    let segments = parser.template();
    check_ends(text, &mut parser.problems);
    (Template { segments }, parser.problems)
}

type Parsed<T> = Result<T, Problem>;

struct Parser<'a> {
    text: &'a str,
    position: usize,
    closer: char,
    problems: Vec<Problem>,
}

impl Parser<'_> {
    fn template(&mut self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut start = 0;
        while let Some(character) = self.peek() {
            let from = self.position;
            self.bump(character);
            match (character, self.peek()) {
                ('$', Some('$')) => {
                    self.bump('$');
                    literal.push('$');
                }
                ('$', Some(opener @ ('{' | '<'))) => {
                    self.bump(opener);
                    push_literal(&mut segments, &mut literal, start..from);
                    self.closer = if opener == '{' { '}' } else { '>' };
                    match self.insert(from) {
                        Ok(insert) => segments.push(Segment::Insert(insert)),
                        Err(problem) => self.recover(from, problem),
                    }
                    start = self.position;
                }
                _ => {
                    self.check_literal(character, from);
                    literal.push(character);
                }
            }
        }
        push_literal(&mut segments, &mut literal, start..self.position);
        segments
    }

    /// After `${` or `$<`, up to and with the closer.
    fn insert(&mut self, start: usize) -> Parsed<Insert> {
        self.skip_spaces();
        let expression = self.expression()?;
        self.skip_spaces();
        let fallback = self.fallback()?;
        self.skip_spaces();
        if self.peek().is_none() {
            return Err(Problem::new(Kind::Unclosed { closer: self.closer }, start..self.position));
        }
        if !self.eat(self.closer) {
            return Err(self.expected(if self.closer == '}' {
                "`}`, `?` or `:-`"
            } else {
                "`>`, `?` or `:-`"
            }));
        }
        Ok(Insert { expression, fallback, span: Span(start..self.position) })
    }

    fn expression(&mut self) -> Parsed<Expression> {
        let start = self.position;
        let reference = self.reference()?;
        self.skip_spaces();
        if !self.eat('(') {
            return Ok(Expression::Value(reference));
        }
        let name = reference.to_string();
        let expression = match name.as_str() {
            "base64" => Expression::Base64(self.reference_argument()?),
            "json" => Expression::Json(self.reference_argument()?),
            "basic" => {
                let user = self.argument()?;
                self.comma("`,` and the password, as in `basic(USER, TOKEN)`")?;
                Expression::Basic(user, self.argument()?)
            }
            "join" => {
                let list = self.reference_argument()?;
                self.comma("`,` and the separator, as in `join(groups, \";\")`")?;
                let from = self.position;
                let separator =
                    self.string("a separator in quotes, as in `join(groups, \";\")`")?;
                Expression::Join(list, separator, Span(from..self.position))
            }
            _ => {
                let suggestion = suggest(&name, FUNCTIONS);
                let kind = Kind::UnknownFunction { name, suggestion };
                return Err(Problem::new(kind, start..reference.span.0.end));
            }
        };
        self.skip_spaces();
        if !self.eat(')') {
            return Err(self.expected("`)`"));
        }
        Ok(expression)
    }

    fn fallback(&mut self) -> Parsed<Fallback> {
        if self.eat('?') {
            return Ok(Fallback::Omit);
        }
        if !self.text.get(self.position..).is_some_and(|rest| rest.starts_with(":-")) {
            return Ok(Fallback::Refuse);
        }
        self.position += 2;
        let start = self.position;
        let text = match self.peek() {
            Some('"' | '\'') => self.string("a default")?,
            _ => self.bare_default()?,
        };
        let span = start..self.position;
        if text.trim().is_empty() {
            return Err(Problem::new(Kind::EmptyDefault, start - 2..span.end));
        }
        Ok(Fallback::Text(text, Span(span)))
    }

    fn bare_default(&mut self) -> Parsed<String> {
        let start = self.position;
        while let Some(character) = self.peek().filter(|&character| character != self.closer) {
            let from = self.position;
            self.bump(character);
            if character == '$' && matches!(self.peek(), Some('{' | '<')) {
                return Err(Problem::new(Kind::NestedPlaceholder, from..self.position + 1));
            }
            if matches!(character, '"' | '\'' | '\\' | '$') {
                return Err(Problem::new(Kind::UnquotedDefault, from..self.position));
            }
            self.check_literal(character, from);
        }
        let text = self.text.get(start..self.position).unwrap_or_default();
        if !text.trim().is_empty() && text.trim() != text {
            return Err(Problem::new(Kind::UnquotedDefault, start..self.position));
        }
        Ok(text.to_owned())
    }

    fn reference_argument(&mut self) -> Parsed<Reference> {
        self.skip_spaces();
        self.reference()
    }

    fn argument(&mut self) -> Parsed<Argument> {
        self.skip_spaces();
        let start = self.position;
        if matches!(self.peek(), Some('"' | '\'')) {
            let text = self.string("a text")?;
            return Ok(Argument::Text(text, Span(start..self.position)));
        }
        self.reference().map(Argument::Reference)
    }

    fn comma(&mut self, expected: &'static str) -> Parsed<()> {
        self.skip_spaces();
        if !self.eat(',') {
            return Err(self.expected(expected));
        }
        self.skip_spaces();
        Ok(())
    }

    fn reference(&mut self) -> Parsed<Reference> {
        let start = self.position;
        if !self.peek_byte().is_some_and(is_name_start) {
            return Err(self.expected("a name, like `GITHUB_TOKEN` or `username`"));
        }
        let mut segments = vec![self.word()];
        while self.eat('.') {
            segments.push(match self.peek() {
                Some('"' | '\'') => self.claim_name()?,
                _ if self.peek_byte().is_some_and(is_segment_byte) => self.word(),
                _ => return Err(self.expected("a name after the dot")),
            });
        }
        Ok(Reference { segments, span: Span(start..self.position) })
    }

    /// `-` is part of a word except in `:-`, which a colon precedes, so there is no clash.
    fn word(&mut self) -> String {
        let start = self.position;
        while self.peek_byte().is_some_and(is_segment_byte) {
            self.position += 1;
        }
        self.text.get(start..self.position).unwrap_or_default().to_owned()
    }

    fn claim_name(&mut self) -> Parsed<String> {
        let start = self.position;
        let name = self.quoted(|_| true)?;
        if name.is_empty() {
            return Err(Problem::new(Kind::EmptyClaimName, start..self.position));
        }
        Ok(name)
    }

    /// A quoted text that ends up in a header: visible ASCII and spaces only.
    fn string(&mut self, expected: &'static str) -> Parsed<String> {
        if !matches!(self.peek(), Some('"' | '\'')) {
            return Err(self.expected(expected));
        }
        self.quoted(|character| matches!(character, ' '..='~'))
    }

    fn quoted(&mut self, allowed: impl Fn(char) -> bool) -> Parsed<String> {
        let start = self.position;
        let quote = self.peek().unwrap_or('"');
        self.bump(quote);
        let mut text = String::new();
        while let Some(character) = self.peek() {
            let from = self.position;
            self.bump(character);
            match character {
                _ if character == quote => return Ok(text),
                '\\' => match self.peek() {
                    Some(escaped @ ('"' | '\'' | '\\')) => {
                        self.bump(escaped);
                        text.push(escaped);
                    }
                    _ => return Err(Problem::new(Kind::InvalidEscape, from..self.position)),
                },
                _ if character.is_control() || !allowed(character) => {
                    let kind = Kind::InvalidCharacter { found: character };
                    return Err(Problem::new(kind, from..self.position));
                }
                _ => text.push(character),
            }
        }
        Err(Problem::new(Kind::UnclosedString, start..self.position))
    }

    fn check_literal(&mut self, character: char, from: usize) {
        if !matches!(character, ' '..='~') {
            let kind = Kind::InvalidCharacter { found: character };
            self.problems.push(Problem::new(kind, from..from + character.len_utf8()));
        }
    }

    /// Goes on behind the next closer, or at the end.
    fn recover(&mut self, start: usize, problem: Problem) {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let closer = rest.find(self.closer);
        self.position = closer.map_or(self.text.len(), |found| self.position + found + 1);
        self.problems.push(match (closer, &problem.kind) {
            (None, Kind::Expected { .. }) => {
                Problem::new(Kind::Unclosed { closer: self.closer }, start..self.text.len())
            }
            _ => problem,
        });
    }

    fn expected(&self, expected: &'static str) -> Problem {
        let found = self.peek();
        let end = self.position + found.map_or(0, char::len_utf8);
        Problem::new(Kind::Expected { expected, found }, self.position..end)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.position..)?.chars().next()
    }

    fn peek_byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn bump(&mut self, character: char) {
        self.position += character.len_utf8();
    }

    fn eat(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        if found {
            self.bump(character);
        }
        found
    }

    fn skip_spaces(&mut self) {
        while self.eat(' ') {}
    }
}

fn push_literal(segments: &mut Vec<Segment>, literal: &mut String, span: Range<usize>) {
    if !literal.is_empty() {
        segments.push(Segment::Literal(std::mem::take(literal), Span(span)));
    }
}

/// White space at the ends of a header is not part of its value (RFC 9110, section 5.5): a receiver strips it.
pub(crate) fn check_ends(text: &str, problems: &mut Vec<Problem>) {
    if text.is_empty() {
        problems.push(Problem::new(Kind::EmptyTemplate, 0..0));
    }
    let end = text.trim_end().len();
    if end < text.len() {
        problems.push(Problem::new(Kind::OuterSpace, end..text.len()));
    } else if text.trim_start().len() < text.len() {
        problems.push(Problem::new(Kind::OuterSpace, 0..text.len() - text.trim_start().len()));
    }
}
