//! Writes a scene to a file.

use crate::RenderArgs;
use anyhow::{Context, anyhow, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

/// Draws and encodes every picture; prints when a fall ends, for evaluation.
///
/// # Errors
/// When the encoder is missing or the file cannot be written.
pub(crate) fn render(args: &RenderArgs) -> anyhow::Result<()> {
    let scene = args.scene();
    let (width, height, fps) = (args.width, args.height, args.fps.max(1));
    if width % 4 != 0 || height % 2 != 0 || width == 0 || height == 0 {
        bail!("width must be a multiple of 4 and height of 2");
    }
    let caps: gst::Caps = format!("video/x-raw,format=RGB,width={width},height={height},framerate={fps}/1").parse()?;
    let source =
        gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).block(true).max_bytes(16 << 20).build();
    let convert = gst::ElementFactory::make("videoconvert").build()?;
    let encode = gst::ElementFactory::make("x264enc")
        .property_from_str("speed-preset", "veryfast")
        .property("bitrate", 1_500u32)
        .build()
        .context("x264enc (plugins-ugly) is not installed")?;
    let parse = gst::ElementFactory::make("h264parse").build()?;
    let mux = gst::ElementFactory::make("mp4mux").build()?;
    let sink = gst::ElementFactory::make("filesink").property("location", &args.out).build()?;
    let pipeline = gst::Pipeline::new();
    let row = [source.upcast_ref(), &convert, &encode, &parse, &mux, &sink];
    pipeline.add_many(row)?;
    gst::Element::link_many(row)?;
    pipeline.set_state(gst::State::Playing).map_err(|_| anyhow!("{} cannot be written", args.out.display()))?;
    let seconds = args.seconds.unwrap_or(scene.scenario.period_s());
    let frames = (seconds * fps as f32) as u64;
    for frame in 0..frames {
        let t_s = frame as f32 / fps as f32;
        let mut buffer = gst::Buffer::from_mut_slice(scene.draw(t_s, width, height));
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::SECOND * frame / u64::from(fps));
            buffer.set_duration(gst::ClockTime::SECOND / u64::from(fps));
        }
        source.push_buffer(buffer).map_err(|error| anyhow!("cannot encode: {error}"))?;
    }
    let _ = source.end_of_stream();
    let bus = pipeline.bus().context("a pipeline without a bus")?;
    let end =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &[gst::MessageType::Eos, gst::MessageType::Error]);
    let failed = match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => None,
        Some(gst::MessageView::Error(error)) => Some(error.error().to_string()),
        Some(_) | None => Some("not ended in time".to_owned()),
    };
    pipeline.set_state(gst::State::Null)?;
    if let Some(why) = failed {
        bail!("{}: {why}", args.out.display());
    }
    let line = serde_json::json!({
        "file": args.out, "frames": frames, "seconds": seconds, "fall_ends_s": scene.scenario.fall_ends_s(),
    });
    println!("{line}");
    Ok(())
}
