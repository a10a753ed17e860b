//! `gateway-vision`: started by `gateway run`, or by `gateway watch`.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = gstreamer::init() {
        eprintln!("gateway-vision: GStreamer cannot be used: {error}");
        return ExitCode::FAILURE;
    }
    println!("{}", gstreamer::version_string());
    ExitCode::SUCCESS
}
