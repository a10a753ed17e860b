//! What the vision process is told about its cameras. Places in the picture are fractions of its
//! width and height, so they hold for every stream of the same camera.

use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// Everything the vision process needs to know. Secrets are files, never values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VisionSettings {
    /// The cameras.
    pub cameras: Vec<CameraSettings>,
    /// The pose model's runtime.
    pub inference: InferenceSettings,
    /// Clips and snapshots.
    pub evidence: EvidenceSettings,
    /// Resident memory of the process, MiB; beyond it the gateway ends and restarts it.
    pub memory_max_mb: u32,
}

/// One camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraSettings {
    /// Slug, unique within the gateway.
    pub id: String,
    /// The stream that is watched: the camera's sub-stream, where it has one.
    pub analysis: Source,
    /// The stream that is kept as evidence; without one, the watched stream is.
    pub record: Option<Source>,
    /// How often and how large pictures are looked at.
    pub sampling: Sampling,
    /// Areas with a meaning.
    pub zones: Vec<Zone>,
    /// Smallest person judged, as a share of the picture's height.
    pub person_height_min: f32,
    /// When falls are alarmed.
    pub schedule: Schedule,
    /// A picture that does not change for this long is frozen, seconds; 0 switches the check off.
    pub frozen_after_s: u32,
}

/// How pictures are taken from a stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Pictures a second looked at while something moves.
    pub fps: f32,
    /// Pictures a second looked at when nothing does.
    pub fps_floor: f32,
    /// Height of the watched picture, pixels; its width follows from the stream.
    pub height: u32,
    /// Tiles across and down that the model sees one by one, for people far away; 1 and 1: the whole.
    pub tiles: (u8, u8),
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A camera on the network.
    Rtsp {
        /// `rtsp://host[:port]/path`, without user name and password.
        url: String,
        /// User name and the file that holds the password.
        login: Option<(String, String)>,
        /// How the pictures travel.
        transport: Transport,
    },
    /// A video file, played once at its own speed.
    File(String),
    /// A moving test picture.
    Test,
}

/// How an RTSP camera sends its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// Within the RTSP connection: passes firewalls, no losses.
    Tcp,
    /// Datagrams.
    Udp,
}

/// What an area means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZoneKind {
    /// Nothing in here is looked at.
    Mask,
    /// An open polyline: the edge of a height; people can fall beyond it.
    Edge,
    /// People work at height in here.
    Height,
    /// Nobody may be in here.
    NoGo,
}

/// An area (closed polygon) or an edge line (open polyline) in the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// Slug.
    pub id: String,
    /// What it means.
    pub kind: ZoneKind,
    /// Corners as fractions of width and height.
    pub points: Vec<(f32, f32)>,
}

impl Zone {
    /// Whether a point (fractions) lies within the polygon; even-odd rule.
    pub fn contains(&self, x: f32, y: f32) -> bool {
        let mut inside = false;
        let Some(mut before) = self.points.last() else { return false };
        for point in &self.points {
            let ((x1, y1), (x2, y2)) = (before, point);
            if (y1 > &y) != (y2 > &y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 {
                inside = !inside;
            }
            before = point;
        }
        inside
    }
}

/// What the model runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provider {
    /// Processor.
    Cpu,
    /// Intel OpenVINO.
    OpenVino,
    /// NVIDIA CUDA.
    Cuda,
}

/// The pose model's runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceSettings {
    /// ONNX Runtime; without it, beside the program.
    pub library: Option<String>,
    /// Manifest of the pose model; without it, the one shipped.
    pub manifest: Option<String>,
    /// What it runs on.
    pub provider: Provider,
    /// Threads of one inference.
    pub threads: u8,
}

/// Clips and snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceSettings {
    /// Folder, also of events not yet taken over by the gateway.
    pub dir: String,
    /// Video before the event, seconds.
    pub before_s: u32,
    /// Video after the event, seconds.
    pub after_s: u32,
    /// Kept this long, days.
    pub keep_days: u32,
    /// Kept at most this much, MiB; the oldest go first.
    pub size_max_mb: u64,
    /// Heads in snapshots are made unrecognisable.
    pub blur: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_contains_what_lies_within_its_corners() {
        let zone = Zone { id: "a".into(), kind: ZoneKind::Mask, points: vec![(0.2, 0.2), (0.8, 0.2), (0.5, 0.9)] };
        assert!(zone.contains(0.5, 0.4));
        assert!(!zone.contains(0.2, 0.8));
        assert!(!Zone { points: Vec::new(), ..zone }.contains(0.5, 0.4));
    }

    #[test]
    fn settings_survive_the_pipe() {
        let settings = VisionSettings {
            cameras: vec![CameraSettings {
                id: "cam-01".into(),
                analysis: Source::Rtsp {
                    url: "rtsp://a/b".into(),
                    login: Some(("u".into(), "/f".into())),
                    transport: Transport::Tcp,
                },
                record: None,
                sampling: Sampling { fps: 10.0, fps_floor: 1.0, height: 360, tiles: (1, 1) },
                zones: vec![Zone { id: "z".into(), kind: ZoneKind::Edge, points: vec![(0.0, 0.5), (1.0, 0.5)] }],
                person_height_min: 0.1,
                schedule: Schedule::default(),
                frozen_after_s: 60,
            }],
            inference: InferenceSettings { library: None, manifest: None, provider: Provider::Cpu, threads: 1 },
            evidence: EvidenceSettings {
                dir: "/e".into(),
                before_s: 10,
                after_s: 10,
                keep_days: 90,
                size_max_mb: 4_096,
                blur: true,
            },
            memory_max_mb: 1_024,
        };
        let text = serde_json::to_string(&settings).expect("json");
        assert_eq!(serde_json::from_str::<VisionSettings>(&text).expect("reads"), settings);
    }
}
