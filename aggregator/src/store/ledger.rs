//! What is complete, what is missing and why, per gateway and stream.

use super::read::{damaged, gateway_of};
use super::{Columns, Store, StoreError};
use minewatch_domain::{At, GatewayId, Lane, RangeSet};
use std::collections::BTreeMap;
use std::ops::Range;

/// Gap notes told per gateway, newest first.
const GAPS_MAX: i64 = 1_000;

/// A stored gap note.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct LedgerGap {
    pub reason: String,
    pub subject: String,
    pub from: At,
    pub to: At,
    pub count: i64,
    pub epoch: u64,
    pub seq: u64,
    pub seqs: Option<(u64, Lane, Range<u64>)>,
}

/// One stream.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct StreamLedger {
    pub epoch: u64,
    pub lane: Lane,
    pub expected: u64,
    pub received: u64,
    pub missing: Vec<Range<u64>>,
    pub explained: Vec<(Range<u64>, String)>,
    pub unexplained: u64,
    pub closed: bool,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct GatewayLedger {
    pub gateway: GatewayId,
    pub streams: Vec<StreamLedger>,
    pub gaps: Vec<LedgerGap>,
}

impl GatewayLedger {
    /// Of what is known to exist, nothing is missing without an explanation.
    pub fn accounted(&self) -> bool {
        self.streams.iter().all(|stream| stream.unexplained == 0)
    }
}

/// Pure: what is missing below `next`, and which part of it the gaps explain.
fn account(epoch: u64, lane: Lane, next: u64, closed: bool, marks: &RangeSet, gaps: &[LedgerGap]) -> StreamLedger {
    let expected = next.max(marks.end());
    let missing = marks.missing_in(0..expected);
    let mut explained = Vec::new();
    let mut covered = marks.clone();
    for gap in gaps {
        let Some((gap_epoch, gap_lane, range)) = &gap.seqs else { continue };
        if (*gap_epoch, *gap_lane) == (epoch, lane) {
            explained.push((range.clone(), gap.reason.clone()));
            covered.insert(range.clone());
        }
    }
    let unexplained = covered.missing_in(0..expected).iter().map(|r| r.end - r.start).sum();
    StreamLedger { epoch, lane, expected, received: marks.count(), missing, explained, unexplained, closed }
}

impl Store {
    /// The ledger of one gateway or all.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn ledger(&self, gateway: Option<&GatewayId>) -> Result<Vec<GatewayLedger>, StoreError> {
        let asked = gateway.map_or("", GatewayId::as_str);
        let mut marks: BTreeMap<i64, RangeSet> = BTreeMap::new();
        let rows = sqlx::query(
            "SELECT m.stream_num, m.from_seq, m.to_seq FROM marks m JOIN streams s ON s.stream_num = m.stream_num \
             WHERE $1 = '' OR s.gateway = $1",
        )
        .bind(asked)
        .fetch_all(&self.reader)
        .await?;
        for row in rows {
            marks.entry(row.int(0)?).or_default().insert(row.int(1)? as u64..row.int(2)? as u64);
        }
        let streams = sqlx::query(
            "SELECT gateway, stream_num, epoch, lane, next_seq, closed FROM streams WHERE $1 = '' OR gateway = $1 \
             ORDER BY gateway, epoch, lane",
        )
        .bind(asked)
        .fetch_all(&self.reader)
        .await?;
        let mut ledgers: Vec<GatewayLedger> = Vec::new();
        for row in streams {
            let gateway = gateway_of(&row, 0)?;
            if ledgers.last().is_none_or(|last| last.gateway != gateway) {
                let gaps = self.gaps(&gateway).await?;
                ledgers.push(GatewayLedger { gateway, streams: Vec::new(), gaps });
            }
            let Some(ledger) = ledgers.last_mut() else { continue };
            let lane = u8::try_from(row.int(3)?).ok().and_then(Lane::from_code).ok_or_else(|| damaged("lane"))?;
            let held = marks.remove(&row.int(1)?).unwrap_or_default();
            let (epoch, next, closed) = (row.int(2)? as u64, row.int(4)? as u64, row.int(5)? != 0);
            ledger.streams.push(account(epoch, lane, next, closed, &held, &ledger.gaps));
        }
        Ok(ledgers)
    }

    async fn gaps(&self, gateway: &GatewayId) -> Result<Vec<LedgerGap>, StoreError> {
        let rows = sqlx::query(
            "SELECT g.reason, g.subject, g.from_us, g.to_us, g.missing, s.epoch, g.seq, g.gap_epoch, g.gap_lane, \
             g.gap_from, g.gap_to FROM gaps g JOIN streams s ON s.stream_num = g.stream_num WHERE g.gateway = $1 \
             ORDER BY g.from_us DESC, s.epoch DESC, g.seq DESC LIMIT $2",
        )
        .bind(gateway.as_str())
        .bind(GAPS_MAX)
        .fetch_all(&self.reader)
        .await?;
        let mut gaps = Vec::new();
        for row in &rows {
            let lane = row.maybe_int(8)?.and_then(|code| u8::try_from(code).ok()).and_then(Lane::from_code);
            let seqs = match (row.maybe_int(7)?, lane, row.maybe_int(9)?, row.maybe_int(10)?) {
                (Some(epoch), Some(lane), Some(from), Some(to)) => Some((epoch as u64, lane, from as u64..to as u64)),
                _ => None,
            };
            gaps.push(LedgerGap {
                reason: row.text(0)?,
                subject: row.text(1)?,
                from: At(row.int(2)?),
                to: At(row.int(3)?),
                count: row.int(4)?,
                epoch: row.int(5)? as u64,
                seq: row.int(6)? as u64,
                seqs,
            });
        }
        Ok(gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_unexplained_until_a_gap_note_covers_it() {
        let marks: RangeSet = [0..10, 15..20].into_iter().collect();
        let note = |range: Range<u64>| LedgerGap {
            reason: "spool_full".to_owned(),
            subject: "gateway".to_owned(),
            from: At(0),
            to: At(1),
            count: 5,
            epoch: 1,
            seq: 3,
            seqs: Some((1, Lane::Routine, range)),
        };
        let ledger = account(1, Lane::Routine, 22, false, &marks, &[note(10..13)]);
        assert_eq!((ledger.expected, ledger.received, ledger.unexplained), (22, 15, 4));
        assert_eq!(ledger.missing, vec![10..15, 20..22]);
        assert_eq!(account(1, Lane::Routine, 20, false, &marks, &[note(10..15)]).unexplained, 0);
    }
}
