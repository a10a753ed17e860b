//! Bank documents as facts of the element dictionary.
//!
//! A statement becomes a `statement`, each of its lines a `bank_entry`, an ordered payment a
//! `payment`. Keys are what the bank itself names a line by, so that a document that is sent again,
//! in whatever file, gives the same facts. Deliberately absent: any decision.

use crate::problem::{Fault, Problem, shown};
use crate::statement::{Continuity, Entry, Item, Payment, Settles, Statement};
use crate::when::When;
use jiff::tz::TimeZone;
use minewatch_domain::OrgPath;
use minewatch_risk::dictionary::Dictionary;
use minewatch_risk::fact::{ElementId, Fact, FactKind, Lineage, Money, Value};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What all facts of a document share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The feed.
    pub source: String,
    /// The document: file name, message id, table.
    pub document: String,
    /// SHA-256 of its bytes, hexadecimal; empty where there are none.
    pub sha256: String,
    /// The unit that answers where the source does not say.
    pub org: OrgPath,
    /// When the document came, microseconds since 1970 UTC.
    pub known_at_us: i64,
    /// Zone of times without one.
    pub zone: TimeZone,
    /// What facts must fit.
    pub dictionary: Arc<Dictionary>,
}

impl Context {
    /// A context for looking at a document: no feed, no time.
    pub fn bare(document: &str, zone: TimeZone) -> Context {
        Context {
            source: String::new(),
            document: document.to_owned(),
            sha256: String::new(),
            org: OrgPath::unassigned(),
            known_at_us: 0,
            zone,
            dictionary: Arc::new(Dictionary::shipped()),
        }
    }

    /// The lineage of a place in this document.
    pub(crate) fn lineage(&self, locator: String) -> Lineage {
        Lineage { source: self.source.clone(), document: self.document.clone(), locator, sha256: self.sha256.clone() }
    }

    /// The fact, if the dictionary takes it; else every reason, in one problem.
    pub(crate) fn checked(&self, fact: Fact, place: &crate::Place) -> Out {
        let problems = self.dictionary.validate(&fact);
        if problems.is_empty() {
            return Out::Fact(Box::new(fact));
        }
        let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let why = format!("{} does not fit the dictionary: {}", fact.kind, why.join("; "));
        Out::Problem(Problem::record(place.clone(), Fault::Missing, why))
    }
}

/// What a document becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    /// A fact.
    Fact(Box<Fact>),
    /// What could not be taken, or was taken with a doubt.
    Problem(Problem),
}

/// Names of elements, read once.
#[derive(Debug)]
struct Names(BTreeMap<&'static str, ElementId>);

const ELEMENTS: [&str; 32] = [
    "account",
    "amount",
    "bank_reference",
    "booked_on",
    "closing",
    "code",
    "counterparty",
    "counterparty_account",
    "counterparty_name",
    "day",
    "entries",
    "follows",
    "invoice",
    "narrative",
    "number",
    "opening",
    "paid_at",
    "payee",
    "payee_account",
    "payee_name",
    "payer_account",
    "reference",
    "reversal",
    "settles",
    "statement",
    "status",
    "value_on",
    "bank_entry",
    "payment",
    "approval_id",
    "maker",
    "checker",
];

impl Names {
    fn new() -> Names {
        Names(ELEMENTS.iter().filter_map(|name| Some((*name, ElementId::parse(name).ok()?))).collect())
    }
}

/// Fields of one fact in the making.
struct Fields<'n> {
    names: &'n Names,
    fields: BTreeMap<ElementId, Value>,
}

impl Fields<'_> {
    fn put(&mut self, name: &'static str, value: Option<Value>) {
        if let (Some(id), Some(value)) = (self.names.0.get(name), value) {
            self.fields.insert(id.clone(), value);
        }
    }

    fn text(&mut self, name: &'static str, text: Option<&str>) {
        self.put(name, text.filter(|t| !t.is_empty()).map(|text| Value::Text(text.to_owned())));
    }

    fn money(&mut self, name: &'static str, money: Option<&Money>) {
        self.put(name, money.map(|money| Value::Money(money.clone())));
    }

    fn day(&mut self, name: &'static str, when: Option<When>, zone: &TimeZone) {
        self.put(name, when.map(|when| Value::Date(when.day(zone))));
    }
}

/// Facts of a reader's items.
pub struct Facts<I> {
    items: I,
    context: Context,
    names: Names,
    kinds: Kinds,
    follow: Continuity,
    out: VecDeque<Out>,
}

struct Kinds {
    statement: FactKind,
    entry: FactKind,
    payment: FactKind,
}

impl<I: Iterator<Item = Item>> Facts<I> {
    /// Facts of `items`; `None` never happens for the kinds named here, which a test reads.
    pub fn new(items: I, context: Context) -> Option<Facts<I>> {
        let kind = |name: &str| FactKind::parse(name).ok();
        let kinds = Kinds { statement: kind("statement")?, entry: kind("bank_entry")?, payment: kind("payment")? };
        Some(Facts { items, context, names: Names::new(), kinds, follow: Continuity::default(), out: VecDeque::new() })
    }

    fn fields(&self) -> Fields<'_> {
        Fields { names: &self.names, fields: BTreeMap::new() }
    }

    fn fact(
        &self,
        kind: &FactKind,
        key: String,
        event: Option<When>,
        fields: BTreeMap<ElementId, Value>,
        place: &crate::Place,
    ) -> Out {
        let context = &self.context;
        let fact = Fact {
            kind: kind.clone(),
            key: bounded(key),
            org: context.org.clone(),
            event_at_us: event.map_or(context.known_at_us, |when| when.instant(&context.zone).as_microsecond()),
            known_at_us: context.known_at_us,
            fields,
            lineage: context.lineage(place.to_string()),
        };
        context.checked(fact, place)
    }

    fn entry(&self, entry: &Entry) -> Out {
        let (zone, mut fields) = (&self.context.zone, self.fields());
        fields.text("account", Some(&entry.account));
        fields.money("amount", Some(&entry.money));
        fields.day("booked_on", entry.booked, zone);
        fields.day("value_on", entry.value, zone);
        fields.text("status", entry.status.as_deref());
        fields.put("reversal", entry.reversal.then_some(Value::Flag(true)));
        fields.text("code", entry.code.as_deref());
        fields.text("reference", entry.reference.as_deref());
        fields.text("bank_reference", entry.bank_reference.as_deref());
        fields.text("counterparty", entry.counterparty.id.as_deref());
        fields.text("counterparty_name", entry.counterparty.name.as_deref());
        fields.text("counterparty_account", entry.counterparty.account.as_deref());
        fields.text("narrative", Some(&entry.narrative));
        fields.text("statement", Some(&entry.statement));
        let event = entry.booked.or(entry.value);
        let day = event.map(|when| when.day(zone).to_string()).unwrap_or_default();
        let key =
            [&entry.account, &entry.statement, day.as_str(), &entry.number.to_string()].map(String::from).join("|");
        self.fact(&self.kinds.entry, key, event, fields.fields, &entry.place)
    }

    fn statement(&mut self, statement: &Statement) -> Out {
        let (settles, follows) = (statement.settles(), self.follow.next(statement));
        let zone = self.context.zone.clone();
        let mut fields = self.fields();
        let (opening, closing) = (statement.opening().map(|b| &b.money), statement.closing().map(|b| &b.money));
        fields.text("account", Some(&statement.account.id));
        fields.put("day", statement.day(&zone).map(Value::Date));
        fields.money("opening", opening);
        fields.money("closing", closing);
        // A sum that is not the whole sum is not said: a rule would take it for one.
        if let (Settles::Yes | Settles::Break { .. }, Some(opening)) = (&settles, opening) {
            let amount = statement.sums.get(&opening.currency).copied().unwrap_or_default();
            fields.money("entries", Some(&Money { amount, currency: opening.currency.clone() }));
        }
        fields.text("number", statement.number.as_deref());
        fields.text("settles", Some(&told(&settles)));
        fields.text("follows", Some(&told(&follows)));
        let fields = fields.fields;
        let day = statement.day(&zone);
        let shown_day = day.map(|day| day.to_string()).unwrap_or_default();
        let key = [statement.message.name(), &statement.account.id, &statement.label(), &shown_day].join("|");
        let event = day.map(When::Day);
        self.fact(&self.kinds.statement, key, event, fields, &statement.place)
    }

    fn payment(&self, payment: &Payment) -> Out {
        let mut fields = self.fields();
        fields.text("payer_account", payment.debtor.account.as_deref());
        fields.text("payee_account", payment.creditor.account.as_deref());
        fields.text("payee", payment.creditor.id.as_deref());
        fields.text("payee_name", payment.creditor.name.as_deref());
        fields.money("amount", Some(&payment.money));
        fields.text("invoice", payment.invoice.as_deref());
        let at = payment.due.map(|when| when.instant(&self.context.zone));
        fields.put("paid_at", at.map(Value::Instant));
        let reference = payment.reference.as_deref().unwrap_or_default();
        let place = if reference.is_empty() { payment.place.to_string() } else { String::new() };
        let key = [payment.batch.as_str(), reference, &place].join("|");
        self.fact(&self.kinds.payment, key, payment.due, fields.fields, &payment.place)
    }

    fn take(&mut self, item: Item) {
        let out = match item {
            Item::Entry(entry) => self.entry(&entry),
            Item::Statement(statement) => self.statement(&statement),
            Item::Payment(payment) => self.payment(&payment),
            Item::Problem(problem) => Out::Problem(problem),
        };
        self.out.push_back(out);
    }
}

impl<I: Iterator<Item = Item>> Iterator for Facts<I> {
    type Item = Out;

    fn next(&mut self) -> Option<Out> {
        loop {
            if let Some(out) = self.out.pop_front() {
                return Some(out);
            }
            let item = self.items.next()?;
            self.take(item);
        }
    }
}

/// An answer of T11 as the dictionary's text.
fn told(settles: &Settles) -> String {
    match settles {
        Settles::Yes => "yes".to_owned(),
        Settles::Break { expected, found } => {
            format!("break: {} {} expected, {} found", expected.amount, expected.currency, found.amount)
        }
        Settles::NotPossible(why) => format!("not_possible: {}", why.why()),
    }
}

/// A key within its limit; a longer one keeps its beginning, and a checksum of the whole.
pub(crate) fn bounded(key: String) -> String {
    if key.len() <= Fact::KEY_BYTES_MAX {
        return key;
    }
    // FNV-1a, 128 bit: keys of one source collide by accident never, and nobody gains by trying.
    let hash = key.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B)
    });
    let end = (0..=Fact::KEY_BYTES_MAX - 33).rev().find(|at| key.is_char_boundary(*at)).unwrap_or(0);
    format!("{}#{hash:032x}", key.get(..end).unwrap_or_default())
}

/// A record whose key would be empty is refused with this.
pub(crate) fn no_key(place: crate::Place, raw: &str) -> Problem {
    Problem::record(place, Fault::Missing, format!("nothing to make a key of in {}", shown(raw)))
}
