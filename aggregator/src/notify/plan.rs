//! What is done with the notices that are due: sent, put off, or folded into a digest. Pure.
//!
//! Red first. While a robot has room, every notice is a message of its own. When more wait than
//! there is room, those of the same urgency (red; everything else) become one digest each, so a
//! storm costs one token a minute, not a block of ten; without room they wait for the next token.

use super::budget::{Budget, Rate};
use super::digest;
use super::quiet::Quiet;
use super::sender::{Notice, State};
use jiff::tz::TimeZone;
use minewatch_domain::{At, Level};
use std::collections::BTreeMap;

/// What the planner has to know of a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Budget; `None`: unlimited.
    pub rate: Option<Rate>,
    /// Quiet hours.
    pub quiet: Option<Quiet>,
}

/// What to do, in terms of the notices given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// To be claimed and sent.
    pub send: Vec<Notice>,
    /// To be put off.
    pub defer: Vec<(Notice, At)>,
    /// Digests to be made and sent, with the ids of their members.
    pub digests: Vec<(Notice, Vec<Notice>)>,
    /// Their channel is not configured.
    pub homeless: Vec<Notice>,
}

fn urgency(notice: &Notice) -> (std::cmp::Reverse<Level>, At, &str) {
    (std::cmp::Reverse(notice.level), notice.due, &notice.id)
}

/// Plans the due notices. `terms` gives the channel a notice goes through; `budgets` are changed by
/// what the plan spends; at most `room` messages are planned, the rest stays due.
pub fn plan<'a>(
    mut due: Vec<Notice>,
    terms: impl Fn(&Notice) -> Option<(&'a str, Terms)>,
    budgets: &mut BTreeMap<String, Budget>,
    (now, zone): (At, &TimeZone),
    room: usize,
) -> Plan {
    due.sort_by(|a, b| urgency(a).cmp(&urgency(b)));
    let mut plan = Plan::default();
    let mut waiting: BTreeMap<(String, bool, String), (Rate, Vec<Notice>)> = BTreeMap::new();
    let mut unlimited = Vec::new();
    for notice in due {
        let Some((channel, terms)) = terms(&notice) else {
            plan.homeless.push(notice);
            continue;
        };
        if let Some(until) = terms.quiet.and_then(|quiet| quiet.until(notice.level, now, zone)) {
            plan.defer.push((notice, until));
            continue;
        }
        match terms.rate {
            None if notice.level == Level::Red && plan.send.len() < room => plan.send.push(notice),
            None => unlimited.push(notice),
            // false sorts first: red is given room before the rest.
            Some(rate) => {
                let key = (channel.to_owned(), notice.level != Level::Red, notice.target.clone());
                waiting.entry(key).or_insert_with(|| (rate, Vec::new())).1.push(notice);
            }
        }
    }
    for ((channel, ordinary, _), (rate, notices)) in waiting {
        let mut lane = Lane { budget: budgets.entry(channel).or_default(), rate, ordinary, now, room };
        lane.share(notices, &mut plan);
    }
    unlimited.truncate(room.saturating_sub(plan.messages()));
    plan.send.append(&mut unlimited);
    plan
}

impl Plan {
    fn messages(&self) -> usize {
        self.send.len() + self.digests.len()
    }
}

/// The notices of one robot and urgency.
struct Lane<'a> {
    budget: &'a mut Budget,
    rate: Rate,
    ordinary: bool,
    now: At,
    room: usize,
}

impl Lane<'_> {
    fn tokens(&self) -> usize {
        let (all, other) = self.budget.room(self.rate, self.now);
        if self.ordinary { other } else { all }
    }

    fn send(&mut self, notice: Notice, plan: &mut Plan) {
        if plan.messages() < self.room {
            self.budget.spend(self.now);
            plan.send.push(notice);
        }
    }

    fn share(&mut self, notices: Vec<Notice>, plan: &mut Plan) {
        // One whose lease ran out may have been sent under its own key: never folded into a digest.
        let (repeated, fresh): (Vec<Notice>, Vec<Notice>) =
            notices.into_iter().partition(|notice| matches!(notice.state, State::Claimed { .. }));
        let crowded = repeated.len() + fresh.len() > self.tokens();
        for notice in repeated {
            match self.tokens() {
                0 => plan.defer.push((notice, self.budget.next(self.now))),
                _ => self.send(notice, plan),
            }
        }
        if self.tokens() == 0 {
            let until = self.budget.next(self.now);
            plan.defer.extend(fresh.into_iter().map(|notice| (notice, until)));
        } else if crowded && fresh.len() > 1 {
            if plan.messages() < self.room {
                self.budget.spend(self.now);
                let members: Vec<&Notice> = fresh.iter().collect();
                plan.digests.push((digest::of(&members, self.now), fresh));
            }
        } else {
            fresh.into_iter().for_each(|notice| self.send(notice, plan));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: At = At(1_795_600_800_000_000);
    const RATE: Rate = Rate { per_minute: 15, reserve_red: 5 };

    fn notices(level: Level, count: usize) -> Vec<Notice> {
        let one = |n| {
            let mut notice = Notice::blank(&format!("{}-{n:04}", level.name()), level);
            notice.channel = "robot".to_owned();
            notice.body.place_zh = format!("点 {n}");
            notice
        };
        (0..count).map(one).collect()
    }

    fn planned(due: Vec<Notice>, budgets: &mut BTreeMap<String, Budget>, now: At) -> Plan {
        let terms = Terms { rate: Some(RATE), quiet: Quiet::parse("22:00-07:00") };
        let zone = TimeZone::get("Asia/Shanghai").expect("known");
        plan(due, |_| Some(("robot", terms)), budgets, (now, &zone), 64)
    }

    #[test]
    fn a_few_go_one_by_one_many_as_a_digest_that_counts_the_rest() {
        let mut budgets = BTreeMap::new();
        let few = planned(notices(Level::Yellow, 10), &mut budgets, NOW);
        assert_eq!((few.send.len(), few.digests.len(), few.defer.len()), (10, 0, 0));
        let none = planned(notices(Level::Yellow, 3), &mut budgets, NOW);
        assert_eq!((none.send.len(), none.defer.len()), (0, 3), "the reserve is red's");
        let mut budgets = BTreeMap::new();
        let many = planned(notices(Level::Yellow, 57), &mut budgets, NOW);
        assert_eq!((many.send.len(), many.digests.len()), (0, 1));
        let (digest, members) = &many.digests[0];
        assert_eq!((members.len(), digest.body.lines.len(), digest.body.more), (57, 20, 37));
        assert_eq!(budgets["robot"].spent_us.len(), 1);
    }

    #[test]
    fn red_is_served_before_a_storm_of_the_rest() {
        let mut budgets = BTreeMap::new();
        let mut due = notices(Level::Blue, 400);
        due.extend(notices(Level::Red, 4));
        let plan = planned(due, &mut budgets, NOW);
        assert_eq!(plan.send.iter().map(|n| n.level).collect::<Vec<_>>(), vec![Level::Red; 4]);
        assert_eq!(plan.digests.len(), 1);
        assert_eq!(plan.digests[0].1.len(), 400);
        let more = planned(notices(Level::Red, 30), &mut budgets, NOW);
        assert_eq!((more.send.len(), more.digests.len()), (0, 1), "red is never put off while there is a token");
        assert_eq!(more.digests[0].0.level, Level::Red);
    }

    #[test]
    fn one_that_may_have_been_sent_keeps_its_own_key() {
        let mut budgets = BTreeMap::new();
        let mut due = notices(Level::Yellow, 30);
        for notice in &mut due[..3] {
            notice.state = State::Claimed { attempts: 0, by: "dead".to_owned(), until: NOW };
        }
        let plan = planned(due, &mut budgets, NOW);
        assert_eq!((plan.send.len(), plan.digests[0].1.len()), (3, 27));
    }

    #[test]
    fn at_night_only_red_goes_out() {
        let night = At(NOW.micros() + 5 * 3_600_000_000);
        let mut due = notices(Level::Orange, 2);
        due.extend(notices(Level::Red, 1));
        let plan = planned(due, &mut BTreeMap::new(), night);
        assert_eq!((plan.send.len(), plan.defer.len()), (1, 2));
        assert!(plan.defer.iter().all(|(_, until)| until.millis_since(night) == 8 * 3_600_000));
    }
}
