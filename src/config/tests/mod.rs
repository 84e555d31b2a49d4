//! Whole files: good ones with their effective output, bad ones with what is said of them. The expected texts stand
//! beside the files in `testdata/config`; `NUNCIO_BLESS=1` writes them anew.

mod mutation;

use std::path::{Path, PathBuf};

use super::text::PLACES;
use super::{Config, parse};

/// Where the files of the tests pretend to be, so that resolved paths are the same everywhere.
const BASE: &str = "/etc/nuncio";

/// Name and text of every `.json` in a directory of `testdata/config`, sorted.
pub(super) fn files(directory: &str) -> Vec<(PathBuf, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config").join(directory);
    let paths = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "json")).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no files in {}", directory.display());
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

pub(super) fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Compares with the text in a file, or writes it there.
fn golden(path: &Path, actual: &str) {
    if std::env::var_os("NUNCIO_BLESS").is_some() {
        std::fs::write(path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{} (NUNCIO_BLESS=1 writes it anew)", path.display());
}

fn good(text: &str) -> Config {
    match parse(text, Path::new(BASE), "test") {
        Ok((config, _)) => config,
        Err(problems) => panic!("{problems}\n{text}"),
    }
}

#[test]
fn good_files_load_as_their_effective_output_and_warnings_say() {
    for (path, text) in files("good") {
        let (config, warnings) = match parse(&text, Path::new(BASE), name(&path)) {
            Ok(loaded) => loaded,
            Err(problems) => panic!("{problems}"),
        };
        golden(&path.with_extension("effective"), &config.to_json());
        let warnings: String = warnings.iter().map(|warning| format!("{warning}\n")).collect();
        if !warnings.is_empty() || path.with_extension("warnings").exists() {
            golden(&path.with_extension("warnings"), &warnings);
        }
    }
}

#[test]
fn bad_files_are_refused_with_all_their_problems() {
    for (path, text) in files("bad") {
        match parse(&text, Path::new(BASE), name(&path)) {
            Ok(_) => panic!("{} loads", path.display()),
            Err(problems) => golden(&path.with_extension("problems"), &format!("{problems}\n")),
        }
    }
}

#[test]
fn the_effective_output_is_the_same_configuration() {
    for (path, text) in files("good") {
        let config = good(&text);
        let again = good(&config.to_json());
        assert_eq!(config, again, "{}", path.display());
        assert_eq!(config.to_json(), again.to_json(), "{}", path.display());
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_shifts_nothing() {
    let text = r#"{"workers": 0, "admin": {"address": "127.0.0.1:0"}}"#;
    let place = |text: &str| {
        let problems = parse(text, Path::new(BASE), "f").unwrap_err();
        let last = problems.iter().last().unwrap();
        (last.line, last.column)
    };
    assert_eq!(place(text), (1, 13));
    assert_eq!(place(&format!("\u{feff}{text}")), (1, 13));
    assert_eq!(place(&format!("\r\n\r\n{text}")), (3, 13));
    assert_eq!(place(&text.replacen('{', "{\"é\": 1, ", 1)), (1, 21), "columns are characters");
}

#[test]
fn sizes_of_files() {
    let padded = |len: usize| {
        let text = r#"{"admin": {"address": "127.0.0.1:0"}}"#;
        format!("{text}{}", " ".repeat(len - text.len()))
    };
    assert!(parse(&padded(super::MAX_FILE), Path::new(BASE), "f").is_ok());
    assert!(parse(&padded(super::MAX_FILE + 1), Path::new(BASE), "f").is_err());
}

#[test]
fn many_problems_are_cut() {
    let keys: Vec<String> = (0..5000).map(|at| format!("\"unknown{at}\": 1")).collect();
    let problems = parse(&format!("{{{}}}", keys.join(",")), Path::new(BASE), "f").unwrap_err();
    assert_eq!(problems.count(), 5001, "and there is nothing to do");
    assert_eq!(problems.iter().count(), 100);
    assert!(problems.to_string().ends_with("\nand 4901 more"));
}

#[test]
fn load_says_why_a_file_cannot_be_read() {
    let directory = std::env::temp_dir().join(format!("nuncio-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let said = |path: &Path| super::load(path).unwrap_err().to_string();
    assert!(said(&directory.join("none.json")).contains("none.json: cannot be read: "));
    assert!(said(&directory).contains("cannot be read: "));
    assert!(said(&write("latin1.json", b"{\n\"\xe9\": 1}")).ends_with("is not UTF-8: see line 2"));
    assert!(said(&write("large.json", &vec![b' '; super::MAX_FILE + 1])).ends_with("is larger than 4 MiB"));
    assert!(said(&write("empty.json", b"")).contains("empty.json:1:1: is not JSON: "));

    let relative = write("relative.json", br#"{"admin": {"address": "unix:admin.sock"}}"#);
    let (config, _) = super::load(&relative).unwrap();
    let expected = format!("unix:{}", directory.join("admin.sock").display());
    assert_eq!(config.admin.unwrap().address.to_string(), expected);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn hints_know_every_key_where_it_belongs() {
    let effective = |file: &str| -> serde_json::Value {
        let (_, text) = files("good").into_iter().find(|(path, _)| name(path) == file).unwrap();
        serde_json::from_str(&good(&text).to_json()).unwrap()
    };
    let (config, layer4) = (effective("full.json"), effective("layer4.json"));
    // Written behind those of connections.
    let udp = effective("udp.json")["listeners"].as_array().unwrap().last().unwrap().clone();
    let places = vec![
        ("the top level", ""),
        ("\"listeners\"", "/listeners/0"),
        ("\"http\" of a listener", "/listeners/0/http"),
        ("\"tls\" of a listener", "/listeners/0/tls"),
        ("\"certificates\" of a listener", "/listeners/0/tls/certificates/0"),
        ("\"client_auth\"", "/listeners/0/tls/client_auth"),
        ("\"http2\"", "/listeners/0/http/http2"),
        ("\"routes\"", "/listeners/0/routes/0"),
        ("\"retry\" of a route", "/listeners/0/routes/0/retry"),
        ("\"race\" of a route", "/listeners/0/routes/0/race"),
        ("\"shadow\" of a route", "/listeners/0/routes/0/shadow/0"),
        ("\"match\" of a route", "/listeners/0/routes/0/match"),
        ("\"path\" of a match", "/listeners/0/routes/0/match/path"),
        ("\"runtime\" of a match", "/listeners/0/routes/0/match/runtime"),
        ("\"clusters\" of a route", "/listeners/0/routes/1/clusters/0"),
        ("\"weight\" of a route's cluster", "/listeners/0/routes/1/clusters/0/weight"),
        ("\"tls\" of a match", "/listeners/0/routes/0/match/tls"),
        ("\"clusters\"", "/clusters/a"),
        ("\"tls\" of a cluster", "/clusters/a/tls"),
        ("\"http\" of a cluster", "/clusters/a/http"),
        ("\"circuit_breaker\" of a cluster", "/clusters/a/circuit_breaker"),
        ("\"retry_budget\"", "/clusters/a/circuit_breaker/high/retry_budget"),
        ("\"endpoints\" of a cluster", "/clusters/a/endpoints/0"),
        ("\"dns\"", "/clusters/d/dns"),
        ("\"admin\"", "/admin"),
        ("\"access_log\"", "/access_log/0"),
        ("\"node\"", "/node"),
    ];
    let health = effective("health_check.json");
    let outliers = effective("outlier_detection.json");
    let balancing = effective("balancing.json");
    let others: [(&str, &serde_json::Value, &str); 20] = [
        ("\"hash\" of a route", &balancing, "/listeners/0/routes/0/hash/0"),
        ("\"cookie\" of a hash", &balancing, "/listeners/0/routes/0/hash/0/cookie"),
        ("\"least_request\" of a cluster", &balancing, "/clusters/least/least_request"),
        ("\"ring_hash\" of a cluster", &balancing, "/clusters/ring/ring_hash"),
        ("\"maglev\" of a cluster", &balancing, "/clusters/maglev/maglev"),
        ("\"slow_start\" of a cluster", &balancing, "/clusters/maglev/slow_start"),
        ("\"zone_aware\" of a cluster", &balancing, "/clusters/zones/zone_aware"),
        ("\"subsets\" of a cluster", &balancing, "/clusters/parted/subsets"),
        ("\"sticky\" of a cluster", &balancing, "/clusters/zones/sticky"),
        ("\"tcp\" of a listener", &layer4, "/listeners/0/tcp"),
        ("\"tunnel\" of a listener", &layer4, "/listeners/0/tcp/tunnel"),
        ("\"proxy_protocol\" of a listener", &layer4, "/listeners/0/proxy_protocol"),
        ("\"chains\" of a listener", &layer4, "/listeners/1/chains/0"),
        ("\"match\" of a chain", &layer4, "/listeners/1/chains/0/match"),
        ("\"udp\" of a listener", &udp, "/udp"),
        ("\"health_check\" of a cluster", &health, "/clusters/most/health_check"),
        ("\"log\" of a health check", &health, "/clusters/most/health_check/log"),
        ("\"outlier_detection\" of a cluster", &outliers, "/clusters/most/outlier_detection"),
        ("\"latency\" of outlier detection", &outliers, "/clusters/most/outlier_detection/latency"),
        ("\"log\" of outlier detection", &outliers, "/clusters/most/outlier_detection/log"),
    ];
    assert_eq!(places.len() + others.len(), PLACES.len());
    let places = places.into_iter().map(|(place, pointer): (&str, &str)| (place, &config, pointer));
    for (place, file, pointer) in places.into_iter().chain(others) {
        let (_, keys) = PLACES.iter().find(|(name, _)| *name == place).unwrap();
        for key in file.pointer(pointer).unwrap().as_object().unwrap().keys() {
            assert!(keys.contains(&key.as_str()), "{key} in {place}");
        }
    }
}

#[test]
fn the_manual_names_every_key_and_filter() {
    let manual = include_str!("../../../man/nuncio.json.5");
    let named = |word: &str| {
        let macros = manual.lines().filter(|line| line.starts_with(".Ic ") || line.starts_with(".It "));
        macros.flat_map(|line| line.split(' ')).any(|part| part == word)
    };
    let keys = PLACES.iter().flat_map(|(_, keys)| keys.iter());
    for word in keys.chain(super::Filter::TYPES) {
        assert!(named(word), "{word}");
    }
}
