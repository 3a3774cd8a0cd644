//! `successCondition` and `failureCondition`: a small language over the `result` of a measurement.
//!
//! Follows `utils/evaluate/evaluate.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1), which hands the text to the
//! library `expr`. Left out of that language: arithmetic, texts, fields, the functions over lists, and comparing two
//! truths. What does not fit is refused while reading; the real controller finds it at the first measurement.

use crate::model::comparison::Comparison;
use std::fmt;
use std::str::FromStr;

/// What a measurement brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// One number; for Prometheus a vector of one, so that `result[0]` and `len(result)` work, too.
    Number(f64),
    /// An empty vector: Prometheus found no series. It is not nil, so `default` leaves it as it is.
    Empty,
    /// Nothing: what Datadog says when it has no data.
    Nil,
}

/// A condition that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    predicate: Predicate,
}

/// What is true or false.
#[derive(Clone, Debug, PartialEq)]
enum Predicate {
    Literal(bool),
    Compare(Comparison, Term, Term),
    IsNaN(Term),
    IsInf(Term),
    IsNil(Term),
    Not(Box<Predicate>),
    And(Box<[Predicate; 2]>),
    Or(Box<[Predicate; 2]>),
}

/// What has a value.
#[derive(Clone, Debug, PartialEq)]
enum Term {
    Number(f64),
    Result,
    ResultAt(usize),
    Len,
    Negative(Box<Term>),
    AsFloat(Box<Term>),
    AsInt(Box<Term>),
    Default(Box<[Term; 2]>),
}

impl Condition {
    /// The error says why this result cannot be judged: the measurement's phase is Error then.
    pub fn evaluate(&self, result: Value) -> Result<bool, String> {
        self.predicate.evaluate(result)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A condition is a line that a person wrote; the parser goes as deep as its brackets.
const MOST_TOKENS: usize = 500;

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        if tokens.len() > MOST_TOKENS {
            return Err(format!("it has {} words and signs, more than {MOST_TOKENS}", tokens.len()));
        }
        let mut parser = Parser { tokens, next: 0 };
        let predicate = parser.or()?.predicate()?;
        match parser.peek() {
            None => Ok(Self { text: text.to_owned(), predicate }),
            Some(token) => Err(format!("`{token}` is not expected there")),
        }
    }
}

impl Predicate {
    /// `&&` and `||` look at their right side only where it matters: it may be an error.
    fn evaluate(&self, result: Value) -> Result<bool, String> {
        match self {
            Self::Literal(truth) => Ok(*truth),
            Self::Compare(comparison, left, right) => Ok(comparison.holds(left.number(result)?, right.number(result)?)),
            Self::IsNaN(term) => Ok(term.number(result)?.is_nan()),
            Self::IsInf(term) => Ok(term.number(result)?.is_infinite()),
            Self::IsNil(term) => Ok(term.evaluate(result)? == Value::Nil),
            Self::Not(predicate) => Ok(!predicate.evaluate(result)?),
            Self::And(sides) => Ok(sides[0].evaluate(result)? && sides[1].evaluate(result)?),
            Self::Or(sides) => Ok(sides[0].evaluate(result)? || sides[1].evaluate(result)?),
        }
    }
}

impl Term {
    fn evaluate(&self, result: Value) -> Result<Value, String> {
        let number = match self {
            Self::Result => return Ok(result),
            Self::Default(sides) => {
                let value = sides[0].evaluate(result)?;
                return if value == Value::Nil { sides[1].evaluate(result) } else { Ok(value) };
            }
            Self::Number(number) => *number,
            Self::ResultAt(index) => match (result, index) {
                (Value::Number(number), 0) => number,
                (Value::Number(_), _) => return Err(format!("index out of range: {index} (the result has 1 entry)")),
                (Value::Empty, _) => return Err(format!("index out of range: {index} (the result is empty)")),
                (Value::Nil, _) => return Err("the result is nil: it has no entries".to_owned()),
            },
            Self::Len => match result {
                Value::Number(_) => 1.0,
                Value::Empty => 0.0,
                Value::Nil => return Err("the result is nil: it has no length".to_owned()),
            },
            Self::Negative(term) => -term.number(result)?,
            Self::AsFloat(term) => term.number(result)?,
            Self::AsInt(term) => term.number(result)?.trunc(),
        };
        Ok(Value::Number(number))
    }

    fn number(&self, result: Value) -> Result<f64, String> {
        match self.evaluate(result)? {
            Value::Number(number) => Ok(number),
            Value::Empty => Err("the result is empty, not a number".to_owned()),
            Value::Nil => Err("the result is nil, not a number".to_owned()),
        }
    }
}

/// The symbols, the longer ones first.
const SYMBOLS: [&str; 14] = ["&&", "||", ">=", "<=", "==", "!=", ">", "<", "!", "(", ")", "[", "]", ","];

fn tokens(text: &str) -> Result<Vec<&str>, String> {
    let (mut tokens, mut rest) = (vec![], text.trim_start());
    while let Some(first) = rest.chars().next() {
        let symbol = SYMBOLS.into_iter().chain(["-"]).find(|symbol| rest.starts_with(symbol));
        let length = match symbol {
            Some(symbol) => symbol.len(),
            None if first.is_ascii_digit() || first == '.' => number_length(rest),
            None if first.is_ascii_alphabetic() => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            None => return Err(format!("`{first}` has no place in a condition")),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// Of the number at the beginning, with its exponent.
fn number_length(text: &str) -> usize {
    let mut before = ' ';
    let is_end = |c: char| {
        let is_sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        before = c;
        !(is_sign || c.is_ascii_alphanumeric() || c == '.')
    };
    text.find(is_end).unwrap_or(text.len())
}

/// What was read so far, until it is clear how it is used.
enum Expression {
    Predicate(Predicate),
    Term(Term),
}

impl Expression {
    fn predicate(self) -> Result<Predicate, String> {
        match self {
            Self::Predicate(predicate) => Ok(predicate),
            Self::Term(_) => Err("a number is neither true nor false: compare it, like `result[0] >= 0.95`".to_owned()),
        }
    }

    fn term(self) -> Result<Term, String> {
        match self {
            Self::Predicate(_) => Err("what is true or false cannot stand for a number".to_owned()),
            Self::Term(term) => Ok(term),
        }
    }
}

/// Binding from loose to tight: `||`, `&&`, comparison, `!` and `-`.
struct Parser<'a> {
    tokens: Vec<&'a str>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self) -> Result<&'a str, String> {
        let token = self.peek().ok_or("the condition ends too early")?;
        self.next += 1;
        Ok(token)
    }

    fn takes(&mut self, tokens: &[&str]) -> bool {
        let is_there = self.peek().is_some_and(|token| tokens.contains(&token));
        self.next += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, expected: &str) -> Result<(), String> {
        match self.take()? {
            token if token == expected => Ok(()),
            token => Err(format!("`{token}` is not expected there, but `{expected}`")),
        }
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.takes(&["||", "or"]) {
            let sides = [left.predicate()?, self.and()?.predicate()?];
            left = Expression::Predicate(Predicate::Or(Box::new(sides)));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.comparison()?;
        while self.takes(&["&&", "and"]) {
            let sides = [left.predicate()?, self.comparison()?.predicate()?];
            left = Expression::Predicate(Predicate::And(Box::new(sides)));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.unary()?;
        let Some(comparison) = self.peek().and_then(Comparison::of) else { return Ok(left) };
        self.next += 1;
        let (left, right) = (left.term()?, self.unary()?.term()?);
        Ok(Expression::Predicate(Predicate::Compare(comparison, left, right)))
    }

    fn unary(&mut self) -> Result<Expression, String> {
        if self.takes(&["!", "not"]) {
            let predicate = Predicate::Not(Box::new(self.unary()?.predicate()?));
            return Ok(Expression::Predicate(predicate));
        }
        if self.takes(&["-"]) {
            return Ok(Expression::Term(Term::Negative(Box::new(self.unary()?.term()?))));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, String> {
        let token = self.take()?;
        match token {
            "(" => {
                let inner = self.or()?;
                self.expect(")")?;
                return Ok(inner);
            }
            "true" | "false" => return Ok(Expression::Predicate(Predicate::Literal(token == "true"))),
            "result" => return self.result().map(Expression::Term),
            _ if SYMBOLS.contains(&token) => return Err(format!("`{token}` is not expected there")),
            _ if self.takes(&["("]) => return self.call(token),
            _ => {}
        }
        match token.parse() {
            Ok(number) if token.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                Ok(Expression::Term(Term::Number(number)))
            }
            _ => Err(format!("`{token}` is unknown: a condition speaks of `result` and of numbers")),
        }
    }

    fn result(&mut self) -> Result<Term, String> {
        if !self.takes(&["["]) {
            return Ok(Term::Result);
        }
        let index = self.take()?;
        let index = index.parse().map_err(|_| format!("`{index}` is no index: write `result[0]`"))?;
        self.expect("]")?;
        Ok(Term::ResultAt(index))
    }

    fn call(&mut self, function: &str) -> Result<Expression, String> {
        let term = self.or()?.term()?;
        let call = match function {
            "isNaN" => Expression::Predicate(Predicate::IsNaN(term)),
            "isInf" => Expression::Predicate(Predicate::IsInf(term)),
            "isNil" => Expression::Predicate(Predicate::IsNil(term)),
            "asFloat" => Expression::Term(Term::AsFloat(Box::new(term))),
            "asInt" => Expression::Term(Term::AsInt(Box::new(term))),
            "len" if term == Term::Result => Expression::Term(Term::Len),
            "len" => return Err("only `result` has a length: `len(result)`".to_owned()),
            "default" => {
                self.expect(",")?;
                Expression::Term(Term::Default(Box::new([term, self.or()?.term()?])))
            }
            _ => {
                let known = "asFloat, asInt, default, isInf, isNaN, isNil, len";
                return Err(format!("`{function}` is no function of conditions, which are {known}"));
            }
        };
        self.expect(")")?;
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Value::{Empty, Nil, Number};

    fn evaluate(text: &str, value: Value) -> Result<bool, String> {
        text.parse::<Condition>().expect(text).evaluate(value)
    }

    #[test]
    fn conditions_hold_or_not() {
        for (text, value, expected) in [
            ("result >= 0.95", Number(0.95), true),
            ("result[0] < 0.01", Number(0.01), false),
            ("result[0]<1e-2", Number(0.009), true),
            ("result == 0", Number(0.0), true),
            ("result != -1.5", Number(-1.5), false),
            ("result > .5 && result <= 1", Number(1.0), true),
            ("len(result) == 1", Number(7.0), true),
            ("len(result) == 0 || result[0] < 0.1", Empty, true),
            ("isNaN(result) or result[0] < 1", Number(f64::NAN), true),
            ("!isInf(result[0])", Number(f64::INFINITY), false),
            ("default(result, 0) < 0.1", Nil, true),
            ("default(result, 0) < 0.1", Number(0.2), false),
            ("isNil(result)", Nil, true),
            ("isNil(result)", Empty, false),
            ("asFloat(result[0]) > 1.5", Number(1.6), true),
            ("asInt(result[0]) > 1", Number(1.6), false),
            ("not (result < 1 and result > 0)", Number(0.5), false),
            ("true", Empty, true),
        ] {
            assert_eq!(evaluate(text, value), Ok(expected), "{text} of {value:?}");
        }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert_eq!(evaluate("result > 0 || result > 1 && result > 2", Number(1.0)), Ok(true));
        assert_eq!(evaluate("(result > 0 || result > 1) && result > 2", Number(1.0)), Ok(false));
    }

    #[test]
    fn no_comparison_holds_for_nan_but_that_it_differs() {
        for (operator, holds) in [("<", false), ("<=", false), (">", false), (">=", false), ("==", false), ("!=", true)]
        {
            let text = format!("result[0] {operator} 0.95");
            assert_eq!(evaluate(&text, Number(f64::NAN)), Ok(holds), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for (text, value, message) in [
            ("result[0] < 1", Empty, "index out of range: 0 (the result is empty)"),
            ("result[1] < 1", Number(0.0), "index out of range: 1 (the result has 1 entry)"),
            ("result < 1", Empty, "the result is empty, not a number"),
            ("default(result, 0) < 1", Empty, "the result is empty, not a number"),
            ("isNaN(result)", Nil, "the result is nil, not a number"),
            ("len(result) == 0", Nil, "the result is nil: it has no length"),
            ("result[0] < 1 || true", Empty, "index out of range: 0 (the result is empty)"),
        ] {
            assert_eq!(evaluate(text, value), Err(message.to_owned()), "{text} of {value:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "ends too early"),
            ("result >=", "ends too early"),
            ("(result > 1", "ends too early"),
            ("result > 1)", "`)` is not expected"),
            ("1 < result < 2", "`<` is not expected"),
            ("result >= > 1", "`>` is not expected"),
            ("result", "neither true nor false"),
            ("result && true", "neither true nor false"),
            ("!result", "neither true nor false"),
            ("isNaN(result) > 1", "cannot stand for a number"),
            ("value > 1", "`value` is unknown"),
            ("result > inf", "`inf` is unknown"),
            ("result > 1x", "`1x` is unknown"),
            ("result[one] > 1", "`one` is no index"),
            ("len(1) > 0", "only `result` has a length"),
            ("max(result) > 0", "`max` is no function"),
            ("default(result) > 0", "but `,`"),
            ("result = 1", "`=` has no place"),
            ("result > 1 % 2", "`%` has no place"),
        ] {
            let message = text.parse::<Condition>().expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_condition_is_printed_as_it_was_written() {
        assert_eq!("result[0]  >= 0.95".parse::<Condition>().unwrap().to_string(), "result[0]  >= 0.95");
    }
}
