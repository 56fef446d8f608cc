//! docs/operations.md tells the truth: the tests it names are there and none is left out, its pages
//! exist, and the functions and methods it names are in the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The text of every Rust file under a folder.
fn rust_under(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&rust_under(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

/// The names of all tests in a text.
fn tests_in(text: &str) -> BTreeSet<String> {
    let mut lines = text.lines().peekable();
    let mut found = BTreeSet::new();
    while let Some(line) = lines.next() {
        let name = lines.peek().and_then(|next| next.trim().strip_prefix("fn "));
        if let (true, Some(name)) = (line.trim() == "#[test]", name) {
            found.insert(name.split('(').next().unwrap().to_owned());
        }
    }
    found
}

/// What stands between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_page_of_all_operations_names_every_test_of_a_row_and_none_that_is_not_there() {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, shown) = page.split_once("## Shown by").unwrap();
    let is_name = |word: &&str| word.matches('_').count() > 2 && !word.contains(['/', ' ', '.']);
    let named: BTreeSet<String> =
        quoted(shown).into_iter().filter(is_name).map(str::to_owned).collect();
    let here = root().join("tests/tests");
    let mut rows = tests_in(&rust_under(&here.join("session_row")));
    rows.retain(|name| !name.starts_with("the_page_of_all_operations_"));
    assert!(rows.len() > 50, "the tests are found: {rows:?}");
    let known: BTreeSet<String> =
        tests_in(&rust_under(&here.join("tapi3_client"))).union(&rows).cloned().collect();
    let missing: Vec<_> = named.difference(&known).collect();
    assert!(missing.is_empty(), "named, but not there: {missing:#?}");
    let left_out: Vec<_> = rows.difference(&named).collect();
    assert!(left_out.is_empty(), "not on the page: {left_out:#?}");
}

#[test]
fn the_page_of_all_operations_names_functions_methods_and_pages_that_exist() {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let table = rust_under(&root().join("tapi/src/op"));
    let client = rust_under(&root().join("tapi/src/client"));
    let words = page.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_function = |word: &&str| word.starts_with("line") && *word != word.to_lowercase();
    let functions: BTreeSet<&str> = words.filter(is_function).collect();
    assert!(functions.len() > 40, "{functions:?}");
    for function in functions {
        let row = format!("(\"{function}\", ");
        assert!(table.contains(&row) && !table.contains(&format!("{row}NotOffered")), "{function}");
    }
    for method in quoted(&page).into_iter().filter_map(|word| word.split_once("::")) {
        assert!(client.contains(&format!("fn {}", method.1)), "{method:?}");
    }
    for link in page.split("](").skip(1) {
        let file = link.split(')').next().unwrap();
        assert!(root().join("docs").join(file).exists(), "{file}");
    }
}

#[test]
fn the_page_of_all_operations_is_whole_with_the_functions_that_are_not_offered() {
    let page = std::fs::read_to_string(root().join("docs/control-interface.md")).unwrap();
    let (_, rest) = page.split_once("which answer LINEERR_OPERATIONUNAVAIL: ").unwrap();
    let (list, _) = rest.split_once('.').unwrap();
    let told: Vec<&str> = list.split([',', ' ', '\n']).filter(|word| !word.is_empty()).collect();
    let table = std::fs::read_to_string(root().join("tapi/src/op/table.rs")).unwrap();
    let rows = table.lines().filter_map(|line| line.trim().strip_suffix("\", NotOffered),"));
    let missing: Vec<&str> = rows.map(|name| name.trim_start_matches("(\"")).collect();
    assert_eq!(told, missing);
}
