//! The pose model on ONNX Runtime: a picture in, poses out.
//!
//! The library is loaded when a session is opened, never linked, so that a site without it still starts.
//! Invariant: a missing or unsuitable library, model or execution provider is an error that names the file,
//! never a panic. Deliberately absent: which pictures are worth the model's time, and what poses mean.

use anyhow::{Context, Result, anyhow, bail, ensure};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use minewatch_camera::{InferenceSettings, Provider};
use minewatch_fall::{InputType, Layout, Letterbox, Pose, PoseModelManifest, Spot, Tile, decode_poses, join_tiles};
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{DynTensor, Tensor};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A manifest is a page of text; more is none.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;
/// Neighbouring tiles share this part of their side, so that nobody stands on a seam unseen.
const TILE_OVERLAP: f32 = 0.2;

/// A picture: RGB, rows without padding.
#[derive(Debug, Clone, Copy)]
pub struct Rgb<'a> {
    /// Three bytes a pixel.
    pub bytes: &'a [u8],
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The pose model, loaded.
pub struct PoseSession {
    manifest: PoseModelManifest,
    session: Session,
    resizer: Resizer,
    ran: Duration,
    // Last, so that the session ends before the environment it runs in.
    _environment: Environment,
}

impl PoseSession {
    /// Loads library and model. One session a process: ONNX Runtime allows one environment.
    ///
    /// # Errors
    /// When a file is missing or unsuitable, or the execution provider is not in the library.
    pub fn open(settings: &InferenceSettings) -> Result<Self> {
        let library = found(settings.library.as_deref(), &library_places(), "ONNX Runtime")?;
        let path = found(settings.manifest.as_deref(), &manifest_places(), "the pose model's manifest")?;
        let size = fs::metadata(&path).with_context(|| path.display().to_string())?.len();
        ensure!(size <= MANIFEST_BYTES_MAX, "{}: {size} bytes are more than a manifest has", path.display());
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let manifest = PoseModelManifest::parse(&text).with_context(|| path.display().to_string())?;
        let model = path.parent().unwrap_or(Path::new(".")).join(&manifest.file);
        ensure!(model.is_file(), "the pose model {} is missing; `make setup` makes it", model.display());
        let environment = ort::init_from(&library)
            .map_err(|error| anyhow!("ONNX Runtime {}: {error}", library.display()))?
            .build()
            .map_err(|error| anyhow!("ONNX Runtime {}: {error}", library.display()))?;
        let session = session(&environment, settings, &model).with_context(|| model.display().to_string())?;
        Ok(Self { manifest, session, resizer: Resizer::new(), ran: Duration::ZERO, _environment: environment })
    }

    /// The manifest of the model.
    #[must_use]
    pub fn manifest(&self) -> &PoseModelManifest {
        &self.manifest
    }

    /// Processor time that the runtime alone has taken so far, seconds (of this thread: the whole of it with
    /// one thread an inference).
    #[must_use]
    pub fn ran_cpu_s(&self) -> f64 {
        self.ran.as_secs_f64()
    }

    /// The people in a picture; `tiles` across and down are looked at one by one besides the whole.
    ///
    /// # Errors
    /// When the picture's bytes do not fit its size, or the runtime fails.
    pub fn find(&mut self, picture: Rgb<'_>, long_side: Option<u32>, tiles: (u8, u8)) -> Result<Vec<Pose>> {
        let bytes = picture.width as usize * picture.height as usize * 3;
        ensure!(
            bytes > 0 && picture.bytes.len() == bytes,
            "a picture of {}×{} with {} bytes",
            picture.width,
            picture.height,
            picture.bytes.len()
        );
        if tiles.0 <= 1 && tiles.1 <= 1 {
            return self.part(picture, [0.0, 0.0, picture.width as f32, picture.height as f32], long_side);
        }
        let whole = [0.0, 0.0, picture.width as f32, picture.height as f32];
        let mut seen = vec![(Tile::WHOLE, self.part(picture, whole, long_side)?)];
        for part in parts(picture.width as f32, picture.height as f32, tiles) {
            let height = picture.height as f32;
            let tile = Tile { corner: Spot { x: part[0] / height, y: part[1] / height }, height: part[3] / height };
            seen.push((tile, self.part(picture, part, long_side)?));
        }
        Ok(join_tiles(&seen))
    }

    /// The people in a part (left, top, width, height in pixels) of a picture, in heights of that part.
    fn part(&mut self, picture: Rgb<'_>, part: [f32; 4], long_side: Option<u32>) -> Result<Vec<Pose>> {
        let letterbox = self.manifest.letterbox(part[2].round() as u32, part[3].round() as u32, long_side);
        let canvas = self.canvas(picture, part, &letterbox)?;
        let output = self.run(canvas, &letterbox)?;
        Ok(decode_poses(&output, &self.manifest, &letterbox))
    }

    /// The part scaled to the top left of a black canvas of the input's size.
    fn canvas(&mut self, picture: Rgb<'_>, part: [f32; 4], letterbox: &Letterbox) -> Result<Vec<u8>> {
        let source = ImageRef::new(picture.width, picture.height, picture.bytes, PixelType::U8x3)?;
        let mut scaled = Image::new(letterbox.scaled_width, letterbox.scaled_height, PixelType::U8x3);
        let [left, top, width, height] = part.map(f64::from);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
            left,
            top,
            width.min(f64::from(picture.width) - left),
            height.min(f64::from(picture.height) - top),
        );
        self.resizer.resize(&source, &mut scaled, &options)?;
        let row = letterbox.input_width as usize * 3;
        let mut canvas = vec![0_u8; row * letterbox.input_height as usize];
        let filled = letterbox.scaled_width as usize * 3;
        for (target, line) in canvas.chunks_exact_mut(row).zip(scaled.buffer().chunks_exact(filled)) {
            target[..filled].copy_from_slice(line);
        }
        Ok(canvas)
    }

    /// Runs the model on a canvas of the input's size; the output's numbers, row after row.
    ///
    /// # Errors
    /// When the runtime fails or the model has another output than its manifest says.
    pub fn run(&mut self, canvas: Vec<u8>, letterbox: &Letterbox) -> Result<Vec<f32>> {
        let input = tensor(canvas, letterbox, self.manifest.input.dtype, self.manifest.input.layout)?;
        let began = cpu_time();
        let outputs = self.session.run(ort::inputs![self.manifest.input.name.as_str() => input])?;
        self.ran += cpu_time().saturating_sub(began);
        let name = self.manifest.output.name.as_str();
        let Some(output) = outputs.get(name) else { bail!("the model has no output \"{name}\"") };
        let (_, numbers) = output.try_extract_tensor::<f32>()?;
        Ok(numbers.to_vec())
    }
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Overlapping parts of a picture: left, top, width, height in pixels.
fn parts(width: f32, height: f32, (across, down): (u8, u8)) -> Vec<[f32; 4]> {
    let span = |whole: f32, count: u8| {
        let count = f32::from(count.max(1));
        let side = whole / (count - TILE_OVERLAP * (count - 1.0)).max(1.0);
        (side, if count > 1.0 { (whole - side) / (count - 1.0) } else { 0.0 })
    };
    let ((w, right), (h, below)) = (span(width, across), span(height, down));
    (0..down.max(1))
        .flat_map(|row| (0..across.max(1)).map(move |column| [f32::from(column) * right, f32::from(row) * below, w, h]))
        .collect()
}

fn tensor(canvas: Vec<u8>, letterbox: &Letterbox, dtype: InputType, layout: Layout) -> Result<DynTensor> {
    let (height, width) = (letterbox.input_height as usize, letterbox.input_width as usize);
    let (shape, bytes) = match layout {
        Layout::Nhwc => ([1, height, width, 3], canvas),
        Layout::Nchw => {
            let plane = |colour: usize| canvas.iter().skip(colour).step_by(3).copied();
            ([1, 3, height, width], (0..3).flat_map(plane).collect())
        }
    };
    Ok(match dtype {
        InputType::Uint8 => Tensor::from_array((shape, bytes))?.upcast(),
        InputType::Int32 => Tensor::from_array((shape, bytes.into_iter().map(i32::from).collect::<Vec<_>>()))?.upcast(),
        InputType::Float32 => {
            Tensor::from_array((shape, bytes.into_iter().map(f32::from).collect::<Vec<_>>()))?.upcast()
        }
    })
}

fn session(environment: &Environment, settings: &InferenceSettings, model: &Path) -> Result<Session> {
    let threads = usize::from(settings.threads.max(1));
    let plain = |error: ort::Error<SessionBuilder>| anyhow!("{error}");
    let mut builder = Session::builder(environment)?
        .with_intra_threads(threads)
        .map_err(plain)?
        .with_intra_op_spinning(false)
        .map_err(plain)?;
    let provider = match settings.provider {
        Provider::Cpu => None,
        Provider::OpenVino => Some(ort::ep::OpenVINO::default().build()),
        Provider::Cuda => Some(ort::ep::CUDA::default().build()),
    };
    if let Some(provider) = provider {
        // Asked for and not there is an error: falling back in silence would be ten times slower unseen.
        builder = builder.with_execution_providers([provider.error_on_failure()]).map_err(plain)?;
    }
    Ok(builder.commit_from_file(model)?)
}

fn found(given: Option<&str>, places: &[PathBuf], what: &str) -> Result<PathBuf> {
    if let Some(given) = given {
        let path = PathBuf::from(given);
        ensure!(path.is_file(), "{what}: {given} is missing");
        return Ok(path);
    }
    let listed = || places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
    places
        .iter()
        .find(|place| place.is_file())
        .cloned()
        .with_context(|| format!("{what} is in none of {}; `make setup` installs it", listed()))
}

/// Where an installation, or a build inside the repository, keeps a file.
fn beside_the_program(installed: &str, built: &str) -> Vec<PathBuf> {
    let program = env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent);
    let near = folder.map(|folder| [folder.join("..").join(installed), folder.join("../..").join(built)]);
    near.into_iter().flatten().chain([PathBuf::from(built)]).collect()
}

fn library_places() -> Vec<PathBuf> {
    let given = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let built = format!("vendor/ort/{}/libonnxruntime.so.1", env::consts::ARCH);
    given.into_iter().chain(beside_the_program("lib/libonnxruntime.so.1", &built)).collect()
}

fn manifest_places() -> Vec<PathBuf> {
    beside_the_program("share/minewatch/models/model.toml", "vendor/models/model.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_picture_and_overlap() {
        let tiles = parts(1000.0, 500.0, (2, 2));
        assert_eq!(tiles.len(), 4);
        let [left, top, width, height] = tiles[3];
        assert!((left + width - 1000.0).abs() < 1e-3 && (top + height - 500.0).abs() < 1e-3);
        assert!(tiles[0][2] > left && tiles[0][3] > top, "neighbours overlap");
    }

    #[test]
    fn a_missing_library_is_an_error_that_names_it() {
        let settings = InferenceSettings {
            library: Some("nowhere/libonnxruntime.so".into()),
            manifest: None,
            provider: Provider::Cpu,
            threads: 1,
        };
        let error = PoseSession::open(&settings).err().expect("no library, no session").to_string();
        assert!(error.contains("nowhere/libonnxruntime.so"), "{error}");
    }
}
