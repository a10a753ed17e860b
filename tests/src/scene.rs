//! A whole scene: counter slaves, one gateway, a link that can be cut, a broker, the aggregator.

use crate::aggregator::{Aggregator, Setup};
use crate::api::Api;
use crate::broker::Mosquitto;
use crate::gateway::Gateway;
use crate::ledger::{Given, Verdict, explanations, judge};
use crate::process::scratch;
use crate::relay::Relay;
use crate::site::Site;
use crate::slave::{Behaviour, COUNTERS_FROM, CounterSlave};
use crate::wait::{Seen, eventually, when};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

/// What a scene is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the test: its folder under `target/e2e`.
    pub test: &'static str,
    /// Slaves, one Modbus TCP device each.
    pub devices: u16,
    /// Registers per slave.
    pub registers: u16,
    /// mosquitto instead of the embedded broker.
    pub external_broker: bool,
    /// Database URL; SQLite when absent.
    pub store_url: Option<String>,
}

impl Plan {
    /// Three devices of ten registers, embedded broker, SQLite.
    pub fn small(test: &'static str) -> Plan {
        Plan { test, devices: 3, registers: 10, external_broker: false, store_url: None }
    }

    /// Ten devices of 100 registers, as the peers were measured.
    pub fn measured(test: &'static str) -> Plan {
        Plan { devices: 10, registers: 100, ..Plan::small(test) }
    }
}

/// A running scene; everything ends when it is dropped.
#[derive(Debug)]
pub struct Scene {
    /// Folder of the test.
    pub folder: PathBuf,
    /// The instruments.
    pub slaves: Vec<CounterSlave>,
    /// The link between gateway and broker.
    pub relay: Relay,
    /// The external broker, if the plan wanted one.
    pub broker: Option<Mosquitto>,
    /// Headquarters.
    pub aggregator: Aggregator,
    /// The site.
    pub site: Site,
    /// Its gateway.
    pub gateway: Gateway,
}

impl Scene {
    /// Starts everything and waits until the first values are in the store.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn start(plan: &Plan) -> Result<Scene> {
        let folder = scratch(plan.test)?;
        Scene::start_in(plan, folder, &Setup::default()).await
    }

    /// The same in a folder that exists, with `setup` for what the plan leaves open.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn start_in(plan: &Plan, folder: PathBuf, setup: &Setup) -> Result<Scene> {
        let broker = match plan.external_broker {
            true => Some(Mosquitto::start(&folder).await?),
            false => None,
        };
        // Of the broker in `setup` only the further keys count: the scene starts its own.
        let more = setup.broker.as_ref().map(|(_, more)| more.clone()).unwrap_or_default();
        let external = broker.as_ref().map(|broker| (format!("mqtt://127.0.0.1:{}", broker.port()), more));
        let setup = Setup { store_url: plan.store_url.clone(), broker: external, ..setup.clone() };
        let aggregator = Aggregator::start(&folder, &setup).await?;
        let broker_port = broker.as_ref().map(Mosquitto::port).or(aggregator.mqtt_port()).context("broker port")?;
        let relay = Relay::start(broker_port).await?;
        let mut slaves = Vec::new();
        for _ in 0..plan.devices {
            slaves.push(CounterSlave::start(plan.registers).await?);
        }
        let ports: Vec<u16> = slaves.iter().map(CounterSlave::port).collect();
        let site = Site::of_counters("gw-e2e", &ports, plan.registers, relay.port())?;
        let gateway = Gateway::start(&folder, &site)?;
        let scene = Scene { folder, slaves, relay, broker, aggregator, site, gateway };
        scene.wait_first_values().await?;
        Ok(scene)
    }

    async fn wait_first_values(&self) -> Result<()> {
        let program = self.gateway.program();
        let (api, gateway) = (self.aggregator.api(), &self.site.gateway);
        eventually("first values are in the store", Duration::from_secs(40), async || {
            program.must_run()?;
            let measured = api.measured(gateway).await?;
            Ok(when(measured > 0, format!("{measured} points with a value")))
        })
        .await
    }

    /// Waits until every instrument has been read this many more times.
    ///
    /// # Errors
    /// When the gateway stops reading.
    pub async fn wait_reads(&self, more: usize) -> Result<()> {
        let reads = || self.slaves.iter().map(|slave| slave.handed_out(COUNTERS_FROM).len()).min().unwrap_or(0);
        let wanted = reads() + more;
        eventually("instruments are read", Duration::from_secs(20 + 2 * more as u64), async || {
            Ok(when(reads() >= wanted, format!("{} of {wanted} reads", reads())))
        })
        .await
    }

    /// Port of the broker itself, past the relay.
    ///
    /// # Errors
    /// Never for a scene that started.
    pub fn broker_port(&self) -> Result<u16> {
        self.broker.as_ref().map(Mosquitto::port).or(self.aggregator.mqtt_port()).context("broker port")
    }

    /// Headquarters' HTTP interface.
    pub fn api(&self) -> &Api {
        self.aggregator.api()
    }

    /// What the slaves handed out so far.
    pub fn given(&self) -> Vec<Given> {
        let devices = self.slaves.iter().enumerate();
        devices
            .map(|(index, slave)| {
                let device = Site::counter_device(index);
                let points = (COUNTERS_FROM..self.site.registers)
                    .map(|register| (Site::counter_point(index, register), slave.handed_out(register)))
                    .collect();
                Given { device, points }
            })
            .collect()
    }

    /// Instruments fall silent, so that what was handed out stops growing.
    pub fn freeze(&self) {
        self.slaves.iter().for_each(|slave| slave.behave(Behaviour::Closed));
    }

    /// Compares once.
    ///
    /// # Errors
    /// When headquarters does not answer.
    pub async fn verdict(&self) -> Result<Verdict> {
        let given = self.given();
        let points: Vec<String> = given.iter().flat_map(|g| g.points.iter().map(|point| point.0.clone())).collect();
        let rows = self.api().readings(&self.site.gateway, &points).await?;
        let ledger = self.api().ledger(&self.site.gateway).await?.unwrap_or_default();
        Ok(judge(&given, &rows, &explanations(&ledger)))
    }

    /// Freezes the instruments and waits until headquarters says the ledger is complete and the
    /// comparison satisfies `good`.
    ///
    /// # Errors
    /// When that does not happen in time; the message holds the last comparison.
    pub async fn settle(&self, within: Duration, good: impl Fn(&Verdict) -> bool) -> Result<Verdict> {
        self.freeze();
        eventually("the ledger is complete and right", within, async || {
            self.gateway.program().must_run()?;
            self.aggregator.program().must_run()?;
            let (complete, ledger) = self.api().complete(&self.site.gateway).await?;
            if !complete {
                return Ok(Seen::NotYet(format!("incomplete: {ledger}")));
            }
            let verdict = self.verdict().await?;
            Ok(match good(&verdict) {
                true => Seen::Yes(verdict),
                false => Seen::NotYet(verdict.to_string()),
            })
        })
        .await
    }
}

/// Whether this is the long run.
pub fn soak() -> bool {
    std::env::var_os("MINEWATCH_SOAK").is_some()
}
