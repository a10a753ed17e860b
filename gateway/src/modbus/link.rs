//! The connection of one bus: opens it, carries one request at a time, and never lets a late
//! answer pass for the answer to a later request.
//!
//! Invariants: after a timeout or any transport or protocol error the Modbus context is dropped.
//! TCP starts a new connection. A serial line (also one behind a TCP server) waits until the late
//! answer has passed or is unlikely to come, throws it away, and then takes the next request; one
//! whose answer could still be confused with an outstanding one goes behind a `fence`. A port is
//! reopened after [`REOPEN_AFTER`] failures in a row, not at each, because opening resets some
//! converters. Deliberately absent: when to ask and what answers mean.

use super::backoff::backoff;
use super::counters::{BusCounters, add, count};
use super::fence::Outstanding;
use super::request::{Fault, Request, is_gateway_timeout};
use crate::config::{Parity, SerialLine};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Wake, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_modbus::client::{Client as _, Context, rtu, tcp};
use tokio_modbus::slave::SlaveContext as _;
use tokio_modbus::{ProtocolError, Slave};

/// Longest wait for a late answer on a serial line. Later ones are kept out by the fence; waiting
/// longer would only take the bus from the other devices.
pub const LATE_MAX: Duration = Duration::from_secs(1);

/// A serial line on which nothing came for this long after the last byte is quiet. Well above 3.5
/// characters at 1200 baud (32 ms).
pub const QUIET: Duration = Duration::from_millis(50);

/// Failures in a row after which a serial line is reopened.
pub const REOPEN_AFTER: u32 = 3;

/// Late bytes thrown away before the line counts as babbling and is reopened.
const LATE_BYTES_MAX: u64 = 4_096;

/// Where a bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Modbus TCP: `host:port`.
    Tcp(String),
    /// Modbus RTU frames over a TCP connection (serial device server): `host:port`.
    RtuOverTcp(String),
    /// Modbus RTU on a serial port.
    Serial(SerialPort),
}

/// A serial port and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialPort {
    /// Device path.
    pub path: String,
    /// Line settings.
    pub line: SerialLine,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
            Endpoint::RtuOverTcp(address) => write!(f, "rtu+tcp://{address}"),
            Endpoint::Serial(port) => write!(f, "{}@{}", port.path, port.line.baud),
        }
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A serial line that outlives the Modbus context using it, so that it can be drained. Both
/// handles belong to the same [`Link`]; the lock is never contended and never held over an await.
#[derive(Clone)]
struct Line(Arc<Mutex<Box<dyn Wire>>>);

impl Line {
    fn with<T>(&self, act: impl FnOnce(Pin<&mut (dyn Wire + 'static)>) -> T) -> T {
        let mut wire = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(Pin::new(&mut **wire))
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Wake<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|wire| wire.poll_read(cx, buf))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Wake<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|wire| wire.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Wake<'_>) -> Poll<io::Result<()>> {
        self.with(|wire| wire.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Wake<'_>) -> Poll<io::Result<()>> {
        self.with(|wire| wire.poll_shutdown(cx))
    }
}

enum State {
    Closed,
    /// An open serial line whose Modbus context was dropped.
    Idle(Line),
    Open {
        context: Context,
        line: Option<Line>,
        fresh: bool,
    },
}

type Answered = Result<tokio_modbus::Response, tokio_modbus::ExceptionCode>;

/// How an exchange failed.
enum Failed {
    /// Not the device's fault: once more is worth it.
    Repeatable(Fault),
    Final(Fault),
}

/// What went wrong below the Modbus answer.
enum Broken {
    Timeout,
    /// Damaged frame, wrong transaction, unit or function.
    Contradiction(Cow<'static, str>),
    /// A frame of another address on a serial line.
    Foreign(Cow<'static, str>),
    Lost(io::Error),
}

/// One bus connection.
pub struct Link {
    endpoint: Endpoint,
    connect_wait: Duration,
    state: State,
    counters: Arc<BusCounters>,
    seed: u64,
    open_failures: u32,
    open_not_before: Option<Instant>,
    failures_in_row: u32,
    outstanding: Outstanding,
}

impl Link {
    /// A closed link; the first request opens it, within `connect_wait`.
    pub fn new(endpoint: Endpoint, connect_wait: Duration, counters: Arc<BusCounters>, seed: u64) -> Link {
        Link {
            endpoint,
            connect_wait,
            state: State::Closed,
            counters,
            seed,
            open_failures: 0,
            open_not_before: None,
            failures_in_row: 0,
            outstanding: Outstanding::default(),
        }
    }

    /// Sends one request and waits for its answer: one word per register or bit, none for writes.
    ///
    /// A connection the peer closed while idle, and a foreign frame on a serial line, cost one
    /// immediate repeat and are no fault of the device.
    ///
    /// # Errors
    /// [`Fault`] says what to show; the link is already on its way back to a clean state.
    pub async fn transact(&mut self, unit: u8, request: Request, wait: Duration) -> Result<Vec<u16>, Fault> {
        let mut repeated = false;
        loop {
            let outcome = match self.outstanding.fence(unit, request) {
                Some(fence) => self.pass_fence(unit, fence, wait).await,
                None => Ok(()),
            };
            let outcome = match outcome {
                Ok(()) => self.exchange(unit, request, wait).await,
                Err(failed) => Err(failed),
            };
            match outcome {
                Ok(words) => return Ok(words),
                Err(Failed::Repeatable(_)) if !repeated => repeated = true,
                Err(Failed::Repeatable(fault) | Failed::Final(fault)) => return Err(fault),
            }
        }
    }

    /// Sends a read that cannot be confused with an outstanding answer, and waits until it is
    /// answered. A unit that refuses it has answered too; what else comes is thrown away.
    async fn pass_fence(&mut self, unit: u8, fence: Request, wait: Duration) -> Result<(), Failed> {
        count(&self.counters.fences);
        match self.exchange(unit, fence, wait).await {
            Ok(_) => Ok(()),
            Err(Failed::Final(Fault::Exception(_))) => {
                if let State::Open { line: Some(line), .. } = &self.state {
                    let (bytes, _) = drain(&mut line.clone(), QUIET).await;
                    add(&self.counters.late_bytes, bytes);
                }
                self.outstanding.clear(unit);
                Ok(())
            }
            Err(failed) => Err(failed),
        }
    }

    /// One request and its answer.
    async fn exchange(&mut self, unit: u8, request: Request, wait: Duration) -> Result<Vec<u16>, Failed> {
        let fresh = self.open().await.map_err(Failed::Final)?;
        count(&self.counters.requests);
        let broken = match self.call(unit, request, wait).await {
            Ok(answer) => match self.judge(request, answer) {
                Ok(Ok(words)) => {
                    self.outstanding.clear(unit);
                    return Ok(words);
                }
                Ok(Err(refused)) => {
                    // It may be the late refusal of an outstanding request: then this one's answer is.
                    if self.outstanding.any(unit) {
                        self.outstanding.add(unit, request);
                    }
                    return Err(Failed::Final(refused));
                }
                Err(broken) => broken,
            },
            Err(broken) => broken,
        };
        let repeatable = match &broken {
            Broken::Lost(_) => !fresh,
            Broken::Foreign(_) => true,
            Broken::Timeout | Broken::Contradiction(_) => false,
        };
        if self.is_serial() {
            self.outstanding.add(unit, request);
        }
        let fault = self.recover(broken, wait).await;
        Err(if repeatable { Failed::Repeatable(fault) } else { Failed::Final(fault) })
    }

    fn is_serial(&self) -> bool {
        match self.endpoint {
            Endpoint::Tcp(_) => false,
            Endpoint::RtuOverTcp(_) | Endpoint::Serial(_) => true,
        }
    }

    /// Data, a refusal, or an answer that does not fit.
    fn judge(&mut self, request: Request, answer: Answered) -> Result<Result<Vec<u16>, Fault>, Broken> {
        match answer {
            Ok(response) => match request.accept(response) {
                Some(words) => {
                    count(&self.counters.answers);
                    self.proved();
                    Ok(Ok(words))
                }
                None => Err(Broken::Contradiction("wrong length or echo".into())),
            },
            Err(exception) => {
                let code = u8::from(exception);
                if is_gateway_timeout(code) {
                    count(&self.counters.timeouts);
                } else if matches!(code, 5 | 6) {
                    count(&self.counters.busy);
                } else {
                    count(&self.counters.exceptions);
                }
                self.proved();
                Ok(Err(Fault::Exception(code)))
            }
        }
    }

    /// An answer came: the connection works.
    fn proved(&mut self) {
        self.failures_in_row = 0;
        if let State::Open { fresh, .. } = &mut self.state {
            *fresh = false;
        }
    }

    async fn call(&mut self, unit: u8, request: Request, wait: Duration) -> Result<Answered, Broken> {
        let serial = self.is_serial();
        let State::Open { context, .. } = &mut self.state else {
            return Err(Broken::Lost(io::ErrorKind::NotConnected.into()));
        };
        context.set_slave(Slave(unit));
        match timeout(wait, context.call(request.frame())).await {
            Err(_) => Err(Broken::Timeout),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(tokio_modbus::Error::Protocol(ProtocolError::HeaderMismatch { message, .. }))) => {
                Err(if serial { Broken::Foreign(message.into()) } else { Broken::Contradiction(message.into()) })
            }
            Ok(Err(tokio_modbus::Error::Protocol(error @ ProtocolError::FunctionCodeMismatch { .. }))) => {
                Err(Broken::Contradiction(error.to_string().into()))
            }
            Ok(Err(tokio_modbus::Error::Transport(error))) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Broken::Contradiction(error.to_string().into()))
            }
            Ok(Err(tokio_modbus::Error::Transport(error))) => Err(Broken::Lost(error)),
        }
    }

    /// Drops the context and brings the line to a state in which no late answer can be mistaken.
    async fn recover(&mut self, broken: Broken, wait: Duration) -> Fault {
        let line = match std::mem::replace(&mut self.state, State::Closed) {
            State::Open { line, .. } => line,
            State::Idle(line) => Some(line),
            State::Closed => None,
        };
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        let (fault, late) = match broken {
            Broken::Timeout => {
                count(&self.counters.timeouts);
                (Fault::Timeout, wait.clamp(QUIET, LATE_MAX))
            }
            Broken::Contradiction(what) => {
                count(&self.counters.desyncs);
                (Fault::Desync(what), wait.clamp(QUIET, LATE_MAX))
            }
            Broken::Foreign(what) => {
                count(&self.counters.foreign_frames);
                (Fault::Desync(what), QUIET)
            }
            Broken::Lost(error) => {
                count(&self.counters.link_faults);
                return Fault::LinkDown(error.to_string().into());
            }
        };
        if let Some(mut line) = line {
            let (bytes, clean) = drain(&mut line, late).await;
            add(&self.counters.late_bytes, bytes);
            if clean && self.failures_in_row < REOPEN_AFTER {
                self.state = State::Idle(line);
            } else {
                self.failures_in_row = 0;
            }
        }
        fault
    }

    /// Makes sure that the link is open. Returns whether it has not yet carried an answer.
    async fn open(&mut self) -> Result<bool, Fault> {
        let line = match std::mem::replace(&mut self.state, State::Closed) {
            open @ State::Open { fresh, .. } => {
                self.state = open;
                return Ok(fresh);
            }
            State::Idle(line) => Some(line),
            State::Closed => None,
        };
        let (context, line) = match line {
            Some(line) => (rtu::attach(line.clone()), Some(line)),
            None => self.open_new().await?,
        };
        self.state = State::Open { context, line, fresh: true };
        Ok(true)
    }

    async fn open_new(&mut self) -> Result<(Context, Option<Line>), Fault> {
        if self.open_not_before.is_some_and(|at| Instant::now() < at) {
            return Err(Fault::LinkDown("waiting to reconnect".into()));
        }
        match open_endpoint(&self.endpoint, self.connect_wait).await {
            Ok(opened) => {
                count(&self.counters.connects);
                self.open_failures = 0;
                self.open_not_before = None;
                Ok(opened)
            }
            Err(error) => {
                count(&self.counters.connect_failures);
                count(&self.counters.link_faults);
                self.open_failures = self.open_failures.saturating_add(1);
                // Half of what a device waits: the gate keeps many devices from hammering, it must
                // not turn away the retry of one.
                self.open_not_before = Some(Instant::now() + backoff(self.open_failures, self.seed) / 2);
                Err(Fault::LinkDown(error.to_string().into()))
            }
        }
    }
}

async fn open_endpoint(endpoint: &Endpoint, wait: Duration) -> io::Result<(Context, Option<Line>)> {
    match endpoint {
        Endpoint::Tcp(address) => Ok((tcp::attach(connect(address, wait).await?), None)),
        Endpoint::RtuOverTcp(address) => rtu_line(Box::new(connect(address, wait).await?)).await,
        Endpoint::Serial(port) => rtu_line(Box::new(open_serial(port)?)).await,
    }
}

async fn connect(address: &str, wait: Duration) -> io::Result<TcpStream> {
    let stream = timeout(wait, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A newly opened line may still carry an answer to a request of before: it is drained first.
async fn rtu_line(wire: Box<dyn Wire>) -> io::Result<(Context, Option<Line>)> {
    let mut line = Line(Arc::new(Mutex::new(wire)));
    drain(&mut line, QUIET).await;
    Ok((rtu::attach(line.clone()), Some(line)))
}

fn open_serial(port: &SerialPort) -> io::Result<tokio_serial::SerialStream> {
    let line = port.line;
    let parity = match line.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop_bits = if line.stop_bits >= 2 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One };
    let builder = tokio_serial::new(&port.path, port.line.baud)
        .data_bits(tokio_serial::DataBits::Eight)
        .parity(parity)
        .stop_bits(stop_bits)
        .flow_control(tokio_serial::FlowControl::None);
    tokio_serial::SerialStream::open(&builder).map_err(io::Error::from)
}

/// Reads and throws away until nothing came for [`QUIET`] after a byte, or nothing at all for
/// `late`. Returns the bytes thrown away and whether the line is usable.
async fn drain(line: &mut Line, late: Duration) -> (u64, bool) {
    let mut bytes = 0;
    let mut buffer = [0; 256];
    let mut until = Instant::now() + late;
    loop {
        match timeout_at(until, line.read(&mut buffer)).await {
            Err(_) => return (bytes, true),
            Ok(Ok(0)) | Ok(Err(_)) => return (bytes, false),
            Ok(Ok(read)) => bytes += read as u64,
        }
        if bytes > LATE_BYTES_MAX {
            return (bytes, false);
        }
        until = Instant::now() + QUIET;
    }
}
