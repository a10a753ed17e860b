//! An aggregate to its index: which of its conditions find the rows, which sort them out.

use super::compile::constant;
use super::expression::{Compiler, Kind, Typed, wrong};
use super::kept::KeptOf;
use super::node::{Aggregate, Compare, Join, Node, Op, Total, Whose, Window};
use super::text::{self, Span, TextError, Tree, What, WindowText};

/// A condition's part that finds rows.
enum Found {
    /// `it.x = value of the subject`.
    Equal(Node, Node),
    /// `it.x in group(party, least)`, `it.x in controllers(party, hops, edge)`.
    Graph(Node, Join),
}

fn total(name: &str) -> Option<(Total, bool)> {
    Some(match name {
        "count" => (Total::Count, false),
        "exists" => (Total::Exists, false),
        "sum" => (Total::Sum, true),
        "min" => (Total::Min, true),
        "max" => (Total::Max, true),
        "mean" => (Total::Mean, true),
        "sd" => (Total::Sd, true),
        "median" => (Total::Median, true),
        "q1" => (Total::Q1, true),
        "q3" => (Total::Q3, true),
        "cv" => (Total::Cv, true),
        "distinct" => (Total::Distinct, true),
        "last" => (Total::Last, true),
        "first" => (Total::First, true),
        "changes" => (Total::Changes, true),
        "benford" => (Total::Benford, true),
        "same" => (Total::Same, true),
        "steps" => (Total::Steps, true),
        "ratios" => (Total::Ratios, true),
        "mean_per" => (Total::MeanPer, false),
        "sd_per" => (Total::SdPer, false),
        "sum_last" => (Total::SumLast, true),
        "second" => (Total::Second, true),
        _ => return None,
    })
}

/// The kind of an aggregate's answer; `None` where the value's own kind does not fit.
fn answers(total: Total, of: Option<Kind>) -> Option<Kind> {
    match (total, of) {
        (Total::Exists, None) => Some(Kind::Flag),
        (Total::Count | Total::MeanPer | Total::SdPer, None) => Some(Kind::Number),
        (Total::Last | Total::First, Some(kind)) => Some(kind),
        (Total::Min | Total::Max, Some(Kind::Number | Kind::Time)) => of,
        (Total::Distinct | Total::Changes | Total::Same, Some(_)) => Some(Kind::Number),
        (Total::Sum | Total::Mean | Total::Sd | Total::Median | Total::Q1 | Total::Q3, Some(Kind::Number)) => of,
        (Total::Cv | Total::Benford | Total::Steps | Total::Ratios, Some(Kind::Number)) => of,
        (Total::SumLast | Total::Second, Some(Kind::Number)) => of,
        (_, _) => None,
    }
}

fn conjuncts<'t>(tree: &'t Tree, all: &mut Vec<&'t Tree>) {
    match &tree.what {
        What::Infix("and", a, b) => {
            conjuncts(a, all);
            conjuncts(b, all);
        }
        What::Number(_) | What::Text(_) | What::Flag(_) | What::Name(_) | What::It(_) | What::Param(..) => {
            all.push(tree);
        }
        What::Prefix(..) | What::Infix(..) | What::Call(..) | What::Aggregate(_) => all.push(tree),
    }
}

impl Compiler<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &text::Aggregate, span: Span) -> Result<Typed, TextError> {
        if self.inner.is_some() {
            return wrong(span, "an aggregate cannot stand inside another");
        }
        let Some(table) = self.world.table(&aggregate.kind) else {
            return wrong(span, format!("the dictionary has no kind {:?}", aggregate.kind));
        };
        self.inner = Some(table);
        let made = self.inside(aggregate, table, span);
        self.inner = None;
        made
    }

    fn inside(&mut self, aggregate: &text::Aggregate, table: usize, span: Span) -> Result<Typed, TextError> {
        let Some((total, needs_value)) = total(&aggregate.name) else {
            return wrong(span, format!("there is no aggregate {:?}", aggregate.name));
        };
        let value = aggregate.value.as_ref().map(|tree| self.tree(tree)).transpose()?;
        if needs_value != value.is_some() {
            let why = if needs_value { "needs a value: kind.element or kind: expression" } else { "takes no value" };
            return wrong(span, format!("{} {why}", aggregate.name));
        }
        let Some(answer) = answers(total, value.as_ref().map(|(_, kind)| *kind)) else {
            return wrong(span, format!("{} does not work on values of this kind", aggregate.name));
        };
        let (mut keys, mut graph, mut rest) = (Vec::new(), None, Vec::new());
        let mut all = Vec::new();
        aggregate.condition.iter().for_each(|tree| conjuncts(tree, &mut all));
        for tree in all {
            match self.finding(tree)? {
                Ok(Found::Equal(its, mine)) => keys.push((its, mine)),
                Ok(Found::Graph(its, join)) if graph.is_none() => graph = Some((its, join)),
                Ok(Found::Graph(..)) => return wrong(tree.span, "only one group() or controllers() per aggregate"),
                Err(node) => rest.push(node),
            }
        }
        // With a walk the equalities are filters; without one they are the index.
        let (index, join) = match graph {
            Some((its, join)) => {
                let equal = |(its, mine): (Node, Node)| Node {
                    span: its.span,
                    op: Op::Compare(Compare::Equal, Box::new(its), Box::new(mine)),
                };
                rest.extend(keys.into_iter().map(equal));
                (vec![its], join)
            }
            None if keys.is_empty() => {
                return wrong(
                    span,
                    "an aggregate needs a condition `it.element = value of the subject` to find its rows",
                );
            }
            None => {
                let (its, mine): (Vec<Node>, Vec<Node>) = keys.into_iter().unzip();
                (its, Join::Keys(mine))
            }
        };
        let index = self.world.index_of(table, index);
        let filter = match rest.len() {
            0 => None,
            1 => rest.pop(),
            _ => Some(Node { span, op: Op::All(rest) }),
        };
        let per = aggregate.per.as_ref().map(|tree| self.tree(tree).map(|(node, _)| node)).transpose()?;
        if (total == Total::SumLast) != per.is_some() {
            return wrong(span, "`per` belongs to sum_last, which needs it");
        }
        let bucketed = matches!(total, Total::MeanPer | Total::SdPer);
        if bucketed != aggregate.every.is_some() {
            return wrong(span, "`every` belongs to mean_per and sd_per, which need it");
        }
        let every = aggregate.every.as_ref().map(|tree| self.duration(tree)).transpose()?.unwrap_or(0);
        let window = self.window(&aggregate.window)?;
        if bucketed && (window.from.is_none() || window.to.is_none()) {
            return wrong(span, "mean_per and sd_per need a window such as `before 720d`");
        }
        let value = value.map(|(node, _)| node);
        let kept = self.keep(total, (table, index), &join, &filter, &value, window);
        let made = Aggregate { total, table, index, join, filter, value, per, every, window, kept };
        Ok((Node { span, op: Op::Aggregate(Box::new(made)) }, answer))
    }

    fn keep(
        &mut self,
        total: Total,
        (table, index): (usize, usize),
        join: &Join,
        filter: &Option<Node>,
        value: &Option<Node>,
        window: Window,
    ) -> Option<usize> {
        let of_rows = |node: &Option<Node>| node.as_ref().is_none_or(|node| node.only(Whose::Its));
        let whole = window.from.is_none() && window.to.is_none();
        let can = KeptOf::can(total) && whole && matches!(join, Join::Keys(_)) && of_rows(filter) && of_rows(value);
        can.then(|| self.world.kept_of(table, index, KeptOf { filter: filter.clone(), value: value.clone() }))
    }

    /// What a condition does: finds rows, or (the inner `Err`) sorts them out.
    fn finding(&mut self, tree: &Tree) -> Result<Result<Found, Node>, TextError> {
        if let What::Infix("in", its, set) = &tree.what
            && let What::Call(name, arguments) = &set.what
        {
            let its = self.tree(its)?.0;
            return self.walk(its, name, arguments, set.span).map(Ok);
        }
        let node = self.wanted(tree, Kind::Flag)?;
        if let Op::Compare(Compare::Equal, a, b) = &node.op {
            let its_by_mine = |its: &Node, mine: &Node| {
                its.only(Whose::Its) && !has_no_slot(its) && mine.only(Whose::Mine) && !has_no_slot(mine)
            };
            if its_by_mine(a, b) {
                return Ok(Ok(Found::Equal((**a).clone(), (**b).clone())));
            }
            if its_by_mine(b, a) {
                return Ok(Ok(Found::Equal((**b).clone(), (**a).clone())));
            }
        }
        Ok(Err(node))
    }

    fn walk(&mut self, its: Node, name: &str, arguments: &[Tree], span: Span) -> Result<Found, TextError> {
        let Some(party) = arguments.first() else { return wrong(span, "whose group?") };
        let party = Box::new(self.wanted(party, Kind::Text)?);
        if !party.only(Whose::Mine) || !its.only(Whose::Its) {
            return wrong(span, "the party must be a value of the subject, and what is sought one of the row");
        }
        let mut limits = Vec::new();
        for tree in &arguments[1..] {
            let node = self.wanted(tree, Kind::Number)?;
            let Some(limit) = constant(&node) else { return wrong(tree.span, "a constant number is needed") };
            limits.push(limit);
        }
        match (name, limits.as_slice()) {
            ("group", [least]) => Ok(Found::Graph(its, Join::Group(party, *least))),
            ("controllers", [hops, edge]) => Ok(Found::Graph(its, Join::Controllers(party, *hops as u32, *edge))),
            (_, _) => wrong(span, "group(party, least product) or controllers(party, hops, least share) is expected"),
        }
    }

    fn window(&mut self, window: &WindowText) -> Result<Window, TextError> {
        Ok(match window {
            WindowText::AsOf => Window { from: None, to: Some(0) },
            WindowText::Anytime => Window { from: None, to: None },
            WindowText::Within(days) => Window { from: Some(1 - self.duration(days)?), to: Some(0) },
            WindowText::Before(None) => Window { from: None, to: Some(-1) },
            WindowText::Before(Some(days)) => Window { from: Some(-self.duration(days)?), to: Some(-1) },
            WindowText::Ahead(days) => Window { from: Some(1), to: Some(self.duration(days)?) },
        })
    }
}

/// A constant finds nothing: rows of which the element is not known must stay in sight.
fn has_no_slot(node: &Node) -> bool {
    let mut slots = 0;
    node.visit(&mut |node| slots += usize::from(matches!(node.op, Op::Slot(..))));
    slots == 0
}
