//! Procurement: red flags over contracting processes.

pub mod ocds;
