//! What operators work on: literals, names, calls, paths, lists and maps.

use super::{Parser, operator, span};
use crate::ast::{Kind, Node, Slot, Step, StepKind, Which};
use crate::error::{Fallible, Fault, Span, fault};
use crate::functions;
use crate::lex::{Lexeme, Token};

impl<'t> Parser<'t> {
    pub(super) fn primary(&mut self) -> Fallible<Node> {
        let begin = self.here();
        let start = self.start()?;
        let mut steps = Vec::new();
        let start = match start {
            Begin::Value(node) => Some(Box::new(node)),
            Begin::Step(step) => {
                steps.push(step);
                None
            }
        };
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        if let Some(Step { kind: StepKind::Other(node), span, .. }) = steps.last()
            && matches!(node.kind, Kind::Function(..))
        {
            return Err(fault("syntax", "a function stands at the beginning, not after a dot").at(*span));
        }
        match (start, steps.last()) {
            (Some(node), None) => Ok(*node),
            (start, last) => {
                let end = last.map_or(begin, |step| step.span);
                Ok(Node { span: begin.to(end), kind: Kind::Path(start, steps) })
            }
        }
    }

    fn step(&mut self) -> Fallible<Option<Step>> {
        let begin = self.here();
        match self.sign() {
            Some("[") => self.index().map(Some),
            Some(dot @ ("." | "?.")) => {
                self.at += 1;
                let safe = dot == "?.";
                let mut step = self.dotted(safe)?;
                step.span = begin.to(step.span);
                Ok(Some(step))
            }
            _ => Ok(None),
        }
    }

    fn dotted(&mut self, safe: bool) -> Fallible<Step> {
        let begin = self.here();
        match self.peek().map(|lexeme| lexeme.token) {
            Some(Token::Word(name)) => self.named(name, safe),
            Some(Token::Sign("#")) => {
                let node = self.variable()?;
                Ok(Step { span: node.span, safe, kind: StepKind::Other(Box::new(node)) })
            }
            Some(Token::Sign("![" | "?[" | "^[" | "$[")) => self.over(safe),
            _ => Err(fault("syntax", "a name, a selection or a projection must follow the dot").at(begin)),
        }
    }

    /// A property or a method call.
    fn named(&mut self, name: &str, safe: bool) -> Fallible<Step> {
        let begin = self.here();
        self.at += 1;
        if self.sign() != Some("(") {
            return Ok(Step { span: begin, safe, kind: StepKind::Property(name.into()) });
        }
        let (arguments, end) = self.arguments()?;
        Ok(Step { span: begin.to(end), safe, kind: StepKind::Method(name.into(), arguments, Slot::default()) })
    }

    fn arguments(&mut self) -> Fallible<(Vec<Node>, Span)> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        loop {
            let end = self.here();
            if self.eat(")") {
                return Ok((arguments, end));
            }
            arguments.push(self.expression()?);
            if self.sign() != Some(")") {
                self.expect(",")?;
            }
        }
    }

    fn index(&mut self) -> Fallible<Step> {
        let begin = self.here();
        self.expect("[")?;
        let inner = self.expression()?;
        let end = self.here();
        self.expect("]")?;
        Ok(Step { span: begin.to(end), safe: false, kind: StepKind::Index(Box::new(inner)) })
    }

    /// Selection or projection.
    fn over(&mut self, safe: bool) -> Fallible<Step> {
        let begin = self.here();
        let sign = self.sign();
        self.at += 1;
        let inner = Box::new(self.expression()?);
        let end = self.here();
        self.expect("]")?;
        let kind = match sign {
            Some("![") => StepKind::Project(inner),
            Some("^[") => StepKind::Select(Which::First, inner),
            Some("$[") => StepKind::Select(Which::Last, inner),
            _ => StepKind::Select(Which::All, inner),
        };
        Ok(Step { span: begin.to(end), safe, kind })
    }

    fn start(&mut self) -> Fallible<Begin> {
        let Some(lexeme) = self.peek() else {
            return Err(fault("syntax", "the expression ends too early").at(self.here()));
        };
        if let Some(kind) = literal(lexeme)? {
            self.at += 1;
            return Ok(Begin::Value(Node { span: span(lexeme), kind }));
        }
        match lexeme.token {
            Token::Word(word) => self.word(word),
            Token::Sign("(") => {
                self.at += 1;
                let mut inner = self.expression()?;
                let end = self.here();
                self.expect(")")?;
                inner.span = span(lexeme).to(end);
                Ok(Begin::Value(inner))
            }
            Token::Sign("#") => self.variable().map(Begin::Value),
            Token::Sign("[") => self.index().map(Begin::Step),
            Token::Sign("![" | "?[" | "^[" | "$[") => self.over(false).map(Begin::Step),
            Token::Sign("{") => self.list_or_map().map(Begin::Value),
            Token::Sign("@" | "&") => Err(fault("refused-bean", "bean references (`@name`, `&name`) are refused").at(span(lexeme))),
            _ => Err(self.unexpected(lexeme)),
        }
    }

    fn word(&mut self, word: &str) -> Fallible<Begin> {
        let key = self.tokens.get(self.at + 1).is_some_and(|next| next.token == Token::Sign("]"));
        if word == "T" && !key {
            return self.type_reference().map(Begin::Value);
        }
        if word.eq_ignore_ascii_case("new") && !key {
            return self.constructor().map(Begin::Value);
        }
        self.named(word, false).map(Begin::Step)
    }

    fn variable(&mut self) -> Fallible<Node> {
        let begin = self.here();
        self.expect("#")?;
        let Some(Lexeme { token: Token::Word(name), .. }) = self.peek() else {
            return Err(fault("syntax", "a name must follow `#`").at(self.here()));
        };
        if operator(Token::Word(name)).is_some_and(|o| !matches!(o, "&&" | "||" | "matches" | "instanceof" | "between")) {
            return Err(fault("syntax", format!("`{name}` is an operator and cannot be a name after `#`")).at(self.here()));
        }
        let end = self.here();
        self.at += 1;
        let blank = begin.end != end.start || end.end != self.here().start;
        if blank && self.sign() == Some("(") && functions::is_aware(name) {
            return Err(fault("syntax", format!("`#{name}(` is written without blanks")).at(begin.to(end)));
        }
        if self.sign() != Some("(") {
            return Ok(Node { span: begin.to(end), kind: Kind::Variable(name.into()) });
        }
        let (arguments, end) = self.arguments()?;
        Ok(Node { span: begin.to(end), kind: Kind::Function(name.into(), arguments) })
    }

    /// `java.lang.Math`
    fn qualified(&mut self) -> Fallible<(String, Span)> {
        let begin = self.here();
        let mut name = String::new();
        let mut end = begin;
        while let Some(lexeme) = self.peek() {
            match lexeme.token {
                // Dots only part the words, wherever they stand.
                Token::Word(word) => {
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(word);
                }
                Token::Sign(".") => {}
                _ => break,
            }
            end = span(lexeme);
            self.at += 1;
        }
        if name.is_empty() {
            return Err(fault("syntax", "the name of a type is missing").at(begin));
        }
        Ok((name, begin.to(end)))
    }

    fn type_reference(&mut self) -> Fallible<Node> {
        let begin = self.here();
        self.at += 1;
        self.expect("(")?;
        let (name, _) = self.qualified()?;
        if self.sign() == Some("[") {
            return Err(arrays().at(self.here()));
        }
        let end = self.here();
        self.expect(")")?;
        Ok(Node { span: begin.to(end), kind: Kind::Type(name.into()) })
    }

    fn constructor(&mut self) -> Fallible<Node> {
        let begin = self.here();
        self.at += 1;
        let (name, _) = self.qualified()?;
        if self.sign() == Some("[") {
            return Err(arrays().at(self.here()));
        }
        let (arguments, end) = self.arguments()?;
        Ok(Node { span: begin.to(end), kind: Kind::New(name.into(), arguments) })
    }

    fn list_or_map(&mut self) -> Fallible<Node> {
        let begin = self.here();
        self.expect("{")?;
        let mut end = self.here();
        if self.eat("}") {
            return Ok(Node { span: begin.to(end), kind: Kind::List(Vec::new()) });
        }
        if self.eat(":") {
            end = self.here();
            self.expect("}")?;
            return Ok(Node { span: begin.to(end), kind: Kind::Map(Vec::new()) });
        }
        let first = self.expression()?;
        if self.eat(":") {
            let mut pairs = vec![(first, self.expression()?)];
            while self.eat(",") {
                let key = self.expression()?;
                self.expect(":")?;
                pairs.push((key, self.expression()?));
            }
            end = self.here();
            self.expect("}")?;
            return Ok(Node { span: begin.to(end), kind: Kind::Map(pairs) });
        }
        let mut items = vec![first];
        while self.eat(",") {
            items.push(self.expression()?);
        }
        end = self.here().to(end);
        self.expect("}")?;
        Ok(Node { span: begin.to(end), kind: Kind::List(items) })
    }
}

enum Begin {
    Value(Node),
    Step(Step),
}

fn arrays() -> Fault {
    fault("refused-array", "arrays are refused; write a list: `{1, 2}`")
}

fn literal(lexeme: Lexeme<'_>) -> Fallible<Option<Kind>> {
    let bad = |what: &str| fault("syntax", format!("this is no {what}")).at(span(lexeme));
    Ok(Some(match lexeme.token {
        Token::Int(digits) => Kind::Int(digits.parse().map_err(|_| bad("32-bit number; a larger one ends in `L`"))?),
        Token::Long(digits) => Kind::Long(digits.parse().map_err(|_| bad("64-bit number"))?),
        Token::HexInt(digits) => Kind::Int(i32::from_str_radix(digits, 16).map_err(|_| bad("32-bit number"))?),
        Token::HexLong(digits) => Kind::Long(i64::from_str_radix(digits, 16).map_err(|_| bad("64-bit number"))?),
        Token::Float(digits) => Kind::Float(digits.parse().map_err(|_| bad("number"))?),
        Token::Double(digits) => Kind::Double(digits.parse().map_err(|_| bad("number"))?),
        Token::Quoted(text) => Kind::Text(unquoted(text).into()),
        Token::Word(word) if word.eq_ignore_ascii_case("true") => Kind::Bool(true),
        Token::Word(word) if word.eq_ignore_ascii_case("false") => Kind::Bool(false),
        Token::Word(word) if word.eq_ignore_ascii_case("null") => Kind::Null,
        Token::Word(_) | Token::Sign(_) => return Ok(None),
    }))
}

fn unquoted(text: &str) -> String {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if text.starts_with('\'') { inner.replace("''", "'") } else { inner.replace("\"\"", "\"") }
}
