//! The font of PDF packs: taken from the system, for Chinese letters are too many to carry along.
//!
//! Invariant: a font without Chinese is no font; better no PDF than one with empty boxes.

use krilla::text::Font;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where Debian, openEuler and Kylin keep a font with Chinese letters.
const KNOWN: [&str; 8] = [
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
];
/// Largest font file read; Noto Sans CJK has 20 MB.
const FONT_BYTES_MAX: u64 = 64 << 20;
/// Letters a font for mines must have.
const MUST: [char; 6] = ['尾', '矿', '库', '警', '红', 'A'];

/// A font that can be used.
pub struct PackFont {
    data: Arc<Vec<u8>>,
    index: u32,
}

impl std::fmt::Debug for PackFont {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackFont").field("bytes", &self.data.len()).field("index", &self.index).finish()
    }
}

/// Which face of a collection has simplified forms; the first that covers what must be.
fn face(data: &[u8]) -> Option<u32> {
    let faces = ttf_parser::fonts_in_collection(data).unwrap_or(1).min(64);
    let covers = |index: &u32| {
        let face = ttf_parser::Face::parse(data, *index).ok();
        face.is_some_and(|face| MUST.iter().all(|letter| face.glyph_index(*letter).is_some()))
    };
    let simplified = |index: &u32| {
        let names = ttf_parser::Face::parse(data, *index).ok().map(|face| face.names());
        names.is_some_and(|names| names.into_iter().any(|name| name.to_string().is_some_and(|n| n.contains("CJK SC"))))
    };
    (0..faces).filter(covers).find(simplified).or_else(|| (0..faces).find(covers))
}

fn open(file: &Path) -> Option<PackFont> {
    if std::fs::metadata(file).ok()?.len() > FONT_BYTES_MAX {
        return None;
    }
    let data = std::fs::read(file).ok()?;
    let index = face(&data)?;
    Some(PackFont { data: Arc::new(data), index })
}

/// The configured font, or the first known one that is there; `None`: no PDF can be made here.
pub fn find(configured: Option<&PathBuf>) -> Option<PackFont> {
    match configured {
        Some(file) => open(file),
        None => KNOWN.iter().find_map(|file| open(Path::new(file))),
    }
}

impl PackFont {
    pub(super) fn face(&self) -> Option<ttf_parser::Face<'_>> {
        ttf_parser::Face::parse(&self.data, self.index).ok()
    }

    pub(super) fn font(&self) -> Option<Font> {
        Font::new(self.data.clone().into(), self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_font_without_chinese_or_no_font_at_all_is_none() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("x.ttf");
        assert!(find(Some(&file)).is_none(), "not there");
        std::fs::write(&file, b"no font").expect("written");
        assert!(find(Some(&file)).is_none(), "not a font");
        let latin = PathBuf::from("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf");
        assert!(find(Some(&latin)).is_none(), "latin only, where it is installed");
    }
}
