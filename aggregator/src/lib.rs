//! The headquarters program: hears gateways over MQTT, commits to the store, then acknowledges;
//! serves headquarters topics, the HTTP interface and the console.
//!
//! Invariant: what a gateway is told to forget is durable in the store. Deliberately absent:
//! instruments, cameras, and every decision about a dam (`models/`).

pub mod api;
pub mod audit;
pub mod backup;
pub mod broker;
pub mod clock;
pub mod config;
pub mod evidence;
pub mod feeds;
pub mod handling;
pub mod hq;
pub mod identity;
pub mod ingest;
pub mod live;
pub mod metrics;
pub mod notify;
pub mod operator;
pub mod pack;
pub mod people;
pub mod procurement;
pub mod regulator;
pub mod risk;
pub mod rules;
pub mod run;
pub mod sink;
pub mod sparkplug;
pub mod store;
pub mod system;
pub mod writer;
