//! The site's own decisions: what a reading is worth, which warning level follows, whether the
//! siren sounds. Works with the link, the broker or headquarters gone (design promise 5).
//!
//! [`Site`] is pure: events and time go in, ledger records come out. `task` is its thin shell.
//! Invariant: bad data neither raises nor clears an alarm; what could not be sampled is stated.
//! Deliberately absent: Modbus, disk, MQTT, and how a dam is judged (`minewatch_dam`).

mod act;
mod alarms;
mod camera;
mod command;
mod dam;
mod point;
mod task;
#[cfg(test)]
mod tests;

pub use act::{Act, Deed, SIREN_TEST_MS, Standing};
pub use alarms::{AlarmBook, Statement, alarm_id};
pub use task::{Ended, Field, Inbox, Reply, Shell, Snapshot, StartField, run};

use crate::config::{Siren, SiteConfig, catalogue};
use crate::modbus::{BusEvent, PollResult};
use crate::qualify::{ClockWatch, Moment};
use crate::siren::{SirenEvent, SirenEventKind};
use crate::spool::SpoolHealth;
use crate::uplink::LinkState;
use dam::SiteDam;
use minewatch_dam::proof::ForecastNote;
use minewatch_dam::threshold::LevelChange;
use minewatch_domain::{AlarmKind, At, Event, EventKind, Gap, GapReason, Level, PointId, Reading, Record};
use point::PointState;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Being cut off this long is an alarm on site.
const LINK_DOWN_ALARM_MS: u64 = 10_000;

/// 2026-01-01: a wall clock before it has lost its battery.
const CLOCK_EARLIEST: At = At(1_767_225_600_000_000);

/// Everything the site knows and decides.
pub struct Site {
    config: Arc<SiteConfig>,
    points: Vec<PointState>,
    alarms: AlarmBook,
    clock: ClockWatch,
    link_cut_since: Option<Moment>,
    link_was_up: bool,
    sirens: BTreeMap<String, bool>,
    /// The last falls taken from the vision process: number and time.
    falls_taken: VecDeque<(u64, i64)>,
    /// When the last fall of a camera came.
    fall_seen: BTreeMap<String, Moment>,
    rule_version: String,
    dam: Option<SiteDam>,
    /// Commands done lately, oldest first.
    commands: VecDeque<String>,
    /// Sirens under test, and since when.
    tests: BTreeMap<String, At>,
}

impl Site {
    /// Takes over a valid configuration and the alarms remembered from before.
    ///
    /// # Errors
    /// Names every rule that cannot be run.
    pub fn new(config: Arc<SiteConfig>, alarms: AlarmBook, now: Moment) -> Result<Site, Vec<String>> {
        let mut points = Vec::with_capacity(config.points.len());
        let mut problems = Vec::new();
        for point in &config.points {
            let level = alarms.level(AlarmKind::Threshold, point.id.as_str());
            let rate = alarms.level(AlarmKind::Rate, point.id.as_str());
            match PointState::new(point, level, rate, now) {
                Ok(state) => points.push(state),
                Err(problem) => problems.push(problem),
            }
        }
        let dam = match config.dam.as_ref().map(|file| SiteDam::new(&config, file, &alarms)) {
            None => None,
            Some(Ok(dam)) => Some(dam),
            Some(Err(found)) => {
                problems.extend(found);
                None
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let rule_version = format!("config:{:016x}", config.hash.short());
        Ok(Site {
            config,
            points,
            alarms,
            clock: watched_clock(now),
            link_cut_since: Some(now),
            link_was_up: false,
            sirens: BTreeMap::new(),
            falls_taken: VecDeque::new(),
            fall_seen: BTreeMap::new(),
            rule_version,
            dam,
            commands: VecDeque::new(),
            tests: BTreeMap::new(),
        })
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<SiteConfig> {
        &self.config
    }

    /// The alarms.
    pub fn alarms(&self) -> &AlarmBook {
        &self.alarms
    }

    /// Last proved state of each siren.
    pub fn sirens(&self) -> &BTreeMap<String, bool> {
        &self.sirens
    }

    /// Last reading of every point that has one, computed points included.
    pub fn latest(&self) -> impl Iterator<Item = &Reading> {
        let computed = self.dam.iter().flat_map(SiteDam::latest);
        self.points.iter().filter_map(|p| p.latest.as_ref()).chain(computed)
    }

    /// What is forecast about movements of the dam.
    pub fn forecasts(&self) -> Vec<ForecastNote> {
        self.dam.iter().flat_map(SiteDam::forecasts).cloned().collect()
    }

    /// Polls to be made at least this often, because their item is in an abnormal state.
    pub fn pace(&self) -> Option<(&BTreeSet<usize>, Duration)> {
        self.dam.as_ref().map(SiteDam::pace)
    }

    /// Records that open a run: what was missed while off, the start itself, the catalogue.
    pub fn opening(
        &mut self,
        last_alive: Option<At>,
        damaged: Option<&str>,
        catalogue_known: bool,
        now: Moment,
    ) -> Vec<Record> {
        let mut out = Vec::new();
        if let Some(from) = last_alive.filter(|from| *from < now.wall) {
            out.push(gap(GapReason::PowerOff, "gateway", from, now.wall, 0));
        }
        if let Some(why) = damaged {
            out.push(gap(GapReason::SpoolDamaged, "gateway", last_alive.unwrap_or(now.wall), now.wall, 0));
            self.state(
                &mut out,
                AlarmKind::Spool,
                "gateway",
                Level::Orange,
                now.wall,
                format!("spool was unreadable: {why}"),
            );
        }
        out.push(event(
            EventKind::Started,
            "gateway",
            now.wall,
            format!("version {}, {}", env!("CARGO_PKG_VERSION"), self.rule_version),
        ));
        if !catalogue_known {
            out.extend(self.catalogue());
        }
        out.extend(self.settled(now));
        out
    }

    /// What a changed configuration makes of the alarms that were in force: those it does not know are
    /// ended, those of the dam that stand otherwise now are said.
    pub fn settled(&mut self, now: Moment) -> Vec<Record> {
        let mut out = Vec::new();
        let computed = self.config.dam.iter().flat_map(|dam| dam.derived.iter().map(|derived| derived.point.clone()));
        let points: BTreeSet<PointId> = self.points.iter().map(|p| p.id.clone()).chain(computed).collect();
        let of_dam = self.dam.as_ref().map(SiteDam::alarm_ids).unwrap_or_default();
        for orphan in self.alarms.orphans(&points, &of_dam) {
            let suffix = format!(".{}", orphan.kind.name());
            let said = Statement {
                kind: orphan.kind,
                subject: orphan.alarm.as_str().strip_suffix(&suffix).unwrap_or_default().to_owned(),
                point: orphan.point.clone(),
                to: Level::Normal,
                at: now.wall,
                value: None,
                limit: None,
                rule: self.rule_version.clone(),
                why: "it is no longer in the configuration".to_owned(),
                proof: None,
            };
            out.extend(self.alarms.state(said).map(Record::Alarm));
        }
        let statements = self.dam.as_ref().map(|dam| dam.reconcile(&self.alarms, now.wall)).unwrap_or_default();
        for said in statements {
            out.extend(self.alarms.state(said).map(Record::Alarm));
        }
        self.end_unwatched(now, &mut out);
        out
    }

    /// The point catalogue as records.
    pub fn catalogue(&self) -> Vec<Record> {
        catalogue(&self.config).into_iter().map(Record::Catalogue).collect()
    }

    /// Takes what a bus task says.
    pub fn bus(&mut self, event_seen: BusEvent, now: Moment, out: &mut Vec<Record>) {
        match event_seen {
            BusEvent::Polled(result) => self.polled(&result, now, out),
            BusEvent::DeviceDown { device, since, at, reason } => {
                out.push(event(
                    EventKind::DeviceDown,
                    device.as_str(),
                    at,
                    format!("no answer since {}: {reason}", since.millis()),
                ));
                self.state(
                    out,
                    AlarmKind::DeviceDown,
                    device.as_str(),
                    Level::Yellow,
                    at,
                    format!("device does not answer: {reason}"),
                );
            }
            BusEvent::DeviceUp { device, down_since, at } => {
                out.push(event(EventKind::DeviceUp, device.as_str(), at, String::new()));
                out.push(gap(GapReason::DeviceDown, device.as_str(), down_since, at, 0));
                self.state(
                    out,
                    AlarmKind::DeviceDown,
                    device.as_str(),
                    Level::Normal,
                    at,
                    "device answers again".to_owned(),
                );
            }
        }
    }

    fn polled(&mut self, result: &PollResult, now: Moment, out: &mut Vec<Record>) {
        let config = Arc::clone(&self.config);
        let Some(poll) = config.polls.get(result.poll) else { return };
        if result.skipped > 0 {
            let period = i64::try_from(poll.period_ms.saturating_mul(result.skipped)).unwrap_or(i64::MAX);
            let from = result.at.plus_millis(-period);
            let count = result.skipped * poll.points.len() as u64;
            out.push(gap(GapReason::Overload, result.device.as_str(), from, result.at, count));
        }
        let mut changes = Vec::new();
        for (raw, index) in result.readings.iter().zip(&poll.points) {
            let Some(point) = self.points.get_mut(*index) else { continue };
            let reading = point.take(raw, &self.clock, now, &mut changes);
            let recorded = reading.is_some();
            out.extend(reading.map(Record::Reading));
            if !changes.is_empty() {
                let id = point.id.clone();
                for (kind, change) in changes.drain(..) {
                    self.level_changed(kind, &id, change, out);
                }
            }
            self.dam_takes(*index, recorded, now, out);
        }
    }

    /// Gives the newest reading of a point to the dam model.
    fn dam_takes(&mut self, index: usize, recorded: bool, now: Moment, out: &mut Vec<Record>) {
        let (Some(dam), Some(point)) = (&mut self.dam, self.points.get(index)) else { return };
        let Some(reading) = &point.latest else { return };
        let words = dam.take(index, reading, now);
        if words.evidence && !recorded {
            out.push(Record::Reading(reading.clone()));
        }
        out.extend(words.readings.into_iter().map(Record::Reading));
        for said in words.statements {
            out.extend(self.alarms.state(said).map(Record::Alarm));
        }
    }

    fn level_changed(&mut self, kind: AlarmKind, point: &PointId, change: LevelChange, out: &mut Vec<Record>) {
        let said = Statement {
            kind,
            subject: point.to_string(),
            point: Some(point.clone()),
            to: change.to,
            at: change.at,
            value: Some(change.value),
            limit: change.limit,
            rule: format!("{}.{}#{}", point, kind.name(), self.rule_version),
            why: change.why,
            proof: None,
        };
        out.extend(self.alarms.state(said).map(Record::Alarm));
    }

    /// Takes what a siren task says.
    pub fn siren(&mut self, seen: &SirenEvent, out: &mut Vec<Record>) {
        let siren = seen.siren.as_str();
        match seen.kind {
            SirenEventKind::ReadbackFailed { on } => {
                let why = format!("siren was switched {} but its read-back does not confirm it", on_off(on));
                self.state(out, AlarmKind::SirenReadback, siren, Level::Orange, seen.at, why);
            }
            SirenEventKind::Proved { on, .. } => {
                self.sirens.insert(siren.to_owned(), on);
                out.push(event(EventKind::Siren, siren, seen.at, format!("read-back proves {}", on_off(on))));
                let why = format!("read-back confirms {}", on_off(on));
                self.state(out, AlarmKind::SirenReadback, siren, Level::Normal, seen.at, why);
            }
        }
    }

    /// The link changed.
    pub fn link(&mut self, state: LinkState, now: Moment, out: &mut Vec<Record>) {
        match state {
            LinkState::Up => {
                if !self.link_was_up {
                    out.push(event(EventKind::LinkRestored, "gateway", now.wall, String::new()));
                }
                self.link_was_up = true;
                self.link_cut_since = None;
                self.state(
                    out,
                    AlarmKind::LinkDown,
                    "gateway",
                    Level::Normal,
                    now.wall,
                    "headquarters answers again".to_owned(),
                );
            }
            LinkState::Down | LinkState::AwaitingStore => {
                if self.link_was_up {
                    out.push(event(EventKind::LinkLost, "gateway", now.wall, format!("{state:?}")));
                }
                self.link_was_up = false;
                self.link_cut_since.get_or_insert(now);
            }
        }
    }

    /// The spool's health changed.
    pub fn spool(&mut self, health: &SpoolHealth, now: Moment, out: &mut Vec<Record>) {
        let (level, why) = match health {
            SpoolHealth::Ok => (Level::Normal, "spool takes records again".to_owned()),
            SpoolHealth::Full => (Level::Orange, "spool is full: oldest routine records are dropped".to_owned()),
            SpoolHealth::DiskFull => (Level::Orange, "disk is nearly full: routine records are refused".to_owned()),
            SpoolHealth::Broken(why) => (Level::Orange, format!("spool cannot be written: {why}")),
        };
        self.state(out, AlarmKind::Spool, "gateway", level, now.wall, why);
    }

    /// Time passed: silent points, a cut link, a stepped clock.
    pub fn tick(&mut self, now: Moment, out: &mut Vec<Record>) {
        if let Some(step) = self.clock.observe(now) {
            let why = format!("wall clock stepped by {} ms", step.step_ms);
            out.push(event(EventKind::ClockStep, "gateway", now.wall, why));
        }
        let (level, why) = match self.clock.is_trusted() {
            true => (Level::Normal, "wall clock shows a possible time"),
            false => (Level::Yellow, "wall clock shows a time long past; readings are uncertain until it is set"),
        };
        self.state(out, AlarmKind::Clock, "gateway", level, now.wall, why.to_owned());
        if let Some(since) = self.link_cut_since
            && now.elapsed_ms(since) >= LINK_DOWN_ALARM_MS
        {
            let why = format!("no word from headquarters for more than {} s", LINK_DOWN_ALARM_MS / 1_000);
            self.state(out, AlarmKind::LinkDown, "gateway", Level::Yellow, now.wall, why);
        }
        self.tick_cameras(now, out);
        let mut changes = Vec::new();
        for index in 0..self.points.len() {
            let Some(point) = self.points.get_mut(index) else { continue };
            let Some(reading) = point.expire(now, &mut changes) else { continue };
            out.push(Record::Reading(reading));
            let id = point.id.clone();
            for (kind, change) in changes.drain(..) {
                self.level_changed(kind, &id, change, out);
            }
            self.dam_takes(index, true, now, out);
        }
    }

    /// Whether each siren of the configuration should sound, in its order.
    pub fn sirens_wanted(&self, now: At) -> Vec<bool> {
        let worst = self.alarms.loudest_level(now);
        let sounds = |s: &Siren| (worst >= s.level_from && worst != Level::Normal) || self.tested(s.id.as_str(), now);
        self.config.sirens.iter().map(sounds).collect()
    }

    /// Replaces the configuration; alarms go on. The old one stays when the new one cannot run.
    ///
    /// # Errors
    /// As [`Site::new`].
    pub fn reconfigure(&mut self, config: Arc<SiteConfig>, now: Moment) -> Result<(), Vec<String>> {
        let mut next = Site::new(config, self.alarms.clone(), now)?;
        next.clock = self.clock;
        next.link_cut_since = self.link_cut_since;
        next.link_was_up = self.link_was_up;
        next.commands = std::mem::take(&mut self.commands);
        next.falls_taken = std::mem::take(&mut self.falls_taken);
        next.fall_seen = std::mem::take(&mut self.fall_seen);
        *self = next;
        Ok(())
    }

    fn state(&mut self, out: &mut Vec<Record>, kind: AlarmKind, subject: &str, to: Level, at: At, why: String) {
        let said = Statement {
            kind,
            subject: subject.to_owned(),
            point: None,
            to,
            at,
            value: None,
            limit: None,
            rule: format!("builtin:{}", kind.name()),
            why,
            proof: None,
        };
        out.extend(self.alarms.state(said).map(Record::Alarm));
    }
}

fn watched_clock(now: Moment) -> ClockWatch {
    let mut clock = ClockWatch::new(CLOCK_EARLIEST);
    clock.observe(now);
    clock
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// An event record.
pub fn event(kind: EventKind, subject: &str, at: At, detail: String) -> Record {
    Record::Event(Event { kind, subject: subject.to_owned(), at, detail })
}

fn gap(reason: GapReason, subject: &str, from: At, to: At, count: u64) -> Record {
    Record::Gap(Gap { reason, subject: subject.to_owned(), from, to, seqs: None, count })
}
