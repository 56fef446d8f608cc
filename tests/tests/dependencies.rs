//! docs/dependencies.md says why each direct dependency is there: no more, no fewer than there are.

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
