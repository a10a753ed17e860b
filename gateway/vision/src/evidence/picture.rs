//! Encodes one picture.

use anyhow::{Context, anyhow};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

/// JPEG quality of snapshots: a face is blurred by us, not by the encoder.
const QUALITY: i32 = 85;

/// Longest time one picture may take.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// Encodes an RGB picture as JPEG.
///
/// # Errors
/// When the bytes are no picture of that size or the encoder is missing.
pub fn jpeg(rgb: &[u8], width: usize, height: usize) -> anyhow::Result<Vec<u8>> {
    if width * height * 3 != rgb.len() || rgb.is_empty() {
        return Err(anyhow!("{} bytes are no picture of {width}×{height}", rgb.len()));
    }
    let caps: gst::Caps = format!("video/x-raw,format=RGB,width={width},height={height},framerate=1/1").parse()?;
    let source = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
    let convert = gst::ElementFactory::make("videoconvert").build()?;
    let encode = gst::ElementFactory::make("jpegenc").property("quality", QUALITY).build()?;
    let sink = gst_app::AppSink::builder().sync(false).build();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([source.upcast_ref(), &convert, &encode, sink.upcast_ref()])?;
    gst::Element::link_many([source.upcast_ref(), &convert, &encode, sink.upcast_ref()])?;
    pipeline.set_state(gst::State::Playing)?;
    let mut buffer = gst::Buffer::from_mut_slice(padded(rgb, width));
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
    }
    let pushed = source.push_buffer(buffer).map_err(|error| anyhow!("encoder refuses: {error}"));
    let sample = sink.try_pull_sample(PATIENCE);
    pipeline.set_state(gst::State::Null)?;
    pushed?;
    let sample = sample.context("no picture came out of the encoder")?;
    let bytes = sample.buffer().context("an empty picture")?.map_readable()?.to_vec();
    Ok(bytes)
}

/// Rows padded to four bytes, as GStreamer expects RGB.
pub(crate) fn padded(rgb: &[u8], width: usize) -> Vec<u8> {
    let row = width * 3;
    let stride = row.next_multiple_of(4);
    if stride == row {
        return rgb.to_vec();
    }
    let mut out = Vec::with_capacity(rgb.len() / row * stride);
    for line in rgb.chunks_exact(row) {
        out.extend_from_slice(line);
        out.resize(out.len() + stride - row, 0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_becomes_a_jpeg_and_wrong_bytes_do_not() {
        gst::init().expect("GStreamer");
        let bytes = jpeg(&[200; 50 * 30 * 3], 50, 30).expect("encodes");
        assert_eq!(bytes[..2], [0xff, 0xd8]);
        assert!(jpeg(&[0; 10], 50, 30).is_err());
    }
}
