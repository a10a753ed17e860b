//! Facts in force, by kind, with the indexes the rules need.
//!
//! Invariant: a table holds, of every key, the statement that takes precedence; what the indexes say
//! is a function of the set of statements, whatever the order they came in.

use super::cell::{Cell, Sym, Symbols};
use super::eval::Scope;
use super::expression::Kind;
use super::kept::{Kept, KeptOf};
use super::node::{Node, Slot};
use crate::dictionary::Dictionary;
use crate::fact::{Fact, FactKind, ValueType};
use crate::graph::Graph;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHasher};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

pub(super) type Map<K, V> = IndexMap<K, V, FxBuildHasher>;
/// Values of an index's expressions.
pub(super) type IndexKey = Box<[Cell]>;

/// A fact in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Key within the kind.
    pub key: Sym,
    /// Unit.
    pub org: Sym,
    /// Event time, microseconds.
    pub at: i64,
    /// When it was learned.
    pub known: i64,
    /// Decides between statements that are otherwise equal.
    tie: u64,
    /// Order among rows of one moment.
    pub order: u32,
    /// Elements, in the dictionary's order.
    pub cells: Box<[Cell]>,
}

impl Row {
    /// A row made of other rows.
    pub(super) fn derived((key, order): (Sym, u32), org: Sym, at: i64, cells: Box<[Cell]>) -> Row {
        Row { key, org, at, known: at, tie: 0, order, cells }
    }

    /// A slot's value.
    pub fn slot(&self, slot: Slot) -> Cell {
        match slot {
            Slot::Key => Cell::Text(self.key),
            Slot::Org => Cell::Text(self.org),
            Slot::At => Cell::Time(self.at),
            Slot::Element(n) => self.cells.get(n).copied().unwrap_or(Cell::None),
        }
    }
}

/// A row in an index, in order of time; of one moment in an order of keys, not of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Time of the event.
    pub at: i64,
    /// Order within a moment.
    pub order: u32,
    /// Number of the row.
    pub row: u32,
}

/// Rows of one index key, in order of time.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Time and number of each row.
    pub rows: Vec<Place>,
    /// Totals kept up to date.
    pub kept: Vec<Kept>,
}

/// An index: rows by the value of expressions.
#[derive(Debug, Clone)]
pub struct Index {
    /// The expressions, over the row as `it`.
    pub of: Vec<Node>,
    /// Rows by value; an entry is never taken away, so its number is stable.
    pub entries: Map<IndexKey, Entry>,
    /// What is kept per entry.
    pub kept: Vec<KeptOf>,
}

/// A number of a key that does not depend on what came before it.
pub(super) fn order(key: &str) -> u32 {
    let mut hash = FxHasher::default();
    key.hash(&mut hash);
    (hash.finish() >> 32) as u32
}

/// One kind's facts.
#[derive(Debug, Clone)]
pub struct Table {
    /// Kind.
    pub name: String,
    /// Elements, in order of their slots.
    pub elements: Vec<String>,
    rows: Vec<Row>,
    by_key: Map<Sym, u32>,
    /// Its indexes.
    pub indexes: Vec<Index>,
}

/// Everything known.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Texts. Behind a cell because functions make new ones while they look.
    pub symbols: RefCell<Symbols>,
    /// Tables, one per kind of the dictionary.
    pub tables: Vec<Table>,
    /// Who owns whom.
    pub graph: Graph,
    /// What each slot of each table holds.
    pub(super) types: BTreeMap<(usize, usize), Kind>,
}

impl World {
    /// Empty tables for a dictionary.
    pub fn of(dictionary: &Dictionary) -> World {
        let table = |kind: &FactKind| Table {
            name: kind.to_string(),
            elements: dictionary.elements(kind.as_str()).map(|element| element.id.to_string()).collect(),
            rows: Vec::new(),
            by_key: Map::default(),
            indexes: Vec::new(),
        };
        let kind = |value_type| match value_type {
            ValueType::Decimal | ValueType::Money => Kind::Number,
            ValueType::Date | ValueType::Instant => Kind::Time,
            ValueType::Flag => Kind::Flag,
            ValueType::Text | ValueType::List => Kind::Text,
        };
        let of_kind = |(table, name): (usize, &FactKind)| {
            let elements = dictionary.elements(name.as_str()).enumerate();
            elements.map(|(slot, element)| ((table, slot), kind(element.value_type))).collect::<Vec<_>>()
        };
        let types = dictionary.kinds().enumerate().flat_map(of_kind).collect();
        World { tables: dictionary.kinds().map(table).collect(), types, ..World::default() }
    }

    /// Number of a kind's table.
    pub fn table(&self, kind: &str) -> Option<usize> {
        self.tables.binary_search_by(|table| table.name.as_str().cmp(kind)).ok()
    }

    /// A fact as a row of its table.
    pub fn row(&self, table: usize, fact: &Fact) -> Row {
        let mut symbols = self.symbols.borrow_mut();
        let elements = &self.tables[table].elements;
        let mut hash = FxHasher::default();
        let mut cell = |element: &String| match fact.fields.get(element.as_str()) {
            Some(value) => {
                value.plain().hash(&mut hash);
                symbols.cell(value)
            }
            None => Cell::None,
        };
        let cells = elements.iter().map(&mut cell).collect();
        fact.org.as_str().hash(&mut hash);
        let (key, org) = (symbols.of(&fact.key), symbols.of(fact.org.as_str()));
        let order = order(&fact.key);
        Row { key, org, at: fact.event_at_us, known: fact.known_at_us, tie: hash.finish(), order, cells }
    }

    /// Number of the row with a key.
    pub fn find(&self, table: usize, key: Sym) -> Option<u32> {
        self.tables[table].by_key.get(&key).copied()
    }

    /// A row.
    pub fn get(&self, table: usize, row: u32) -> &Row {
        &self.tables[table].rows[row as usize]
    }

    /// How many rows a table has.
    pub fn len(&self, table: usize) -> u32 {
        self.tables[table].rows.len() as u32
    }

    /// Whether a new statement takes precedence over the one in force.
    pub fn newer(&self, table: usize, row: &Row) -> bool {
        let rank = |row: &Row| (row.known, row.at, row.tie);
        self.find(table, row.key).is_none_or(|known| rank(row) > rank(self.get(table, known)))
    }

    /// Puts a row in, in place of the one with its key; returns its number.
    pub fn put(&mut self, table: usize, row: Row) -> u32 {
        let known = self.find(table, row.key);
        if let Some(number) = known {
            self.unindex(table, number);
            self.tables[table].rows[number as usize] = row;
            self.index(table, number);
            return number;
        }
        let into = &mut self.tables[table];
        let number = into.rows.len() as u32;
        into.by_key.insert(row.key, number);
        into.rows.push(row);
        self.index(table, number);
        number
    }

    /// The key of a row in an index; none when a part of it was not said.
    pub fn index_key(&self, of: &[Node], row: &Row) -> Option<Vec<Cell>> {
        let scope = Scope::of_row(self, row);
        let mut key = Vec::with_capacity(of.len());
        for node in of {
            match scope.eval(node) {
                Cell::None => return None,
                cell @ (Cell::Num(_) | Cell::Text(_) | Cell::Flag(_) | Cell::Time(_)) => key.push(cell),
            }
        }
        Some(key)
    }

    fn index(&mut self, table: usize, number: u32) {
        for at in 0..self.tables[table].indexes.len() {
            let row = self.get(table, number);
            let Some(key) = self.index_key(&self.tables[table].indexes[at].of, row) else { continue };
            let place = Place { at: row.at, order: row.order, row: number };
            let changes = self.changes(table, at, row);
            let index = &mut self.tables[table].indexes[at];
            let entry = match index.entries.get_mut(key.as_slice()) {
                Some(entry) => entry,
                None => index.entries.entry(key.into_boxed_slice()).or_default(),
            };
            entry.kept.resize(changes.len(), Kept::default());
            for (kept, change) in entry.kept.iter_mut().zip(changes) {
                kept.apply(change, 1);
            }
            let before = entry.rows.partition_point(|known| *known < place);
            entry.rows.insert(before, place);
        }
    }

    fn unindex(&mut self, table: usize, number: u32) {
        for at in 0..self.tables[table].indexes.len() {
            let row = self.get(table, number);
            let Some(key) = self.index_key(&self.tables[table].indexes[at].of, row) else { continue };
            let place = Place { at: row.at, order: row.order, row: number };
            let changes = self.changes(table, at, row);
            let Some(entry) = self.tables[table].indexes[at].entries.get_mut(key.as_slice()) else { continue };
            for (kept, change) in entry.kept.iter_mut().zip(changes) {
                kept.apply(change, -1);
            }
            if let Ok(found) = entry.rows.binary_search(&place) {
                entry.rows.remove(found);
            }
        }
    }

    /// What a row adds to each total kept in an index.
    fn changes(&self, table: usize, at: usize, row: &Row) -> Vec<super::kept::Step> {
        self.tables[table].indexes[at].kept.iter().map(|of| of.step(&Scope::of_row(self, row))).collect()
    }

    /// The index over these expressions, made if there is none yet. Only before rows are in.
    pub fn index_of(&mut self, table: usize, of: Vec<Node>) -> usize {
        let indexes = &mut self.tables[table].indexes;
        if let Some(found) = indexes.iter().position(|index| index.of == of) {
            return found;
        }
        indexes.push(Index { of, entries: Map::default(), kept: Vec::new() });
        indexes.len() - 1
    }

    /// The total kept in an index, begun if there is none yet.
    pub fn kept_of(&mut self, table: usize, index: usize, of: KeptOf) -> usize {
        let kept = &mut self.tables[table].indexes[index].kept;
        if let Some(found) = kept.iter().position(|known| *known == of) {
            return found;
        }
        kept.push(of);
        kept.len() - 1
    }
}
