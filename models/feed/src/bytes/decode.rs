//! Text out of bytes: UTF-8 with or without a mark, UTF-16, GB18030 (and with it GBK and GB2312),
//! Windows-1252.
//!
//! UTF-8 is handed through as it is; everything else is decoded piece by piece. What cannot be
//! decoded becomes U+FFFD, and whoever reads a field that holds it says so.

use encoding_rs::{CoderResult, Decoder, GB18030, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::io::{self, BufRead, Read};

/// Bytes looked at to find the encoding.
const LOOK: usize = 64 << 10;
/// Bytes decoded at a time.
const PIECE: usize = 16 << 10;

/// How a document is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A mark at the beginning or an XML declaration says it; else UTF-8 where it can be, else GB18030.
    Auto,
    /// As [`Encoding::Auto`], but at last Windows-1252: bank statements of European make.
    AutoWestern,
    /// UTF-8.
    Utf8,
    /// GB18030, GBK, GB2312.
    Gb18030,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
    /// Windows-1252, ISO 8859-1.
    Western,
}

impl Encoding {
    /// The encoding of a name in a settings file or an XML declaration.
    pub fn from_name(name: &str) -> Option<Encoding> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "auto" => Encoding::Auto,
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Encoding::Utf8,
            "gb18030" | "gbk" | "gb2312" | "cp936" => Encoding::Gb18030,
            "utf-16" | "utf-16le" => Encoding::Utf16Le,
            "utf-16be" => Encoding::Utf16Be,
            "windows-1252" | "iso-8859-1" | "iso-8859-15" | "latin1" => Encoding::Western,
            _ => return None,
        })
    }

    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Auto | Encoding::AutoWestern => "auto",
            Encoding::Utf8 => "UTF-8",
            Encoding::Gb18030 => "GB18030",
            Encoding::Utf16Le => "UTF-16LE",
            Encoding::Utf16Be => "UTF-16BE",
            Encoding::Western => "windows-1252",
        }
    }

    fn decoder(self) -> Option<Decoder> {
        let encoding = match self {
            Encoding::Auto | Encoding::AutoWestern | Encoding::Utf8 => return None,
            Encoding::Gb18030 => GB18030,
            Encoding::Utf16Le => UTF_16LE,
            Encoding::Utf16Be => UTF_16BE,
            Encoding::Western => WINDOWS_1252,
        };
        Some(encoding.new_decoder_without_bom_handling())
    }

    /// The encoding of a document that begins so, and the length of its mark.
    fn of(self, head: &[u8]) -> (Encoding, usize) {
        match head {
            [0xef, 0xbb, 0xbf, ..] => return (Encoding::Utf8, 3),
            [0xff, 0xfe, ..] => return (Encoding::Utf16Le, 2),
            [0xfe, 0xff, ..] => return (Encoding::Utf16Be, 2),
            [0x84, 0x31, 0x95, 0x33, ..] => return (Encoding::Gb18030, 4),
            _ => {}
        }
        let last = match self {
            Encoding::Auto => Encoding::Gb18030,
            Encoding::AutoWestern => Encoding::Western,
            known
            @ (Encoding::Utf8 | Encoding::Gb18030 | Encoding::Utf16Le | Encoding::Utf16Be | Encoding::Western) => {
                return (known, 0);
            }
        };
        if let Some(declared) = declared(head) {
            return (declared, 0);
        }
        // A character may be cut at the end of what was looked at.
        let utf8 = match std::str::from_utf8(head) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        };
        (if utf8 { Encoding::Utf8 } else { last }, 0)
    }
}

/// The encoding an XML declaration names.
fn declared(head: &[u8]) -> Option<Encoding> {
    let line = head.get(..head.len().min(200))?;
    let text = String::from_utf8_lossy(line);
    let declaration = text.trim_start().strip_prefix("<?xml")?.split("?>").next()?.to_owned();
    let (_, rest) = declaration.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    // A declared UTF-16 without a mark cannot have been read here as ASCII.
    Encoding::from_name(rest.get(1..)?.split(quote).next()?)
        .filter(|e| !matches!(e, Encoding::Utf16Le | Encoding::Utf16Be))
}

/// A reader whose bytes are UTF-8.
#[derive(Debug)]
pub struct Decoded<R> {
    inner: R,
    wanted: Encoding,
    found: Option<Encoding>,
    decoder: Option<Decoder>,
    out: Vec<u8>,
    at: usize,
    ended: bool,
    malformed: bool,
}

impl<R: BufRead> Decoded<R> {
    /// Decodes `inner`.
    pub fn new(inner: R, wanted: Encoding) -> Decoded<R> {
        Decoded { inner, wanted, found: None, decoder: None, out: Vec::new(), at: 0, ended: false, malformed: false }
    }

    /// What the document was found to be, once something was read.
    pub fn found(&self) -> Option<Encoding> {
        self.found
    }

    /// Whether something could not be decoded so far (not for UTF-8, which is handed through).
    pub fn malformed(&self) -> bool {
        self.malformed
    }

    fn begin(&mut self) -> io::Result<()> {
        let head = self.inner.fill_buf()?;
        let (found, mark) = self.wanted.of(head.get(..LOOK).unwrap_or(head));
        self.inner.consume(mark);
        self.decoder = found.decoder();
        self.found = Some(found);
        Ok(())
    }

    /// Decodes the next piece into `out`.
    fn decode(&mut self) -> io::Result<()> {
        let Some(decoder) = self.decoder.as_mut() else { return Ok(()) };
        while self.at >= self.out.len() && !self.ended {
            let chunk = self.inner.fill_buf()?;
            let last = chunk.is_empty();
            let piece = chunk.get(..PIECE).unwrap_or(chunk);
            let room = decoder.max_utf8_buffer_length(piece.len()).unwrap_or(4 * PIECE);
            self.out.resize(room, 0);
            let (result, read, written, malformed) = decoder.decode_to_utf8(piece, &mut self.out, last);
            self.malformed |= malformed;
            self.out.truncate(written);
            self.at = 0;
            self.inner.consume(read);
            self.ended = last && result == CoderResult::InputEmpty;
        }
        Ok(())
    }
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.found.is_none() {
            self.begin()?;
        }
        if self.decoder.is_none() {
            return self.inner.fill_buf();
        }
        self.decode()?;
        Ok(self.out.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        match self.decoder {
            None => self.inner.consume(amount),
            Some(_) => self.at += amount,
        }
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let taken = chunk.len().min(out.len());
        out[..taken].copy_from_slice(&chunk[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn text(bytes: &[u8], encoding: Encoding, buffer: usize) -> (String, Option<Encoding>, bool) {
        let mut decoded = Decoded::new(BufReader::with_capacity(buffer, bytes), encoding);
        let mut out = Vec::new();
        decoded.read_to_end(&mut out).expect("memory");
        (String::from_utf8_lossy(&out).into_owned(), decoded.found(), decoded.malformed())
    }

    #[test]
    fn marks_declarations_and_content_say_the_encoding() {
        let chinese = "客户编码,金额\n铜陵有色,1.00\n";
        let (gb, _, _) = GB18030.encode(chinese);
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(chinese.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let marked = ["\u{feff}", chinese].concat();
        for (bytes, expected) in [
            (gb.as_ref(), Encoding::Gb18030),
            (utf16.as_slice(), Encoding::Utf16Le),
            (marked.as_bytes(), Encoding::Utf8),
            (chinese.as_bytes(), Encoding::Utf8),
        ] {
            assert_eq!(text(bytes, Encoding::Auto, 4096), (chinese.to_owned(), Some(expected), false));
        }
        let xml = "<?xml version='1.0' encoding='GBK'?><名/>";
        let (bytes, _, _) = GB18030.encode(xml);
        assert_eq!(text(&bytes, Encoding::Auto, 4096), (xml.to_owned(), Some(Encoding::Gb18030), false));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_said() {
        let (said, _, malformed) = text(b"\xb4\xf3\xff\x0a", Encoding::Gb18030, 64);
        assert!(malformed && said.contains('\u{fffd}'), "{said:?}");
        let (said, found, _) = text(b"a\xff\xfe\n", Encoding::Utf8, 64);
        assert_eq!((said.as_str(), found), ("a\u{fffd}\u{fffd}\n", Some(Encoding::Utf8)));
    }

    proptest! {
        #[test]
        fn any_text_in_any_encoding_arrives_in_any_pieces(said in "\\PC{0,300}", buffer in 1usize..64) {
            // A text that begins like a mark of another encoding is that encoding's.
            let said = format!("x{said}");
            let (gb, _, _) = GB18030.encode(&said);
            prop_assert_eq!(&text(&gb, Encoding::Gb18030, buffer.max(8)).0, &said);
            prop_assert_eq!(&text(said.as_bytes(), Encoding::Utf8, buffer.max(8)).0, &said);
            let utf16: Vec<u8> = said.encode_utf16().flat_map(u16::to_be_bytes).collect();
            prop_assert_eq!(&text(&utf16, Encoding::Utf16Be, buffer.max(8)).0, &said);
        }
    }
}
