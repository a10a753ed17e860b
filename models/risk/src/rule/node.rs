//! The compiled tree: names are slots, parameters are values, joins are indexes.

use super::cell::Cell;
use super::text::Span;

/// A node and the place of its text.
#[derive(Debug, Clone)]
pub struct Node {
    /// Place in the rule's text; equality does not look at it.
    pub span: Span,
    /// What it computes.
    pub op: Op,
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.op == other.op
    }
}

/// Which row a slot is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The subject.
    Mine,
    /// The row an aggregate looks at.
    Its,
}

/// A slot every row has, or one of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The key.
    Key,
    /// The unit.
    Org,
    /// The event's time.
    At,
    /// An element, by its place in the dictionary.
    Element(usize),
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// Arithmetic; times and days add and subtract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Arith {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Whole civil days from the first moment to the second.
    Days,
    /// Hour of the day, 0 to 23.
    Hour,
    /// Monday 1 to Sunday 7.
    Weekday,
    /// `yyyymm`.
    Month,
    /// `yyyyq`.
    Quarter,
    /// `yyyy`.
    Year,
    /// First moment of the day.
    Date,
    /// Absolute value.
    Abs,
    /// The larger.
    Larger,
    /// Letters and digits only, upper case, full width made half width, leading zeros of numbers dropped.
    Norm,
    /// The first characters.
    Prefix,
    /// The check of GB 32100.
    ValidUscc,
    /// Whether a value was said.
    Known,
    /// The value, or the other.
    OrElse,
    /// A common controller: parties, hops, least edge.
    Related,
    /// Head of the group: party, least product.
    Head,
    /// One, two, … of texts joined.
    Join,
    /// How many of the answers are true; an unknown one does not count.
    Truths,
}

/// What a fence is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// The subject's own value in the population.
    Value,
    /// Q1 − k · IQR.
    Low,
    /// Q3 + k · IQR.
    High,
}

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Total {
    Count,
    Exists,
    Sum,
    Min,
    Max,
    Mean,
    /// Sample standard deviation.
    Sd,
    Median,
    Q1,
    Q3,
    /// Coefficient of variation.
    Cv,
    Distinct,
    Last,
    First,
    /// How often the value differs from the one before, in order of time.
    Changes,
    /// Mean absolute deviation of first digits from Benford's law.
    Benford,
    /// The largest number of equal values.
    Same,
    /// Relative spread of the differences of the sorted values: 0 when they are equal.
    Steps,
    /// The same of their ratios.
    Ratios,
    /// Mean number of rows per bucket.
    MeanPer,
    /// Standard deviation of it.
    SdPer,
    /// Sum of the newest value of each group.
    SumLast,
    /// The second smallest value.
    Second,
}

/// The time looked at, relative to the subject's, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From, included; none: since ever.
    pub from: Option<i64>,
    /// To, included; none: for ever.
    pub to: Option<i64>,
}

/// How rows are found.
#[derive(Debug, Clone, PartialEq)]
pub enum Join {
    /// Those whose index key equals these values of the subject.
    Keys(Vec<Node>),
    /// Those of any party in the group of this one: party, least product.
    Group(Box<Node>, f64),
    /// Those of this party or of any that controls it: party, hops, least edge.
    Controllers(Box<Node>, u32, f64),
}

/// An aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// What.
    pub total: Total,
    /// Table.
    pub table: usize,
    /// Index of the table.
    pub index: usize,
    /// How rows are found.
    pub join: Join,
    /// Which rows.
    pub filter: Option<Node>,
    /// Of what.
    pub value: Option<Node>,
    /// Grouped by.
    pub per: Option<Node>,
    /// Width of buckets, microseconds.
    pub every: i64,
    /// When.
    pub window: Window,
    /// Kept up to date with every row instead of computed: place in the index.
    pub kept: Option<usize>,
}

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Always this.
    Const(Cell),
    /// A slot.
    Slot(Whose, Slot),
    /// The moment of judging.
    Now,
    /// A parameter's value for a key.
    Choose(Vec<(Cell, Cell)>, Box<Node>),
    /// Not.
    Not(Box<Node>),
    /// Minus.
    Minus(Box<Node>),
    /// All true.
    All(Vec<Node>),
    /// One true.
    Any(Vec<Node>),
    /// A comparison.
    Compare(Compare, Box<Node>, Box<Node>),
    /// Arithmetic.
    Arith(Arith, Box<Node>, Box<Node>),
    /// Member of a set.
    In(Box<Node>, Vec<Cell>),
    /// A function.
    Call(Function, Vec<Node>),
    /// An aggregate.
    Aggregate(Box<Aggregate>),
    /// A value of the population.
    Fence(Fence),
}

impl Node {
    /// Calls `visit` for this node and all below it, those inside aggregates included.
    pub fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        for child in self.children() {
            child.visit(visit);
        }
    }

    /// The nodes right below.
    pub fn children(&self) -> Vec<&Node> {
        match &self.op {
            Op::Const(_) | Op::Slot(..) | Op::Now | Op::Fence(_) => Vec::new(),
            Op::Choose(_, a) | Op::Not(a) | Op::Minus(a) | Op::In(a, _) => vec![a],
            Op::All(all) | Op::Any(all) | Op::Call(_, all) => all.iter().collect(),
            Op::Compare(_, a, b) | Op::Arith(_, a, b) => vec![a, b],
            Op::Aggregate(aggregate) => {
                let join = match &aggregate.join {
                    Join::Keys(keys) => keys.iter().collect(),
                    Join::Group(party, _) | Join::Controllers(party, ..) => vec![party.as_ref()],
                };
                let rest = [&aggregate.filter, &aggregate.value, &aggregate.per];
                join.into_iter().chain(rest.into_iter().flatten()).collect()
            }
        }
    }

    /// Whether it reads only rows of this side, and nothing that changes by itself.
    pub fn only(&self, whose: Whose) -> bool {
        let mut sound = true;
        self.visit(&mut |node| match &node.op {
            Op::Slot(other, _) => sound &= *other == whose,
            Op::Aggregate(_) | Op::Now | Op::Fence(_) => sound = false,
            Op::Call(Function::Related | Function::Head, _) => sound = false,
            Op::Const(_) | Op::Choose(..) | Op::Not(_) | Op::Minus(_) | Op::All(_) | Op::Any(_) => {}
            Op::Compare(..) | Op::Arith(..) | Op::In(..) | Op::Call(..) => {}
        });
        sound
    }

    /// The same tree read from the other side: the subject's as an indexed row's.
    pub fn turned(&self) -> Node {
        let many = |all: &[Node]| all.iter().map(Node::turned).collect::<Vec<_>>();
        let one = |node: &Node| Box::new(node.turned());
        let op = match &self.op {
            Op::Slot(_, slot) => Op::Slot(Whose::Its, *slot),
            Op::Const(_) | Op::Now | Op::Fence(_) | Op::Aggregate(_) => self.op.clone(),
            Op::Choose(table, key) => Op::Choose(table.clone(), one(key)),
            Op::Not(a) => Op::Not(one(a)),
            Op::Minus(a) => Op::Minus(one(a)),
            Op::All(all) => Op::All(many(all)),
            Op::Any(all) => Op::Any(many(all)),
            Op::Compare(op, a, b) => Op::Compare(*op, one(a), one(b)),
            Op::Arith(op, a, b) => Op::Arith(*op, one(a), one(b)),
            Op::In(a, set) => Op::In(one(a), set.clone()),
            Op::Call(function, all) => Op::Call(*function, many(all)),
        };
        Node { span: self.span, op }
    }
}
