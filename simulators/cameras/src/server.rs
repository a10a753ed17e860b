//! The RTSP server and its cameras.
//!
//! One camera is one mount point with one shared stream. Commands on standard input change what a
//! camera shows, how it is encoded and what is wrong with it.

use crate::source::{Fault, Pictures, Show};
use anyhow::{Context, bail};
use clap::ValueEnum;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::prelude::*;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Cameras of one process.
const CAMERAS_MAX: usize = 64;

const HELP: &str = "\
show CAMERA SCENARIO[:DISTURBANCE[:SEED]]   begin a scene (empty walk fall scaffold lie-down bend squat ladder crowd demo)
show CAMERA file=PATH                       play a file, again and again
fault CAMERA none|freeze|black|cover|turn|stall|garbage
size CAMERA WIDTHxHEIGHT                    clients are cut off and find the new size
codec CAMERA h264|h265                      clients are cut off and find the new codec
drop CAMERA                                 clients are cut off and refused until `back`
back CAMERA
quit";

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// A camera: NAME=SCENARIO[:DISTURBANCE[:SEED]] or NAME=file=PATH. May be given several times.
    #[arg(long = "camera", required = true)]
    cameras: Vec<String>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    address: String,
    /// Port; 0 for any free one.
    #[arg(long, default_value_t = 8_554)]
    port: u16,
    /// Pictures a second.
    #[arg(long, default_value_t = 10)]
    fps: u32,
    /// Size of the pictures.
    #[arg(long, default_value = "640x360")]
    size: String,
}

/// One camera's state, shared by its picture thread and the commands.
struct Camera {
    pictures: Pictures,
    fault: Fault,
    codec: Codec,
    size: (usize, usize),
    fps: u32,
    began: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Codec {
    H264,
    H265,
}

type Shared = Arc<Mutex<Camera>>;

fn lock(camera: &Shared) -> MutexGuard<'_, Camera> {
    camera.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until `quit`; the end of standard input only means that no more commands come.
///
/// # Errors
/// When the port is taken or a camera makes no sense.
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    if args.cameras.len() > CAMERAS_MAX {
        bail!("{} cameras; at most {CAMERAS_MAX}", args.cameras.len());
    }
    let server = rtsp::RTSPServer::new();
    server.set_address(&args.address);
    server.set_service(&args.port.to_string());
    let mounts = server.mount_points().context("a server without mount points")?;
    let mut cameras = BTreeMap::new();
    for text in &args.cameras {
        let (name, show) = text.split_once('=').with_context(|| format!("{text:?} is not NAME=SCENARIO"))?;
        let camera = Arc::new(Mutex::new(Camera {
            pictures: Pictures::new(Show::parse(show)?, 0.0),
            fault: Fault::None,
            codec: Codec::H264,
            size: size(&args.size)?,
            fps: args.fps.clamp(1, 60),
            began: Instant::now(),
        }));
        mounts.add_factory(&format!("/{name}"), factory(&camera));
        cameras.insert(name.to_owned(), camera);
    }
    let _source = server.attach(None).context("the port is taken")?;
    let port = server.bound_port();
    let urls: BTreeMap<_, _> =
        cameras.keys().map(|name| (name.clone(), format!("rtsp://{}:{port}/{name}", args.address))).collect();
    println!("{}", serde_json::json!({ "ready": true, "port": port, "cameras": urls }));
    let main = glib::MainLoop::new(None, false);
    let quit = main.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match command(&line, &server, &mounts, &cameras) {
                Ok(true) => println!("ok"),
                Ok(false) => return quit.quit(),
                Err(error) => println!("error: {error:#}"),
            }
        }
    });
    main.run();
    Ok(())
}

fn size(text: &str) -> anyhow::Result<(usize, usize)> {
    let (w, h) = text.split_once('x').with_context(|| format!("{text:?} is not WIDTHxHEIGHT"))?;
    let (w, h): (usize, usize) = (w.parse()?, h.parse()?);
    if w % 4 != 0 || h % 2 != 0 || !(64..=7_680).contains(&w) || !(64..=4_320).contains(&h) {
        bail!("{text} cannot be encoded: width must be a multiple of 4, height of 2");
    }
    Ok((w, h))
}

/// Carries out one command; false for `quit`.
fn command(
    line: &str,
    server: &rtsp::RTSPServer,
    mounts: &rtsp::RTSPMountPoints,
    cameras: &BTreeMap<String, Shared>,
) -> anyhow::Result<bool> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let camera = |name: &str| cameras.get(name).with_context(|| format!("no camera {name:?}"));
    match words[..] {
        ["quit"] => return Ok(false),
        ["help"] | [] => println!("{HELP}"),
        ["show", name, what] => {
            let mut camera = lock(camera(name)?);
            let now_s = camera.began.elapsed().as_secs_f32();
            camera.pictures = Pictures::new(Show::parse(what)?, now_s);
        }
        ["fault", name, fault] => {
            lock(camera(name)?).fault = Fault::from_str(fault, true).map_err(|e| anyhow::anyhow!(e))?;
        }
        ["size", name, text] => {
            lock(camera(name)?).size = size(text)?;
            again(server, mounts, name, Some(camera(name)?));
        }
        ["codec", name, codec] => {
            lock(camera(name)?).codec = Codec::from_str(codec, true).map_err(|e| anyhow::anyhow!(e))?;
            again(server, mounts, name, Some(camera(name)?));
        }
        ["drop", name] => again(server, mounts, name, camera(name).map(|_| None)?),
        ["back", name] => again(server, mounts, name, Some(camera(name)?)),
        _ => bail!("{line:?} is not a command; `help` prints them"),
    }
    Ok(true)
}

/// Cuts clients of a camera off and offers it anew, or no more.
fn again(server: &rtsp::RTSPServer, mounts: &rtsp::RTSPMountPoints, name: &str, camera: Option<&Shared>) {
    let path = format!("/{name}");
    mounts.remove_factory(&path);
    // A client of ours has one session with one stream; which camera it watches its session tells.
    server.client_filter(Some(&mut |_: &rtsp::RTSPServer, client: &rtsp::RTSPClient| {
        let watches = client
            .session_filter(None)
            .iter()
            .any(|session| !session.filter(None).is_empty() && session_watches(session, &path));
        if watches { rtsp::RTSPFilterResult::Remove } else { rtsp::RTSPFilterResult::Keep }
    }));
    if let Some(camera) = camera {
        mounts.add_factory(&path, factory(camera));
    }
}

fn session_watches(session: &rtsp::RTSPSession, path: &str) -> bool {
    session.media(path).0.is_some()
}

/// A stream of pictures from the camera's thread.
fn factory(camera: &Shared) -> rtsp::RTSPMediaFactory {
    let factory = rtsp::RTSPMediaFactory::new();
    factory.set_shared(true);
    let (codec, (width, height), fps) = {
        let camera = lock(camera);
        (camera.codec, camera.size, camera.fps)
    };
    let encode = match codec {
        Codec::H264 => format!(
            "x264enc tune=zerolatency speed-preset=ultrafast bitrate=1200 key-int-max={} ! identity name=coded ! \
             rtph264pay name=pay0 pt=96 config-interval=1",
            fps * 2
        ),
        Codec::H265 => format!(
            "x265enc tune=zerolatency speed-preset=ultrafast bitrate=1000 key-int-max={} ! identity name=coded ! \
             rtph265pay name=pay0 pt=96 config-interval=1",
            fps * 2
        ),
    };
    factory.set_launch(&format!(
        "( appsrc name=pictures is-live=true format=time do-timestamp=true max-buffers=2 leaky-type=downstream \
         caps=video/x-raw,format=RGB,width={width},height={height},framerate={fps}/1 ! videoconvert ! \
         video/x-raw,format=I420 ! {encode} )"
    ));
    let camera = Arc::clone(camera);
    factory.connect_media_configure(move |_, media| {
        if let Err(error) = feed(media, &camera, width, height) {
            eprintln!("simulator-cameras: {error:#}");
        }
    });
    factory
}

/// Starts the thread that draws for one stream; it ends with the stream.
fn feed(media: &rtsp::RTSPMedia, camera: &Shared, width: usize, height: usize) -> anyhow::Result<()> {
    let bin = media.element().downcast::<gst::Bin>().ok().context("a stream that is no bin")?;
    let source = bin.by_name_recurse_up("pictures").context("no source")?;
    let source = source.downcast::<gst_app::AppSrc>().ok().context("no appsrc")?;
    let coded = bin.by_name_recurse_up("coded").and_then(|e| e.static_pad("src")).context("no encoder")?;
    let spoiled = Arc::clone(camera);
    coded.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if lock(&spoiled).fault == Fault::Garbage
            && let Some(buffer) = info.buffer_mut()
        {
            spoil(buffer);
        }
        gst::PadProbeReturn::Ok
    });
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let end = Arc::clone(&ended);
    media.connect_unprepared(move |_| end.store(true, std::sync::atomic::Ordering::Relaxed));
    let camera = Arc::clone(camera);
    std::thread::spawn(move || {
        let mut due = Instant::now();
        while !ended.load(std::sync::atomic::Ordering::Relaxed) {
            let (picture, period) = {
                let mut camera = lock(&camera);
                let (now_s, fault) = (camera.began.elapsed().as_secs_f32(), camera.fault);
                (camera.pictures.next(now_s, width, height, fault), Duration::from_secs(1) / camera.fps)
            };
            if let Some(rgb) = picture
                && source.push_buffer(gst::Buffer::from_mut_slice(rgb)).is_err()
            {
                return;
            }
            due += period;
            let now = Instant::now();
            // A machine that is too slow drops pictures; it does not fall behind.
            due = due.max(now);
            std::thread::sleep(due - now);
        }
    });
    Ok(())
}

/// Overwrites the middle of an encoded picture.
fn spoil(buffer: &mut gst::Buffer) {
    let Ok(mut map) = buffer.make_mut().map_writable() else { return };
    let length = map.len();
    let mut state = length as u64 | 1;
    for byte in map.iter_mut().skip(5) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = (state >> 32) as u8;
    }
}
