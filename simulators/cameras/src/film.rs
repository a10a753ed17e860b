//! A video file as pictures, again and again.

use anyhow::Context;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::path::{Path, PathBuf};

/// Longest wait for a picture of a file.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// An open file.
pub(crate) struct Film {
    path: PathBuf,
    size: (usize, usize),
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
}

impl Film {
    pub(crate) fn open(path: &Path, width: usize, height: usize) -> anyhow::Result<Film> {
        let line = format!(
            "filesrc name=file ! decodebin ! videoconvert ! videoscale add-borders=true ! videorate ! \
             video/x-raw,format=RGB,width={width},height={height},framerate=15/1,pixel-aspect-ratio=1/1 ! \
             appsink name=out sync=false max-buffers=2"
        );
        let pipeline = gst::parse::launch(&line)?.downcast::<gst::Pipeline>().ok().context("no pipeline")?;
        pipeline.by_name("file").context("no source")?.set_property("location", path);
        let sink = pipeline.by_name("out").and_then(|e| e.downcast::<gst_app::AppSink>().ok()).context("no sink")?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Film { path: path.to_owned(), size: (width, height), pipeline, sink })
    }

    pub(crate) fn fits(&self, width: usize, height: usize) -> bool {
        self.size == (width, height)
    }

    /// The next picture; after the last comes the first.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(sample) = self.sink.try_pull_sample(PATIENCE) {
            return Some(sample.buffer()?.map_readable().ok()?.to_vec());
        }
        *self = Film::open(&self.path, self.size.0, self.size.1).ok()?;
        Some(self.sink.try_pull_sample(PATIENCE)?.buffer()?.map_readable().ok()?.to_vec())
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
