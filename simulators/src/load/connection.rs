//! One MQTT connection that carries a share of the played gateways.
//!
//! Invariant: a client is used for one connection only; after any error it is dropped, a new one
//! is made and everything unacknowledged is sent again, because the MQTT client's own memory of
//! what is in flight is not trusted. One task polls the client and never waits for the other, so
//! the two cannot block each other.

use super::{LoadArgs, Player, Tally, now};
use minewatch_domain::wire::{self, AckV1};
use minewatch_domain::{At, Lane, topics};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Messages waiting for the client's socket; when full the sender waits.
const REQUESTS_MAX: usize = 256;
/// Words of the aggregator waiting to be read; when full they are dropped and counted, and the
/// hello after the next connect brings them back.
const WORDS_MAX: usize = 16_384;
/// Topics per SUBSCRIBE, so that the packet stays small.
const FILTERS_MAX: usize = 100;
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A client that takes no message for so long has a dead link under it: a new one is made.
const PUBLISH_MAX: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);
const INFLIGHT: u16 = 100;

/// What the polling task heard.
enum Heard {
    Connected,
    Word(Vec<u8>),
}

/// How a session ended.
enum Ended {
    Done,
    Lost,
}

/// The connection is of no use any more.
struct Lost;

/// When the batches of this connection are due: evenly spread over its gateways.
#[derive(Debug, Clone)]
struct Schedule {
    begin: Instant,
    begin_at: At,
    interval_s: f64,
    sent: u64,
    sending_ends: Instant,
    drain_ends: Instant,
}

impl Schedule {
    fn due(&self) -> Instant {
        self.begin + Duration::from_secs_f64(self.sent as f64 * self.interval_s)
    }

    fn due_at(&self) -> At {
        At(self.begin_at.micros() + (self.sent as f64 * self.interval_s * 1e6) as i64)
    }

    fn sending(&self) -> bool {
        self.due() < self.sending_ends
    }
}

struct Share {
    players: Vec<Player>,
    index: HashMap<String, usize>,
    schedule: Schedule,
    tally: Tally,
}

/// Plays these gateways to the end.
pub(super) async fn play(
    number: usize,
    players: Vec<Player>,
    args: LoadArgs,
    password: Option<String>,
    stop: CancellationToken,
) -> Tally {
    let begin = Instant::now();
    let sending_ends = begin + Duration::from_secs(args.seconds);
    let schedule = Schedule {
        begin,
        begin_at: now(),
        interval_s: 1.0 / (args.rate * players.len() as f64),
        sent: 0,
        sending_ends,
        drain_ends: sending_ends + Duration::from_secs(args.drain_seconds),
    };
    let index = players.iter().enumerate().map(|(i, player)| (player.id().to_string(), i)).collect();
    let mut share = Share { players, index, schedule, tally: Tally::default() };
    let mut pause = PAUSE_MIN;
    while !stop.is_cancelled() && Instant::now() < share.schedule.drain_ends {
        let began = Instant::now();
        let ended = tokio::select! {
            () = stop.cancelled() => Ended::Done,
            ended = share.session(options(number, &args, password.as_deref())) => ended,
        };
        match ended {
            Ended::Done => break,
            Ended::Lost => share.tally.reconnects += 1,
        }
        if began.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    share.tally.readings_unacked = share.players.iter().map(Player::unacked_readings).sum();
    share.tally
}

fn options(number: usize, args: &LoadArgs, password: Option<&str>) -> MqttOptions {
    let id = format!("{}-load-{number}-{}", args.prefix, std::process::id());
    let mut options = MqttOptions::new(id, args.broker.0.clone(), args.broker.1);
    options.set_clean_start(true);
    options.set_keep_alive(Duration::from_secs(10));
    options.set_outgoing_inflight_upper_limit(INFLIGHT);
    if let (Some(user), Some(password)) = (&args.username, password) {
        options.set_credentials(user.clone(), password);
    }
    options
}

/// Polls one connection until it fails; hands on what arrives without ever waiting.
async fn listen(mut eventloop: EventLoop, heard: mpsc::Sender<Heard>) -> u64 {
    let mut dropped = 0;
    loop {
        let word = match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Heard::Connected,
            Ok(Event::Incoming(Packet::Publish(publish))) => Heard::Word(publish.payload.to_vec()),
            Ok(Event::Incoming(_) | Event::Outgoing(_)) => continue,
            Err(error) => {
                info!(error = &error as &dyn std::error::Error, "load connection lost");
                return dropped;
            }
        };
        match heard.try_send(word) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => dropped += 1,
            Err(mpsc::error::TrySendError::Closed(_)) => return dropped,
        }
    }
}

impl Share {
    async fn session(&mut self, options: MqttOptions) -> Ended {
        let (client, eventloop) = AsyncClient::new(options, REQUESTS_MAX);
        let (sender, mut heard) = mpsc::channel(WORDS_MAX);
        let mut polling = tokio::spawn(listen(eventloop, sender));
        let ended = match self.talk(&client, &mut heard).await {
            Ok(ended) => ended,
            Err(Lost) => Ended::Lost,
        };
        if matches!(ended, Ended::Done) {
            let _ = client.try_disconnect();
        }
        drop((client, heard));
        match tokio::time::timeout(Duration::from_millis(500), &mut polling).await {
            Ok(dropped) => self.tally.acks_unread += dropped.unwrap_or(0),
            Err(_late) => polling.abort(),
        }
        ended
    }

    async fn talk(&mut self, client: &AsyncClient, heard: &mut mpsc::Receiver<Heard>) -> Result<Ended, Lost> {
        match tokio::time::timeout(CONNECT_MAX, heard.recv()).await {
            Ok(Some(Heard::Connected)) => {}
            Ok(Some(Heard::Word(_)) | None) | Err(_) => return Ok(Ended::Lost),
        }
        let filters: Vec<Filter> =
            self.players.iter().map(|player| Filter::new(topics::ack(player.id()), QoS::AtLeastOnce)).collect();
        for part in filters.chunks(FILTERS_MAX) {
            in_time(client.subscribe_many(part.to_vec())).await?;
        }
        for player in &mut self.players {
            let hello = player.session(now(), true);
            publish(client, topics::session(player.id()), hello).await?;
            for batch in player.again(now()) {
                self.tally.batches_again += 1;
                publish(client, topics::batch(player.id(), Lane::Routine), batch).await?;
            }
        }
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sending = self.schedule.sending();
            if !sending && self.players.iter().all(|player| player.unacked_readings() == 0) {
                return Ok(Ended::Done);
            }
            tokio::select! {
                word = heard.recv() => match word {
                    Some(Heard::Word(bytes)) => self.hear(client, &bytes).await?,
                    Some(Heard::Connected) => {}
                    None => return Ok(Ended::Lost),
                },
                () = tokio::time::sleep_until(self.schedule.due()), if sending => self.send(client).await?,
                () = tokio::time::sleep_until(self.schedule.drain_ends) => return Ok(Ended::Done),
                _ = beat.tick() => self.beat(client).await?,
            }
        }
    }

    async fn send(&mut self, client: &AsyncClient) -> Result<(), Lost> {
        let count = self.players.len() as u64;
        let player = &mut self.players[(self.schedule.sent % count) as usize];
        let due = self.schedule.due_at();
        self.schedule.sent += 1;
        match player.batch(due) {
            Some(batch) => {
                self.tally.batches += 1;
                publish(client, topics::batch(player.id(), Lane::Routine), batch).await
            }
            None => {
                self.tally.batches_withheld += 1;
                Ok(())
            }
        }
    }

    async fn hear(&mut self, client: &AsyncClient, bytes: &[u8]) -> Result<(), Lost> {
        let ack = match wire::decode::<AckV1>(bytes) {
            Ok(ack) => ack,
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "acknowledgement not understood");
                self.tally.acks_unread += 1;
                return Ok(());
            }
        };
        let Some(player) = self.index.get(&ack.gateway).map(|i| &mut self.players[*i]) else {
            self.tally.acks_unread += 1;
            return Ok(());
        };
        let settled = player.acknowledged(&ack, now());
        self.tally.batches_acked += settled.latencies_us.len() as u64;
        settled.latencies_us.iter().for_each(|us| self.tally.latency.add(*us));
        if settled.refused {
            self.tally.batches_refused += 1;
            warn!(gateway = %player.id(), batch = ack.batch, why = ack.reason, "batch refused");
        }
        if settled.hello {
            let hello = player.session(now(), true);
            publish(client, topics::session(player.id()), hello).await?;
        }
        Ok(())
    }

    async fn beat(&mut self, client: &AsyncClient) -> Result<(), Lost> {
        for player in &mut self.players {
            if player.heartbeat_due(now()) {
                let beat = player.session(now(), false);
                publish(client, topics::session(player.id()), beat).await?;
            }
        }
        Ok(())
    }
}

async fn publish(client: &AsyncClient, topic: String, payload: Vec<u8>) -> Result<(), Lost> {
    let properties =
        PublishProperties { content_type: Some(topics::CONTENT_TYPE.to_owned()), ..PublishProperties::default() };
    in_time(client.publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)).await
}

/// The client takes the message in time, or the connection counts as lost.
async fn in_time<E>(taken: impl Future<Output = Result<(), E>>) -> Result<(), Lost> {
    match tokio::time::timeout(PUBLISH_MAX, taken).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Lost),
    }
}
