//! `simulator-cameras`: RTSP cameras that need no camera.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = gstreamer::init() {
        eprintln!("simulator-cameras: GStreamer cannot be used: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
