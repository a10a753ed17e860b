//! The thin driver: claims due notices, sends them, writes down what came of it.
//!
//! One task; attempts run beside each other, at most [`SENDS_MAX`]. Whatever is killed here leaves
//! claimed rows whose leases run out.

use super::answer::Answer;
use super::budget::Budget;
use super::config::{Channel, Kind, NotifyConfig};
use super::http::{Post, Poster};
use super::message::{Body, Message};
use super::plan::{self, Terms};
use super::sender::Notice;
use super::{mail, robot, sign, sms, webhook};
use crate::clock;
use crate::metrics::{Labels, Metrics};
use crate::store::Store;
use jiff::Timestamp;
use minewatch_domain::{At, Level};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Attempts under way together. The rest waits in the store.
const SENDS_MAX: usize = 64;
/// How often the store is asked for due notices; a red one waits at most this long.
const LOOK: Duration = Duration::from_millis(500);
/// One attempt of any channel; a lease is twice as long.
const ATTEMPT_MAX: Duration = Duration::from_secs(15);
/// Longest pause after the store failed.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Time of day is compared in whole minutes; a self-test that was missed is made up for this long.
const SELF_TEST_LATE_H: i32 = 6;

/// What the driver works with.
#[derive(Debug)]
pub struct Notifier {
    /// Channels.
    pub config: Arc<NotifyConfig>,
    /// Notices.
    pub store: Store,
    /// Name of this process as a holder of leases.
    pub me: String,
    /// Counters.
    pub metrics: Metrics,
}

type Sent = (Notice, Answer);

impl Notifier {
    /// Sends until told to stop; attempts under way are finished and written down.
    pub async fn run(self, stop: CancellationToken) {
        let poster = match Poster::new(self.config.guard.clone(), self.config.ca.as_deref()) {
            Ok(poster) => poster,
            Err(error) => {
                tracing::error!(error, "notify.ca_file is not usable");
                return;
            }
        };
        let mut sends: JoinSet<Sent> = JoinSet::new();
        let mut done: Vec<Sent> = Vec::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failures = 0u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(sent) = sends.join_next(), if !sends.is_empty() => done.extend(sent.ok()),
                _ = look.tick() => {}
            }
            while let Some(sent) = sends.try_join_next() {
                done.extend(sent.ok());
            }
            match self.turn(&poster, &mut sends, &mut done).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(error = &error as &dyn std::error::Error, failures, "notices wait for the store");
                    tokio::time::sleep(crate::broker::backoff(failures).min(PAUSE_MAX)).await;
                }
            }
        }
        while let Some(sent) = sends.join_next().await {
            done.extend(sent.ok());
        }
        if let Err(error) = self.finish(&mut done).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "results lost; the notices are sent again");
        }
    }

    async fn turn(
        &self,
        poster: &Poster,
        sends: &mut JoinSet<Sent>,
        done: &mut Vec<Sent>,
    ) -> Result<(), crate::store::StoreError> {
        self.finish(done).await?;
        let now = clock::now();
        self.self_test(now).await?;
        let waiting = self.store.notices_waiting(now).await?;
        self.metrics.notices_waiting.set(waiting);
        let free = SENDS_MAX.saturating_sub(sends.len());
        if waiting == 0 || free == 0 {
            return Ok(());
        }
        let decide = |due: Vec<Notice>, budgets: &mut BTreeMap<String, Budget>| {
            plan::plan(due, |notice| self.terms(notice), budgets, (now, &self.config.zone), free)
        };
        let planned = self.store.plan_notices(now, &self.me, decide).await?;
        self.metrics.notices_digested.inc_by(planned.digested);
        self.metrics.notices_failed.inc_by(planned.homeless);
        for notice in planned.send {
            let (config, poster) = (self.config.clone(), poster.clone());
            sends.spawn(async move {
                let attempt = tokio::time::timeout(ATTEMPT_MAX, deliver(&config, &poster, &notice)).await;
                let late = |_| Answer::Retry { after_ms: None, why: "no answer in time".to_owned() };
                (notice, attempt.unwrap_or_else(late))
            });
        }
        Ok(())
    }

    fn terms(&self, notice: &Notice) -> Option<(&str, Terms)> {
        let channel = self.config.resolve(&notice.channel, &notice.target)?;
        Some((channel.name.as_str(), Terms { rate: channel.rate, quiet: channel.quiet }))
    }

    async fn finish(&self, done: &mut Vec<Sent>) -> Result<(), crate::store::StoreError> {
        if done.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let channel = |notice: &Notice| self.config.resolve(&notice.channel, &notice.target).map(|c| c.name.clone());
        let fallback = |notice: &Notice| {
            let channel = self.config.resolve(&notice.channel, &notice.target)?;
            let next = channel.fallback.as_deref()?;
            Some(notice.fallen_back(next, now))
        };
        self.store.finish_notices(done, &self.me, now, channel, fallback).await?;
        for (notice, answer) in done.drain(..) {
            self.count(&notice, &answer);
        }
        Ok(())
    }

    fn count(&self, notice: &Notice, answer: &Answer) {
        let kind = self.config.resolve(&notice.channel, &notice.target).map_or("none", |c| c.kind.name());
        let label = Labels::reason(kind);
        match answer {
            Answer::Accepted { .. } => {
                self.metrics.notices_sent.get_or_create(&label).inc();
            }
            Answer::Retry { why, .. } => {
                self.metrics.notices_retried.get_or_create(&label).inc();
                tracing::warn!(
                    channel = notice.channel,
                    level = notice.level.name(),
                    why,
                    "notice not taken, tried again"
                );
            }
            Answer::Rejected { why } => {
                self.metrics.notices_failed.inc();
                tracing::error!(channel = notice.channel, level = notice.level.name(), why, "notice refused");
            }
        }
    }

    /// Once a day every channel is sent a test; the id makes it once for all aggregators.
    async fn self_test(&self, now: At) -> Result<(), crate::store::StoreError> {
        let Some(at) = self.config.self_test else { return Ok(()) };
        let Ok(local) = Timestamp::from_microsecond(now.micros()).map(|t| t.to_zoned(self.config.zone.clone())) else {
            return Ok(());
        };
        let late = i32::from(local.hour()) * 60 + i32::from(local.minute())
            - (i32::from(at.hour()) * 60 + i32::from(at.minute()));
        if !(0..SELF_TEST_LATE_H * 60).contains(&late) {
            return Ok(());
        }
        let date = local.date().to_string();
        let tests = self.config.channels.values().filter(|channel| channel.self_test);
        let tests: Vec<Notice> = tests.map(|channel| self_test_of(channel, &date, now)).collect();
        self.store.add_self_tests(&date, &tests).await
    }
}

fn self_test_of(channel: &Channel, date: &str, now: At) -> Notice {
    let mut notice = Notice::blank(&format!("self-test/{date}/{}", channel.name), Level::Normal);
    notice.step = "self-test".to_owned();
    notice.channel = channel.name.clone();
    notice.target = channel.name.clone();
    notice.domain = "system".to_owned();
    notice.due = now;
    notice.created = now;
    notice.body = Body {
        title_zh: "通道自检".to_owned(),
        title_en: "channel self-test".to_owned(),
        place_zh: format!("通道 {}", channel.name),
        place_en: format!("channel {}", channel.name),
        what_zh: "每日自检，无需处理；若经其他通道收到，则该通道有故障".to_owned(),
        what_en: "daily test, nothing to do; if it came over another channel, this one is broken".to_owned(),
        since_us: now.micros(),
        link: "/".to_owned(),
        ..Body::default()
    };
    notice
}

/// Sends one test message over a channel, past the store: `aggregator notify test`.
///
/// # Errors
/// What the channel answered, without secrets.
pub async fn test_once(config: &NotifyConfig, channel: &str) -> Result<String, String> {
    let known = || config.channels.keys().cloned().collect::<Vec<_>>().join(", ");
    let found = config.channels.get(channel).ok_or_else(|| format!("no channel {channel:?}; known: {}", known()))?;
    let poster = Poster::new(config.guard.clone(), config.ca.as_deref())?;
    let now = clock::now();
    let mut notice = self_test_of(found, "manual", now);
    notice.id = format!("manual-test/{channel}/{}", now.micros());
    match deliver(config, &poster, &notice).await {
        Answer::Accepted { receipt } => Ok(receipt),
        Answer::Retry { why, .. } => Err(format!("not taken now: {why}")),
        Answer::Rejected { why } => Err(why),
    }
}

/// One attempt.
async fn deliver(config: &NotifyConfig, poster: &Poster, notice: &Notice) -> Answer {
    let Some(channel) = config.resolve(&notice.channel, &notice.target) else {
        return Answer::Rejected { why: format!("channel {:?} is not configured", notice.channel) };
    };
    let now = clock::now();
    let now_s = now.millis().div_euclid(1_000);
    let message = Message::single(notice, &config.zone, config.base_url.as_deref());
    let everybody = channel.mention_all_red && notice.level == Level::Red;
    let contact = config.contacts.get(&notice.target);
    // Robots have no field for it; a proxy or a stub may still tell a repeat by this header.
    let key = || vec![("idempotency-key", super::public_key(&notice.id))];
    match &channel.kind {
        Kind::WeCom { url } => {
            let body = robot::wecom(&message, everybody).to_string();
            let post = Post { url: url.expose(), headers: key(), body };
            poster.post(post, now_s, |body| Some(robot::answer(robot::Maker::WeCom, body))).await
        }
        Kind::DingTalk { url, secret } => {
            let mut url = url.expose().clone();
            if let Some(secret) = secret {
                url.query_pairs_mut().extend_pairs(robot::dingtalk_query(secret.expose(), now.millis()));
            }
            let body = robot::dingtalk(&message, everybody).to_string();
            let post = Post { url: &url, headers: key(), body };
            poster.post(post, now_s, |body| Some(robot::answer(robot::Maker::DingTalk, body))).await
        }
        Kind::Feishu { url, secret } => {
            let secret = secret.as_ref().map(|secret| secret.expose());
            let body = robot::feishu(&message, secret, now_s, everybody).to_string();
            let post = Post { url: url.expose(), headers: key(), body };
            poster.post(post, now_s, |body| Some(robot::answer(robot::Maker::Feishu, body))).await
        }
        Kind::Email(settings) => {
            let to = contact.and_then(|c| c.email.clone()).map_or_else(|| settings.to.clone(), |email| vec![email]);
            if to.is_empty() {
                return Answer::Rejected { why: "nobody to write to: no contact and no notify.channel.to".to_owned() };
            }
            match mail::compose(&message, settings, &to, notice.created) {
                Ok(letter) => mail::send(settings, &config.guard, config.ca.as_deref(), letter).await,
                Err(why) => Answer::Rejected { why },
            }
        }
        Kind::Webhook { url, keys } => {
            signed(poster, url.expose(), keys, &notice.id, webhook::document(&message).to_string(), now).await
        }
        Kind::Sms { url, keys, template, to } | Kind::Voice { url, keys, template, to } => {
            let to = contact.and_then(|c| c.phone.clone()).map_or_else(|| to.clone(), |phone| vec![phone]);
            if to.is_empty() {
                return Answer::Rejected { why: "nobody to call: no contact and no notify.channel.to".to_owned() };
            }
            let voice = matches!(channel.kind, Kind::Voice { .. });
            let body = sms::document(&message, template, &to, voice).to_string();
            signed(poster, url.expose(), keys, &notice.id, body, now).await
        }
    }
}

async fn signed(
    poster: &Poster,
    url: &url::Url,
    keys: &[super::config::Secret],
    id: &str,
    body: String,
    now: At,
) -> Answer {
    let keys: Vec<Vec<u8>> = keys.iter().filter_map(|key| sign::webhook_key(key.expose()).ok()).collect();
    let headers = webhook::headers(id, &keys, &body, now);
    poster.post(Post { url, headers, body }, now.millis().div_euclid(1_000), |_| None).await
}
