//! "Why orange": the tree behind a level, as data. Its JSON is described in `docs/proof.md`.
//!
//! Invariant: a proof names every member that stands at a warning level (or says how many it left out),
//! with value, limit, quality and age, and the clause that made the level; its JSON is at most
//! [`AlarmTransition::PROOF_BYTES_MAX`] bytes. Deliberately absent: how levels are decided (`model`).

mod render;

pub use render::{Language, View, gistm_name, level_name};

use crate::dam_file::{NamedText, Tarp};
use minewatch_domain::{AlarmTransition, At, Level, Quality, Reason};
use serde::{Deserialize, Serialize};

/// Version of the JSON; raised when a field changes its meaning, not when one is added.
pub const VERSION: u32 = 1;

/// Members shown below one node at most; the rest is counted.
pub const CHILDREN_MAX: usize = 24;

/// What a node is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// The pond as a whole.
    Pond,
    /// A monitored item.
    Item,
    /// A major hazard.
    Hazard,
    /// A point, measured or computed, judged by a rule.
    Point,
    /// A point that a computed one was computed from.
    Input,
}

/// The clause that made a level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clause {
    /// Stable id, for example `gb39496-2020-5.5.4/yellow-to-orange`.
    pub id: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// A measured or computed value, with its trust and the limit it was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The value judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The limit it was held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Unit of both, where the dam file says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Trust.
    pub quality: Quality,
    /// Why not simply good.
    pub reason: Reason,
    /// When it was measured, microseconds since 1970.
    pub at_us: i64,
    /// Its age at the decision, milliseconds.
    pub age_ms: i64,
    /// The calibration record it was computed by, `instrument@version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<String>,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What it is about.
    pub kind: NodeKind,
    /// Its id.
    pub id: String,
    /// Its name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<NamedText>,
    /// Its level.
    pub level: Level,
    /// What made the level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause: Option<Clause>,
    /// What was seen, for points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Who signed the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where the limit is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it rests on, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
    /// Further members at a warning level that are not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u32,
    /// Members whose newest data are bad: their level is held, not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Node {
    /// A node without anything below it.
    pub fn new(kind: NodeKind, id: &str, level: Level) -> Node {
        Node {
            kind,
            id: id.to_owned(),
            name: None,
            level,
            clause: None,
            evidence: None,
            owner: None,
            source: None,
            children: Vec::new(),
            omitted: 0,
            unknown: 0,
        }
    }

    /// Adds members, worst first, at most [`CHILDREN_MAX`].
    pub fn with_children(mut self, mut children: Vec<Node>) -> Node {
        children.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.id.cmp(&b.id)));
        let more = children.len().saturating_sub(CHILDREN_MAX);
        children.truncate(CHILDREN_MAX);
        self.omitted += u32::try_from(more).unwrap_or(u32::MAX);
        self.children = children;
        self
    }

    /// Leaves out the mildest leaf of the fullest node; false when there is nothing left to leave out.
    fn prune(&mut self) -> bool {
        fn fullest(node: &mut Node) -> Option<&mut Node> {
            let own = node.children.len();
            let below = node.children.iter().map(Node::widest).max().unwrap_or(0);
            if own == 0 {
                return None;
            }
            if own >= below {
                return Some(node);
            }
            node.children.iter_mut().max_by_key(|child| child.widest()).and_then(fullest)
        }
        let Some(node) = fullest(self) else { return false };
        node.children.pop();
        node.omitted += 1;
        true
    }

    fn widest(&self) -> usize {
        self.children.iter().map(Node::widest).max().unwrap_or(0).max(self.children.len())
    }
}

/// What is said about the failure time of a movement, beside the level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForecastNote {
    /// The point whose movement it is.
    pub point: String,
    /// `FAILURE`, or the reason why none is stated (`BELOW_NOISE`, …).
    pub code: String,
    /// When it was made, microseconds since 1970.
    pub at_us: i64,
    /// Failure time, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_us: Option<i64>,
    /// Start of its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_us: Option<i64>,
    /// End of its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_us: Option<i64>,
    /// In Chinese.
    pub zh: String,
    /// In English. An abstention says that it is no statement of safety.
    pub en: String,
}

/// The proof of one change of level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// [`VERSION`].
    pub version: u32,
    /// The dam.
    pub dam: String,
    /// The dam file's revision.
    pub revision: String,
    /// The designer's document.
    pub document: String,
    /// When it was decided, microseconds since 1970.
    pub at_us: i64,
    /// The level left.
    pub from: Level,
    /// The level entered.
    pub to: Level,
    /// The tree.
    pub root: Node,
    /// What is to be done at this level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// What is forecast about the movements of the item, or of the pond.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecasts: Vec<ForecastNote>,
}

/// A trigger action response plan, as a proof carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// The level it answers.
    pub level: Level,
    /// What triggers it.
    pub trigger: NamedText,
    /// What is to be collected.
    pub evidence: Vec<NamedText>,
    /// Who acts.
    pub owner: NamedText,
    /// What is done.
    pub checklist: Vec<NamedText>,
    /// Acknowledge by, microseconds since 1970.
    pub acknowledge_by_us: i64,
    /// Be on the spot by, microseconds since 1970.
    pub check_by_us: i64,
    /// When it may end.
    pub stand_down: NamedText,
}

impl Action {
    /// A plan with its due times counted from `at`.
    pub fn due(tarp: &Tarp, at: At) -> Action {
        let by = |minutes: u32| at.plus_millis(i64::from(minutes) * 60_000).micros();
        Action {
            level: tarp.level,
            trigger: tarp.trigger.clone(),
            evidence: tarp.evidence.clone(),
            owner: tarp.owner.clone(),
            checklist: tarp.checklist.clone(),
            acknowledge_by_us: by(tarp.acknowledge_min),
            check_by_us: by(tarp.check_min),
            stand_down: tarp.stand_down.clone(),
        }
    }
}

impl Proof {
    /// The proof as JSON of at most [`AlarmTransition::PROOF_BYTES_MAX`] bytes: the mildest members of the
    /// fullest nodes are left out first (and counted), the action plan last.
    pub fn to_json(&self) -> String {
        let fits = |text: &String| text.len() <= AlarmTransition::PROOF_BYTES_MAX;
        let mut proof = self.clone();
        loop {
            let text = serde_json::to_string(&proof).unwrap_or_default();
            if fits(&text) {
                return text;
            }
            if !proof.root.prune() {
                // The plan of action is worth more than a forecast.
                if proof.forecasts.pop().is_none() && proof.actions.pop().is_none() {
                    return String::new();
                }
                proof.root = self.root.clone();
            }
        }
    }

    /// Reads a proof back.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Proof, String> {
        let proof: Proof = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if proof.version > VERSION {
            return Err(format!("proof version {}; this build reads up to {VERSION}", proof.version));
        }
        Ok(proof)
    }
}

#[cfg(test)]
mod tests;
