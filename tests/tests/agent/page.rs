//! docs/call-centre-functions.md tells the truth: it names every function, message and row of the table
//! of transitions, each with tests that are there and that really use what they are named for; and no
//! test of the call centre is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where the tests are that the page names.
const FILES: [&str; 6] = [
    "agent",
    "agent_code.rs",
    "agent_proxy.rs",
    "queue.rs",
    "supervisor.rs",
    "tapi3_client/center.rs",
];
/// How tests write messages short.
const SHORT: [(&str, &str); 5] = [
    ("LINE_AGENTSESSIONSTATUS", "\"SESSION "),
    ("LINE_AGENTSTATUSEX", "\"AGENT "),
    ("LINE_AGENTSTATUS", "\"ADDRESS "),
    ("LINE_QUEUESTATUS", "\"QUEUE "),
    ("LINE_GROUPSTATUS", "\"GROUP "),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every function of some Rust text, with its body, and whether it is a test.
fn functions(text: &str) -> Vec<(String, String, bool)> {
    let mut found: Vec<(String, String, bool)> = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        let bare = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        match bare.strip_prefix("fn ") {
            Some(rest) => {
                let name = rest.split(['(', '<']).next().unwrap().to_owned();
                found.push((name, String::new(), std::mem::take(&mut is_test)));
            }
            None if bare == "#[test]" => is_test = true,
            None => {}
        }
        if let Some((_, body, _)) = found.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    found
}

/// What each test does, with what the helpers do that it calls.
fn tests() -> BTreeMap<String, String> {
    let mut texts = Vec::new();
    for name in FILES {
        let path = root().join("tests/tests").join(name);
        match path.is_dir() {
            false => texts.push(read(&path)),
            true => {
                let mut files: Vec<PathBuf> =
                    std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
                files.retain(|file| !file.ends_with("page.rs"));
                texts.push(files.iter().map(|file| read(file)).collect());
            }
        }
    }
    let mut tests = BTreeMap::new();
    for text in texts {
        let all = functions(&text);
        let bodies: BTreeMap<&str, &str> =
            all.iter().map(|(name, body, _)| (name.as_str(), body.as_str())).collect();
        for (name, body, _) in all.iter().filter(|(_, _, is_test)| *is_test) {
            let (mut whole, mut seen) = (String::new(), BTreeSet::from([name.as_str()]));
            let mut open = vec![body.as_str()];
            while let Some(body) = open.pop() {
                whole.push_str(body);
                let words = body.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
                let helpers = words.filter(|word| bodies.contains_key(word));
                open.extend(helpers.filter(|word| seen.insert(word)).map(|word| bodies[word]));
            }
            tests.insert(name.clone(), whole);
        }
    }
    tests
}

/// What stands between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The rows of the table under a heading: their cells.
fn table<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, rest) = page.split_once(&format!("## {heading}\n")).unwrap();
    let part = rest.split("\n## ").next().unwrap();
    let rows = part.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let cells = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect());
    cells.skip(1).collect()
}

fn page() -> String {
    read(&root().join("docs/call-centre-functions.md"))
}

/// A test that is named for something does it.
fn shows(tests: &BTreeMap<String, String>, name: &str, what: &[&str], whose: &str) {
    let body = tests.get(name).unwrap_or_else(|| panic!("{whose}: there is no test {name}"));
    let is_there = |word: &&&str| body.contains(**word);
    assert!(what.iter().find(is_there).is_some(), "{name} has nothing of {what:?} for {whose}");
}

#[test]
fn the_page_of_the_call_centre_has_every_function_with_tests_that_call_it() {
    let (page, tests) = (page(), tests());
    let code = read(&root().join("tapi/src/op/table.rs"));
    let wanted: BTreeSet<&str> = code
        .lines()
        .filter(|line| line.contains("Run(agent::") || line.contains("Run(proxy::"))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert_eq!(wanted.len(), 23, "{wanted:?}");
    let rows = table(&page, "Functions");
    let named: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(named, wanted);
    for row in rows {
        let shown = quoted(row[3]);
        assert!(!shown.is_empty(), "{} is shown by nothing", row[0]);
        shown
            .into_iter()
            .for_each(|name| shows(&tests, name, &[&format!("\"{}\"", row[0])], row[0]));
    }
}

#[test]
fn the_page_of_the_call_centre_has_every_message_with_tests_that_read_it() {
    let (page, tests) = (page(), tests());
    let code = read(&root().join("tapi/src/constant/agent.rs"));
    let rows = table(&page, "Messages");
    for row in &rows {
        let (message, bit) = (row[0], row[1]);
        let shown = quoted(row[3]);
        assert!(!shown.is_empty() || bit == "CAPSCHANGE", "{message} {bit}");
        for name in shown {
            let short = SHORT.iter().find(|(long, _)| *long == message).map_or(message, |(_, s)| s);
            shows(&tests, name, &[short, message], message);
            shows(&tests, name, &[if bit == "–" { message } else { bit }], message);
        }
    }
    // Every bit that there is.
    let families = [
        ("AgentStatusChange", "LINE_AGENTSTATUS"),
        ("AgentStatusExChange", "LINE_AGENTSTATUSEX"),
        ("AgentSessionStatusChange", "LINE_AGENTSESSIONSTATUS"),
        ("QueueStatusChange", "LINE_QUEUESTATUS"),
        ("GroupStatusChange", "LINE_GROUPSTATUS"),
        ("ProxyStatusChange", "LINE_PROXYSTATUS"),
    ];
    for (family, message) in families {
        let declared = code.split(&format!("    {family}, \"")).nth(1);
        let declared = declared.unwrap_or_else(|| panic!("{family} is declared"));
        let body = declared.split("\n    }").next().unwrap();
        let bits: BTreeSet<&str> =
            body.lines().skip(1).filter_map(|line| line.split('"').nth(1)).collect();
        let named: BTreeSet<&str> =
            rows.iter().filter(|row| row[0] == message).map(|row| row[1]).collect();
        assert_eq!(named, bits, "{message}");
    }
}

#[test]
fn the_page_of_the_call_centre_has_every_row_of_the_transitions_with_its_tests() {
    let (page, tests) = (page(), tests());
    let rows = table(&page, "Transitions of a session");
    let numbers: Vec<u32> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=23).collect::<Vec<u32>>());
    for row in rows {
        let shown = quoted(row[4]);
        assert!(!shown.is_empty(), "row {}", row[0]);
        shown.into_iter().for_each(|name| shows(&tests, name, &["SESSION", "state("], row[0]));
    }
}

#[test]
fn the_page_of_the_call_centre_names_every_test_and_none_that_is_not_there() {
    let (page, tests) = (page(), tests());
    let is_name = |word: &&str| word.matches('_').count() > 2 && !word.contains(['/', ' ', '.']);
    let named: BTreeSet<&str> = quoted(&page).into_iter().filter(is_name).collect();
    let known: BTreeSet<&str> = tests.keys().map(String::as_str).collect();
    let missing: Vec<_> = named.difference(&known).collect();
    assert!(missing.is_empty(), "named, but not there: {missing:#?}");
    let left_out: Vec<_> = known.difference(&named).collect();
    assert!(left_out.is_empty(), "not on the page: {left_out:#?}");
}
