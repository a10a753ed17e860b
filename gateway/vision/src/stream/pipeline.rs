//! One GStreamer pipeline of one stream.
//!
//! ```text
//! source ─▶ parsebin ─▶ tee ─▶ queue ─▶ decodebin ─▶ queue ─▶ videorate ─▶ scale ─▶ convert ─▶ RGB
//!                        └──▶ queue ─▶ parser ─▶ encoded units (evidence)
//! ```
//! Scaling comes before the conversion: half the work. decodebin takes a hardware decoder when one
//! is installed.

use super::frame::Frame;
use super::source;
use anyhow::{Context, anyhow};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use minewatch_camera::Source;
use std::sync::Arc;
use std::time::Duration;

/// Decoded pictures waiting before the newest-picture slot; more would only be old.
const DECODED_MAX: u32 = 2;

/// Bytes of encoded video waiting for the recorder: a second of a 32 Mbit/s stream.
const ENCODED_BYTES_MAX: u32 = 4 << 20;

/// Whether pictures come at their own speed or as fast as they can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// Newest only; older ones are dropped.
    Live,
    /// Every one; the stream waits for the reader.
    AsRead,
}

/// Where pictures and encoded video go.
pub struct Sinks {
    /// Takes decoded pictures of this height, at most so many a second; `None`: nothing is decoded.
    pub pictures: Option<(u32, f32, TakePicture)>,
    /// Takes encoded access units.
    pub units: Option<TakeUnit>,
}

/// Takes a decoded picture.
pub type TakePicture = Box<dyn FnMut(Frame) + Send>;

/// Takes an encoded access unit.
pub type TakeUnit = Box<dyn FnMut(gst::Sample) + Send>;

/// Why a pipeline ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PipelineEnd {
    /// The stream is over.
    Ended,
    /// It broke; the text holds no secret.
    Failed(String),
}

/// A running pipeline; dropping it ends it.
pub struct Pipeline {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
}

impl Pipeline {
    /// Builds and starts the pipeline of a source.
    ///
    /// # Errors
    /// When an element is missing or the source cannot be used.
    pub fn start(source: &Source, speed: Speed, sinks: Sinks) -> anyhow::Result<Pipeline> {
        let pipeline = gst::Pipeline::new();
        // One camera, one core at most: frame threads cost memory and delay.
        pipeline.connect_deep_element_added(|_, _, element| {
            let decoder = element.factory().is_some_and(|factory| factory.name().starts_with("avdec_"));
            if decoder && element.has_property("max-threads") {
                element.set_property("max-threads", 1i32);
            }
        });
        let head = source::make(source)?;
        pipeline.add(&head)?;
        let Sinks { pictures, units } = sinks;
        let pictures = pictures.map(|(height, fps, take)| decoded_sink(speed, height, fps, take)).transpose()?;
        if *source == Source::Test {
            let Some(branch) = pictures else { return Err(anyhow!("the test source has no encoded video")) };
            let first = branch.add_to(&pipeline)?;
            head.link(&first)?;
        } else {
            let parse = gst::ElementFactory::make("parsebin").build().context("parsebin is not installed")?;
            pipeline.add(&parse)?;
            link_when_ready(&head, &parse)?;
            split(&pipeline, &parse, pictures, units);
        }
        let bus = pipeline.bus().context("a pipeline without a bus")?;
        let running = Pipeline { pipeline, bus };
        running.pipeline.set_state(gst::State::Playing).map_err(|_| anyhow!("{}", running.reason()))?;
        Ok(running)
    }

    /// Waits at most `patience` for the end.
    pub fn wait(&self, patience: Duration) -> Option<PipelineEnd> {
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = if patience.is_zero() {
            // A time of zero would look at nothing.
            self.bus.pop_filtered(&kinds)?
        } else {
            let patience = gst::ClockTime::from_mseconds(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
            self.bus.timed_pop_filtered(patience, &kinds)?
        };
        // Only errors and ends were asked for.
        if let gst::MessageView::Error(error) = message.view() {
            return Some(PipelineEnd::Failed(told(error)));
        }
        Some(PipelineEnd::Ended)
    }

    fn reason(&self) -> String {
        match self.wait(Duration::ZERO) {
            Some(PipelineEnd::Failed(why)) => why,
            Some(PipelineEnd::Ended) | None => "the stream cannot be started".to_owned(),
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.bus.set_flushing(true);
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The error's own text: its debug text may hold the URL with its login.
fn told(error: &gst::message::Error) -> String {
    let by = error.src().map(|src| src.name().to_string()).unwrap_or_default();
    format!("{} ({by})", error.error().message())
}

/// Links now, or when the source's video pad comes.
fn link_when_ready(head: &gst::Element, parse: &gst::Element) -> anyhow::Result<()> {
    let sink = parse.static_pad("sink").context("parsebin without a sink")?;
    if let Some(pad) = head.static_pad("src") {
        pad.link(&sink)?;
        return Ok(());
    }
    head.connect_pad_added(move |_, pad| {
        if !sink.is_linked() {
            let _ = pad.link(&sink);
        }
    });
    Ok(())
}

/// Elements in a row, not yet in a pipeline.
struct Branch {
    elements: Vec<gst::Element>,
}

impl Branch {
    /// Puts the elements in and starts them, last first; the first is returned for linking.
    fn add_to(self, pipeline: &gst::Pipeline) -> anyhow::Result<gst::Element> {
        for element in &self.elements {
            pipeline.add(element)?;
        }
        gst::Element::link_many(&self.elements)?;
        for element in self.elements.iter().rev() {
            element.sync_state_with_parent()?;
        }
        self.elements.into_iter().next().context("a branch without elements")
    }
}

/// On the first video pad of the parser: a tee to the decoder and to the recorder.
fn split(pipeline: &gst::Pipeline, parse: &gst::Element, pictures: Option<Branch>, units: Option<TakeUnit>) {
    let weak = pipeline.downgrade();
    let waiting = std::sync::Mutex::new(Some((pictures, units)));
    parse.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let name = caps.structure(0).map(|s| s.name().to_string()).unwrap_or_default();
        if !(name.starts_with("video/") || name == "image/jpeg") {
            return;
        }
        let taken = waiting.lock().ok().and_then(|mut waiting| waiting.take());
        let Some((pictures, units)) = taken else { return };
        if let Err(error) = branches(&pipeline, pad, &name, pictures, units) {
            gst::element_error!(pipeline, gst::CoreError::Negotiation, ("{error:#}"));
        }
    });
}

fn branches(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    media: &str,
    pictures: Option<Branch>,
    units: Option<TakeUnit>,
) -> anyhow::Result<()> {
    let tee = gst::ElementFactory::make("tee").property("allow-not-linked", true).build()?;
    pipeline.add(&tee)?;
    if let Some(take) = units {
        let first = encoded_branch(media, take)?.add_to(pipeline)?;
        tee.link(&first)?;
    }
    if let Some(branch) = pictures {
        let queue = queue(8, 0, false)?;
        let decode = gst::ElementFactory::make("decodebin").build().context("decodebin is not installed")?;
        pipeline.add_many([&queue, &decode])?;
        let first = branch.add_to(pipeline)?;
        decode.connect_pad_added(move |_, pad| {
            if let Some(sink) = first.static_pad("sink")
                && !sink.is_linked()
            {
                let _ = pad.link(&sink);
            }
        });
        queue.link(&decode)?;
        decode.sync_state_with_parent()?;
        queue.sync_state_with_parent()?;
        tee.link(&queue)?;
    }
    tee.sync_state_with_parent()?;
    pad.link(&tee.static_pad("sink").context("a tee without a sink")?)?;
    Ok(())
}

fn queue(buffers: u32, bytes: u32, leaky: bool) -> anyhow::Result<gst::Element> {
    let element = gst::ElementFactory::make("queue")
        .property("max-size-buffers", buffers)
        .property("max-size-bytes", bytes)
        .property("max-size-time", 0u64)
        .build()?;
    if leaky {
        element.set_property_from_str("leaky", "downstream");
    }
    Ok(element)
}

fn caps_filter(caps: &str) -> anyhow::Result<gst::Element> {
    let caps: gst::Caps = caps.parse().map_err(|_| anyhow!("impossible caps {caps}"))?;
    Ok(gst::ElementFactory::make("capsfilter").property("caps", caps).build()?)
}

/// Decoded pictures of a height, their width following from the stream's shape.
fn decoded_sink(speed: Speed, height: u32, fps: f32, take: TakePicture) -> anyhow::Result<Branch> {
    let live = speed == Speed::Live;
    let rate = gst::ElementFactory::make("videorate").property("drop-only", true).build()?;
    // A rate as a fraction of thousandths: 12.5 a second is a rate too.
    let rate_caps = caps_filter(&format!("video/x-raw,framerate=[0/1,{}/1000]", (fps * 1_000.0).round() as u32))?;
    let scale = gst::ElementFactory::make("videoscale").build()?;
    let convert = gst::ElementFactory::make("videoconvert").build()?;
    let shape = caps_filter(&format!("video/x-raw,format=RGB,height={height},pixel-aspect-ratio=1/1"))?;
    let sink = gst_app::AppSink::builder().sync(false).drop(live).max_buffers(DECODED_MAX).build();
    let take = std::sync::Mutex::new(take);
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let (Some(frame), Ok(mut take)) = (frame_of(&sample), take.lock()) {
                    take(frame);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    let first = queue(DECODED_MAX, 0, live)?;
    Ok(Branch { elements: vec![first, rate, rate_caps, scale, convert, shape, sink.upcast()] })
}

fn frame_of(sample: &gst::Sample) -> Option<Frame> {
    let shape = sample.caps()?.structure(0)?;
    let (width, height) = (shape.get::<i32>("width").ok()?, shape.get::<i32>("height").ok()?);
    let buffer = sample.buffer()?;
    let at = sample
        .segment()
        .and_then(|s| s.downcast_ref::<gst::ClockTime>())
        .and_then(|s| s.to_running_time(buffer.pts()?))
        .or(buffer.pts())?;
    let bytes = buffer.map_readable().ok()?;
    Frame::of_padded(&bytes, usize::try_from(width).ok()?, usize::try_from(height).ok()?, at.mseconds())
}

/// Encoded units in the form that can be cut at key frames and put into a file.
fn encoded_branch(media: &str, take: TakeUnit) -> anyhow::Result<Branch> {
    let mut elements = vec![queue(0, ENCODED_BYTES_MAX, true)?];
    for (name, parser) in [("video/x-h264", "h264parse"), ("video/x-h265", "h265parse")] {
        if media == name {
            // Parameter sets before every key frame: a clip may begin at any of them.
            elements.push(gst::ElementFactory::make(parser).property("config-interval", -1i32).build()?);
            elements.push(caps_filter(&format!("{name},stream-format=byte-stream,alignment=au"))?);
        }
    }
    let sink = gst_app::AppSink::builder().sync(false).max_buffers(64).drop(true).build();
    let take = Arc::new(std::sync::Mutex::new(take));
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let Ok(mut take) = take.lock() {
                    take(sample);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    elements.push(sink.upcast());
    Ok(Branch { elements })
}
