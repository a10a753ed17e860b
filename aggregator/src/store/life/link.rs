//! The link alarm headquarters itself keeps for each gateway.

use super::Work;
use crate::hq::event;
use crate::live::LinkChange;
use crate::store::StoreError;
use minewatch_domain::{AlarmKind, AlarmTransition, Level, PointId};

impl Work<'_> {
    /// Raises or clears it.
    pub(in crate::store) async fn link(&mut self, change: &LinkChange) -> Result<(), StoreError> {
        let Ok(alarm) = PointId::parse(event::LINK_ALARM) else { return Ok(()) };
        let known = self.load(&change.gateway, &alarm).await?;
        let (revision, level) =
            known.map_or((0, Level::Normal), |known| (known.state.condition.revision, known.state.condition.level));
        let to = if change.down { Level::Orange } else { Level::Normal };
        if level == to {
            return Ok(());
        }
        let step = AlarmTransition {
            alarm,
            revision: revision + 1,
            kind: AlarmKind::LinkDown,
            point: None,
            from: level,
            to,
            at: change.at,
            value: None,
            limit: None,
            rule: "link-hq#1".to_owned(),
            why: change.why.clone(),
            proof: None,
        };
        self.transition(&change.gateway, &step, self.now).await
    }
}
