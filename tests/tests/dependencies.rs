//! docs/dependencies.md says why each direct dependency is there: no more, no fewer than there are.
//! What is locked comes from the registry, under a licence that deny.toml allows.

#![allow(clippy::unwrap_used, reason = "a failed unwrap here is a failed test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

fn manifests(folder: &Path, depth: u8, found: &mut Vec<toml::Table>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && depth > 0 && !path.ends_with("target") {
            manifests(&path, depth - 1, found);
        } else if path.file_name().is_some_and(|name| name == "Cargo.toml") {
            found.push(std::fs::read_to_string(&path).unwrap().parse().unwrap());
        }
    }
}

#[test]
fn every_direct_dependency_is_justified_and_nothing_else() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    manifests(&root, 2, &mut found);
    let own: BTreeSet<String> = found
        .iter()
        .filter_map(|manifest| Some(manifest.get("package")?["name"].as_str()?.to_owned()))
        .collect();
    let mut used = BTreeSet::new();
    for manifest in &found {
        let targets = manifest.get("target").and_then(toml::Value::as_table);
        let places =
            targets.into_iter().flat_map(|table| table.values()).filter_map(|v| v.as_table());
        for place in places.chain([manifest]) {
            for table in KINDS.iter().filter_map(|kind| place.get(*kind)?.as_table()) {
                used.extend(table.keys().filter(|name| !own.contains(*name)).cloned());
            }
        }
    }
    let page = std::fs::read_to_string(root.join("docs/dependencies.md")).unwrap();
    let rows =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1);
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let said: BTreeSet<String> =
        cells.flat_map(|cell| cell.split(',')).map(|name| name.trim().to_owned()).collect();
    assert!(used.len() > 20, "{used:?}");
    assert_eq!(said, used);
}

/// The packages that are built here, as cargo knows them.
fn packages() -> Vec<serde_json::Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let version = std::process::Command::new(&cargo).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--locked", "--format-version", "1", "--filter-platform", host];
    let asked =
        std::process::Command::new(cargo).args(arguments).current_dir(root).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    let used = answer["resolve"]["nodes"].as_array().unwrap().iter();
    let used: BTreeSet<&str> = used.map(|node| node["id"].as_str().unwrap()).collect();
    let packages = answer["packages"].as_array().unwrap().iter();
    packages.filter(|package| used.contains(package["id"].as_str().unwrap())).cloned().collect()
}

/// Whether a licence expression can be met by what is allowed (SPDX: AND binds closer than OR).
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let is_met = any_of(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "{expression}");
    is_met
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut is_met = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        is_met |= all_of(words, at, allowed);
    }
    is_met
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut is_met = one_of(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        is_met &= one_of(words, at, allowed);
    }
    is_met
}

fn one_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let word = words[*at];
    *at += 1;
    if word == "(" {
        let is_met = any_of(words, at, allowed);
        assert_eq!(words[*at], ")");
        *at += 1;
        return is_met;
    }
    let mut name = word.to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words[*at + 1]);
        *at += 2;
    }
    allowed.contains(&name)
}

#[test]
fn every_dependency_comes_from_the_registry_under_a_licence_that_is_allowed() {
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let rules: toml::Table =
        std::fs::read_to_string(root.join("deny.toml")).unwrap().parse().unwrap();
    let licences = rules["licenses"].as_table().unwrap();
    let allowed = licences["allow"].as_array().unwrap().iter();
    let allowed: BTreeSet<String> = allowed.map(|name| name.as_str().unwrap().to_owned()).collect();
    assert!(
        !is_allowed("GPL-3.0 AND (MIT OR ISC)", &allowed) && is_allowed("GPL-3.0/MIT", &allowed)
    );
    let clarified = licences["clarify"].as_array().unwrap();
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let named = clarified.iter().find(|rule| rule["crate"].as_str() == Some(name));
        let expression = named.and_then(|rule| rule["expression"].as_str());
        let expression = package["license"].as_str().or(expression);
        let expression = expression.unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(is_allowed(expression, &allowed), "{name}: {expression}");
        // What has no source is ours; anything else would be a git repository or another registry.
        let source = package["source"].as_str();
        assert!(source.is_none_or(|source| source == REGISTRY), "{name}: {source:?}");
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_any = dependency["req"] == "*" && dependency.get("path").is_none();
            assert!(source.is_some() || !is_any, "{name}: {}", dependency["name"]);
        }
    }
}
