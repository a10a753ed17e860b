//! Facts made of other facts: who bid beside whom, and who won.
//!
//! Invariant: the pairs of a tender are a function of its bids and its award.

use super::cell::{Cell, Sym};
use super::node::{Node, Op, Slot, Whose};
use super::table::{Row, World, order};

/// Most bidders of a tender that are paired; more is no tender but a market.
const BIDDERS_MAX: usize = 60;

/// Where the parts stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    bid: usize,
    award: usize,
    pub(super) cobid: usize,
    pub(super) ownership: usize,
    bids_of: usize,
    awards_of: usize,
    pairs_of: usize,
}

const NONE: usize = usize::MAX;

fn element(world: &World, table: usize, name: &str) -> Option<usize> {
    world.tables.get(table)?.elements.iter().position(|element| element == name)
}

impl Tables {
    pub(super) fn find(world: &mut World) -> Tables {
        let table = |world: &World, name: &str| world.table(name).unwrap_or(NONE);
        let (bid, award) = (table(world, "bid"), table(world, "award"));
        let (cobid, ownership) = (table(world, "cobid"), table(world, "ownership"));
        let index = |world: &mut World, table: usize| match element(world, table, "tender") {
            Some(slot) => {
                let op = Op::Slot(Whose::Its, Slot::Element(slot));
                world.index_of(table, vec![Node { span: (0, 0), op }])
            }
            None => NONE,
        };
        let (bids_of, awards_of) = (index(world, bid), index(world, award));
        let pairs_of = index(world, cobid);
        Tables { bid, award, cobid, ownership, bids_of, awards_of, pairs_of }
    }

    pub(super) fn ownership_cell(&self, world: &World, row: &Row, name: &str) -> Cell {
        element(world, self.ownership, name).map_or(Cell::None, |slot| row.slot(Slot::Element(slot)))
    }

    /// The tender whose pairs a row changes.
    pub(super) fn tender_of(&self, world: &World, table: usize, row: &Row) -> Option<Cell> {
        let slot = element(world, table, "tender").filter(|_| self.cobid != NONE)?;
        (table == self.bid || table == self.award).then(|| row.slot(Slot::Element(slot)))
    }

    /// The pairs of a tender; those there were and are no more come as empty rows.
    pub(super) fn pairs(&self, world: &World, tender: Cell) -> Vec<Row> {
        let mut pairs = self.paired(world, tender);
        let index = world.tables.get(self.cobid).and_then(|table| table.indexes.get(self.pairs_of));
        let known = index.and_then(|index| index.entries.get([tender].as_slice()));
        for place in known.map_or(&[][..], |entry| &entry.rows) {
            let row = world.get(self.cobid, place.row);
            if !pairs.iter().any(|pair| pair.key == row.key) {
                let cells = row.cells.iter().map(|_| Cell::None).collect();
                pairs.push(Row::derived((row.key, row.order), row.org, row.at, cells));
            }
        }
        pairs
    }

    fn paired(&self, world: &World, tender: Cell) -> Vec<Row> {
        let of = |table: usize, name: &str, row: u32| {
            element(world, table, name).map_or(Cell::None, |slot| world.get(table, row).slot(Slot::Element(slot)))
        };
        let rows = |table: usize, index: usize| {
            let entry = world.tables[table].indexes.get(index).and_then(|index| index.entries.get([tender].as_slice()));
            entry.map(|entry| entry.rows.clone()).unwrap_or_default()
        };
        let awards = rows(self.award, self.awards_of);
        let Some((decided, award)) = awards.last().map(|place| (place.at, place.row)) else { return Vec::new() };
        let winner = of(self.award, "supplier", award);
        let mut bidders: Vec<Sym> = Vec::new();
        for place in rows(self.bid, self.bids_of) {
            match of(self.bid, "bidder", place.row) {
                Cell::Text(bidder) if !bidders.contains(&bidder) && bidders.len() < BIDDERS_MAX => bidders.push(bidder),
                Cell::None | Cell::Num(_) | Cell::Text(_) | Cell::Flag(_) | Cell::Time(_) => {}
            }
        }
        let names = |sym: Sym| world.symbols.borrow().text(sym).to_owned();
        bidders.sort_by_key(|bidder| names(*bidder));
        let (org, shown) = (world.get(self.award, award).org, world.symbols.borrow().shown(tender));
        let mut pairs = Vec::new();
        for (n, a) in bidders.iter().enumerate() {
            for b in &bidders[n + 1..] {
                let pair = format!("{}|{}", names(*a), names(*b));
                let mut symbols = world.symbols.borrow_mut();
                let text = format!("{shown}|{pair}");
                let (key, pair) = ((symbols.of(&text), order(&text)), symbols.of(&pair));
                drop(symbols);
                let value = |name: &str| match name {
                    "a" => Cell::Text(*a),
                    "b" => Cell::Text(*b),
                    "pair" => Cell::Text(pair),
                    "tender" => tender,
                    "winner" => winner,
                    _ => Cell::None,
                };
                let cells = world.tables[self.cobid].elements.iter().map(|name| value(name)).collect();
                pairs.push(Row::derived(key, org, decided, cells));
            }
        }
        pairs
    }
}
