//! The first element of a pipeline.

use anyhow::{Context, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use minewatch_camera::{Source, Transport};
use std::path::Path;

/// How long rtspsrc waits for late packets, milliseconds.
const JITTER_MS: u32 = 100;

/// rtspsrc gives up a silent connection after this long, microseconds.
const TIMEOUT_US: u64 = 3_000_000;

/// Longest password file; a longer one is not a password.
const SECRET_BYTES_MAX: u64 = 4_096;

/// A source as it may be shown and logged.
pub fn redacted(source: &Source) -> String {
    match source {
        Source::Rtsp { url, .. } => match url.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
            Some((scheme, Some((_, host)))) => format!("{scheme}://…@{host}"),
            Some((_, None)) | None => url.clone(),
        },
        Source::File(path) => path.clone(),
        Source::Test => "test source".to_owned(),
    }
}

/// Makes the source element. Its pads may come later.
pub(super) fn make(source: &Source) -> anyhow::Result<gst::Element> {
    match source {
        Source::Rtsp { url, login, transport } => rtsp(url, login.as_ref(), *transport),
        Source::File(path) => {
            if !Path::new(path).is_file() {
                bail!("{path} is not a file");
            }
            Ok(gst::ElementFactory::make("filesrc").property("location", path).build()?)
        }
        Source::Test => Ok(gst::ElementFactory::make("videotestsrc")
            .property("is-live", true)
            .property_from_str("pattern", "ball")
            .build()?),
    }
}

fn rtsp(url: &str, login: Option<&(String, String)>, transport: Transport) -> anyhow::Result<gst::Element> {
    let protocols = match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let element = gst::ElementFactory::make("rtspsrc")
        .property("location", url)
        .property("latency", JITTER_MS)
        .property("tcp-timeout", TIMEOUT_US)
        .property("timeout", TIMEOUT_US)
        .property("do-retransmission", false)
        .property_from_str("protocols", protocols)
        .build()
        .context("RTSP support of GStreamer (plugins-good) is not installed")?;
    if let Some((user, file)) = login {
        element.set_property("user-id", user);
        element.set_property("user-pw", secret(Path::new(file))?);
    }
    // Sound and metadata are not wanted; a camera that sends them need not.
    element.connect("select-stream", false, |arguments| {
        let caps = arguments.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        let media = caps.and_then(|caps| caps.structure(0)?.get::<String>("media").ok());
        Some((media.as_deref() == Some("video")).to_value())
    });
    Ok(element)
}

fn secret(file: &Path) -> anyhow::Result<String> {
    let size = std::fs::metadata(file).with_context(|| format!("password file {}", file.display()))?.len();
    if size > SECRET_BYTES_MAX {
        bail!("password file {} is {size} bytes long", file.display());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("password file {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_of_a_source_holds_no_login() {
        let with = |url: &str| redacted(&Source::Rtsp { url: url.into(), login: None, transport: Transport::Tcp });
        assert_eq!(with("rtsp://admin:secret@10.0.0.1/a"), "rtsp://…@10.0.0.1/a");
        assert_eq!(with("rtsp://10.0.0.1/a"), "rtsp://10.0.0.1/a");
    }
}
