//! What one bus task is told: its connection and its polls, and the timing that follows from them.
//!
//! Invariant: pure. Deliberately absent: when a poll is due (`schedule`) and the wire (`link`).

use super::link::{Endpoint, SerialPort};
use super::request::Request;
use super::schedule::{DeviceTiming, StepTiming};
use crate::config::{BusKind, Poll, SiteConfig};
use crate::instrument::{Plan, RegisterMap};
use minewatch_domain::DeviceId;
use std::sync::Arc;
use std::time::Duration;

/// One poll of one device.
#[derive(Debug, Clone)]
pub struct BusPoll {
    /// Index into [`SiteConfig::polls`].
    pub poll: usize,
    /// Device.
    pub device: DeviceId,
    /// Unit address.
    pub unit: u8,
    /// Register map.
    pub map: Arc<RegisterMap>,
    /// Requests.
    pub plan: Plan,
    /// Period.
    pub period: Duration,
    /// Answer timeout.
    pub timeout: Duration,
}

/// What one bus task needs to know.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// Name for logs and metrics.
    pub id: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Longest wait for a connection.
    pub connect_wait: Duration,
    /// Least silence between two requests.
    pub pause: Duration,
    /// Polls of the enabled devices.
    pub polls: Vec<BusPoll>,
    /// Varies the jitter between buses.
    pub seed: u64,
    /// Which of how many phases of the period this bus polls in.
    pub place: (u32, u32),
}

impl BusConfig {
    /// The configuration of bus `index` of a site; `None` when there is no such bus.
    pub fn of_site(site: &SiteConfig, index: usize) -> Option<BusConfig> {
        let bus = site.buses.get(index)?;
        let endpoint = match &bus.kind {
            BusKind::Tcp { host, port } => Endpoint::Tcp(format!("{host}:{port}")),
            BusKind::RtuOverTcp { host, port } => Endpoint::RtuOverTcp(format!("{host}:{port}")),
            BusKind::Rtu { path, line } => {
                Endpoint::Serial(SerialPort { path: path.to_string_lossy().into_owned(), line: *line })
            }
        };
        let polls = site.polls.iter().enumerate().filter_map(|(poll, p)| bus_poll(site, index, poll, p)).collect();
        Some(BusConfig {
            id: bus.id.clone(),
            endpoint,
            connect_wait: Duration::from_millis(bus.connect_timeout_ms),
            pause: Duration::from_millis(bus.pause_ms),
            polls,
            seed: index as u64,
            // All buses in one phase: ten phases bring a value to headquarters sooner and were measured to
            // take four times the CPU, because every wake-up, publish and acknowledgement comes ten times.
            place: (0, 1),
        })
    }
}

fn bus_poll(site: &SiteConfig, bus: usize, index: usize, poll: &Poll) -> Option<BusPoll> {
    let device = site.devices.get(poll.device).filter(|device| device.bus == bus && device.enabled)?;
    Some(BusPoll {
        poll: index,
        device: device.id.clone(),
        unit: device.unit,
        map: Arc::clone(&device.map),
        plan: poll.plan.clone(),
        period: Duration::from_millis(poll.period_ms),
        timeout: Duration::from_millis(device.timeout_ms),
    })
}

pub(super) fn timings(polls: &[BusPoll]) -> Vec<DeviceTiming> {
    let group = |poll: &BusPoll| polls.iter().position(|other| other.device == poll.device).unwrap_or(0);
    polls.iter().map(|poll| timing(poll, group(poll))).collect()
}

/// An instrument that can be triggered by broadcast is triggered by its own address all the same:
/// a broadcast is never confirmed.
fn timing(poll: &BusPoll, group: usize) -> DeviceTiming {
    DeviceTiming {
        group,
        period: poll.period,
        request_gap: Duration::from_millis(poll.map.pause_ms),
        poll_gap: Duration::from_millis(poll.map.period_min_ms),
        busy_wait: Duration::from_millis(poll.map.busy.as_ref().map_or(0, |busy| busy.pause_ms)),
        busy_retries_max: poll.map.busy.as_ref().map_or(0, |busy| busy.retries),
        steps: steps(poll),
    }
}

/// The timing of a poll's requests, as its plan is now.
pub(super) fn steps(poll: &BusPoll) -> Vec<StepTiming> {
    let read = StepTiming { wait_after: Duration::ZERO, required: false };
    let trigger = poll.map.trigger.map(|trigger| {
        let stagger_ms = if trigger.broadcast { trigger.stagger_ms_per_address * u64::from(poll.unit) } else { 0 };
        StepTiming { wait_after: Duration::from_millis(trigger.wait_ms + stagger_ms), required: true }
    });
    trigger.into_iter().chain(poll.plan.requests.iter().map(|_| read)).collect()
}

/// The request of a step: the trigger write, if the instrument has one, then the reads.
pub(super) fn request_of(poll: &BusPoll, step: usize) -> Option<Request> {
    match (poll.map.trigger, step) {
        (Some(trigger), 0) => Some(Request::WriteRegister { address: trigger.address, value: trigger.value }),
        (Some(_), _) => poll.plan.requests.get(step - 1).copied().map(Request::Read),
        (None, _) => poll.plan.requests.get(step).copied().map(Request::Read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_poll_of_the_example_sites_is_on_exactly_one_bus_and_asks_for_something() {
        let sites = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-configs/sites");
        let mut looked_at = 0;
        for entry in std::fs::read_dir(sites).expect("example sites").flatten() {
            if entry.path().extension().is_none_or(|ext| ext != "toml") {
                continue;
            }
            let site = crate::config::load(&entry.path()).expect("a valid site");
            let buses: Vec<BusConfig> =
                (0..site.buses.len()).filter_map(|index| BusConfig::of_site(&site, index)).collect();
            let mut polls: Vec<usize> = buses.iter().flat_map(|bus| bus.polls.iter().map(|poll| poll.poll)).collect();
            polls.sort_unstable();
            assert_eq!(polls, (0..site.polls.len()).collect::<Vec<_>>(), "{:?}", entry.path());
            for poll in buses.iter().flat_map(|bus| &bus.polls) {
                let timing = timing(poll, 0);
                assert!(!timing.steps.is_empty());
                assert!((0..timing.steps.len()).all(|step| request_of(poll, step).is_some()));
                assert_eq!(request_of(poll, timing.steps.len()), None);
            }
            looked_at += polls.len();
        }
        assert!(looked_at > 0, "the test looked at nothing");
    }
}
