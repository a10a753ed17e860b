//! Why: the tree of a verdict, with the value of every node and the rows behind it.

use super::aggregate;
use super::cell::Cell;
use super::compile::{Piece, Rule};
use super::engine::{Engine, Verdict};
use super::eval::Scope;
use super::node::{Compare, Node, Op, Slot, Whose};
use super::table::Row;
use minewatch_domain::Level;
use serde::Serialize;

/// Rows named as evidence of one aggregate; more are counted only.
const ROWS_MAX: usize = 8;
/// Deepest level of the tree that is told.
const DEPTH_MAX: usize = 8;
/// Longest proof as JSON; deeper levels are left out until it fits.
const PROOF_BYTES_MAX: usize = 15 * 1024;

/// A fact named in a trace: its identity, by which its source record is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// Kind.
    pub kind: String,
    /// Key.
    pub key: String,
    /// When it was learned, microseconds.
    pub known_at_us: i64,
}

/// A node's part in the answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    /// What was asked.
    pub of: String,
    /// The answer; `?` is unknown.
    pub value: String,
    /// Rows behind it, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Evidence>,
    /// How many more rows there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// What it was made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Trace>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A warning with everything people need.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Warning {
    /// Rule and version, `P01#1`.
    pub rule: String,
    /// Level.
    pub level: Level,
    /// What makes it the same warning when it comes again.
    pub dedupe: String,
    /// Unit.
    pub org: String,
    /// The subject.
    pub subject: Evidence,
    /// Time of the subject's event, microseconds.
    pub event_at_us: i64,
    /// The sentence in Chinese.
    pub zh: String,
    /// The sentence in English.
    pub en: String,
    /// Why.
    pub trace: Trace,
}

/// What is kept of a warning beside its sentence.
#[derive(Serialize)]
struct Proof<'w> {
    subject: &'w Evidence,
    dedupe: &'w str,
    #[serde(flatten)]
    trace: Trace,
}

impl Warning {
    /// The trace as JSON of at most 15 KiB, with the fact that was judged: what is deepest is left out first.
    pub fn proof(&self) -> String {
        let told = |depth| Proof { subject: &self.subject, dedupe: &self.dedupe, trace: cut(&self.trace, depth) };
        (1..=DEPTH_MAX)
            .rev()
            .map(|depth| serde_json::to_string(&told(depth)).unwrap_or_default())
            .find(|text| text.len() <= PROOF_BYTES_MAX)
            .unwrap_or_default()
    }
}

fn cut(trace: &Trace, depth: usize) -> Trace {
    let from = if depth <= 1 { Vec::new() } else { trace.from.iter().map(|t| cut(t, depth - 1)).collect() };
    Trace { from, ..trace.clone() }
}

impl Engine {
    /// Everything that stands: hits, and what could not be judged.
    pub fn standing(&self) -> Vec<(usize, u32, Verdict)> {
        let of = |(n, running): (usize, &super::engine::Running)| {
            running.verdicts.iter().map(|(subject, verdict)| (n, *subject, *verdict)).collect::<Vec<_>>()
        };
        self.running.iter().enumerate().flat_map(of).collect()
    }

    /// What identifies a subject's warning: the row's key, or the values of its group.
    pub fn dedupe(&self, rule: usize, subject: u32) -> String {
        let running = &self.running[rule];
        let shown = |cell: &Cell| self.world.symbols.borrow().shown(*cell);
        let index = running.rule.by.map(|by| &self.world.tables[running.rule.table].indexes[by]);
        match index {
            Some(index) => {
                let key = index.entries.get_index(subject as usize).map(|(key, _)| key.iter().map(shown).collect());
                key.map(|parts: Vec<String>| parts.join("|")).unwrap_or_default()
            }
            None => shown(&Cell::Text(self.world.get(running.rule.table, subject).key)),
        }
    }

    /// The warning of a subject: of a hit its check, else of the first check that could not be judged.
    pub fn warning(&self, rule: usize, subject: u32, verdict: Verdict) -> Option<Warning> {
        let running = &self.running[rule];
        let rule_now: &Rule = &running.rule;
        let row = self.world.get(rule_now.table, self.row_of(rule, subject)?);
        let fences = self.fences(rule, subject);
        let scope = Scope { now: self.now(), fences: fences.as_ref(), ..Scope::of_row(&self.world, row) };
        let (level, at) = match verdict {
            Verdict::Hit(level, at) => (level, at),
            Verdict::Unknown => (Level::Normal, 0),
            Verdict::Clear => return None,
        };
        let check = rule_now.checks.get(at)?;
        let said = |pieces: &[Piece]| pieces.iter().map(|piece| self.piece(&scope, piece)).collect::<String>();
        let text = |sym| self.world.symbols.borrow().text(sym).to_owned();
        Some(Warning {
            rule: rule_now.file.reference(),
            level,
            dedupe: self.dedupe(rule, subject),
            org: text(row.org),
            subject: self.evidence(rule_now.table, row),
            event_at_us: row.at,
            zh: said(&check.zh),
            en: said(&check.en),
            trace: self.trace(&scope, rule_now.table, &check.when, DEPTH_MAX),
        })
    }

    fn piece(&self, scope: &Scope<'_>, piece: &Piece) -> String {
        match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(node) => {
                let cell = match scope.eval(node) {
                    Cell::Num(number) => Cell::Num(number.round_dp(4)),
                    cell @ (Cell::None | Cell::Text(_) | Cell::Flag(_) | Cell::Time(_)) => cell,
                };
                self.world.symbols.borrow().shown(cell)
            }
        }
    }

    fn evidence(&self, table: usize, row: &Row) -> Evidence {
        let key = self.world.symbols.borrow().text(row.key).to_owned();
        Evidence { kind: self.world.tables[table].name.clone(), key, known_at_us: row.known }
    }

    fn trace(&self, scope: &Scope<'_>, mine: usize, node: &Node, depth: usize) -> Trace {
        // Evaluated first: functions make new texts while they look.
        let cell = scope.eval(node);
        let value = self.world.symbols.borrow().shown(cell);
        let (mut rows, mut more) = (Vec::new(), 0);
        let mut from = Vec::new();
        if let Op::Aggregate(aggregate) = &node.op {
            let all = aggregate::rows(scope, aggregate);
            more = all.len().saturating_sub(ROWS_MAX);
            rows = all.iter().skip(more).map(|row| self.evidence(aggregate.table, row)).collect();
        } else if depth > 0 {
            let plain = |child: &&Node| !matches!(child.op, Op::Const(_));
            from = node.children().into_iter().filter(plain).map(|n| self.trace(scope, mine, n, depth - 1)).collect();
        }
        Trace { of: self.shown(mine, node), value, rows, more, from }
    }

    /// A node as people would write it.
    fn shown(&self, mine: usize, node: &Node) -> String {
        let many = |all: &[Node], by: &str| all.iter().map(|n| self.shown(mine, n)).collect::<Vec<_>>().join(by);
        let cell = |cell: &Cell| self.world.symbols.borrow().shown(*cell);
        match &node.op {
            Op::Const(value) => cell(value),
            Op::Slot(whose, slot) => {
                let name = match slot {
                    Slot::Key => "key",
                    Slot::Org => "org",
                    Slot::At => "at",
                    Slot::Element(n) => self.world.tables[mine].elements.get(*n).map_or("?", String::as_str),
                };
                if *whose == Whose::Its { format!("it.{name}") } else { name.to_owned() }
            }
            Op::Now => "now".to_owned(),
            Op::Choose(_, key) => format!("limit[{}]", self.shown(mine, key)),
            Op::Not(a) => format!("not {}", self.shown(mine, a)),
            Op::Minus(a) => format!("-{}", self.shown(mine, a)),
            Op::All(all) => many(all, " and "),
            Op::Any(all) => format!("({})", many(all, " or ")),
            Op::Compare(op, a, b) => format!("{} {} {}", self.shown(mine, a), sign(*op), self.shown(mine, b)),
            Op::Arith(op, a, b) => format!("({} {} {})", self.shown(mine, a), arith(*op), self.shown(mine, b)),
            Op::In(a, set) => {
                let set: Vec<String> = set.iter().map(cell).collect();
                format!("{} in [{}]", self.shown(mine, a), set.join(", "))
            }
            Op::Call(function, all) => format!("{function:?}({})", many(all, ", ")).to_lowercase(),
            Op::Aggregate(aggregate) => {
                let kind = &self.world.tables[aggregate.table].name;
                let value = aggregate.value.as_ref().map(|v| format!(": {}", self.shown(aggregate.table, v)));
                let rest = aggregate.filter.as_ref().map(|f| format!(" where {}", self.shown(aggregate.table, f)));
                let total = format!("{:?}", aggregate.total).to_lowercase();
                format!("{total}({kind}{}{})", value.unwrap_or_default(), rest.unwrap_or_default())
            }
            Op::Fence(which) => format!("fence {which:?}").to_lowercase(),
        }
    }
}

fn sign(op: Compare) -> &'static str {
    match op {
        Compare::Equal => "=",
        Compare::Unequal => "!=",
        Compare::Less => "<",
        Compare::LessOrEqual => "<=",
        Compare::More => ">",
        Compare::MoreOrEqual => ">=",
    }
}

fn arith(op: super::node::Arith) -> &'static str {
    use super::node::Arith;
    match op {
        Arith::Add => "+",
        Arith::Subtract => "-",
        Arith::Multiply => "*",
        Arith::Divide => "/",
        Arith::Modulo => "%",
    }
}
