//! Sparkplug B 3.0, a second face of the same data for SCADA hosts; off unless configured.
//!
//! Each configured gateway is an edge node `spBv1.0/{mine}/.../{gateway}` with its own connection (a
//! death certificate is a connection's will), its devices are those of the catalogue, its alarms are
//! metrics of the node. It is the aggregator that speaks for the gateway: a gateway that is not heard
//! is dead here too. With several aggregators only one may have a gateway in its settings.

mod driver;
pub mod node;
pub mod payload;
pub mod settings;

pub use driver::Sparkplug;
pub use settings::SparkplugConfig;
