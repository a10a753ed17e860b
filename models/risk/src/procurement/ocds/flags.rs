//! The red flags themselves: what one contracting process says at once, what is counted until the
//! whole set is known, and the flags that follow from the set.

use super::bids::tenderers_of;
use super::fence::{lower, quantile, quartiles, sorted, upper};
use super::record::{Bid, Release};
use super::report::{Flagged, Indicator, Maps, Meta, Ordered, Report};
use super::settings::{Fence, R003, Settings};
use indexmap::IndexSet;
use jiff::Timestamp;
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeMap, BTreeSet};

/// What became of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// Counted.
    Taken,
    /// Not a contracting process with an `ocid`, cancelled, or excluded by the settings.
    LeftOut,
    /// Nothing but blanks.
    Blank,
}

/// A part of a whole, over several processes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Share {
    part: u64,
    whole: u64,
}

impl Share {
    fn add(&mut self, part: u64, whole: u64) {
        self.part += part;
        self.whole += whole;
    }

    fn ratio(self) -> f64 {
        self.part as f64 / self.whole as f64
    }
}

/// Winner, lowest other bidder, and by how much the other was dearer.
#[derive(Debug, Clone, PartialEq)]
struct Margin {
    winner: String,
    second: String,
    ratio: f64,
}

#[derive(Debug, Default)]
struct Variety {
    processes: u64,
    classes: IndexSet<String, FxBuildHasher>,
}

/// The indicators over a set of contracting processes, folded in one at a time.
#[derive(Debug)]
pub struct RedFlags {
    settings: Settings,
    currency: Option<String>,
    foreign: u64,
    report: Report,
    maps: Option<Maps>,
    margins: Ordered<Margin>,
    wins: Ordered<Share>,
    disqualified_by_buyer: Ordered<Share>,
    disqualified_by_entity: Ordered<Share>,
    disqualified_of: Ordered<Share>,
    variety: Ordered<Variety>,
}

impl RedFlags {
    /// Indicators that run by these settings; `map` keeps which organisations stand behind a flag.
    pub fn new(settings: Settings, map: bool) -> RedFlags {
        RedFlags {
            currency: settings.currency.clone(),
            settings,
            foreign: 0,
            report: Report::default(),
            maps: map.then(Maps::default),
            margins: Ordered::default(),
            wins: Ordered::default(),
            disqualified_by_buyer: Ordered::default(),
            disqualified_by_entity: Ordered::default(),
            disqualified_of: Ordered::default(),
            variety: Ordered::default(),
        }
    }

    /// Bids left out of price comparisons because of their currency.
    pub fn foreign_currency_bids(&self) -> u64 {
        self.foreign
    }

    /// Takes one line of a JSON Lines file.
    ///
    /// # Errors
    /// When the line is not JSON; nothing of it was counted then.
    pub fn fold(&mut self, line: &[u8]) -> Result<Folded, serde_json::Error> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Folded::Blank);
        }
        let release: Release<'_> = serde_json::from_slice(line)?;
        let details = release.tender.method_details.get();
        let excluded = details.is_some_and(|details| self.settings.excluded_details.contains(details));
        let Some(ocid) = release.ocid.get() else { return Ok(Folded::LeftOut) };
        if release.is_cancelled() || excluded {
            return Ok(Folded::LeftOut);
        }
        if self.settings.prices_compare(details) {
            self.margin(&release, ocid);
            self.identical_prices(&release, ocid);
            self.lowest_disqualified(&release, ocid);
        }
        self.short_period(&release, ocid);
        self.single_bid(&release, ocid);
        self.win_ratio(&release);
        self.late_bid(&release, ocid);
        self.others_disqualified(&release, ocid);
        self.disqualifications(&release, ocid);
        self.classes(&release);
        self.map_tenderers(&release, ocid);
        Ok(Folded::Taken)
    }

    /// Whether a bid is in the main currency; the first one seen is, where the settings name none.
    fn in_main_currency(&mut self, currency: &str) -> bool {
        let main = self.currency.get_or_insert_with(|| currency.to_owned());
        let same = main == currency;
        self.foreign += u64::from(!same);
        same
    }

    fn short_period(&mut self, release: &Release<'_>, ocid: &str) {
        let Some(R003 { threshold, methods, by_details }) = &self.settings.r003 else { return };
        let tender = &release.tender;
        if !methods.is_empty() && !tender.method.get().is_some_and(|method| methods.contains(method)) {
            return;
        }
        let time = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let (Some(start), Some(end)) = (time(tender.period.start.get()), time(tender.period.end.get())) else {
            return;
        };
        let days = end.duration_since(start).as_secs() / 86_400;
        let limit = tender.method_details.get().and_then(|details| by_details.get(details)).unwrap_or(threshold);
        if days < *limit {
            flag(&mut self.report.processes, ocid, Indicator::R003, 1.0);
        }
    }

    fn single_bid(&mut self, release: &Release<'_>, ocid: &str) {
        let Some(methods) = &self.settings.r018 else { return };
        let tender = &release.tender;
        let competitive = methods.is_empty() || tender.method.get().is_some_and(|method| methods.contains(method));
        if competitive && tender.tenderers == super::lenient::Number::Whole(1) {
            flag(&mut self.report.processes, ocid, Indicator::R018, 1.0);
        }
    }

    /// R024 and R058: how far the second-lowest valid bid lies above the winning one.
    fn margin(&mut self, release: &Release<'_>, ocid: &str) {
        if self.settings.r024.is_none() && self.settings.r058.is_none() {
            return;
        }
        let Some((supplier, bids)) = release.single_winner() else { return };
        let (mut won, mut second): (Option<f64>, Option<(f64, &str)>) = (None, None);
        for bid in bids.iter().filter(|bid| bid.is("valid")) {
            let (Some((amount, currency)), Some(tenderer)) = (bid.price(), bid.single_tenderer()) else { continue };
            if !self.in_main_currency(currency) {
                continue;
            }
            if tenderer == supplier {
                won = Some(won.map_or(amount, |lowest| lowest.min(amount)));
            } else if second.is_none_or(|(lowest, _)| amount < lowest) {
                second = Some((amount, tenderer));
            }
        }
        // Where the lowest bid did not win, price was not the only criterion.
        if let (Some(won), Some((amount, second))) = (won, second)
            && amount >= won
        {
            let margin = Margin { winner: supplier.to_owned(), second: second.to_owned(), ratio: (amount - won) / won };
            self.margins.insert(ocid.to_owned(), margin);
        }
    }

    fn win_ratio(&mut self, release: &Release<'_>) {
        if self.settings.r025.is_none() {
            return;
        }
        let Some((supplier, bids)) = release.single_winner() else { return };
        let valid: BTreeSet<&str> =
            bids.iter().filter(|bid| bid.is("valid")).filter_map(Bid::single_tenderer).collect();
        for tenderer in valid {
            entry(&mut self.wins, tenderer).add(u64::from(tenderer == supplier), 1);
        }
    }

    fn identical_prices(&mut self, release: &Release<'_>, ocid: &str) {
        if self.settings.r028.is_none() {
            return;
        }
        let mut seen: Vec<(f64, &str, BTreeSet<&str>)> = Vec::new();
        for bid in release.submitted() {
            let Some((amount, currency)) = bid.price() else { continue };
            let ids: BTreeSet<&str> = bid.tenderer_ids().collect();
            if ids.is_empty() {
                continue;
            }
            match seen.iter_mut().find(|(price, unit, _)| price.total_cmp(&amount).is_eq() && *unit == currency) {
                Some((_, _, others)) => {
                    if *others != ids {
                        flag(&mut self.report.processes, ocid, Indicator::R028, 1.0);
                        for id in ids.union(others) {
                            flag(&mut self.report.tenderers, id, Indicator::R028, 1.0);
                            mapped(self.maps.as_mut().map(|maps| &mut maps.ocid_tenderer_r028), ocid, id);
                        }
                    }
                    *others = ids;
                }
                None => seen.push((amount, currency, ids)),
            }
        }
    }

    fn late_bid(&mut self, release: &Release<'_>, ocid: &str) {
        let Some(deadline) = release.tender.period.end.get().filter(|_| self.settings.r030.is_some()) else { return };
        let active = release.awards.all().iter().filter(|award| award.is_active());
        let suppliers: BTreeSet<&str> =
            active.flat_map(|award| award.suppliers.all()).filter_map(|supplier| supplier.id.get()).collect();
        for bid in release.bids.details.all().iter().filter(|bid| bid.is("valid")) {
            if !bid.date.get().is_some_and(|date| is_after(date, deadline)) {
                continue;
            }
            for winner in bid.tenderer_ids().filter(|id| suppliers.contains(id)) {
                flag(&mut self.report.processes, ocid, Indicator::R030, 1.0);
                flag(&mut self.report.tenderers, winner, Indicator::R030, 1.0);
                mapped(self.maps.as_mut().map(|maps| &mut maps.ocid_tenderer_r030), ocid, winner);
            }
        }
    }

    fn others_disqualified(&mut self, release: &Release<'_>, ocid: &str) {
        let Some(threshold) = self.settings.r035 else { return };
        let Some((active, bids)) = release.awarded() else { return };
        let suppliers: BTreeSet<&str> =
            active.iter().flat_map(|award| award.suppliers.all()).filter_map(|s| s.id.get()).collect();
        let valid = tenderers_of(bids, "valid");
        let others = tenderers_of(bids, "disqualified").difference(&valid).count();
        if valid.len() == 1 && valid == suppliers && others as u64 >= threshold {
            flag(&mut self.report.processes, ocid, Indicator::R035, others as f64);
            for winner in &valid {
                flag(&mut self.report.tenderers, winner, Indicator::R035, 0.0);
                mapped(self.maps.as_mut().map(|maps| &mut maps.ocid_tenderer_r035), ocid, winner);
            }
        }
    }

    fn lowest_disqualified(&mut self, release: &Release<'_>, ocid: &str) {
        let awarded = release.awards.all().iter().any(|award| award.is_active());
        if self.settings.r036.is_none() || !awarded {
            return;
        }
        let mut lowest: Option<(f64, bool)> = None;
        for bid in release.submitted() {
            // A bid without a price may be the lowest one.
            let Some((amount, currency)) = bid.price() else { return };
            if self.in_main_currency(currency) && lowest.is_none_or(|(least, _)| amount < least) {
                lowest = Some((amount, bid.is("disqualified")));
            }
        }
        if lowest.is_some_and(|(_, disqualified)| disqualified) {
            flag(&mut self.report.processes, ocid, Indicator::R036, 1.0);
        }
    }

    fn disqualifications(&mut self, release: &Release<'_>, ocid: &str) {
        if self.settings.r038.is_none() {
            return;
        }
        let (mut submitted, mut disqualified) = (0, 0);
        for bid in release.submitted() {
            let one = u64::from(bid.is("disqualified"));
            submitted += 1;
            disqualified += one;
            for tenderer in bid.tenderer_ids() {
                entry(&mut self.disqualified_of, tenderer).add(one, 1);
            }
        }
        if submitted == 0 {
            return;
        }
        let some = disqualified > 0;
        if let Some(buyer) = release.buyer.id.get() {
            entry(&mut self.disqualified_by_buyer, buyer).add(disqualified, submitted);
            if let Some(maps) = self.maps.as_mut().filter(|_| some) {
                maps.ocid_buyer_r038.insert(ocid.to_owned(), buyer.to_owned());
            }
        }
        if let Some(entity) = release.tender.procuring_entity.id.get() {
            entry(&mut self.disqualified_by_entity, entity).add(disqualified, submitted);
            if let Some(maps) = self.maps.as_mut().filter(|_| some) {
                maps.ocid_procuringentity_r038.insert(ocid.to_owned(), entity.to_owned());
            }
        }
    }

    fn classes(&mut self, release: &Release<'_>) {
        let Some(digits) = self.settings.r048.as_ref().map(|r048| r048.digits) else { return };
        let mut suppliers = BTreeSet::new();
        for award in release.awards.all().iter().filter(|award| award.is_active()) {
            let [supplier] = award.suppliers.all() else { continue };
            let Some(supplier) = supplier.id.get() else { continue };
            for id in award.items.all().iter().filter_map(|item| item.classification.id.get()) {
                let end = id.char_indices().nth(digits).map_or(id.len(), |(at, _)| at);
                let class = id.get(..end).unwrap_or(id);
                let variety = entry(&mut self.variety, supplier);
                if !variety.classes.contains(class) {
                    variety.classes.insert(class.to_owned());
                }
                suppliers.insert(supplier);
            }
        }
        for supplier in suppliers {
            entry(&mut self.variety, supplier).processes += 1;
        }
    }

    fn map_tenderers(&mut self, release: &Release<'_>, ocid: &str) {
        let by_tenderer = self.settings.r025.is_some() || self.settings.r038.is_some() || self.settings.r048.is_some();
        let Some(maps) = self.maps.as_mut().filter(|_| by_tenderer) else { return };
        for tenderer in release.submitted().flat_map(Bid::tenderer_ids) {
            mapped(Some(&mut maps.ocid_tenderer), ocid, tenderer);
        }
    }

    /// The flags, now that the whole set is known.
    pub fn finish(mut self) -> Report {
        let mut meta = BTreeMap::new();
        self.close_margins(&mut meta);
        self.rare_winners(&mut meta);
        self.many_disqualified(&mut meta);
        self.many_classes(&mut meta);
        self.report.meta = Some(meta);
        self.report.maps = self.maps;
        self.report
    }

    fn close_margins(&mut self, meta: &mut BTreeMap<Indicator, Meta>) {
        let Some((q1, q3)) = quartiles(self.margins.values().map(|margin| margin.ratio)) else { return };
        if let Some(Fence(fixed)) = self.settings.r024 {
            let fence = fixed.unwrap_or_else(|| lower(q1, q3));
            meta.insert(Indicator::R024, described(fixed, q1, q3, "lower_fence", fence));
            for (ocid, margin) in self.margins.iter().filter(|(_, margin)| margin.ratio <= fence) {
                flag(&mut self.report.processes, ocid, Indicator::R024, margin.ratio);
                for id in [&margin.winner, &margin.second] {
                    flag(&mut self.report.tenderers, id, Indicator::R024, 0.0);
                    mapped(self.maps.as_mut().map(|maps| &mut maps.ocid_tenderer_r024), ocid, id);
                }
            }
        }
        if let Some(Fence(fixed)) = self.settings.r058 {
            let fence = fixed.unwrap_or_else(|| upper(q1, q3));
            meta.insert(Indicator::R058, described(fixed, q1, q3, "upper_fence", fence));
            for (ocid, margin) in self.margins.iter().filter(|(_, margin)| margin.ratio >= fence) {
                flag(&mut self.report.processes, ocid, Indicator::R058, margin.ratio);
                flag(&mut self.report.tenderers, &margin.winner, Indicator::R058, 0.0);
                mapped(self.maps.as_mut().map(|maps| &mut maps.ocid_tenderer_r058), ocid, &margin.winner);
            }
        }
    }

    fn rare_winners(&mut self, meta: &mut BTreeMap<Indicator, Meta>) {
        let Some(r025) = &self.settings.r025 else { return };
        let bids = sorted(self.wins.values().map(|share| share.whole as f64));
        let (Some(many), Some((q1, q3))) =
            (quantile(&bids, r025.percentile / 100.0), quartiles(self.wins.values().map(|share| share.ratio())))
        else {
            return;
        };
        let fence = r025.fence.0.unwrap_or_else(|| lower(q1, q3));
        let mut said = described(r025.fence.0, q1, q3, "lower_fence", fence);
        said.0.push(("upper_fence".to_owned(), many));
        meta.insert(Indicator::R025, said);
        for (tenderer, share) in &self.wins {
            if share.whole as f64 >= many && share.ratio() <= fence {
                flag(&mut self.report.tenderers, tenderer, Indicator::R025, share.ratio());
            }
        }
    }

    fn many_disqualified(&mut self, meta: &mut BTreeMap<Indicator, Meta>) {
        let Some(r038) = &self.settings.r038 else { return };
        let mut said = Meta::default();
        let groups = [
            ("Buyer", &self.disqualified_by_buyer, r038.processes_min, &mut self.report.buyers),
            ("ProcuringEntity", &self.disqualified_by_entity, r038.processes_min, &mut self.report.procuring_entities),
            ("Tenderer", &self.disqualified_of, r038.submitted_min, &mut self.report.tenderers),
        ];
        for (group, shares, least, flagged) in groups {
            let enough = || shares.iter().filter(|(_, share)| share.whole >= least);
            let Some((q1, q3)) = quartiles(enough().map(|(_, share)| share.ratio())) else { continue };
            let fence = r038.fence.0.unwrap_or_else(|| upper(q1, q3));
            let named = described(r038.fence.0, q1, q3, "upper_fence", fence);
            said.0.extend(named.0.into_iter().map(|(name, value)| (format!("{group}_{name}"), value)));
            for (id, share) in enough().filter(|(_, share)| share.ratio() >= fence) {
                flag(flagged, id, Indicator::R038, share.ratio());
            }
        }
        meta.insert(Indicator::R038, said);
    }

    fn many_classes(&mut self, meta: &mut BTreeMap<Indicator, Meta>) {
        let Some(r048) = &self.settings.r048 else { return };
        let counts = || {
            let enough = self.variety.iter().filter(|(_, variety)| variety.processes >= r048.processes_min);
            enough.map(|(supplier, variety)| (supplier, variety.classes.len() as f64))
        };
        let Some((q1, q3)) = quartiles(counts().map(|(_, count)| count)) else { return };
        let fence = r048.fence.0.unwrap_or_else(|| upper(q1, q3).ceil());
        meta.insert(Indicator::R048, described(r048.fence.0, q1, q3, "upper_fence", fence));
        for (supplier, count) in counts().filter(|(_, count)| *count >= fence) {
            flag(&mut self.report.tenderers, supplier, Indicator::R048, count);
        }
    }
}

/// Whether one date is after another: as instants where both are, else by their text.
fn is_after(date: &str, deadline: &str) -> bool {
    match (date.parse::<Timestamp>(), deadline.parse::<Timestamp>()) {
        (Ok(date), Ok(deadline)) => date > deadline,
        _ => date > deadline,
    }
}

fn described(fixed: Option<f64>, q1: f64, q3: f64, name: &str, fence: f64) -> Meta {
    let computed = if fixed.is_none() { vec![("q1".to_owned(), q1), ("q3".to_owned(), q3)] } else { Vec::new() };
    Meta(computed.into_iter().chain([(name.to_owned(), fence)]).collect())
}

fn flag(group: &mut Ordered<Flagged>, id: &str, indicator: Indicator, value: f64) {
    entry(group, id).insert(indicator, value);
}

fn mapped(map: Option<&mut Ordered<BTreeSet<String>>>, ocid: &str, id: &str) {
    let Some(map) = map else { return };
    let ids = entry(map, ocid);
    if !ids.contains(id) {
        ids.insert(id.to_owned());
    }
}

/// The entry of a key, made where it is missing; the key is copied only then.
fn entry<'m, V: Default>(map: &'m mut Ordered<V>, key: &str) -> &'m mut V {
    let at = map.get_index_of(key).unwrap_or_else(|| map.insert_full(key.to_owned(), V::default()).0);
    &mut map[at]
}
