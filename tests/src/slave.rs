//! A Modbus TCP slave that keeps the truth: registers 0-1 carry the millisecond of the day,
//! register 2 a step counter, and every further register its own read counter. What was handed
//! out, and when, is known exactly, so a lost or doubled value can be counted downstream.
//!
//! Deliberately absent: physics (that is `simulators`), and any use of Minewatch code.

use anyhow::{Context, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// First register that is a read counter.
pub const COUNTERS_FROM: u16 = 3;
/// The step counter in register 2 moves once per this many milliseconds.
const STEP_MS: i64 = 1_370;

/// How the slave behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Answers.
    #[default]
    Honest,
    /// Reads requests and says nothing.
    Silent,
    /// Closes every connection.
    Closed,
}

#[derive(Debug, Default)]
struct Truth {
    behaviour: Behaviour,
    /// Per register: when each of its values was handed out, microseconds since 1970. The n-th
    /// entry is the time of counter value n + 1.
    handed_out: Vec<Vec<i64>>,
}

/// A running slave; it stops when dropped.
#[derive(Debug)]
pub struct CounterSlave {
    port: u16,
    truth: Arc<Mutex<Truth>>,
    _stop: DropGuard,
}

/// Microseconds since 1970, now.
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn lock(truth: &Mutex<Truth>) -> MutexGuard<'_, Truth> {
    truth.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CounterSlave {
    /// Starts a slave with `registers` registers on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(registers: u16) -> Result<CounterSlave> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("port for a slave")?;
        let port = listener.local_addr()?.port();
        let truth = Arc::new(Mutex::new(Truth {
            behaviour: Behaviour::Honest,
            handed_out: vec![Vec::new(); usize::from(registers)],
        }));
        let stop = CancellationToken::new();
        tokio::spawn(accept(listener, truth.clone(), stop.clone()));
        Ok(CounterSlave { port, truth, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes how it behaves.
    pub fn behave(&self, behaviour: Behaviour) {
        lock(&self.truth).behaviour = behaviour;
    }

    /// When each counter value of a register was handed out: index 0 is value 1.
    pub fn handed_out(&self, register: u16) -> Vec<i64> {
        lock(&self.truth).handed_out.get(usize::from(register)).cloned().unwrap_or_default()
    }

    /// How many values all counters have handed out together.
    pub fn total(&self) -> usize {
        lock(&self.truth).handed_out.iter().skip(usize::from(COUNTERS_FROM)).map(Vec::len).sum()
    }
}

async fn accept(listener: TcpListener, truth: Arc<Mutex<Truth>>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted { Ok((stream, _)) => stream, Err(_) => continue },
        };
        let (truth, stop) = (truth.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! { () = stop.cancelled() => {}, _ = serve(stream, &truth) => {} }
        });
    }
}

async fn serve(mut stream: TcpStream, truth: &Mutex<Truth>) -> Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut head = [0u8; 7];
        stream.read_exact(&mut head).await?;
        let mut pdu = vec![0u8; usize::from(u16::from_be_bytes([head[4], head[5]])).saturating_sub(1)];
        stream.read_exact(&mut pdu).await?;
        let behaviour = lock(truth).behaviour;
        match behaviour {
            Behaviour::Closed => return Ok(()),
            Behaviour::Silent => continue,
            Behaviour::Honest => {}
        }
        let answer = answer(&pdu, &mut lock(truth), now_us());
        let mut frame = head[..4].to_vec();
        frame.extend(u16::try_from(answer.len() + 1)?.to_be_bytes());
        frame.push(head[6]);
        frame.extend(answer);
        stream.write_all(&frame).await?;
    }
}

fn answer(pdu: &[u8], truth: &mut Truth, now_us: i64) -> Vec<u8> {
    let [function @ (3 | 4), a, b, c, d] = *pdu else {
        return vec![pdu.first().copied().unwrap_or(0) | 0x80, 1];
    };
    let (first, count) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let end = usize::from(first) + usize::from(count);
    if count == 0 || count > 125 || end > truth.handed_out.len() {
        return vec![function | 0x80, 2];
    }
    let ms_of_day = (now_us / 1_000).rem_euclid(86_400_000);
    let mut out = vec![function, u8::try_from(count * 2).unwrap_or(u8::MAX)];
    for register in first..first + count {
        let word = match register {
            0 => u16::try_from(ms_of_day >> 16).unwrap_or(0),
            1 => u16::try_from(ms_of_day & 0xffff).unwrap_or(0),
            2 => u16::try_from(now_us / 1_000 / STEP_MS % 60_000).unwrap_or(0),
            _ => {
                let times = &mut truth.handed_out[usize::from(register)];
                times.push(now_us);
                u16::try_from(times.len() % 65_536).unwrap_or(0)
            }
        };
        out.extend(word.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_read_of_a_counter_hands_out_the_next_value_and_remembers_when() {
        let mut truth = Truth { behaviour: Behaviour::Honest, handed_out: vec![Vec::new(); 5] };
        assert_eq!(answer(&[3, 0, 3, 0, 2], &mut truth, 10), [3, 4, 0, 1, 0, 1]);
        assert_eq!(answer(&[3, 0, 4, 0, 1], &mut truth, 20), [3, 2, 0, 2]);
        assert_eq!(truth.handed_out[3], [10]);
        assert_eq!(truth.handed_out[4], [10, 20]);
        assert_eq!(answer(&[3, 0, 4, 0, 2], &mut truth, 30), [0x83, 2], "past the end");
        assert_eq!(answer(&[6, 0, 4, 0, 2], &mut truth, 30), [0x86, 1], "writes are refused");
    }
}
