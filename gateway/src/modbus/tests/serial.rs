//! The link on a serial port: a pseudo-terminal with a scripted slave behind it.

use super::peer::{Seen, rtu_words};
use crate::config::{Parity, SerialLine};
use crate::instrument::{Function, ReadRequest};
use crate::modbus::{BusCounters, Endpoint, Fault, Link, Request, SerialPort};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// Opens a pseudo-terminal and answers on it in a thread; `silent` requests get no answer.
fn slave(silent: usize) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&master).expect("granted");
    unlockpt(&master).expect("unlocked");
    let path = ptsname(&master, Vec::new()).expect("named").into_string().expect("ascii");
    let mut wire = File::from(master);
    // Ends with EIO when the gateway closes the port; a test process does not wait for it.
    std::thread::spawn(move || {
        let mut frame = [0; 8];
        let mut count = 0;
        while wire.read_exact(&mut frame).is_ok() {
            count += 1;
            if count <= silent {
                continue;
            }
            let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
            let seen = Seen {
                connection: 0,
                transaction: 0,
                unit: frame[0],
                function: frame[1],
                address: word(2),
                operand: word(4),
            };
            let words: Vec<u16> = (seen.address..seen.address + seen.operand).collect();
            if wire.write_all(&rtu_words(seen, &words)).is_err() {
                return;
            }
        }
    });
    path
}

fn link(path: String) -> (Link, Arc<BusCounters>) {
    let line = SerialLine { baud: 9_600, data_bits: 8, parity: Parity::None, stop_bits: 1 };
    let counters = Arc::new(BusCounters::default());
    let endpoint = Endpoint::Serial(SerialPort { path, line });
    (Link::new(endpoint, Duration::from_secs(1), Arc::clone(&counters), 1), counters)
}

fn read(address: u16, count: u16) -> Request {
    Request::Read(ReadRequest { function: Function::Input, address, count })
}

#[tokio::test]
async fn a_serial_device_is_read_and_survives_a_lost_answer_without_reopening() {
    let (mut link, counters) = link(slave(1));
    let wait = Duration::from_millis(200);
    assert_eq!(link.transact(246, read(106, 2), wait).await, Err(Fault::Timeout));
    for _ in 0..3 {
        assert_eq!(link.transact(246, read(110, 2), wait).await, Ok(vec![110, 111]));
    }
    assert_eq!(counters.counts().connects, 1);
}

#[tokio::test]
async fn a_missing_port_is_a_dead_link() {
    let (mut link, _) = link("/dev/no-such-port".into());
    let got = link.transact(1, read(0, 1), Duration::from_millis(200)).await;
    assert!(matches!(got, Err(Fault::LinkDown(_))), "{got:?}");
}
