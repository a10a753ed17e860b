//! How much of a fragmented MP4 file is whole.
//!
//! Invariant: never more than the file has, and always at a box boundary after which a player can
//! stop: behind the header, or behind a fragment (`moof` with its `mdat`).

/// Bytes of a fragmented MP4 that can be kept; 0 when not even the header is whole.
pub fn whole_fragments(head_of: impl Fn(u64) -> Option<[u8; 16]>, length: u64) -> u64 {
    let (mut at, mut whole, mut header) = (0u64, 0, false);
    // A second of video is a fragment: a clip of an hour has 7,200 boxes.
    for _ in 0..20_000 {
        let Some(head) = head_of(at) else { break };
        let Some((kind, size)) = box_of(&head) else { break };
        let Some(end) = at.checked_add(size).filter(|end| *end <= length) else { break };
        at = end;
        match &kind {
            b"moov" => (header, whole) = (true, end),
            b"mdat" if header => whole = end,
            _ => {}
        }
        if at == length {
            break;
        }
    }
    whole
}

/// Kind and size of a box from its first bytes; `None` when it cannot be one. A size of 0 (to the
/// end of the file) means that it was not finished.
fn box_of(head: &[u8; 16]) -> Option<([u8; 4], u64)> {
    let small = u32::from_be_bytes(*head.first_chunk()?);
    let kind: [u8; 4] = *head[4..].first_chunk()?;
    let size = if small == 1 { u64::from_be_bytes(*head[8..].first_chunk()?) } else { u64::from(small) };
    (size >= 8).then_some((kind, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boxed(kind: &[u8; 4], body: usize) -> Vec<u8> {
        let mut bytes = u32::try_from(8 + body).unwrap_or(0).to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.resize(8 + body, 0x55);
        bytes
    }

    fn measure(file: &[u8]) -> u64 {
        let head = |at: u64| {
            let mut head = [0; 16];
            let rest = file.get(usize::try_from(at).ok()?..)?;
            let take = rest.len().min(16);
            head[..take].copy_from_slice(&rest[..take]);
            (take >= 8).then_some(head)
        };
        whole_fragments(head, file.len() as u64)
    }

    fn file() -> (Vec<u8>, Vec<usize>) {
        let mut file = [boxed(b"ftyp", 16), boxed(b"moov", 300)].concat();
        let mut ends = vec![file.len()];
        for _ in 0..4 {
            file.extend(boxed(b"moof", 100));
            file.extend(boxed(b"mdat", 900));
            ends.push(file.len());
        }
        (file, ends)
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_keeps_every_whole_fragment_and_nothing_else(cut in 0usize..5_000) {
            let (mut file, ends) = file();
            file.truncate(cut);
            let expected = ends.iter().copied().filter(|end| *end <= file.len()).max().unwrap_or(0);
            prop_assert_eq!(measure(&file), expected as u64);
        }

        #[test]
        fn garbage_is_never_more_than_it_is(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(measure(&bytes) <= bytes.len() as u64);
        }
    }
}
