//! A sheet as a PDF, A4, with the letters it uses embedded.
//!
//! Invariant: nothing of the sheet is left out silently: a letter the font lacks is written as its
//! code point, and what is beyond the limit is named on the last page.

use super::font::PackFont;
use super::sheet::Sheet;
use krilla::Document;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::text::TextDirection;
use std::collections::BTreeMap;

/// Points (1/72 inch) of A4.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 48.0;
/// Where values begin, beside their names.
const INDENT: f32 = 108.0;
/// Lines of one pack: some 2,000 pages. The JSON pack has all.
const LINES_MAX: usize = 100_000;

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The font was good when it was found and is not now.
    #[error("the font cannot be used")]
    Font,
    /// The file could not be put together.
    #[error("the PDF cannot be made: {0}")]
    Made(String),
}

struct Line {
    x: f32,
    size: f32,
    text: String,
    /// Space it takes; 0: the next line stands beside it.
    height: f32,
}

/// Breaks texts into lines that fit.
struct Setter<'a> {
    face: ttf_parser::Face<'a>,
    widths: BTreeMap<char, Option<f32>>,
    lines: Vec<Line>,
}

impl Setter<'_> {
    /// Width of a letter at size 1; `None`: the font does not have it.
    fn width(&mut self, letter: char) -> Option<f32> {
        let (face, em) = (&self.face, f32::from(self.face.units_per_em().max(1)));
        let found = || {
            let glyph = face.glyph_index(letter).filter(|glyph| glyph.0 != 0)?;
            Some(f32::from(face.glyph_hor_advance(glyph)?) / em)
        };
        *self.widths.entry(letter).or_insert_with(found)
    }

    /// The text with every letter the font lacks as its code point.
    fn writable(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for letter in text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
            match self.width(letter) {
                Some(_) => out.push(letter),
                None => out.push_str(&format!("[U+{:04X}]", u32::from(letter))),
            }
        }
        out
    }

    fn wrapped(&mut self, text: &str, size: f32, room: f32) -> Vec<String> {
        let mut lines = Vec::new();
        let (mut line, mut used, mut space) = (String::new(), 0.0, None);
        for letter in self.writable(text).chars() {
            let wide = self.width(letter).unwrap_or(1.0) * size;
            if used + wide > room && !line.is_empty() {
                // Latin words stay whole where a space allows it; Chinese breaks anywhere.
                let rest = match space.take() {
                    Some(at) if letter.is_ascii_graphic() => line.split_off(at),
                    Some(_) | None => String::new(),
                };
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                line = rest.trim_start().to_owned();
                used = line.chars().map(|letter| self.width(letter).unwrap_or(1.0) * size).sum();
            }
            if letter == ' ' {
                space = Some(line.len());
            }
            line.push(letter);
            used += wide;
        }
        lines.push(line.trim_end().to_owned());
        lines
    }

    fn text(&mut self, text: &str, size: f32) {
        for line in self.wrapped(text, size, WIDTH - 2.0 * MARGIN) {
            self.lines.push(Line { x: MARGIN, size, text: line, height: size * 1.5 });
        }
    }

    fn gap(&mut self, height: f32) {
        self.lines.push(Line { x: MARGIN, size: 1.0, text: String::new(), height });
    }

    fn pair(&mut self, name: &str, value: &str) {
        let size = 9.0;
        let mut names = self.wrapped(name, size, INDENT - 8.0).into_iter();
        for value in self.wrapped(value, size, WIDTH - 2.0 * MARGIN - INDENT) {
            let text = names.next().unwrap_or_default();
            self.lines.push(Line { x: MARGIN, size, text, height: 0.0 });
            self.lines.push(Line { x: MARGIN + INDENT, size, text: value, height: size * 1.5 });
        }
    }

    fn sheet(&mut self, sheet: &Sheet) {
        self.text(&sheet.title, 16.0);
        self.gap(6.0);
        for (name, value) in &sheet.facts {
            self.pair(name, value);
        }
        for section in &sheet.sections {
            self.gap(10.0);
            self.text(&section.title, 12.0);
            for row in &section.rows {
                self.gap(4.0);
                for (name, value) in row.iter().filter(|(_, value)| !value.is_empty()) {
                    self.pair(name, value);
                }
                if self.lines.len() > LINES_MAX {
                    self.lines.truncate(LINES_MAX);
                    self.text(&sheet.cut, 12.0);
                    return;
                }
            }
        }
    }
}

/// Lines as pages: a pair stays together.
fn pages(lines: Vec<Line>) -> Vec<Vec<(f32, Line)>> {
    let bottom = HEIGHT - MARGIN - 16.0;
    let (mut pages, mut page, mut y) = (Vec::new(), Vec::new(), MARGIN);
    for line in lines {
        if y + line.size * 1.5 > bottom && !page.is_empty() {
            pages.push(std::mem::take(&mut page));
            y = MARGIN;
        }
        let height = line.height;
        page.push((y + line.size, line));
        y += height;
    }
    pages.push(page);
    pages
}

/// Makes the PDF.
///
/// # Errors
/// [`PdfError`].
pub fn render(sheet: &Sheet, font: &PackFont) -> Result<Vec<u8>, PdfError> {
    let face = font.face().ok_or(PdfError::Font)?;
    let mut setter = Setter { face, widths: BTreeMap::new(), lines: Vec::new() };
    setter.sheet(sheet);
    let foot = setter.writable(&sheet.foot);
    let pages = pages(setter.lines);
    let font = font.font().ok_or(PdfError::Font)?;
    let mut document = Document::new();
    document.set_metadata(Metadata::new().title(sheet.title.clone()).creator("Minewatch".to_owned()));
    let count = pages.len();
    for (n, lines) in pages.into_iter().enumerate() {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| PdfError::Made("page".to_owned()))?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        let mut draw = |x: f32, y: f32, size: f32, text: &str| {
            if !text.is_empty() {
                surface.draw_text(Point::from_xy(x, y), font.clone(), size, text, false, TextDirection::LeftToRight);
            }
        };
        for (y, line) in &lines {
            draw(line.x, *y, line.size, &line.text);
        }
        draw(MARGIN, HEIGHT - MARGIN + 8.0, 8.0, &format!("{foot}   {} / {count}", n + 1));
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| PdfError::Made(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use super::super::font;
    use super::super::sheet::Section;
    use super::*;

    fn sheet(rows: usize) -> Sheet {
        let row = vec![(
            "备注".to_owned(),
            "坝体浸润线超限，已派人现场核查 and a long English sentence as well 🚧".repeat(3),
        )];
        Sheet {
            title: "c-1000001 尾矿库红色预警".to_owned(),
            facts: vec![("级别".to_owned(), "红".to_owned())],
            sections: vec![Section { title: "步骤".to_owned(), rows: vec![row; rows] }],
            foot: "c-1000001".to_owned(),
            cut: "以下省略".to_owned(),
        }
    }

    #[test]
    fn chinese_is_embedded_and_long_packs_become_pages() {
        let Some(font) = font::find(None) else {
            println!("skipped: no font with Chinese letters on this machine");
            return;
        };
        let one = render(&sheet(1), &font).expect("made");
        assert!(one.starts_with(b"%PDF-") && one.len() > 2_000, "{}", one.len());
        assert!(one.len() < 400_000, "only the letters in use are embedded: {} bytes", one.len());
        let count = |bytes: &[u8]| bytes.windows(6).filter(|w| w == b"/Page\n" || w == b"/Page ").count();
        let many = render(&sheet(200), &font).expect("made");
        assert!(many.len() > one.len(), "{} {} {}", one.len(), many.len(), count(&many));
    }

    #[test]
    fn lines_fit_and_a_letter_without_a_glyph_is_named() {
        let Some(font) = font::find(None) else {
            println!("skipped: no font with Chinese letters on this machine");
            return;
        };
        let face = font.face().expect("face");
        let mut setter = Setter { face, widths: BTreeMap::new(), lines: Vec::new() };
        assert_eq!(setter.writable("库\u{10FFFD}\n"), "库[U+10FFFD] ");
        let text = "浸润线 above the limit ".repeat(40);
        let lines = setter.wrapped(&text, 10.0, 200.0);
        for line in &lines {
            let wide: f32 = line.chars().map(|letter| setter.width(letter).expect("a glyph") * 10.0).sum();
            assert!(wide <= 200.0, "{line}: {wide}");
        }
        let squeezed = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(squeezed(&lines.concat()), squeezed(&text), "nothing is lost between lines");
        setter.sheet(&sheet(3));
        let lines = std::mem::take(&mut setter.lines);
        let total = lines.len();
        assert_eq!(pages(lines).iter().map(Vec::len).sum::<usize>(), total, "no line is lost between pages");
    }
}
