//! The link against peers that answer late, wrongly, partly or not at all. No answer to one
//! request may ever be taken for the answer to another.

use super::peer::{Act, Peer, Seen, rtu_frame, rtu_peer, rtu_words, tcp_frame, tcp_peer, tcp_words};
use crate::instrument::{Function, ReadRequest};
use crate::modbus::counters::{BusCounters, BusCounts};
use crate::modbus::link::{Endpoint, Link, REOPEN_AFTER};
use crate::modbus::request::{Fault, Request};
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_millis(200);

struct Bench {
    link: Link,
    counters: Arc<BusCounters>,
    _peer: Peer,
}

impl Bench {
    async fn tcp(act: impl FnMut(Seen) -> Act + Send + 'static) -> Bench {
        let peer = tcp_peer(act).await;
        Bench::on(Endpoint::Tcp(peer.address.clone()), peer)
    }

    async fn rtu(act: impl FnMut(Seen) -> Act + Send + 'static) -> Bench {
        let peer = rtu_peer(act).await;
        Bench::on(Endpoint::RtuOverTcp(peer.address.clone()), peer)
    }

    fn on(endpoint: Endpoint, peer: Peer) -> Bench {
        let counters = Arc::new(BusCounters::default());
        let link = Link::new(endpoint, Duration::from_secs(2), Arc::clone(&counters), 1);
        Bench { link, counters, _peer: peer }
    }

    async fn read(&mut self, unit: u8, address: u16, count: u16) -> Result<Vec<u16>, Fault> {
        let request = ReadRequest { function: Function::Holding, address, count };
        self.link.transact(unit, Request::Read(request), WAIT).await
    }

    fn counts(&self) -> BusCounts {
        self.counters.counts()
    }
}

/// The honest answer: each register holds its own address.
fn honest(seen: Seen) -> Vec<u16> {
    (seen.address..seen.address + seen.operand).collect()
}

#[tokio::test]
async fn a_tcp_device_is_read_over_one_connection() {
    let mut bench = Bench::tcp(|seen| Act::Send(tcp_words(seen, &honest(seen)))).await;
    for address in 0..20 {
        assert_eq!(bench.read(1, address, 2).await, Ok(vec![address, address + 1]));
    }
    let counts = bench.counts();
    assert_eq!((counts.requests, counts.answers, counts.connects), (20, 20, 1));
}

#[tokio::test]
async fn a_late_tcp_answer_is_never_taken_for_the_next_one() {
    let mut first = true;
    let mut bench = Bench::tcp(move |seen| {
        let answer = tcp_words(seen, &honest(seen));
        if std::mem::replace(&mut first, false) { Act::Late(WAIT * 2, answer) } else { Act::Send(answer) }
    })
    .await;
    assert_eq!(bench.read(1, 500, 2).await, Err(Fault::Timeout));
    for _ in 0..3 {
        assert_eq!(bench.link.transact(1, holding(10, 2), WAIT * 5).await, Ok(vec![10, 11]));
    }
    assert_eq!(bench.counts().connects, 2, "the timeout cost the connection, nothing after it did");
}

fn holding(address: u16, count: u16) -> Request {
    Request::Read(ReadRequest { function: Function::Holding, address, count })
}

#[tokio::test]
async fn answers_that_contradict_their_request_are_a_desync_and_the_next_read_is_right() {
    type Wrong = fn(Seen) -> Vec<u8>;
    let wrongs: [(&str, Wrong); 6] = [
        ("transaction", |s| tcp_words(Seen { transaction: s.transaction.wrapping_add(7), ..s }, &honest(s))),
        ("unit", |s| tcp_words(Seen { unit: s.unit + 1, ..s }, &honest(s))),
        ("function", |s| tcp_words(Seen { function: 4, ..s }, &honest(s))),
        ("too few registers", |s| tcp_words(s, &[1])),
        ("too many registers", |s| tcp_words(s, &[1, 2, 3])),
        ("protocol id", |s| {
            let mut bytes = tcp_words(s, &honest(s));
            bytes[3] = 9;
            bytes
        }),
    ];
    for (what, wrong) in wrongs {
        let mut bench = Bench::tcp(move |seen| {
            Act::Send(if seen.connection == 0 { wrong(seen) } else { tcp_words(seen, &honest(seen)) })
        })
        .await;
        let got = bench.read(1, 10, 2).await;
        assert!(matches!(got, Err(Fault::Desync(_))), "{what}: {got:?}");
        assert_eq!(bench.read(1, 10, 2).await, Ok(vec![10, 11]), "{what}");
        assert_eq!(bench.counts().desyncs, 1, "{what}");
    }
}

#[tokio::test]
async fn a_frame_cut_short_and_silence_are_timeouts() {
    let mut bench = Bench::tcp(|seen| match seen.connection {
        0 => Act::Send(tcp_words(seen, &honest(seen))[..9].to_vec()),
        1 => Act::Silent,
        _ => Act::Send(tcp_words(seen, &honest(seen))),
    })
    .await;
    assert_eq!(bench.read(1, 10, 2).await, Err(Fault::Timeout));
    assert_eq!(bench.read(1, 10, 2).await, Err(Fault::Timeout));
    assert_eq!(bench.read(1, 10, 2).await, Ok(vec![10, 11]));
    assert_eq!(bench.counts().timeouts, 2);
}

#[tokio::test]
async fn an_exception_is_an_answer_and_keeps_the_connection() {
    let mut bench = Bench::tcp(|seen| {
        let refuse = tcp_frame(seen.transaction, seen.unit, &[seen.function | 0x80, 2]);
        Act::Send(if seen.address == 99 { refuse } else { tcp_words(seen, &honest(seen)) })
    })
    .await;
    assert_eq!(bench.read(1, 99, 1).await, Err(Fault::Exception(2)));
    assert_eq!(bench.read(1, 10, 1).await, Ok(vec![10]));
    let counts = bench.counts();
    assert_eq!((counts.exceptions, counts.connects), (1, 1));
}

#[tokio::test]
async fn a_connection_the_device_closed_while_idle_costs_no_reading() {
    let mut served = 0;
    let mut bench = Bench::tcp(move |seen| {
        served += 1;
        if served == 2 { Act::Close } else { Act::Send(tcp_words(seen, &honest(seen))) }
    })
    .await;
    assert_eq!(bench.read(1, 10, 1).await, Ok(vec![10]));
    assert_eq!(bench.read(1, 20, 1).await, Ok(vec![20]), "asked again over a new connection");
    assert_eq!(bench.counts().connects, 2);
}

#[tokio::test]
async fn a_device_that_closes_every_connection_is_a_dead_link_not_a_loop() {
    let mut bench = Bench::tcp(|_| Act::Close).await;
    let got = bench.read(1, 10, 1).await;
    assert!(matches!(got, Err(Fault::LinkDown(_))), "{got:?}");
    assert_eq!(bench.counts().requests, 1);
}

#[tokio::test]
async fn a_refused_connection_is_a_dead_link_and_is_not_tried_again_before_its_back_off() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.and_then(|l| l.local_addr()).expect("a free port");
    let counters = Arc::new(BusCounters::default());
    let mut link = Link::new(Endpoint::Tcp(closed.to_string()), WAIT, Arc::clone(&counters), 1);
    for _ in 0..10 {
        let got = link.transact(1, holding(0, 1), WAIT).await;
        assert!(matches!(got, Err(Fault::LinkDown(_))), "{got:?}");
    }
    assert_eq!(counters.counts().connect_failures, 1);
}

/// The trap: RTU has no transaction id. The late answer of registers 500.. has the same unit,
/// function and length as the one wanted for 10.. and would pass every check.
#[tokio::test]
async fn a_late_rtu_answer_of_another_address_never_becomes_the_value() {
    for late in [WAIT + WAIT / 4, WAIT + WAIT / 2, WAIT * 2 - WAIT / 8] {
        let mut first = true;
        let mut bench = Bench::rtu(move |seen| {
            let answer = rtu_words(seen, &honest(seen));
            if std::mem::replace(&mut first, false) { Act::Late(late, answer) } else { Act::Send(answer) }
        })
        .await;
        assert_eq!(bench.read(1, 500, 2).await, Err(Fault::Timeout));
        assert_eq!(bench.read(1, 10, 2).await, Ok(vec![10, 11]), "late by {late:?}");
        let counts = bench.counts();
        assert_eq!(counts.late_bytes, 9, "the late answer was thrown away");
        assert_eq!(counts.connects, 1, "without reopening the line");
    }
}

#[tokio::test]
async fn an_answer_later_than_every_wait_is_still_kept_out() {
    for late in [WAIT * 2 + WAIT / 2, WAIT * 3, WAIT * 5, WAIT * 8] {
        let mut first = true;
        let mut bench = Bench::rtu(move |seen| {
            let answer = rtu_words(seen, &honest(seen));
            if std::mem::replace(&mut first, false) { Act::Late(late, answer) } else { Act::Send(answer) }
        })
        .await;
        assert_eq!(bench.read(1, 500, 2).await, Err(Fault::Timeout));
        let mut good = 0;
        for turn in 0..20 {
            let address = 10 + turn;
            match bench.read(1, address, 2).await {
                Ok(words) => {
                    assert_eq!(words, [address, address + 1], "late by {late:?}");
                    good += 1;
                }
                Err(Fault::Timeout | Fault::Desync(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert!(good >= 12, "and the line works again soon: {good}");
        assert!(bench.counts().fences >= 1);
    }
}

/// The device answers slowly and a foreign frame makes the gateway ask again: two answers will
/// come, the second of them during the next request.
#[tokio::test]
async fn the_second_answer_to_a_repeated_request_is_not_taken_for_the_next() {
    let mut first = true;
    let mut bench = Bench::rtu(move |seen| {
        let answer = rtu_words(seen, &honest(seen));
        if std::mem::replace(&mut first, false) {
            return Act::Send([rtu_frame(seen.unit + 5, &[3, 2, 1, 2]), vec![]].concat());
        }
        Act::Late(Duration::from_millis(80), answer)
    })
    .await;
    for address in [10, 20, 30, 40] {
        match bench.read(1, address, 2).await {
            Ok(words) => assert_eq!(words, [address, address + 1]),
            Err(fault) => assert!(matches!(fault, Fault::Timeout | Fault::Desync(_)), "{fault}"),
        }
    }
    assert_eq!(bench.read(1, 50, 2).await, Ok(vec![50, 51]));
}

#[tokio::test]
async fn a_frame_of_another_unit_on_the_line_costs_one_repeat_and_no_fault() {
    let mut first = true;
    let mut bench = Bench::rtu(move |seen| {
        let foreign = rtu_frame(seen.unit + 5, &[3, 2, 0xde, 0xad]);
        if std::mem::replace(&mut first, false) {
            Act::Send([foreign, rtu_words(seen, &honest(seen))].concat())
        } else {
            Act::Send(rtu_words(seen, &honest(seen)))
        }
    })
    .await;
    assert_eq!(bench.read(1, 10, 2).await, Ok(vec![10, 11]));
    let counts = bench.counts();
    assert_eq!((counts.foreign_frames, counts.timeouts), (1, 0));
}

#[tokio::test]
async fn noise_and_damaged_frames_on_the_line_never_become_a_value() {
    let mut turn = 0;
    let mut bench = Bench::rtu(move |seen| {
        turn += 1;
        let mut bytes = rtu_words(seen, &honest(seen));
        match turn {
            1 => bytes[4] ^= 0xff,
            2 => bytes = vec![0xff; 40],
            _ => {}
        }
        Act::Send(bytes)
    })
    .await;
    for what in ["a flipped byte", "noise"] {
        let got = bench.read(1, 10, 2).await;
        assert!(matches!(got, Err(Fault::Desync(_) | Fault::Timeout)), "{what}: {got:?}");
    }
    assert_eq!(bench.read(1, 10, 2).await, Ok(vec![10, 11]));
}

#[tokio::test]
async fn a_serial_line_is_reopened_after_failures_in_a_row() {
    let mut bench =
        Bench::rtu(|seen| if seen.connection == 0 { Act::Silent } else { Act::Send(rtu_words(seen, &honest(seen))) })
            .await;
    for _ in 0..REOPEN_AFTER {
        assert_eq!(bench.read(1, 10, 2).await, Err(Fault::Timeout));
    }
    assert_eq!(bench.read(1, 10, 2).await, Ok(vec![10, 11]));
    assert_eq!(bench.counts().connects, 2);
}

#[tokio::test]
async fn coils_are_written_and_read_back() {
    let mut coil = 0u8;
    let mut bench = Bench::tcp(move |seen| {
        if seen.function == 5 {
            coil = u8::from(seen.operand == 0xff00);
            let [high, low] = seen.operand.to_be_bytes();
            Act::Send(tcp_frame(seen.transaction, seen.unit, &[5, 0, 7, high, low]))
        } else {
            Act::Send(tcp_frame(seen.transaction, seen.unit, &[1, 1, coil]))
        }
    })
    .await;
    let read = Request::Read(ReadRequest { function: Function::Coil, address: 7, count: 1 });
    for on in [true, false] {
        assert_eq!(bench.link.transact(1, Request::WriteCoil { address: 7, on }, WAIT).await, Ok(vec![]));
        assert_eq!(bench.link.transact(1, read, WAIT).await, Ok(vec![u16::from(on)]));
    }
}
