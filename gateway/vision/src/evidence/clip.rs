//! Writes encoded units to a fragmented MP4 file, without encoding them again.

use super::ring::Unit;
use anyhow::{Context, anyhow, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::path::{Path, PathBuf};

/// Length of a fragment, milliseconds: at most this much is lost when the process is killed.
const FRAGMENT_MS: u32 = 1_000;

/// Longest time to wait for the end of a file.
const FINISH_MAX: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Bytes waiting for the disk; more means that the disk is dead, and units are dropped.
const WAITING_BYTES_MAX: u64 = 32 << 20;

/// A clip being written.
pub(super) struct Clip {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    path: PathBuf,
    base_ms: u64,
}

impl Clip {
    /// Begins a file at `path` with the given units; the first must be a key frame.
    pub(super) fn begin(path: &Path, units: &[Unit<gst::Sample>]) -> anyhow::Result<Clip> {
        let first = units.first().context("no video before the event yet")?;
        let caps = first.payload.caps_owned().context("video without a format")?;
        let media = caps.structure(0).map(|s| s.name().to_string()).unwrap_or_default();
        let parser = match media.as_str() {
            "video/x-h264" => "h264parse",
            "video/x-h265" => "h265parse",
            other => bail!("{other} cannot be kept without encoding it again"),
        };
        let source = gst_app::AppSrc::builder()
            .caps(&caps)
            .format(gst::Format::Time)
            .max_bytes(WAITING_BYTES_MAX)
            .leaky_type(gst_app::AppLeakyType::Downstream)
            .build();
        let parse = gst::ElementFactory::make(parser).build()?;
        let mux = gst::ElementFactory::make("mp4mux").property("fragment-duration", FRAGMENT_MS).build()?;
        let sink = gst::ElementFactory::make("filesink").property("location", path).property("sync", false).build()?;
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([source.upcast_ref(), &parse, &mux, &sink])?;
        gst::Element::link_many([source.upcast_ref(), &parse, &mux, &sink])?;
        pipeline.set_state(gst::State::Playing).map_err(|_| anyhow!("{} cannot be written", path.display()))?;
        let clip = Clip { pipeline, source, path: path.to_owned(), base_ms: first.at_ms };
        units.iter().for_each(|unit| clip.push(unit));
        Ok(clip)
    }

    /// Adds a unit.
    pub(super) fn push(&self, unit: &Unit<gst::Sample>) {
        let Some(buffer) = unit.payload.buffer() else { return };
        let mut buffer = buffer.copy();
        let base = gst::ClockTime::from_mseconds(self.base_ms);
        let pts = gst::ClockTime::from_mseconds(unit.at_ms).saturating_sub(base);
        if let Some(buffer) = buffer.get_mut() {
            let delay = buffer.pts().zip(buffer.dts()).map_or(gst::ClockTime::ZERO, |(p, d)| p.saturating_sub(d));
            buffer.set_pts(pts);
            buffer.set_dts(pts.saturating_sub(delay));
        }
        let _ = self.source.push_buffer(buffer);
    }

    /// Ends the file; its path is returned when it is whole.
    pub(super) fn finish(self) -> anyhow::Result<PathBuf> {
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.bus().context("a pipeline without a bus")?;
        let end = bus.timed_pop_filtered(FINISH_MAX, &[gst::MessageType::Eos, gst::MessageType::Error]);
        match end.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(self.path.clone()),
            Some(gst::MessageView::Error(error)) => bail!("{}: {}", self.path.display(), error.error().message()),
            Some(_) | None => bail!("{} was not ended in time", self.path.display()),
        }
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
