//! Where a camera's pictures come from, and what is wrong with it.

use crate::film::Film;
use crate::scene::{Disturbance, Scenario, Scene};
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::path::PathBuf;

/// A fault of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// None.
    None,
    /// The same picture again and again.
    Freeze,
    /// A black picture.
    Black,
    /// A grey picture: a hand over the lens.
    Cover,
    /// The camera was turned.
    Turn,
    /// Connected, but nothing comes.
    Stall,
    /// The encoded video is overwritten with random bytes.
    Garbage,
}

/// What a camera shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Show {
    /// A drawn scene.
    Scene(Scene),
    /// A file, again and again.
    File(PathBuf),
}

impl Show {
    /// Reads `scenario[:disturbance[:seed]]` or `file=PATH`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Show> {
        if let Some(path) = text.strip_prefix("file=") {
            let path = PathBuf::from(path);
            if !path.is_file() {
                bail!("{} is not a file", path.display());
            }
            return Ok(Show::File(path));
        }
        let mut parts = text.split(':');
        let word = |text: &str| anyhow::anyhow!("{text:?} is not a scenario");
        let name = parts.next().unwrap_or_default();
        let scenario = Scenario::from_str(name, true).map_err(|_| word(name))?;
        let disturbance = match parts.next() {
            None | Some("") => Disturbance::None,
            Some(name) => Disturbance::from_str(name, true).map_err(|_| word(name))?,
        };
        let seed = parts.next().map_or(Ok(1), |text| text.parse().context("seed"))?;
        Ok(Show::Scene(Scene { scenario, disturbance, seed, person: 0.5 }))
    }
}

/// Makes the pictures of one camera.
pub(crate) struct Pictures {
    show: Show,
    film: Option<Film>,
    began_s: f32,
    last: Vec<u8>,
}

impl Pictures {
    /// Begins showing at `now_s`.
    pub(crate) fn new(show: Show, now_s: f32) -> Pictures {
        Pictures { show, film: None, began_s: now_s, last: Vec::new() }
    }

    /// The picture of a time, or none while stalled.
    pub(crate) fn next(&mut self, now_s: f32, width: usize, height: usize, fault: Fault) -> Option<Vec<u8>> {
        let size = width * height * 3;
        match fault {
            Fault::Stall => return None,
            Fault::Black => return Some(vec![4; size]),
            Fault::Cover => return Some(vec![96; size]),
            Fault::Freeze if self.last.len() == size => return Some(self.last.clone()),
            Fault::None | Fault::Freeze | Fault::Turn | Fault::Garbage => {}
        }
        let mut rgb = match &self.show {
            Show::Scene(scene) => scene.draw(now_s - self.began_s, width, height),
            Show::File(path) => {
                let film = match &mut self.film {
                    Some(film) if film.fits(width, height) => film,
                    _ => self.film.insert(Film::open(path, width, height).ok()?),
                };
                film.next()?
            }
        };
        if fault == Fault::Turn {
            // A third of a picture to the side: another place altogether.
            rgb.rotate_left((width / 3 + width * (height / 7)) * 3);
        }
        self.last.clone_from(&rgb);
        Some(rgb)
    }
}
