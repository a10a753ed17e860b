//! The text of an expression to its tree. What is wrong is said with its place.

use rust_decimal::Decimal;

/// Deepest nesting: an expression is data from people and must not end the program.
const DEPTH_MAX: usize = 64;
/// Longest expression, bytes.
const BYTES_MAX: usize = 8_192;

/// A part of the text, in bytes.
pub(super) type Span = (usize, usize);

/// Something wrong in an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {}: {why}", at + 1)]
pub(super) struct TextError {
    /// Byte from the start.
    pub at: usize,
    /// What is wrong.
    pub why: String,
}

/// A tree with its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub what: What,
}

/// Kinds of trees.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A number; durations are numbers of days.
    Number(Decimal),
    /// A quoted text.
    Text(String),
    /// `true`, `false`.
    Flag(bool),
    /// A field of the subject, or a named value.
    Name(String),
    /// A field of the row an aggregate looks at.
    It(String),
    /// A parameter, perhaps by key.
    Param(String, Option<Box<Tree>>),
    /// `not x`, `-x`.
    Prefix(&'static str, Box<Tree>),
    /// `x op y`.
    Infix(&'static str, Box<Tree>, Box<Tree>),
    /// A function.
    Call(String, Vec<Tree>),
    /// An aggregate over rows.
    Aggregate(Box<Aggregate>),
}

/// `name(kind.field where condition window)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aggregate {
    /// What is computed.
    pub name: String,
    /// Over which kind of facts.
    pub kind: String,
    /// Of which value.
    pub value: Option<Tree>,
    /// Over which rows.
    pub condition: Option<Tree>,
    /// Over which time.
    pub window: WindowText,
    /// Grouped by (newest row of each group).
    pub per: Option<Tree>,
    /// Width of the buckets of `mean_per` and `sd_per`, days.
    pub every: Option<Tree>,
}

/// The time an aggregate looks at; durations are numbers of days or parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WindowText {
    /// Everything up to the subject's time.
    AsOf,
    /// Everything.
    Anytime,
    /// The last so many days, the subject's moment included.
    Within(Tree),
    /// Before the subject's moment, at most so many days.
    Before(Option<Tree>),
    /// After the subject's moment, at most so many days.
    Ahead(Tree),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(Decimal),
    Text(String),
    Word(String),
    Param(String),
    Mark(&'static str),
}

const MARKS: [&str; 18] = ["!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", ".", ":"];
/// Aggregates.
pub(super) const AGGREGATES: [&str; 23] = [
    "count", "exists", "sum", "min", "max", "mean", "sd", "median", "q1", "q3", "cv", "distinct", "last", "first",
    "changes", "benford", "same", "steps", "ratios", "mean_per", "sd_per", "sum_last", "second",
];

fn tokens(text: &str) -> Result<Vec<(Token, Span)>, TextError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let take = |sound: fn(char) -> bool| rest.find(|c| !sound(c)).unwrap_or(rest.len());
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (token, len) = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if c.is_ascii_digit() {
            number(rest, at)?
        } else if c == '\'' {
            let end = rest[1..].find('\'').ok_or_else(|| TextError { at, why: "the text does not end".into() })?;
            (Token::Text(rest[1..=end].to_owned()), end + 2)
        } else if c == '$' {
            let len = 1 + rest[1..].find(|c| !word(c)).unwrap_or(rest.len() - 1);
            (Token::Param(rest[1..len].to_owned()), len)
        } else if c.is_ascii_alphabetic() {
            let len = take(|c| c.is_ascii_alphanumeric() || c == '_');
            (Token::Word(rest[..len].to_owned()), len)
        } else if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            (Token::Mark(mark), mark.len())
        } else {
            return Err(TextError { at, why: format!("{c:?} has no meaning here") });
        };
        found.push((token, (at, at + len)));
        at += len;
    }
    Ok(found)
}

/// A number, perhaps with a unit of time: `90d`, `24h`, `30m` are days.
fn number(rest: &str, at: usize) -> Result<(Token, usize), TextError> {
    let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(rest.len());
    let error = |_| TextError { at, why: format!("{:?} is no number", &rest[..digits]) };
    let value = Decimal::from_str_exact(&rest[..digits].replace('_', "")).map_err(error)?;
    let after = rest[digits..].chars().nth(1).is_none_or(|c| !c.is_ascii_alphanumeric());
    Ok(match rest[digits..].chars().next() {
        Some('d') if after => (Token::Number(value), digits + 1),
        Some('h') if after => (Token::Number(value / Decimal::from(24)), digits + 1),
        Some('m') if after => (Token::Number(value / Decimal::from(1_440)), digits + 1),
        Some('%') => (Token::Number(value / Decimal::from(100)), digits + 1),
        Some(_) | None => (Token::Number(value), digits),
    })
}

/// Reads an expression.
///
/// # Errors
/// [`TextError`] with the place.
pub(super) fn parse(text: &str) -> Result<Tree, TextError> {
    if text.len() > BYTES_MAX {
        return Err(TextError { at: BYTES_MAX, why: format!("longer than {BYTES_MAX} bytes") });
    }
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens, next: 0, end: text.len(), depth: 0 };
    let tree = reader.either()?;
    match reader.peek() {
        None => Ok(tree),
        Some(_) => Err(reader.error("an operator or the end is expected")),
    }
}

struct Reader {
    tokens: Vec<(Token, Span)>,
    next: usize,
    end: usize,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn start(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, span)| span.0)
    }

    fn last_end(&self) -> usize {
        self.next.checked_sub(1).and_then(|n| self.tokens.get(n)).map_or(0, |(_, span)| span.1)
    }

    fn error(&self, why: impl Into<String>) -> TextError {
        TextError { at: self.start(), why: why.into() }
    }

    fn mark(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Mark(mark)) if *mark == wanted);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == wanted);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &str) -> Result<(), TextError> {
        if self.mark(wanted) { Ok(()) } else { Err(self.error(format!("{wanted:?} is expected"))) }
    }

    fn name(&mut self) -> Result<String, TextError> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.next += 1;
                Ok(word)
            }
            Some(_) | None => Err(self.error("a name is expected")),
        }
    }

    fn infix(&self, op: &'static str, a: Tree, b: Tree) -> Tree {
        Tree { span: (a.span.0, b.span.1), what: What::Infix(op, Box::new(a), Box::new(b)) }
    }

    fn either(&mut self) -> Result<Tree, TextError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("nested too deeply"));
        }
        let mut tree = self.both()?;
        while self.word("or") {
            let right = self.both()?;
            tree = self.infix("or", tree, right);
        }
        self.depth -= 1;
        Ok(tree)
    }

    fn both(&mut self) -> Result<Tree, TextError> {
        let mut tree = self.negated()?;
        while self.word("and") {
            let right = self.negated()?;
            tree = self.infix("and", tree, right);
        }
        Ok(tree)
    }

    fn negated(&mut self) -> Result<Tree, TextError> {
        let start = self.start();
        if !self.word("not") {
            return self.compared();
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("nested too deeply"));
        }
        let inner = self.negated()?;
        self.depth -= 1;
        Ok(Tree { span: (start, inner.span.1), what: What::Prefix("not", Box::new(inner)) })
    }

    fn compared(&mut self) -> Result<Tree, TextError> {
        let tree = self.sum()?;
        for op in ["=", "!=", "<=", ">=", "<", ">"] {
            if self.mark(op) {
                let right = self.sum()?;
                return Ok(self.infix(op, tree, right));
            }
        }
        if self.word("in") {
            let right = self.sum()?;
            return Ok(self.infix("in", tree, right));
        }
        Ok(tree)
    }

    fn sum(&mut self) -> Result<Tree, TextError> {
        let mut tree = self.product()?;
        loop {
            let op = if self.mark("+") {
                "+"
            } else if self.mark("-") {
                "-"
            } else {
                return Ok(tree);
            };
            let right = self.product()?;
            tree = self.infix(op, tree, right);
        }
    }

    fn product(&mut self) -> Result<Tree, TextError> {
        let mut tree = self.single()?;
        loop {
            let op = if self.mark("*") {
                "*"
            } else if self.mark("/") {
                "/"
            } else if self.mark("%") {
                "%"
            } else {
                return Ok(tree);
            };
            let right = self.single()?;
            tree = self.infix(op, tree, right);
        }
    }

    fn single(&mut self) -> Result<Tree, TextError> {
        let start = self.start();
        let Some((token, span)) = self.tokens.get(self.next).cloned() else {
            return Err(self.error("something is expected"));
        };
        self.next += 1;
        let what = match token {
            Token::Number(number) => What::Number(number),
            Token::Text(text) => What::Text(text),
            Token::Param(name) if self.mark("[") => {
                let key = self.either()?;
                self.expect("]")?;
                What::Param(name, Some(Box::new(key)))
            }
            Token::Param(name) => What::Param(name, None),
            Token::Mark("(") => {
                let inner = self.either()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Mark("-") => What::Prefix("-", Box::new(self.single()?)),
            Token::Mark(mark) => return Err(TextError { at: span.0, why: format!("{mark:?} is not expected here") }),
            Token::Word(word) => self.worded(word)?,
        };
        Ok(Tree { span: (start, self.last_end()), what })
    }

    fn worded(&mut self, word: String) -> Result<What, TextError> {
        match word.as_str() {
            "true" => return Ok(What::Flag(true)),
            "false" => return Ok(What::Flag(false)),
            "it" => {
                self.expect(".")?;
                return Ok(What::It(self.name()?));
            }
            _ => {}
        }
        if !self.mark("(") {
            return Ok(What::Name(word));
        }
        if AGGREGATES.contains(&word.as_str()) {
            return self.aggregate(word);
        }
        let mut arguments = Vec::new();
        while !self.mark(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.either()?);
        }
        Ok(What::Call(word, arguments))
    }

    fn aggregate(&mut self, name: String) -> Result<What, TextError> {
        let kind = self.name()?;
        let start = self.start();
        let value = if self.mark(".") {
            let field = self.name()?;
            Some(Tree { span: (start, self.last_end()), what: What::It(field) })
        } else if self.mark(":") {
            Some(self.either()?)
        } else {
            None
        };
        let condition = if self.word("where") { Some(self.either()?) } else { None };
        let per = if self.word("per") { Some(self.single()?) } else { None };
        let every = if self.word("every") { Some(self.duration()?) } else { None };
        let window = self.window()?;
        self.expect(")")?;
        Ok(What::Aggregate(Box::new(Aggregate { name, kind, value, condition, window, per, every })))
    }

    fn window(&mut self) -> Result<WindowText, TextError> {
        if self.word("anytime") {
            return Ok(WindowText::Anytime);
        }
        if self.word("within") {
            return Ok(WindowText::Within(self.duration()?));
        }
        if self.word("ahead") {
            return Ok(WindowText::Ahead(self.duration()?));
        }
        if !self.word("before") {
            return Ok(WindowText::AsOf);
        }
        let bounded = matches!(self.peek(), Some(Token::Number(_) | Token::Param(_)));
        Ok(WindowText::Before(if bounded { Some(self.duration()?) } else { None }))
    }

    fn duration(&mut self) -> Result<Tree, TextError> {
        match self.peek() {
            Some(Token::Number(_) | Token::Param(_)) => self.single(),
            Some(_) | None => Err(self.error("a duration such as 90d, 24h or $days is expected")),
        }
    }
}
