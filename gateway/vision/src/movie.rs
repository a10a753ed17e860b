//! Writes pictures to a video file, for people who look at decisions.

use crate::evidence::padded;
use anyhow::{Context, anyhow, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::path::Path;

/// Encoders that may be installed, best first, with the parser that goes with them.
const ENCODERS: [(&str, &str); 4] = [
    ("openh264enc", "h264parse"),
    ("x264enc", "h264parse"),
    ("avenc_mpeg4", "mpeg4videoparse"),
    ("jpegenc", "jpegparse"),
];

/// Pictures waiting for the encoder, bytes; the caller waits when it is full.
const WAITING_BYTES_MAX: u64 = 64 << 20;

/// A video being written.
pub struct Movie {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    width: usize,
}

impl Movie {
    /// Begins a file.
    ///
    /// # Errors
    /// When no encoder is installed or the file cannot be written.
    pub fn begin(path: &Path, width: usize, height: usize) -> anyhow::Result<Movie> {
        let caps: gst::Caps = format!("video/x-raw,format=RGB,width={width},height={height},framerate=0/1").parse()?;
        let source = gst_app::AppSrc::builder()
            .caps(&caps)
            .format(gst::Format::Time)
            .max_bytes(WAITING_BYTES_MAX)
            .block(true)
            .build();
        let convert = gst::ElementFactory::make("videoconvert").build()?;
        let found = ENCODERS.iter().find_map(|(encoder, parser)| {
            Some((gst::ElementFactory::make(encoder).build().ok()?, gst::ElementFactory::make(parser).build().ok()?))
        });
        let (encode, parse) =
            found.context("no video encoder is installed (openh264enc of plugins-bad, for example)")?;
        let mux = gst::ElementFactory::make("mp4mux").build()?;
        let sink = gst::ElementFactory::make("filesink").property("location", path).build()?;
        let pipeline = gst::Pipeline::new();
        let row = [source.upcast_ref(), &convert, &encode, &parse, &mux, &sink];
        pipeline.add_many(row)?;
        gst::Element::link_many(row)?;
        pipeline.set_state(gst::State::Playing).map_err(|_| anyhow!("{} cannot be written", path.display()))?;
        Ok(Movie { pipeline, source, width })
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// When the encoder or the disk refuses.
    pub fn push(&self, rgb: &[u8], at_ms: u64) -> anyhow::Result<()> {
        let mut buffer = gst::Buffer::from_mut_slice(padded(rgb, self.width));
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_mseconds(at_ms));
        }
        self.source.push_buffer(buffer).map_err(|error| anyhow!("the video cannot be written: {error}"))?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it could not be ended.
    pub fn finish(self) -> anyhow::Result<()> {
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.bus().context("a pipeline without a bus")?;
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &kinds).as_ref().map(|m| m.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(error)) => bail!("the video was not written: {}", error.error().message()),
            Some(_) | None => bail!("the video was not ended in time"),
        }
    }
}

impl Drop for Movie {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
