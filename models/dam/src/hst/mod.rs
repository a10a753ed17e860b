//! Statistical models of what a dam does with its loads: linear least squares with lagged loads.

pub mod lstsq;
pub mod regression;
