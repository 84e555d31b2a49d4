//! Random mutations of samples, for tests of parsers: what an enemy may send, and a broken disk may hold.

use fastrand::Rng;

/// Checks so many mutations; `NUNCIO_MUTATIONS` is another number of them.
const ROUNDS: u64 = 20_000;

/// Says which seed it was when a check fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

/// Checks mutations of `samples`, into which `words` are put.
pub(crate) fn check(samples: &[&[u8]], words: &[&[u8]], mut check: impl FnMut(&[u8])) {
    let seed = Seed(fastrand::u64(..));
    let rounds = std::env::var("NUNCIO_MUTATIONS").map_or(ROUNDS, |text| text.parse().unwrap());
    let mut rng = Rng::with_seed(seed.0);
    samples.iter().for_each(|sample| check(sample));
    let mut sample = Vec::new();
    for _ in 0..rounds {
        sample.clear();
        sample.extend_from_slice(samples[rng.usize(..samples.len())]);
        for _ in 0..rng.u8(1..=4) {
            mutate(&mut sample, samples, words, &mut rng);
        }
        check(&sample);
    }
}

fn mutate(sample: &mut Vec<u8>, samples: &[&[u8]], words: &[&[u8]], rng: &mut Rng) {
    let at = rng.usize(..=sample.len());
    let end = rng.usize(at..=sample.len());
    match rng.u8(..8) {
        0 => sample.truncate(at),
        1 => drop(sample.drain(at..end)),
        2 if at < sample.len() => sample[at] = rng.u8(..),
        3 if at < sample.len() => sample[at] ^= 1 << rng.u8(..8),
        4 => {
            let copy = sample[at..end].to_vec();
            let to = rng.usize(..=sample.len());
            sample.splice(to..to, copy);
        }
        5 => {
            let other = samples[rng.usize(..samples.len())];
            sample.truncate(at);
            sample.extend_from_slice(&other[rng.usize(..=other.len())..]);
        }
        _ if !words.is_empty() => {
            let word = words[rng.usize(..words.len())];
            sample.splice(at..at, word.iter().copied());
        }
        _ => sample.insert(at, rng.u8(..)),
    }
}
