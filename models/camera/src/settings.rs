//! What the vision process is told about its cameras.

use minewatch_fall::CameraProfile;
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
    /// What the fall decision knows of it: zones, masks, smallest person, hours. Its aspect follows from
    /// the stream.
    pub profile: CameraProfile,
    /// Minutes east of UTC for the profile's hours (China: 480).
    pub utc_offset_min: i32,
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

impl CameraSettings {
    /// Whether falls are alarmed at this time, microseconds since 1970 UTC.
    pub fn watches_at(&self, at_us: i64) -> bool {
        let minute = (at_us.div_euclid(60_000_000) + i64::from(self.utc_offset_min)).rem_euclid(24 * 60);
        self.profile.watches_at(u16::try_from(minute).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                profile: CameraProfile::default(),
                utc_offset_min: 480,
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
