//! Tokens to a tree. Precedence and associativity are Spring's; what Spring has and is not served here is refused by its name.

mod primary;

use crate::ast::{Arithmetic, Comparison, Kind, Node, Slot};
use crate::error::{Fallible, Fault, Span, fault};
use crate::lex::{self, Lexeme, Token};
use crate::limits::NESTING_MAX;

/// Parses an expression; `offset` is where its text stands in the template.
pub(crate) fn parse(text: &str, offset: usize) -> Fallible<Node> {
    let tokens = lex::read(text, offset)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: offset + text.len(), depth: 0 };
    if tokens.is_empty() {
        return Err(fault("syntax", "the expression is empty").at(Span::new(offset, offset + text.len())));
    }
    let node = parser.expression()?;
    match parser.peek() {
        None => Ok(node),
        Some(more) => Err(parser.unexpected(more)),
    }
}

struct Parser<'t> {
    tokens: &'t [Lexeme<'t>],
    at: usize,
    end: usize,
    depth: usize,
}

fn span(lexeme: Lexeme<'_>) -> Span {
    Span::new(lexeme.start, lexeme.end)
}

/// Words that are operators, also when they are written as a sign.
fn operator(token: Token<'_>) -> Option<&'static str> {
    match token {
        Token::Sign(sign) => Some(sign),
        Token::Word(word) => match word.to_ascii_lowercase().as_str() {
            "eq" => Some("=="),
            "ne" => Some("!="),
            "lt" => Some("<"),
            "le" => Some("<="),
            "gt" => Some(">"),
            "ge" => Some(">="),
            "div" => Some("/"),
            "mod" => Some("%"),
            "not" => Some("!"),
            "and" => Some("&&"),
            "or" => Some("||"),
            "matches" => Some("matches"),
            "instanceof" => Some("instanceof"),
            "between" => Some("between"),
            _ => None,
        },
        _ => None,
    }
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<Lexeme<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn sign(&self) -> Option<&'static str> {
        match self.peek()?.token {
            Token::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    fn operator(&self) -> Option<&'static str> {
        operator(self.peek()?.token)
    }

    fn here(&self) -> Span {
        self.peek().map_or(Span::new(self.end, self.end), span)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.sign() == Some(sign);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Fallible<()> {
        if self.eat(sign) { Ok(()) } else { Err(fault("syntax", format!("`{sign}` is missing")).at(self.here())) }
    }

    fn unexpected(&self, lexeme: Lexeme<'t>) -> Fault {
        let said = match lexeme.token {
            Token::Word(text) | Token::Quoted(text) => text.chars().take(40).collect(),
            Token::Sign(text) => text.to_owned(),
            _ => "a number".to_owned(),
        };
        match lexeme.token {
            Token::Sign("=") => fault("refused-assignment", "an expression sets nothing: `=` is refused; to compare, write `==`"),
            Token::Sign("++" | "--") => fault("refused-increment", format!("an expression sets nothing: `{said}` is refused")),
            _ => fault("syntax", format!("`{said}` is not expected here")),
        }
        .at(span(lexeme))
    }

    /// Runs a rule one level further in.
    fn deeper(&mut self, rule: impl FnOnce(&mut Self) -> Fallible<Node>) -> Fallible<Node> {
        if self.depth >= NESTING_MAX {
            return Err(fault("too-deep", format!("an expression is nested at most {NESTING_MAX} deep")).at(self.here()));
        }
        self.depth += 1;
        let node = rule(self);
        self.depth -= 1;
        node
    }

    pub(crate) fn expression(&mut self) -> Fallible<Node> {
        self.deeper(|p| {
            let first = if p.sign() == Some("?:") { p.nothing() } else { p.or()? };
            match p.sign() {
                Some("?") => {
                    p.at += 1;
                    let yes = p.expression()?;
                    p.expect(":")?;
                    let no = p.expression()?;
                    Ok(Node { span: first.span.to(no.span), kind: Kind::Ternary(Box::new([first, yes, no])) })
                }
                Some("?:") => {
                    p.at += 1;
                    let ends = p.peek().is_none_or(|next| matches!(next.token, Token::Sign(")" | "]" | "}" | "," | ":")));
                    let other = if ends { p.nothing() } else { p.expression()? };
                    Ok(Node { span: first.span.to(other.span), kind: Kind::Elvis(Box::new([first, other])) })
                }
                Some("=") => Err(p.peek().map_or_else(|| fault("syntax", "`=`"), |lexeme| p.unexpected(lexeme))),
                _ => Ok(first),
            }
        })
    }

    /// Null, where Spring lets an operand of `?:` be left out.
    fn nothing(&self) -> Node {
        let at = self.here().start;
        Node { span: Span { start: at, end: at }, kind: Kind::Null }
    }

    fn or(&mut self) -> Fallible<Node> {
        let first = self.and()?;
        if self.operator() != Some("||") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.operator() == Some("||") {
            self.at += 1;
            all.push(self.and()?);
        }
        Ok(Node { span: around(&all), kind: Kind::Or(all) })
    }

    fn and(&mut self) -> Fallible<Node> {
        let first = self.relation()?;
        if self.operator() != Some("&&") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.operator() == Some("&&") {
            self.at += 1;
            all.push(self.relation()?);
        }
        Ok(Node { span: around(&all), kind: Kind::And(all) })
    }

    fn relation(&mut self) -> Fallible<Node> {
        let left = self.sum()?;
        let comparison = match self.operator() {
            Some("==") => Comparison::Equal,
            Some("!=") => Comparison::NotEqual,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::LessOrEqual,
            Some(">") => Comparison::Greater,
            Some(">=") => Comparison::GreaterOrEqual,
            Some("matches") => {
                self.at += 1;
                let right = self.sum()?;
                let span = left.span.to(right.span);
                return Ok(Node { span, kind: Kind::Matches(Box::new(left), Box::new(right), Slot::default()) });
            }
            Some("instanceof") => {
                return Err(fault("refused-instanceof", "`instanceof` is refused: an expression does not look at types").at(self.here()));
            }
            Some("between") => {
                return Err(fault("refused-between", "`between` is refused; write `x >= a and x <= b`").at(self.here()));
            }
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.sum()?;
        Ok(Node { span: left.span.to(right.span), kind: Kind::Compare(comparison, Box::new(left), Box::new(right)) })
    }

    fn sum(&mut self) -> Fallible<Node> {
        let first = self.product()?;
        let mut rest = Vec::new();
        loop {
            let operator = match self.sign() {
                Some("+") => Arithmetic::Add,
                Some("-") => Arithmetic::Subtract,
                _ => return Ok(chain(first, rest)),
            };
            self.at += 1;
            rest.push((operator, self.product()?));
        }
    }

    fn product(&mut self) -> Fallible<Node> {
        let first = self.power()?;
        let mut rest = Vec::new();
        loop {
            let operator = match self.operator() {
                Some("*") => Arithmetic::Multiply,
                Some("/") => Arithmetic::Divide,
                Some("%") => Arithmetic::Remainder,
                _ => return Ok(chain(first, rest)),
            };
            self.at += 1;
            rest.push((operator, self.power()?));
        }
    }

    fn power(&mut self) -> Fallible<Node> {
        let base = self.unary()?;
        if !self.eat("^") {
            return Ok(base);
        }
        let exponent = self.unary()?;
        Ok(Node { span: base.span.to(exponent.span), kind: Kind::Power(Box::new(base), Box::new(exponent)) })
    }

    fn unary(&mut self) -> Fallible<Node> {
        let at = self.here();
        // `not` before something that can only follow a name is a name.
        let kind: fn(Box<Node>) -> Kind = match self.operator() {
            Some("!") => Kind::Not,
            Some("-") => Kind::Minus,
            Some("+") => Kind::Plus,
            Some("++" | "--") => {
                return Err(self.peek().map_or_else(|| fault("syntax", "`++`"), |lexeme| self.unexpected(lexeme)));
            }
            _ => return self.primary(),
        };
        self.at += 1;
        let inner = self.deeper(Self::unary)?;
        Ok(Node { span: at.to(inner.span), kind: kind(Box::new(inner)) })
    }
}

fn around(nodes: &[Node]) -> Span {
    let first = nodes.first().map(|n| n.span).unwrap_or_default();
    nodes.last().map_or(first, |last| first.to(last.span))
}

fn chain(first: Node, rest: Vec<(Arithmetic, Node)>) -> Node {
    match rest.last() {
        None => first,
        Some((_, last)) => Node { span: first.span.to(last.span), kind: Kind::Chain(Box::new(first), rest) },
    }
}
