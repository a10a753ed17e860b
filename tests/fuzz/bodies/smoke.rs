//! Runs a fuzz target's body over its seeds and thousands of changed seeds, the same ones each time.
//! For `cargo test`, where there is no fuzzer; what it finds is printed as hexadecimal.

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One small change, as a fuzzer makes them.
fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(7) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'/'][random.below(8)],
        2 => bytes.truncate(at),
        3 => bytes.insert(at, random.next() as u8),
        4 if !bytes.is_empty() => drop(bytes.remove(at)),
        5 if !bytes.is_empty() => {
            let end = (at + 1 + random.below(8)).min(bytes.len());
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        _ => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

/// Prints the input if the body panics.
struct Witness<'a>(&'a [u8]);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("input that failed: {hex}");
        }
    }
}

/// Runs `body` on the seeds and on `rounds` changed ones.
pub(crate) fn run(seeds: &[Vec<u8>], rounds: usize, mut body: impl FnMut(&[u8])) {
    assert!(!seeds.is_empty(), "a target without seeds tests nothing");
    let mut random = Random(0x6d69_6e65);
    for seed in seeds {
        let _witness = Witness(seed);
        body(seed);
    }
    for _ in 0..rounds {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            change(&mut bytes, seeds, &mut random);
        }
        let _witness = Witness(&bytes);
        body(&bytes);
    }
}
