//! The one crossing between domain records and wire frames.

use super::{AlarmV1, BatchV1, CatalogueV1, EventV1, FRAME_RECORDS_MAX, FrameV1, GapV1, ReadingsV1, WireError};
use crate::{
    AlarmKind, AlarmTransition, At, Catalogue, Event, EventKind, Gap, GapReason, Lane, Level, PointId, Quality,
    Reading, Record,
};
use std::collections::BTreeMap;

/// A frame of version 1, the current one.
pub type Frame = FrameV1;

/// Point numbers to names, as carried by a batch.
pub type PointDictionary = BTreeMap<u32, PointId>;

/// A record out of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct WireRecord {
    /// Its sequence number.
    pub seq: u64,
    /// The record.
    pub record: Record,
}

/// What a frame held: the records that make sense, and for each that does not, its sequence
/// number and why. Together they cover every sequence number of the frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unpacked {
    /// Good records.
    pub records: Vec<WireRecord>,
    /// Sequence numbers whose content is impossible; to be quarantined, not retried.
    pub impossible: Vec<(u64, String)>,
}

/// Times outside 1970..2200 cannot be real; the bound keeps time arithmetic safe. A gateway whose clock
/// lost its battery starts in 1970: its readings are uncertain, not impossible.
const AT_US_MIN: i64 = 0;
const AT_US_MAX: i64 = 7_258_118_400_000_000;

fn time(us: i64) -> Result<At, String> {
    match (AT_US_MIN..AT_US_MAX).contains(&us) {
        true => Ok(At(us)),
        false => Err(format!("time {us} µs is outside 1970..2200")),
    }
}

impl FrameV1 {
    fn empty(first_seq: u64, config: u64) -> FrameV1 {
        FrameV1 { first_seq, config, readings: None, alarm: None, gap: None, event: None, catalogue: None }
    }

    /// Packs readings given as `(point number, reading)`.
    pub fn of_readings<'a>(
        first_seq: u64,
        config: u64,
        readings: impl IntoIterator<Item = (u32, &'a Reading)>,
    ) -> FrameV1 {
        let mut columns = ReadingsV1::default();
        for (index, (number, reading)) in readings.into_iter().enumerate() {
            if index == 0 {
                columns.at_us = reading.at.micros();
            }
            columns.point.push(number);
            columns.value.push(reading.value.unwrap_or(f64::NAN));
            columns.offset_us.push(reading.at.micros().saturating_sub(columns.at_us));
            columns.quality.push(reading.quality.pack(reading.reason));
        }
        if columns.offset_us.iter().all(|offset| *offset == 0) {
            columns.offset_us = Vec::new();
        }
        if columns.quality.iter().all(|quality| *quality == 0) {
            columns.quality = Vec::new();
        }
        FrameV1 { readings: Some(columns), ..FrameV1::empty(first_seq, config) }
    }

    /// Packs any record but a reading; `None` for a reading (its point needs a number).
    pub fn of_record(first_seq: u64, config: u64, record: &Record) -> Option<FrameV1> {
        let empty = FrameV1::empty(first_seq, config);
        Some(match record {
            Record::Reading(_) => return None,
            Record::Alarm(alarm) => FrameV1 { alarm: Some(alarm.into()), ..empty },
            Record::Gap(gap) => FrameV1 { gap: Some(gap.into()), ..empty },
            Record::Event(event) => FrameV1 { event: Some(event.into()), ..empty },
            Record::Catalogue(catalogue) => {
                let json = serde_json::to_string(catalogue).unwrap_or_default();
                FrameV1 { catalogue: Some(CatalogueV1 { config: catalogue.config, json }), ..empty }
            }
        })
    }

    /// How many sequence numbers the frame takes.
    ///
    /// # Errors
    /// When the frame does not hold exactly one kind of body, or its columns disagree in length.
    pub fn count(&self) -> Result<u64, WireError> {
        let singles = [self.alarm.is_some(), self.gap.is_some(), self.event.is_some(), self.catalogue.is_some()];
        let singles = singles.into_iter().filter(|present| *present).count();
        match (&self.readings, singles) {
            (None, 1) => Ok(1),
            (Some(columns), 0) => columns.count(),
            _ => Err(WireError::Malformed(format!("frame {} must hold exactly one kind of record", self.first_seq))),
        }
    }

    /// Crosses to the domain. Damaged records are data, not an error; a damaged frame is.
    ///
    /// # Errors
    /// As [`FrameV1::count`], or when sequence numbers overflow.
    pub fn unpack(&self, points: &PointDictionary) -> Result<Unpacked, WireError> {
        let count = self.count()?;
        if self.first_seq.checked_add(count).is_none_or(|end| end > i64::MAX as u64) {
            return Err(WireError::Impossible(format!("sequence number {} overflows", self.first_seq)));
        }
        let mut out = Unpacked::default();
        if let Some(columns) = &self.readings {
            columns.unpack(self.first_seq, points, &mut out);
            return Ok(out);
        }
        let record = if let Some(alarm) = &self.alarm {
            AlarmTransition::try_from(alarm).map(Record::Alarm)
        } else if let Some(gap) = &self.gap {
            Gap::try_from(gap).map(Record::Gap)
        } else if let Some(event) = &self.event {
            Event::try_from(event).map(Record::Event)
        } else if let Some(part) = &self.catalogue {
            serde_json::from_str::<Catalogue>(&part.json).map(Record::Catalogue).map_err(|e| format!("catalogue: {e}"))
        } else {
            Err("empty frame".to_owned())
        };
        match record {
            Ok(record) => out.records.push(WireRecord { seq: self.first_seq, record }),
            Err(why) => out.impossible.push((self.first_seq, why)),
        }
        Ok(out)
    }
}

impl ReadingsV1 {
    fn count(&self) -> Result<u64, WireError> {
        let n = self.point.len();
        let column = |name: &str, len: usize, may_be_empty: bool| match len == n || (may_be_empty && len == 0) {
            true => Ok(()),
            false => Err(WireError::Malformed(format!("column {name} has {len} entries, point has {n}"))),
        };
        column("value", self.value.len(), false)?;
        column("offset_us", self.offset_us.len(), true)?;
        column("quality", self.quality.len(), true)?;
        match n {
            0 => Err(WireError::Malformed("readings frame without readings".into())),
            n if n > FRAME_RECORDS_MAX => Err(WireError::Malformed(format!("{n} readings in one frame"))),
            n => Ok(n as u64),
        }
    }

    fn reading(&self, index: usize, points: &PointDictionary) -> Result<Reading, String> {
        let number = self.point[index];
        let point = points.get(&number).ok_or_else(|| format!("point number {number} has no name in the batch"))?;
        let offset = self.offset_us.get(index).copied().unwrap_or(0);
        let at = time(self.at_us.saturating_add(offset))?;
        let packed = self.quality.get(index).copied().unwrap_or(0);
        let (quality, reason) = Quality::unpack(packed).ok_or_else(|| format!("unknown quality byte {packed:#04x}"))?;
        let value = Some(self.value[index]).filter(|value| value.is_finite());
        if value.is_none() && quality != Quality::Bad {
            return Err(format!("point {point}: no value, yet quality is {}", quality.name()));
        }
        Ok(Reading { point: point.clone(), at, value, quality, reason })
    }

    fn unpack(&self, first_seq: u64, points: &PointDictionary, out: &mut Unpacked) {
        out.records.reserve(self.point.len());
        for (index, seq) in (0..self.point.len()).zip(first_seq..) {
            match self.reading(index, points) {
                Ok(reading) => out.records.push(WireRecord { seq, record: Record::Reading(reading) }),
                Err(why) => out.impossible.push((seq, why)),
            }
        }
    }
}

impl BatchV1 {
    /// The batch's point names.
    ///
    /// # Errors
    /// When a name is not a point id.
    pub fn dictionary(&self) -> Result<PointDictionary, WireError> {
        self.points
            .iter()
            .map(|(number, name)| match PointId::parse(name) {
                Ok(point) => Ok((*number, point)),
                Err(error) => Err(WireError::Impossible(error.to_string())),
            })
            .collect()
    }

    /// The batch's lane.
    ///
    /// # Errors
    /// For an unknown lane code.
    pub fn lane(&self) -> Result<Lane, WireError> {
        Lane::from_code(self.lane).ok_or_else(|| WireError::Impossible(format!("lane code {}", self.lane)))
    }
}

impl From<&AlarmTransition> for AlarmV1 {
    fn from(alarm: &AlarmTransition) -> AlarmV1 {
        AlarmV1 {
            alarm: alarm.alarm.to_string(),
            revision: alarm.revision,
            kind: alarm.kind.name().to_owned(),
            point: alarm.point.as_ref().map(ToString::to_string),
            from: alarm.from.code(),
            to: alarm.to.code(),
            at_us: alarm.at.micros(),
            value: alarm.value,
            limit: alarm.limit,
            rule: alarm.rule.clone(),
            why: alarm.why.clone(),
            proof: bounded_proof(alarm.proof.as_ref()),
        }
    }
}

/// A proof that is too long is left out on both sides of the wire: the alarm matters more.
fn bounded_proof(proof: Option<&String>) -> Option<String> {
    proof.filter(|text| text.len() <= AlarmTransition::PROOF_BYTES_MAX).cloned()
}

impl TryFrom<&AlarmV1> for AlarmTransition {
    type Error = String;

    fn try_from(wire: &AlarmV1) -> Result<AlarmTransition, String> {
        let level = |code: u8| Level::from_code(code).ok_or_else(|| format!("level code {code}"));
        let id = |text: &String| PointId::parse(text).map_err(|e| e.to_string());
        Ok(AlarmTransition {
            alarm: id(&wire.alarm)?,
            revision: i64::try_from(wire.revision).map_err(|_| "revision too large")? as u64,
            kind: AlarmKind::from_name(&wire.kind).ok_or_else(|| format!("alarm kind {:?}", wire.kind))?,
            point: wire.point.as_ref().map(id).transpose()?,
            from: level(wire.from)?,
            to: level(wire.to)?,
            at: time(wire.at_us)?,
            value: wire.value.filter(|v| v.is_finite()),
            limit: wire.limit.filter(|v| v.is_finite()),
            rule: wire.rule.clone(),
            why: wire.why.clone(),
            proof: bounded_proof(wire.proof.as_ref()),
        })
    }
}

impl From<&Gap> for GapV1 {
    fn from(gap: &Gap) -> GapV1 {
        GapV1 {
            reason: gap.reason.name().to_owned(),
            subject: gap.subject.clone(),
            from_us: gap.from.micros(),
            to_us: gap.to.micros(),
            seqs: gap.seqs.map(|(epoch, lane, from, to)| (epoch, lane.code(), from, to)),
            count: gap.count,
        }
    }
}

impl TryFrom<&GapV1> for Gap {
    type Error = String;

    fn try_from(wire: &GapV1) -> Result<Gap, String> {
        let seqs = match wire.seqs {
            None => None,
            Some((epoch, lane, from, to)) if from <= to && to <= i64::MAX as u64 && epoch <= i64::MAX as u64 => {
                Some((epoch, Lane::from_code(lane).ok_or_else(|| format!("lane code {lane}"))?, from, to))
            }
            Some(seqs) => return Err(format!("gap range {seqs:?}")),
        };
        Ok(Gap {
            reason: GapReason::from_name(&wire.reason).ok_or_else(|| format!("gap reason {:?}", wire.reason))?,
            subject: wire.subject.clone(),
            from: time(wire.from_us)?,
            to: time(wire.to_us)?,
            seqs,
            count: wire.count,
        })
    }
}

impl From<&Event> for EventV1 {
    fn from(event: &Event) -> EventV1 {
        EventV1 {
            kind: event.kind.name().to_owned(),
            subject: event.subject.clone(),
            at_us: event.at.micros(),
            detail: event.detail.clone(),
        }
    }
}

impl TryFrom<&EventV1> for Event {
    type Error = String;

    fn try_from(wire: &EventV1) -> Result<Event, String> {
        Ok(Event {
            kind: EventKind::from_name(&wire.kind).ok_or_else(|| format!("event kind {:?}", wire.kind))?,
            subject: wire.subject.clone(),
            at: time(wire.at_us)?,
            detail: wire.detail.clone(),
        })
    }
}
