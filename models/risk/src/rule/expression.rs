//! One expression to nodes: names, types, parameters.

use super::cell::Cell;
use super::compile::{Piece, constant, microseconds};
use super::file::{Fault, Param, RuleFile};
use super::node::{Arith, Compare, Fence, Function, Node, Op, Slot, Whose};
use super::table::World;
use super::text::{Span, TextError, Tree, What, parse};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

/// Deepest chain of names that stand for other names.
const LETS_MAX: usize = 16;

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Flag,
    Time,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Number => "a number",
            Kind::Text => "a text",
            Kind::Flag => "true or false",
            Kind::Time => "a time",
        }
    }
}

pub(super) struct Compiler<'a> {
    name: &'a str,
    file: &'a RuleFile,
    pub(super) world: &'a mut World,
    subject: usize,
    /// Table of the aggregate being read.
    pub(super) inner: Option<usize>,
    lets: usize,
    pub(super) faults: Vec<Fault>,
}

pub(super) type Typed = (Node, Kind);

pub(super) fn wrong<T>(span: Span, why: impl Into<String>) -> Result<T, TextError> {
    Err(TextError { at: span.0, why: why.into() })
}

impl<'a> Compiler<'a> {
    pub(super) fn new(name: &'a str, file: &'a RuleFile, world: &'a mut World, subject: usize) -> Compiler<'a> {
        Compiler { name, file, world, subject, inner: None, lets: 0, faults: Vec::new() }
    }

    /// An expression; a fault is noted with its column.
    pub(super) fn text(&mut self, at: &str, text: &str, wanted: Option<Kind>) -> Option<Node> {
        let read = parse(text).and_then(|tree| {
            let (node, kind) = self.tree(&tree)?;
            match wanted {
                Some(wanted) if wanted != kind => {
                    wrong(tree.span, format!("{} is needed, this is {}", wanted.name(), kind.name()))
                }
                Some(_) | None => Ok(node),
            }
        });
        read.map_err(|error| self.fault(at, &error)).ok()
    }

    fn fault(&mut self, at: &str, error: &TextError) {
        let at = format!("{at}:{}", error.at + 1);
        self.faults.push(Fault { file: self.name.to_owned(), at, why: error.why.clone() });
    }

    /// A sentence with `{expression}` in it.
    pub(super) fn sentence(&mut self, at: &str, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            pieces.push(Piece::Text(before.to_owned()));
            let (inside, more) = after.split_once('}').unwrap_or((after, ""));
            pieces.extend(self.text(at, inside, None).map(Piece::Value));
            rest = more;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces
    }

    pub(super) fn tree(&mut self, tree: &Tree) -> Result<Typed, TextError> {
        let span = tree.span;
        let node = |op| Node { span, op };
        Ok(match &tree.what {
            What::Number(number) => (node(Op::Const(Cell::Num(*number))), Kind::Number),
            What::Flag(flag) => (node(Op::Const(Cell::Flag(*flag))), Kind::Flag),
            What::Text(text) => (node(Op::Const(Cell::Text(self.world.symbols.get_mut().of(text)))), Kind::Text),
            What::Name(name) => self.named(name, Whose::Mine, span)?,
            What::It(name) => self.named(name, Whose::Its, span)?,
            What::Param(name, None) => {
                let (cell, kind) = self.param(name, span)?;
                (node(Op::Const(cell)), kind)
            }
            What::Param(name, Some(key)) => self.choice(name, key, span)?,
            What::Prefix("not", inner) => (node(Op::Not(Box::new(self.wanted(inner, Kind::Flag)?))), Kind::Flag),
            What::Prefix(_, inner) => (node(Op::Minus(Box::new(self.wanted(inner, Kind::Number)?))), Kind::Number),
            What::Infix("and" | "or", ..) => self.several(tree)?,
            What::Infix("in", a, set) => self.member(a, set, span)?,
            What::Infix(op, a, b) => self.infix(op, a, b, span)?,
            What::Call(name, arguments) => self.call(name, arguments, span)?,
            What::Aggregate(aggregate) => self.aggregate(aggregate, span)?,
        })
    }

    pub(super) fn wanted(&mut self, tree: &Tree, wanted: Kind) -> Result<Node, TextError> {
        let (node, kind) = self.tree(tree)?;
        if kind == wanted {
            return Ok(node);
        }
        wrong(tree.span, format!("{} is needed, this is {}", wanted.name(), kind.name()))
    }

    fn named(&mut self, name: &str, whose: Whose, span: Span) -> Result<Typed, TextError> {
        let node = |op| Node { span, op };
        let fence = |which| Ok((node(Op::Fence(which)), Kind::Number));
        match (name, whose) {
            ("key", _) => return Ok((node(Op::Slot(whose, Slot::Key)), Kind::Text)),
            ("org", _) => return Ok((node(Op::Slot(whose, Slot::Org)), Kind::Text)),
            ("at", _) => return Ok((node(Op::Slot(whose, Slot::At)), Kind::Time)),
            ("now", Whose::Mine) => return Ok((node(Op::Now), Kind::Time)),
            ("value", Whose::Mine) if self.file.population.is_some() => return fence(Fence::Value),
            ("fence_low", Whose::Mine) => return fence(Fence::Low),
            ("fence_high", Whose::Mine) => return fence(Fence::High),
            (_, _) => {}
        }
        let table = match (whose, self.inner) {
            (Whose::Mine, _) => self.subject,
            (Whose::Its, Some(inner)) => inner,
            (Whose::Its, None) => return wrong(span, "`it` has a meaning only inside an aggregate"),
        };
        if let Some(text) = self.file.lets.get(name).filter(|_| table == self.subject) {
            return self.let_named(name, &text.clone(), whose, span);
        }
        let kind = self.world.tables[table].name.clone();
        let Some(at) = self.world.tables[table].elements.iter().position(|element| element == name) else {
            return wrong(span, format!("{kind} has no element {name:?}"));
        };
        let value_type = self.world.types.get(&(table, at)).copied();
        Ok((node(Op::Slot(whose, Slot::Element(at))), value_type.unwrap_or(Kind::Text)))
    }

    /// A name that stands for an expression, read from either side.
    fn let_named(&mut self, name: &str, text: &str, whose: Whose, span: Span) -> Result<Typed, TextError> {
        self.lets += 1;
        if self.lets > LETS_MAX {
            return wrong(span, format!("{name:?} stands for itself"));
        }
        let read = parse(text).and_then(|tree| self.tree(&tree));
        self.lets -= 1;
        match read {
            Ok((node, kind)) => {
                let node = if whose == Whose::Its { node.turned() } else { node };
                Ok((Node { span, op: node.op }, kind))
            }
            Err(error) => wrong(span, format!("in let.{name}:{}: {}", error.at + 1, error.why)),
        }
    }

    fn cell(&mut self, param: &Param, span: Span) -> Result<(Cell, Kind), TextError> {
        Ok(match param {
            Param::Flag(flag) => (Cell::Flag(*flag), Kind::Flag),
            Param::Whole(number) => (Cell::Num(Decimal::from(*number)), Kind::Number),
            Param::Number(number) => match Decimal::from_f64(*number) {
                Some(number) => (Cell::Num(number), Kind::Number),
                None => return wrong(span, "the parameter is no finite number"),
            },
            Param::Text(text) => (Cell::Text(self.world.symbols.get_mut().of(text)), Kind::Text),
            Param::Set(_) => return wrong(span, "a set can only stand after `in`"),
            Param::Table(_) => return wrong(span, "the parameter needs a key: $name[key]"),
        })
    }

    fn param(&mut self, name: &str, span: Span) -> Result<(Cell, Kind), TextError> {
        match self.file.params.get(name) {
            Some(param) => self.cell(&param.clone(), span),
            None => wrong(span, format!("there is no parameter {name:?}")),
        }
    }

    fn choice(&mut self, name: &str, key: &Tree, span: Span) -> Result<Typed, TextError> {
        let key = self.wanted(key, Kind::Text)?;
        let Some(Param::Table(table)) = self.file.params.get(name).cloned() else {
            return wrong(span, format!("there is no parameter {name:?} with keys"));
        };
        let (mut cells, mut kind) = (Vec::new(), Kind::Number);
        for (of, param) in &table {
            let (cell, found) = self.cell(param, span)?;
            kind = found;
            cells.push((Cell::Text(self.world.symbols.get_mut().of(of)), cell));
        }
        Ok((Node { span, op: Op::Choose(cells, Box::new(key)) }, kind))
    }

    fn several(&mut self, tree: &Tree) -> Result<Typed, TextError> {
        let What::Infix(op, ..) = &tree.what else { return wrong(tree.span, "and, or") };
        let mut all = Vec::new();
        let mut left = tree;
        while let What::Infix(same, a, b) = &left.what
            && same == op
        {
            all.push(self.wanted(b, Kind::Flag)?);
            left = a;
        }
        all.push(self.wanted(left, Kind::Flag)?);
        all.reverse();
        let op = if *op == "and" { Op::All(all) } else { Op::Any(all) };
        Ok((Node { span: tree.span, op }, Kind::Flag))
    }

    fn member(&mut self, a: &Tree, set: &Tree, span: Span) -> Result<Typed, TextError> {
        let (a, kind) = self.tree(a)?;
        let What::Param(name, None) = &set.what else {
            return wrong(set.span, "a set is needed: a parameter such as $methods");
        };
        let Some(Param::Set(members)) = self.file.params.get(name).cloned() else {
            return wrong(set.span, format!("there is no set {name:?}"));
        };
        let mut cells = Vec::new();
        for member in &members {
            let (cell, found) = self.cell(member, set.span)?;
            if found != kind {
                return wrong(set.span, format!("the members are not {}", kind.name()));
            }
            cells.push(cell);
        }
        Ok((Node { span, op: Op::In(Box::new(a), cells) }, Kind::Flag))
    }

    fn infix(&mut self, op: &str, a: &Tree, b: &Tree, span: Span) -> Result<Typed, TextError> {
        let ((left, kind), (right, other)) = (self.tree(a)?, self.tree(b)?);
        let (left, right) = (Box::new(left), Box::new(right));
        let compared = |op| (Node { span, op }, Kind::Flag);
        let comparison = match op {
            "=" => Some(Compare::Equal),
            "!=" => Some(Compare::Unequal),
            "<" => Some(Compare::Less),
            "<=" => Some(Compare::LessOrEqual),
            ">" => Some(Compare::More),
            ">=" => Some(Compare::MoreOrEqual),
            _ => None,
        };
        let mismatch = || wrong(span, format!("{} and {} do not go together", kind.name(), other.name()));
        if let Some(comparison) = comparison {
            let ordered = !matches!(comparison, Compare::Equal | Compare::Unequal);
            return match kind == other && !(ordered && matches!(kind, Kind::Text | Kind::Flag)) {
                true => Ok(compared(Op::Compare(comparison, left, right))),
                false => mismatch(),
            };
        }
        let (op, result) = match (op, kind, other) {
            ("+", Kind::Number, Kind::Number) => (Arith::Add, Kind::Number),
            ("-", Kind::Number, Kind::Number) => (Arith::Subtract, Kind::Number),
            ("*", Kind::Number, Kind::Number) => (Arith::Multiply, Kind::Number),
            ("/", Kind::Number, Kind::Number) => (Arith::Divide, Kind::Number),
            ("%", Kind::Number, Kind::Number) => (Arith::Modulo, Kind::Number),
            ("+", Kind::Time, Kind::Number) => (Arith::Add, Kind::Time),
            ("-", Kind::Time, Kind::Number) => (Arith::Subtract, Kind::Time),
            ("-", Kind::Time, Kind::Time) => (Arith::Subtract, Kind::Number),
            (_, _, _) => return mismatch(),
        };
        Ok((Node { span, op: Op::Arith(op, left, right) }, result))
    }

    fn call(&mut self, name: &str, arguments: &[Tree], span: Span) -> Result<Typed, TextError> {
        use Kind::{Flag, Number, Text, Time};
        let typed: Vec<Typed> = arguments.iter().map(|tree| self.tree(tree)).collect::<Result<_, _>>()?;
        let kinds: Vec<Kind> = typed.iter().map(|(_, kind)| *kind).collect();
        let (function, result) = match (name, kinds.as_slice()) {
            ("days", [Time, Time]) => (Function::Days, Number),
            ("hour", [Time]) => (Function::Hour, Number),
            ("weekday", [Time]) => (Function::Weekday, Number),
            ("month", [Time]) => (Function::Month, Number),
            ("quarter", [Time]) => (Function::Quarter, Number),
            ("year", [Time]) => (Function::Year, Number),
            ("date", [Time]) => (Function::Date, Time),
            ("abs", [Number]) => (Function::Abs, Number),
            ("larger", [Number, Number] | [Time, Time]) => (Function::Larger, kinds[0]),
            ("norm", [Text]) => (Function::Norm, Text),
            ("prefix", [Text, Number]) => (Function::Prefix, Text),
            ("valid_uscc", [Text]) => (Function::ValidUscc, Flag),
            ("known", [_]) => (Function::Known, Flag),
            ("or_else", [a, b]) if a == b => (Function::OrElse, *a),
            ("related", [Text, Text, Number, Number]) => (Function::Related, Flag),
            ("head", [Text, Number]) => (Function::Head, Text),
            ("join", [_, ..]) => (Function::Join, Text),
            ("truths", all) if all.iter().all(|kind| *kind == Flag) => (Function::Truths, Number),
            (_, _) => {
                let given: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                return wrong(span, format!("there is no {name}({})", given.join(", ")));
            }
        };
        let nodes: Vec<Node> = typed.into_iter().map(|(node, _)| node).collect();
        if function == Function::Related && nodes[..2].iter().all(|node| !node.only(Whose::Mine)) {
            return wrong(span, "one of the two parties must be a value of the subject");
        }
        Ok((Node { span, op: Op::Call(function, nodes) }, result))
    }

    /// A duration in microseconds.
    pub(super) fn duration(&mut self, tree: &Tree) -> Result<i64, TextError> {
        let node = self.wanted(tree, Kind::Number)?;
        match constant(&node) {
            Some(days) if (0.0..=40_000.0).contains(&days) => Ok(microseconds(days)),
            Some(_) | None => wrong(tree.span, "a duration between 0 and 40,000 days is needed"),
        }
    }
}
