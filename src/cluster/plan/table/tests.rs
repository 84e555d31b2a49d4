use super::*;

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("192.0.2.{at}:80")).collect()
}

fn entries<'a>(keys: &'a [String], weights: &[f64]) -> Vec<Entry<'a>> {
    keys.iter().enumerate().map(|(at, key)| Entry { key, weight: weights[at % weights.len()] }).collect()
}

fn both(entries: &[Entry]) -> [(&'static str, Table); 2] {
    [
        ("ring", Table::Ring(Ring::new(entries, 64 << 10, 8 << 20))),
        ("maglev", Table::Maglev(Maglev::new(entries, 65_537))),
    ]
}

const HASHES: u64 = 200_000;

fn picks(table: &Table) -> Vec<usize> {
    (0..HASHES).map(|at| table.get(mix(at))).collect()
}

#[test]
fn shares_follow_the_weights() {
    let keys = keys(4);
    for (name, table) in both(&entries(&keys, &[1.0, 2.0, 3.0, 4.0])) {
        let mut counts = [0u64; 4];
        for member in picks(&table) {
            counts[member] += 1;
        }
        for (count, weight) in counts.iter().zip(1u64..) {
            let expected = HASHES * weight / 10;
            assert!(count.abs_diff(expected) < expected / 25, "{name}: {counts:?}");
        }
    }
}

/// When a host goes, its own hashes move, and of the others' few (Maglev) or none (ring).
#[test]
fn little_moves_when_a_host_goes_or_comes() {
    let keys = keys(20);
    for gone in [0, 7, 19] {
        let without: Vec<String> =
            keys.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, k)| k.clone()).collect();
        let tables = both(&entries(&keys, &[1.0])).into_iter().zip(both(&entries(&without, &[1.0])));
        for ((name, before), (_, after)) in tables {
            let moved = picks(&before).into_iter().zip(picks(&after));
            let (mut needless, mut forced) = (0u64, 0u64);
            for (before, after) in moved {
                match before == gone {
                    true => forced += 1,
                    false => needless += u64::from(keys[before] != without[after]),
                }
            }
            assert!(forced.abs_diff(HASHES / 20) < HASHES / 200, "{name}: {forced} of {HASHES} had to move");
            let most = if name == "ring" { 1 } else { HASHES / 20 };
            assert!(needless < most, "{name}: {needless} moved needlessly when {gone} went");
        }
    }
}

#[test]
fn the_order_of_the_hosts_does_not_matter() {
    let forth = keys(30);
    let back: Vec<String> = forth.iter().rev().cloned().collect();
    let weights: Vec<f64> = (0..30).map(|at| f64::from(1 + at % 3)).collect();
    let reversed: Vec<f64> = weights.iter().rev().copied().collect();
    for ((name, one), (_, other)) in both(&entries(&forth, &weights)).into_iter().zip(both(&entries(&back, &reversed)))
    {
        for (one, other) in picks(&one).into_iter().zip(picks(&other)) {
            assert_eq!(forth[one], back[other], "{name}");
        }
    }
}

#[test]
fn the_size_of_the_ring() {
    for (hosts, minimum, maximum, size) in [
        (1, 1024, 8 << 20, 1024),
        (3, 1024, 8 << 20, 1536),
        (1000, 1024, 8 << 20, 2000),
        (1000, 1024, 1500, 1000),
        (5, 1, 8 << 20, 5),
        (5, 1, 3, 5),
    ] {
        let keys = keys(hosts);
        let ring = Ring::new(&entries(&keys, &[1.0]), minimum, maximum);
        assert_eq!(ring.points.len(), size, "{hosts} hosts, {minimum} to {maximum}");
    }
}

#[test]
fn more_hosts_than_places() {
    let keys = keys(50);
    let maglev = Maglev::new(&entries(&keys, &[1.0]), 11);
    assert!((0..1000).all(|hash| maglev.get(hash) < 50));
    let two = Maglev::new(&entries(&keys[..2], &[1.0, 100.0]), 2);
    assert!((0..10).all(|hash| two.get(hash) < 2));
}

#[test]
fn a_walk_comes_by_everyone_once() {
    for count in [1, 2, 3, 4, 10, 97, 1000] {
        for hash in 0..50 {
            let mut seen: Vec<usize> = Walk::new(hash, count).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }
    assert_eq!(Walk::new(1, 0).next(), None);
}
