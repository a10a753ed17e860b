//! `gateway probe`: reads registers once and shows what they could mean in every type and byte
//! order, so that a commissioning engineer can see which one is right before writing a file.
//!
//! Invariant: reads only. Deliberately absent: writing, scanning for addresses (a scan disturbs a
//! running bus), and judging; a star marks what is plausible, a person decides.

use crate::config::{self, Device, Parity, SerialLine, SiteConfig};
use crate::instrument::{ByteOrder, Function, OrderView, Quantity, ReadRequest, ValueType, all_orders, plan};
use crate::modbus::{BusConfig, BusCounters, Endpoint, Link, Request, SerialPort};
use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Most registers one ad-hoc probe reads: the Modbus limit of one request.
const COUNT_MAX: u16 = 125;

/// What to probe: a device of a site file, or an address given here.
#[derive(Debug, Clone, clap::Args)]
pub struct ProbeArgs {
    /// Site file; reads every quantity of `--device` as its register map says.
    #[arg(long, requires = "device", conflicts_with_all = ["tcp", "rtu_tcp", "serial"])]
    pub site: Option<PathBuf>,
    /// Device id in the site file.
    #[arg(long)]
    pub device: Option<String>,
    /// Modbus TCP, host:port.
    #[arg(long)]
    pub tcp: Option<String>,
    /// Serial frames inside TCP, host:port.
    #[arg(long, conflicts_with = "tcp")]
    pub rtu_tcp: Option<String>,
    /// Serial port: path,baud,format; for example /dev/ttyS1,9600,8N1.
    #[arg(long, conflicts_with_all = ["tcp", "rtu_tcp"])]
    pub serial: Option<SerialArg>,
    /// Unit address.
    #[arg(long, default_value_t = 1)]
    pub unit: u8,
    /// Read function: 3 (holding registers) or 4 (input registers).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=4))]
    pub function: u8,
    /// First address, 0-based as on the wire.
    #[arg(long, default_value_t = 0)]
    pub address: u16,
    /// Registers.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=i64::from(COUNT_MAX)))]
    pub count: u16,
    /// Smallest plausible value.
    #[arg(long, allow_negative_numbers = true, requires = "max")]
    pub min: Option<f64>,
    /// Largest plausible value.
    #[arg(long, allow_negative_numbers = true, requires = "min")]
    pub max: Option<f64>,
    /// Answer timeout, milliseconds.
    #[arg(long, default_value_t = 2_000)]
    pub timeout_ms: u64,
    /// Repeat the request back to back and print the rate and the failures: how good is the line?
    #[arg(long, default_value_t = 1, conflicts_with = "site", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub repeat: u32,
}

/// A serial port as written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialArg(pub SerialPort);

impl FromStr for SerialArg {
    type Err = String;

    fn from_str(text: &str) -> Result<SerialArg, String> {
        let wanted = "expected path,baud,format such as /dev/ttyS1,9600,8N1";
        let mut parts = text.split(',');
        let path = parts.next().filter(|path| !path.is_empty()).ok_or(wanted)?.to_string();
        let baud = parts.next().unwrap_or("9600").parse::<u32>().map_err(|_| wanted)?;
        let format = parts.next().unwrap_or("8N1").to_ascii_uppercase();
        if parts.next().is_some() {
            return Err(wanted.into());
        }
        let (data_bits, parity, stop_bits) = match format.as_bytes() {
            [data @ (b'7' | b'8'), parity @ (b'N' | b'E' | b'O'), stop @ (b'1' | b'2')] => {
                let parity = match parity {
                    b'E' => Parity::Even,
                    b'O' => Parity::Odd,
                    _ => Parity::None,
                };
                (data - b'0', parity, stop - b'0')
            }
            _ => return Err(wanted.into()),
        };
        Ok(SerialArg(SerialPort { path, line: SerialLine { baud, data_bits, parity, stop_bits } }))
    }
}

/// Probes and prints.
///
/// # Errors
/// When nothing could be read, or the site file is not valid.
pub async fn probe(args: ProbeArgs) -> anyhow::Result<()> {
    let text = match &args.site {
        Some(path) => {
            let site = config::load(path).map_err(|problems| {
                anyhow::anyhow!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            })?;
            probe_device(&site, args.device.as_deref().unwrap_or_default()).await?
        }
        None => probe_address(&args).await?,
    };
    print!("{text}");
    Ok(())
}

async fn probe_address(args: &ProbeArgs) -> anyhow::Result<String> {
    let endpoint = match (&args.tcp, &args.rtu_tcp, &args.serial) {
        (Some(address), _, _) => Endpoint::Tcp(address.clone()),
        (None, Some(address), _) => Endpoint::RtuOverTcp(address.clone()),
        (None, None, Some(SerialArg(port))) => Endpoint::Serial(port.clone()),
        (None, None, None) => bail!("name what to probe: --site with --device, --tcp, --rtu-tcp or --serial"),
    };
    let function = if args.function == 4 { Function::Input } else { Function::Holding };
    let title = format!("{endpoint} unit {}", args.unit);
    let timeout = Duration::from_millis(args.timeout_ms);
    let mut link = Link::new(endpoint, timeout, Arc::new(BusCounters::default()), 0);
    let request = ReadRequest { function, address: args.address, count: args.count };
    let words = link.transact(args.unit, Request::Read(request), timeout).await.with_context(|| title.clone())?;
    if args.repeat > 1 {
        return Ok(repeat(&mut link, args, request, timeout).await);
    }
    let range = args.min.zip(args.max);
    let mut text = format!("{title}, {}\n\n", describe(request));
    text.push_str(&render_registers(args.address, &words));
    text.push('\n');
    for (offset, address) in (0..words.len()).zip(args.address..) {
        text.push_str(&render_views(address, &all_orders(&words[offset..]), |view| plausible(view.number, range)));
    }
    text.push_str(legend(range));
    Ok(text)
}

/// One JSON line: how many requests a second the line carries, and how many failed.
async fn repeat(link: &mut Link, args: &ProbeArgs, request: ReadRequest, timeout: Duration) -> String {
    let started = std::time::Instant::now();
    let mut failures = 0_u32;
    for _ in 0..args.repeat {
        failures += u32::from(link.transact(args.unit, Request::Read(request), timeout).await.is_err());
    }
    let seconds = started.elapsed().as_secs_f64().max(f64::EPSILON);
    let rate = f64::from(args.repeat) / seconds;
    format!("{}\n", serde_json::json!({ "requests": args.repeat, "failures": failures, "requests_per_s": rate }))
}

async fn probe_device(site: &SiteConfig, id: &str) -> anyhow::Result<String> {
    let device = site
        .devices
        .iter()
        .find(|device| device.id.as_str() == id)
        .with_context(|| format!("no device {id:?} in the site file"))?;
    let bus = BusConfig::of_site(site, device.bus).context("the device's bus is missing")?;
    let title = format!("{id} on {} unit {}", bus.endpoint, device.unit);
    let mut link = Link::new(bus.endpoint, bus.connect_wait, Arc::new(BusCounters::default()), 0);
    let timeout = Duration::from_millis(device.timeout_ms);
    let map = &device.map;
    let mut text = format!("{title}, {} {}\n\n", map.name.zh, map.name.en);
    let mut answered = 0;
    for (index, quantity) in map.quantities.iter().enumerate() {
        let words = read_quantity(&mut link, device, index, timeout).await;
        answered += usize::from(words.is_ok());
        text.push_str(&render_quantity(quantity, words));
        tokio::time::sleep(Duration::from_millis(map.pause_ms)).await;
    }
    text.push_str(legend(None));
    if answered == 0 {
        bail!("{title}: no quantity could be read\n{text}");
    }
    Ok(text)
}

async fn read_quantity(link: &mut Link, device: &Device, index: usize, timeout: Duration) -> anyhow::Result<Vec<u16>> {
    let quantity = &device.map.quantities[index];
    let requests = plan(&device.map, &[index]).requests;
    let covers = |r: &&ReadRequest| {
        r.function == quantity.function
            && r.address <= quantity.address
            && u32::from(quantity.address) + u32::from(quantity.words()) <= u32::from(r.address) + u32::from(r.count)
    };
    let request = requests.iter().find(covers).context("the map has no request for it")?;
    let words = link.transact(device.unit, Request::Read(*request), timeout).await?;
    let first = usize::from(quantity.address - request.address);
    let end = first + usize::from(quantity.words());
    words.get(first..end).map(<[u16]>::to_vec).context("the answer is too short")
}

fn describe(request: ReadRequest) -> String {
    let last = u32::from(request.address) + u32::from(request.count) - 1;
    format!("{} registers {}..{last}", request.function.name(), request.address)
}

/// Without a known range: finite, and of a size that instruments use.
fn plausible(number: f64, range: Option<(f64, f64)>) -> bool {
    match range {
        Some((min, max)) => (min..=max).contains(&number),
        None => number == 0.0 || (number.is_finite() && (1e-3..=1e5).contains(&number.abs())),
    }
}

fn legend(range: Option<(f64, f64)>) -> &'static str {
    match range {
        Some(_) => "* within the given range\n",
        None => "* plausible (within the known range, or of a usual size)\n",
    }
}

fn render_registers(first: u16, words: &[u16]) -> String {
    let mut text = String::from("address    hex    u16     i16\n");
    for (address, word) in (u32::from(first)..).zip(words) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{address:>7}   {word:04X}  {word:>5}  {:>6}", word.cast_signed());
    }
    text
}

/// One line per type, one column per order.
fn render_views(address: u16, views: &[OrderView], mark: impl Fn(&OrderView) -> bool) -> String {
    let mut text = String::new();
    let _ = write!(text, "{address:>7}  type");
    for order in ByteOrder::ALL {
        let _ = write!(text, "  {:>16}", order.name());
    }
    text.push('\n');
    let mut last: Option<ValueType> = None;
    for view in views {
        if last != Some(view.value_type) {
            if last.is_some() {
                text.push('\n');
            }
            let _ = write!(text, "         {:<4}", view.value_type.name());
            last = Some(view.value_type);
        }
        let star = if mark(view) { '*' } else { ' ' };
        let _ = write!(text, "  {:>15}{star}", number(view.number));
    }
    if last.is_some() {
        text.push('\n');
    }
    text
}

fn render_quantity(quantity: &Quantity, words: anyhow::Result<Vec<u16>>) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "{} {} {} ({} {}, {} {})",
        quantity.id,
        quantity.name.zh,
        quantity.name.en,
        quantity.function.name(),
        quantity.address,
        quantity.value_type.name(),
        quantity.order.name()
    );
    let words = match words {
        Ok(words) => words,
        Err(error) => {
            let _ = writeln!(text, ": {error}\n");
            return text;
        }
    };
    let hex: Vec<String> = words.iter().map(|word| format!("{word:04X}")).collect();
    let _ = writeln!(text, ": {}", hex.join(" "));
    if quantity.function.is_bits() {
        text.push('\n');
        return text;
    }
    let whole = |view: &OrderView| view.value_type.words() == quantity.words();
    let views: Vec<OrderView> = all_orders(&words)
        .into_iter()
        .filter(whole)
        .map(|view| OrderView { number: scaled(quantity, &view), ..view })
        .collect();
    text.push_str(&render_views(quantity.address, &views, |view| plausible(view.number, quantity.range)));
    text.push('\n');
    text
}

/// The number under the quantity's own scale, offset and polynomial, had it another type.
fn scaled(quantity: &Quantity, view: &OrderView) -> f64 {
    let as_other = Quantity { value_type: view.value_type, ..quantity.clone() };
    view.value_type.bits_of(view.number).map_or(f64::NAN, |bits| as_other.value_of(bits))
}

fn number(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 || (1e-4..1e9).contains(&size) {
        let text = format!("{number:.6}");
        let short = text.trim_end_matches('0').trim_end_matches('.');
        short.to_string()
    } else {
        format!("{number:.6e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_port_is_read_from_one_word() {
        let port = |text: &str| SerialArg::from_str(text).map(|SerialArg(port)| port);
        let line = SerialLine { baud: 19_200, data_bits: 8, parity: Parity::Even, stop_bits: 1 };
        assert_eq!(port("/dev/ttyS1,19200,8E1"), Ok(SerialPort { path: "/dev/ttyS1".into(), line }));
        assert!(port("/dev/ttyS1").is_ok_and(|port| port.line.baud == 9_600));
        for bad in ["", ",9600", "/dev/ttyS1,fast", "/dev/ttyS1,9600,9N1", "/dev/ttyS1,9600,8N1,x"] {
            assert!(port(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_right_order_stands_out_of_the_table() {
        // 25.5 as f32 is 41CC 0000; this device sends the low word first.
        let views = all_orders(&[0x0000, 0x41cc]);
        let text = render_views(100, &views, |view| plausible(view.number, Some((20.0, 30.0))));
        let line = text.lines().find(|line| line.contains("f32")).expect("a line for f32");
        assert_eq!(line.matches('*').count(), 1, "{line}");
        assert!(line.contains("25.5*"), "{line}");
        assert_eq!(text.lines().count(), 6, "a header and one line per type that fits:\n{text}");
    }

    #[test]
    fn numbers_are_short_and_extremes_are_in_powers_of_ten() {
        for (value, text) in [(0.0, "0"), (25.5, "25.5"), (-100.0, "-100"), (1e12, "1.000000e12"), (f64::NAN, "NaN")] {
            assert_eq!(number(value), text);
        }
    }
}
