//! From wanted quantities to few read requests.
//!
//! Invariant: every wanted value, its status and its age lie each inside one request; no request
//! exceeds the device's largest block; at most `gap_max` unrequested registers join two values.
//! Deliberately absent: when to poll, and the wire.

use super::map::RegisterMap;

/// A Modbus table and the function that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// FC01.
    Coil,
    /// FC02.
    Discrete,
    /// FC03.
    Holding,
    /// FC04.
    Input,
}

impl Function {
    /// The read function code.
    pub fn code(self) -> u8 {
        match self {
            Function::Coil => 1,
            Function::Discrete => 2,
            Function::Holding => 3,
            Function::Input => 4,
        }
    }

    /// Whether the table holds bits, not registers.
    pub fn is_bits(self) -> bool {
        matches!(self, Function::Coil | Function::Discrete)
    }

    /// Name as written in files.
    pub fn name(self) -> &'static str {
        match self {
            Function::Coil => "coil",
            Function::Discrete => "discrete",
            Function::Holding => "holding",
            Function::Input => "input",
        }
    }
}

/// One read of consecutive registers or bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadRequest {
    /// Table.
    pub function: Function,
    /// First address, 0-based.
    pub address: u16,
    /// Registers or bits.
    pub count: u16,
}

/// Where in the answers something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) request: usize,
    pub(crate) offset: usize,
}

/// A wanted quantity with everything it needs, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) quantity: usize,
    pub(crate) value: Place,
    /// Parallel to the quantity's `status`.
    pub(crate) status: Vec<Place>,
    pub(crate) age: Option<Place>,
}

/// The requests for a set of quantities, and where each of them will be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// To be sent in this order; the answers go to [`super::decode`] in the same order.
    pub requests: Vec<ReadRequest>,
    pub(crate) slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    function: Function,
    first: u32,
    /// Exclusive.
    end: u32,
}

impl Span {
    fn new(function: Function, address: u16, words: u16) -> Span {
        let first = u32::from(address);
        Span { function, first, end: first + u32::from(words) }
    }
}

/// Plans the reads for `wanted` (indices into `map.quantities`; others are ignored).
/// Readings come out of [`super::decode`] in the order of `wanted`.
pub fn plan(map: &RegisterMap, wanted: &[usize]) -> Plan {
    let mut spans = wanted_spans(map, wanted);
    spans.sort_unstable();
    spans.dedup();
    let requests = join(map, &spans);
    let slots = wanted.iter().filter_map(|index| slot(map, *index, &requests)).collect();
    Plan { requests, slots }
}

impl Plan {
    /// The quantities read, in the order of their readings.
    pub fn quantities(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().map(|slot| slot.quantity)
    }

    /// The plan with `refused` in smaller parts, for a device that does not answer so large a block or one
    /// with registers it does not have: first without the unrequested registers in between, then in two
    /// halves. `None` when nothing smaller is left: a single value, or values that are read together.
    pub fn smaller(&self, map: &RegisterMap, refused: ReadRequest) -> Option<Plan> {
        let index = self.requests.iter().position(|request| *request == refused)?;
        let wanted: Vec<usize> = self.quantities().collect();
        let (first, end) = (u32::from(refused.address), u32::from(refused.address) + u32::from(refused.count));
        let mut spans = wanted_spans(map, &wanted);
        spans.retain(|s| s.function == refused.function && first <= s.first && s.end <= end);
        spans.sort_unstable();
        let mut parts = without_gaps(&spans);
        if parts.len() < 2 {
            parts = halves(&spans)?;
        }
        let mut requests = self.requests.clone();
        requests.splice(index..=index, parts.into_iter().map(request));
        let slots = wanted.iter().filter_map(|quantity| slot(map, *quantity, &requests)).collect();
        Some(Plan { requests, slots })
    }
}

/// Sorted spans with those that touch or overlap joined.
fn without_gaps(spans: &[Span]) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut().filter(|last| span.first <= last.end) {
            Some(last) => last.end = last.end.max(span.end),
            None => joined.push(*span),
        }
    }
    joined
}

/// Two parts of a block without gaps, cut between two values as near to its middle as can be.
fn halves(spans: &[Span]) -> Option<Vec<Span>> {
    let (first, end) = (spans.first()?.first, spans.iter().map(|span| span.end).max()?);
    let inside = |at: u32| spans.iter().any(|span| span.first < at && at < span.end);
    let cuts = spans.iter().map(|span| span.first).filter(|at| *at > first && !inside(*at));
    let cut = cuts.min_by_key(|at| (2 * at).abs_diff(first + end))?;
    let function = spans.first()?.function;
    Some(vec![Span { function, first, end: cut }, Span { function, first: cut, end }])
}

fn wanted_spans(map: &RegisterMap, wanted: &[usize]) -> Vec<Span> {
    let mut spans = Vec::new();
    for index in wanted {
        let Some(quantity) = map.quantities.get(*index) else { continue };
        spans.push(Span::new(quantity.function, quantity.address, quantity.words()));
        spans.extend(quantity.status.iter().map(|s| Span::new(s.function, s.address, s.value_type.words())));
        spans.extend(quantity.age.iter().map(|a| Span::new(a.function, a.address, a.value_type.words())));
    }
    for group in &map.groups {
        if group.iter().any(|member| wanted.contains(member)) {
            spans.extend(hull(map, group));
        }
    }
    spans
}

/// The span of a read-together group; validation has made sure that it fits into one request.
fn hull(map: &RegisterMap, group: &[usize]) -> Option<Span> {
    group
        .iter()
        .filter_map(|index| map.quantities.get(*index))
        .map(|quantity| Span::new(quantity.function, quantity.address, quantity.words()))
        .reduce(|a, b| Span { function: a.function, first: a.first.min(b.first), end: a.end.max(b.end) })
}

fn join(map: &RegisterMap, spans: &[Span]) -> Vec<ReadRequest> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        let limit = u32::from(map.block_max_for(span.function));
        match joined.last_mut() {
            Some(last)
                if last.function == span.function
                    && span.first <= last.end + u32::from(map.gap_max)
                    && last.end.max(span.end) - last.first <= limit =>
            {
                last.end = last.end.max(span.end);
            }
            Some(_) | None => joined.push(*span),
        }
    }
    joined.into_iter().map(request).collect()
}

#[allow(clippy::cast_possible_truncation)] // validation keeps every span below 65 536
fn request(span: Span) -> ReadRequest {
    ReadRequest { function: span.function, address: span.first as u16, count: (span.end - span.first) as u16 }
}

fn slot(map: &RegisterMap, index: usize, requests: &[ReadRequest]) -> Option<Slot> {
    let quantity = map.quantities.get(index)?;
    let value = match map.groups.iter().find(|group| group.contains(&index)).and_then(|group| hull(map, group)) {
        Some(group) => {
            let start = place(requests, group)?;
            Place {
                request: start.request,
                offset: start.offset + usize::from(quantity.address) - group.first as usize,
            }
        }
        None => place(requests, Span::new(quantity.function, quantity.address, quantity.words()))?,
    };
    let status = quantity
        .status
        .iter()
        .map(|s| place(requests, Span::new(s.function, s.address, s.value_type.words())))
        .collect::<Option<Vec<Place>>>()?;
    let age = match &quantity.age {
        Some(a) => Some(place(requests, Span::new(a.function, a.address, a.value_type.words()))?),
        None => None,
    };
    Some(Slot { quantity: index, value, status, age })
}

fn place(requests: &[ReadRequest], span: Span) -> Option<Place> {
    requests.iter().enumerate().find_map(|(request, r)| {
        let first = u32::from(r.address);
        (r.function == span.function && first <= span.first && span.end <= first + u32::from(r.count))
            .then(|| Place { request, offset: (span.first - first) as usize })
    })
}
