//! The bus task against peers on real sockets.

use super::peer::{Act, Seen, tcp_frame, tcp_peer, tcp_words};
use crate::instrument::{
    AddressBase, Answer, BlockedWrite, Busy, ByteOrder, Function, Names, Quantity, RegisterMap, Trigger, ValueType,
    Verified, plan,
};
use crate::modbus::{
    BusCommand, BusConfig, BusCounters, BusEvent, BusPoll, COMMANDS_MAX, Endpoint, Fault, Request, WriteError, permit,
    run_bus,
};
use minewatch_domain::{At, DeviceId, Quality, Reason};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

fn map() -> RegisterMap {
    RegisterMap {
        id: "test".into(),
        name: Names::default(),
        source: Vec::new(),
        verified: Verified::Document,
        note: String::new(),
        address_base: AddressBase::Zero,
        block_max: 125,
        gap_max: 0,
        timeout_ms: 200,
        pause_ms: 0,
        period_min_ms: 0,
        serial: None,
        quantities: vec![quantity("a", 10), quantity("b", 20)],
        groups: Vec::new(),
        trigger: None,
        busy: None,
        blocked: Vec::new(),
        clock: None,
    }
}

fn quantity(id: &str, address: u16) -> Quantity {
    Quantity {
        id: id.into(),
        name: Names::default(),
        function: Function::Holding,
        address,
        value_type: ValueType::U16,
        order: ByteOrder::Abcd,
        scale: 1.0,
        offset: 0.0,
        polynomial: Vec::new(),
        calibration: Vec::new(),
        unit: String::new(),
        range: None,
        sentinels: Vec::new(),
        status: Vec::new(),
        age: None,
    }
}

fn id(text: &str) -> DeviceId {
    DeviceId::parse(text).expect("slug")
}

fn poll(index: usize, device: &str, unit: u8, map: RegisterMap) -> BusPoll {
    let plan = plan(&map, &[0, 1]);
    let timeout = Duration::from_millis(map.timeout_ms);
    BusPoll {
        poll: index,
        device: id(device),
        unit,
        map: Arc::new(map),
        plan,
        period: Duration::from_millis(100),
        timeout,
    }
}

struct Running {
    events: mpsc::Receiver<BusEvent>,
    commands: mpsc::Sender<BusCommand>,
    counters: Arc<BusCounters>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(address: &str, polls: Vec<BusPoll>, room: usize) -> Running {
    let config = BusConfig {
        id: "bus".into(),
        endpoint: Endpoint::Tcp(address.into()),
        connect_wait: Duration::from_secs(1),
        pause: Duration::ZERO,
        polls,
        seed: 1,
        place: (0, 1),
    };
    let (out, events) = mpsc::channel(room);
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let counters = Arc::new(BusCounters::default());
    let stop = CancellationToken::new();
    let ticks = AtomicI64::new(0);
    let clock = Arc::new(move || At(ticks.fetch_add(1, Ordering::Relaxed)));
    let task = tokio::spawn(run_bus(config, inbox, out, Arc::clone(&counters), clock, stop.clone()));
    Running { events, commands, counters, stop, task }
}

fn honest(seen: Seen) -> Act {
    Act::Send(tcp_words(seen, &(seen.address..seen.address + seen.operand).collect::<Vec<_>>()))
}

fn exception(seen: Seen, code: u8) -> Act {
    Act::Send(tcp_frame(seen.transaction, seen.unit, &[seen.function | 0x80, code]))
}

impl Running {
    /// What happened up to and including the first event that `last` accepts.
    async fn until(&mut self, last: impl Fn(&BusEvent) -> bool) -> Vec<BusEvent> {
        let mut seen = Vec::new();
        while let Some(event) = self.events.recv().await {
            let done = last(&event);
            seen.push(event);
            if done {
                break;
            }
        }
        seen
    }

    async fn end(self) -> Arc<BusCounters> {
        self.stop.cancel();
        drop(self.events);
        self.task.await.expect("the bus task ends when told to");
        self.counters
    }
}

fn values(event: &BusEvent) -> Option<Vec<Result<f64, Reason>>> {
    match event {
        BusEvent::Polled(result) => {
            Some(result.readings.iter().map(|reading| reading.value.ok_or(reading.reason)).collect())
        }
        BusEvent::DeviceDown { .. } | BusEvent::DeviceUp { .. } => None,
    }
}

#[tokio::test]
async fn a_device_that_refuses_large_blocks_is_read_in_smaller_ones() {
    let peer = tcp_peer(|seen| match seen.operand {
        0..=3 => honest(seen),
        _ => exception(seen, 3),
    })
    .await;
    let map = RegisterMap { quantities: (0..8).map(|n| quantity(&format!("q{n}"), 40 + n)).collect(), ..map() };
    let wanted: Vec<usize> = (0..8).collect();
    let whole = BusPoll { plan: plan(&map, &wanted), ..poll(0, "small", 1, map) };
    let mut bus = start(&peer.address, vec![whole], 64);
    let good = |event: &BusEvent| matches!(event, BusEvent::Polled(r) if r.readings.iter().all(|reading| reading.quality == Quality::Good));
    let events = bus.until(good).await;
    let Some(BusEvent::Polled(result)) = events.last() else { panic!("a poll") };
    let values: Vec<Option<f64>> = result.readings.iter().map(|reading| reading.value).collect();
    assert_eq!(values, (40..48).map(|n| Some(f64::from(n))).collect::<Vec<_>>());
    assert!(events.iter().all(|e| !matches!(e, BusEvent::DeviceDown { .. })), "a refusal is an answer");
    assert!(bus.counters.counts().blocks_changed >= 3, "8 registers, then 4 and 4, then 2 each");
    bus.stop.cancel();
}

#[tokio::test]
async fn a_poll_becomes_readings_in_the_order_of_its_points() {
    let peer = tcp_peer(honest).await;
    let mut bus = start(&peer.address, vec![poll(3, "pz-01", 1, map())], 8);
    let events = bus.until(|_| true).await;
    assert_eq!(events.first().and_then(values), Some(vec![Ok(10.0), Ok(20.0)]));
    assert!(matches!(&events[0], BusEvent::Polled(result) if result.poll == 3 && result.faults.is_empty()));
    bus.end().await;
}

#[tokio::test]
async fn a_device_going_away_and_coming_back_is_told_once_each_with_bad_readings_between() {
    let mut asked = 0;
    let peer = tcp_peer(move |seen| {
        asked += 1;
        if (3..7).contains(&asked) { Act::Silent } else { honest(seen) }
    })
    .await;
    let mut bus = start(&peer.address, vec![poll(0, "pz-01", 1, map())], 8);
    let events = bus.until(|event| matches!(event, BusEvent::DeviceUp { .. })).await;
    let downs: Vec<_> = events.iter().filter(|event| matches!(event, BusEvent::DeviceDown { .. })).collect();
    assert_eq!(downs.len(), 1);
    let BusEvent::DeviceDown { since, at, reason, .. } = downs[0] else { return };
    assert!(since < at, "down since its last answer");
    assert_eq!(*reason, Fault::Timeout);
    let Some(BusEvent::DeviceUp { down_since, .. }) = events.last() else { return };
    assert_eq!(down_since, since);
    let bad = events.iter().filter_map(values).filter(|v| *v == [Err(Reason::Timeout), Err(Reason::Timeout)]).count();
    assert!(bad >= 1, "silence is a reading of bad quality, not an absence");
    bus.end().await;
}

#[tokio::test]
async fn a_refused_request_costs_only_its_own_readings() {
    let peer = tcp_peer(|seen| if seen.address == 20 { exception(seen, 2) } else { honest(seen) }).await;
    let mut bus = start(&peer.address, vec![poll(0, "pz-01", 1, map())], 8);
    let events = bus.until(|_| true).await;
    assert_eq!(values(&events[0]), Some(vec![Ok(10.0), Err(Reason::ModbusException)]));
    bus.end().await;
}

#[tokio::test]
async fn a_busy_answer_is_retried_and_is_no_fault() {
    let mut busy = 2;
    let peer = tcp_peer(move |seen| {
        if busy > 0 {
            busy -= 1;
            return exception(seen, if busy == 0 { 5 } else { 6 });
        }
        honest(seen)
    })
    .await;
    let mut map = map();
    map.busy = Some(Busy { exceptions: vec![5, 6], retries: 3, pause_ms: 10 });
    let mut bus = start(&peer.address, vec![poll(0, "gk-01", 1, map)], 8);
    let events = bus.until(|_| true).await;
    assert_eq!(values(&events[0]), Some(vec![Ok(10.0), Ok(20.0)]));
    let counts = bus.end().await.counts();
    assert_eq!((counts.busy, counts.exceptions), (2, 0));
}

#[tokio::test]
async fn a_measurement_is_triggered_before_it_is_read() {
    let mut triggered = false;
    let peer = tcp_peer(move |seen| {
        if seen.function == 6 {
            triggered = true;
            return Act::Send(tcp_frame(seen.transaction, seen.unit, &[6, 1, 0x18, 0, 1]));
        }
        if triggered { honest(seen) } else { exception(seen, 4) }
    })
    .await;
    let mut map = map();
    map.trigger = Some(Trigger { address: 0x118, value: 1, wait_ms: 20, stagger_ms_per_address: 0, broadcast: false });
    let mut bus = start(&peer.address, vec![poll(0, "gk-01", 1, map)], 8);
    let events = bus.until(|_| true).await;
    assert_eq!(values(&events[0]), Some(vec![Ok(10.0), Ok(20.0)]));
    bus.end().await;
}

#[tokio::test]
async fn a_unit_that_a_serial_gateway_reports_silent_is_down_while_its_neighbour_is_read() {
    let peer = tcp_peer(|seen| if seen.unit == 2 { exception(seen, 11) } else { honest(seen) }).await;
    let mut bus = start(&peer.address, vec![poll(0, "pz-01", 1, map()), poll(1, "pz-02", 2, map())], 8);
    let events = bus.until(|event| matches!(event, BusEvent::DeviceDown { .. })).await;
    assert!(matches!(events.last(), Some(BusEvent::DeviceDown { device, .. }) if *device == id("pz-02")));
    assert!(events.iter().filter_map(values).any(|v| v == [Ok(10.0), Ok(20.0)]));
    let counts = bus.end().await.counts();
    assert_eq!(counts.connects, 1, "the connection to the serial gateway is kept");
}

#[tokio::test]
async fn commands_are_served_while_nobody_takes_the_readings() {
    let mut coil = 0u8;
    let peer = tcp_peer(move |seen| match seen.function {
        5 => {
            coil = u8::from(seen.operand == 0xff00);
            let [high, low] = seen.operand.to_be_bytes();
            Act::Send(tcp_frame(seen.transaction, seen.unit, &[5, 0, 7, high, low]))
        }
        1 => Act::Send(tcp_frame(seen.transaction, seen.unit, &[1, 1, coil])),
        _ => honest(seen),
    })
    .await;
    let bus = start(&peer.address, vec![poll(0, "pz-01", 1, map())], 1);
    while bus.counters.counts().overloads == 0 {
        tokio::task::yield_now().await;
    }
    let timeout = Duration::from_secs(1);
    let (reply, written) = oneshot::channel();
    bus.commands.send(BusCommand::WriteCoil { unit: 9, address: 7, on: true, timeout, reply }).await.expect("room");
    assert_eq!(written.await.expect("an answer"), Ok(()));
    let (reply, read) = oneshot::channel();
    let back = BusCommand::ReadBack { unit: 9, function: Function::Coil, address: 7, timeout, reply };
    bus.commands.send(back).await.expect("room");
    assert_eq!(read.await.expect("an answer"), Ok(true));
    bus.end().await;
}

#[test]
fn a_register_the_file_blocks_cannot_be_written() {
    let mut map = map();
    map.blocked =
        vec![BlockedWrite { function: Function::Holding, first: 0xff00, last: 0xff0f, reason: "sets zero".into() }];
    let write = |address| permit(Some(&map), Request::WriteRegister { address, value: 1 });
    assert!(matches!(write(0xff00), Err(WriteError::Blocked { address: 0xff00, .. })));
    assert_eq!(write(0x0118), Ok(()));
    assert_eq!(permit(Some(&map), Request::WriteCoil { address: 0xff00, on: true }), Ok(()), "another table");
}

#[test]
fn unread_answers_are_bad_readings() {
    let map = map();
    let plan = plan(&map, &[0, 1]);
    let answers = [Answer { at: At(1), words: Err(Reason::LinkDown) }];
    let readings = crate::instrument::decode(&map, &plan, &answers, At(2));
    assert!(readings.iter().all(|reading| reading.quality == Quality::Bad && reading.value.is_none()));
}
