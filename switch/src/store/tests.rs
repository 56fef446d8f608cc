//! Round trips through real files, and every way a file can be unfit.

use std::path::Path;

use config::StatePath;
use rusqlite::Connection;

use super::{
    Change, SqliteStore, Store, StoreError, StoredBan, StoredBinding, StoredCompletion,
    StoredDialog, StoredFamiliar, StoredForward, StoredForwarding, StoredMessage,
};

fn binding(id: u64, line: &str) -> StoredBinding {
    StoredBinding {
        id,
        line: line.to_owned(),
        uri: format!("sip:{line}@192.0.2.7:5060;transport=tcp"),
        params: ";q=0.5;+sip.instance=\"<urn:uuid:1>\"".to_owned(),
        q: 500,
        expires_at_unix_ms: 2_000_000,
        registered_at_unix_ms: 1_000_000,
        call_id: "a@b".to_owned(),
        cseq: u32::MAX,
        instance: Some("<urn:uuid:1>".to_owned()),
        reg_id: Some(1),
        transport: "tcp".to_owned(),
        local: "192.0.2.1:5060".to_owned(),
        remote: "[2001:db8::1]:41000".to_owned(),
        is_direct: true,
        path: vec!["<sip:p1;lr>".to_owned(), "<sip:p2;lr>".to_owned()],
        user_agent: "Töst/1'; DROP TABLE bindings".to_owned(),
        allow: vec!["INVITE".to_owned()],
        allow_events: Vec::new(),
        supported: vec!["path".to_owned(), "outbound".to_owned()],
    }
}

fn save(binding: &StoredBinding) -> Change {
    Change::SaveBinding(Box::new(binding.clone()))
}

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&StatePath::File(path.to_owned()), 1_500_000)
}

#[test]
fn bindings_come_back_as_they_were_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    assert_eq!(store.take_bindings(), []);
    let (first, second) = (binding(1, "201"), binding(2, "202"));
    store.apply(save(&binding(3, "203")));
    store.apply(save(&StoredBinding { cseq: 1, ..first.clone() }));
    store.apply(save(&second));
    store.apply(save(&first));
    store.apply(Change::RemoveBinding { id: 3 });
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.take_bindings(), [first, second]);
    assert_eq!(store.take_bindings(), []);
}

fn forwarding(line: &str, destinations: &[Option<&str>]) -> StoredForwarding {
    let entry = |destination: &Option<&str>| StoredForward {
        mode: 0x80,
        caller: Some("0'612".to_owned()),
        destination: destination.map(str::to_owned),
    };
    let entries = destinations.iter().map(entry).collect();
    StoredForwarding { line: line.to_owned(), rings: Some(3), entries }
}

#[test]
fn forward_lists_come_back_in_their_order_and_an_empty_one_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    let save = |set: &StoredForwarding| store.apply(Change::SaveForwarding(set.clone()));
    let last = forwarding("202", &[Some("206"), None, Some("203")]);
    save(&forwarding("202", &[Some("1"), Some("2"), Some("3"), Some("4")]));
    save(&forwarding("201", &[None]));
    save(&forwarding("203", &[Some("201")]));
    store.flush();
    save(&last);
    save(&forwarding("203", &[]));
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.take_forwardings(), [forwarding("201", &[None]), last]);
    assert_eq!(store.take_forwardings(), []);
}

#[test]
fn messages_that_wait_come_back_and_none_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    let save =
        |line: &str, count| store.apply(Change::SaveMessages { line: line.to_owned(), count });
    save("201", 2);
    save("202", 7);
    store.flush();
    save("201", 3);
    save("202", 0);
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.take_messages(), [("201".to_owned(), 3)]);
    assert_eq!(store.take_messages(), []);
}

#[test]
fn a_file_of_the_first_release_gets_the_new_tables_and_keeps_its_bindings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    store.apply(save(&binding(1, "201")));
    drop(store);
    let old = Connection::open(&path).unwrap();
    let later = [
        "forwardings",
        "completions",
        "left_messages",
        "messages",
        "centre",
        "call_records",
        "dialogs",
        "bans",
        "familiar",
    ];
    let dropped = later.map(|table| format!("DROP TABLE {table};")).concat();
    old.execute_batch(&format!("{dropped} PRAGMA user_version = 1")).unwrap();
    drop(old);
    let store = open(&path).unwrap();
    assert_eq!(store.take_bindings().len(), 1);
    store.apply(Change::SaveForwarding(forwarding("202", &[None])));
    drop(store);
    assert_eq!(open(&path).unwrap().take_forwardings().len(), 1);
}

#[test]
fn requests_for_completion_come_back_but_for_those_that_ended_and_no_identifier_is_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    let request = |id: u32, expires_at_unix_ms: u64| StoredCompletion {
        id,
        line: "201".to_owned(),
        callee: "202".to_owned(),
        mode: 2,
        condition: 1,
        call_id: 77,
        needs_activity: true,
        since_unix_ms: 1_400_000,
        expires_at_unix_ms,
    };
    for stored in [request(3, 2_000_000), request(4, 1_500_000), request(9, 2_000_000)] {
        store.apply(Change::SaveCompletion(stored));
    }
    store.flush();
    store.apply(Change::RemoveCompletion { id: 9 });
    drop(store);
    let store = open(&path).unwrap();
    let kept = store.take_completions();
    assert_eq!((kept.last_id, kept.requests), (9, vec![request(3, 2_000_000)]));
    assert_eq!(store.take_completions().requests, []);
}

#[test]
fn messages_left_by_others_come_back_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    let left = |from: &str| StoredMessage {
        from: from.to_owned(),
        text: "Please call back.".to_owned(),
        since_unix_ms: 5,
    };
    let save = |line: &str, messages: Vec<StoredMessage>| {
        store.apply(Change::SaveLeft { line: line.to_owned(), messages });
        store.flush();
    };
    save("202", vec![left("203"), left("201")]);
    save("204", vec![left("201")]);
    save("204", Vec::new());
    drop(store);
    let kept = open(&path).unwrap().take_completions();
    assert_eq!(kept.messages, [("202".to_owned(), vec![left("203"), left("201")])]);
}

#[test]
fn what_was_flushed_is_seen_by_another_program_while_the_store_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    store.apply(save(&binding(1, "201")));
    store.flush();
    let other = Connection::open(&path).unwrap();
    let line: String = other.query_row("SELECT line FROM bindings", [], |row| row.get(0)).unwrap();
    assert_eq!(line, "201");
    assert_eq!(store.counters().written, 1);
}

#[test]
fn what_was_written_survives_a_store_that_is_never_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    store.apply(save(&binding(1, "201")));
    store.flush();
    std::mem::forget(store);
    assert_eq!(open(&path).unwrap().take_bindings().len(), 1);
}

#[test]
fn bindings_that_ended_meanwhile_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    open(&path).unwrap().apply(save(&binding(1, "201")));
    let late = SqliteStore::open(&StatePath::File(path.clone()), 2_000_000).unwrap();
    assert_eq!(late.take_bindings(), []);
    drop(late);
    assert_eq!(open(&path).unwrap().take_bindings(), []);
}

#[test]
fn memory_keeps_nothing_but_takes_everything() {
    let store = SqliteStore::open(&StatePath::Memory, 0).unwrap();
    for id in 0..5000 {
        store.apply(save(&binding(id, "201")));
    }
    store.flush();
    assert_eq!(store.counters().written, 5000);
    assert_eq!(store.counters().lost, 0);
}

#[test]
fn every_change_counts_as_written_though_a_later_one_of_the_same_thing_overtook_it() {
    let store = SqliteStore::open(&StatePath::Memory, 0).unwrap();
    for _ in 0..1000 {
        store.apply(save(&binding(1, "201")));
    }
    store.flush();
    assert_eq!(store.counters().written, 1000);
}

#[test]
fn a_file_that_is_no_database_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    std::fs::write(&path, "this is no database, but it is long enough to look at".repeat(100))
        .unwrap();
    let error = open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("move it away"), "{error}");
}

#[test]
fn a_damaged_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    for id in 0..500 {
        store.apply(save(&binding(id, "201")));
    }
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xaa);
    std::fs::write(&path, bytes).unwrap();
    let error = open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE mail (id INTEGER)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(open(&path), Err(StoreError::NotOurs { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(open(&path), Err(StoreError::TooNew { found: 99, known: 9, .. })));
}

#[test]
fn a_folder_that_is_missing_or_a_path_that_is_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open(&folder.path().join("a/b.db")), Err(StoreError::Open { .. })));
    assert!(matches!(open(folder.path()), Err(StoreError::Open { .. })));
}

#[test]
fn a_write_that_fails_is_counted_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    // The table is taken away and given back behind the writer's back.
    other.execute_batch("ALTER TABLE bindings RENAME TO elsewhere").unwrap();
    store.apply(save(&binding(1, "201")));
    store.flush();
    assert_eq!(store.counters().written, 0);
    assert!(store.counters().failed_transactions >= 1);
    other.execute_batch("ALTER TABLE elsewhere RENAME TO bindings").unwrap();
    store.apply(save(&binding(2, "202")));
    store.flush();
    assert_eq!(store.counters().written, 2);
    drop(store);
    assert_eq!(open(&path).unwrap().take_bindings().len(), 2);
}

#[test]
fn dialogs_of_calls_that_were_up_come_back_and_those_that_ended_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    let dialog = |tag: &str, cseq| StoredDialog {
        tag: tag.to_owned(),
        call_id: "a@b".to_owned(),
        from: format!("<sip:202@office.test>;tag={tag}"),
        to: "<sip:201@office.test>;tag=t".to_owned(),
        cseq,
        request_uri: "sip:201@192.0.2.7".to_owned(),
        route: vec!["<sip:p1;lr>".to_owned(), "<sip:p2;lr>".to_owned()],
        transport: "udp".to_owned(),
        local: "192.0.2.1:5060".to_owned(),
        remote: "192.0.2.7:5060".to_owned(),
    };
    for (tag, cseq) in [("a", 1), ("b", 1), ("a", 5)] {
        store.apply(Change::SaveDialog(Box::new(dialog(tag, cseq))));
    }
    store.flush();
    store.apply(Change::RemoveDialog { tag: "b".to_owned() });
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.take_dialogs(), [dialog("a", 5)]);
    assert_eq!(store.take_dialogs(), []);
}

#[test]
fn the_latest_picture_of_the_call_centre_comes_back_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    assert_eq!(store.take_centre(), None);
    for snapshot in ["{\"old\":1}", "{\"new\":2}"] {
        store.apply(Change::SaveCentre { snapshot: snapshot.to_owned() });
    }
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.take_centre().as_deref(), Some("{\"new\":2}"));
    assert_eq!(store.take_centre(), None);
}

#[test]
fn bans_come_back_but_for_those_that_were_lifted_or_are_long_over() {
    const DAY_MS: u64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let path = StatePath::File(folder.path().join("state.db"));
    let open = |now_unix_ms| SqliteStore::open(&path, now_unix_ms).unwrap();
    let ban = |source: &str, until_unix_ms| StoredBan {
        source: source.to_owned(),
        reason: "administrator".to_owned(),
        since_unix_ms: 1_000,
        until_unix_ms,
        times: 1,
    };
    let store = open(1_000);
    for (source, until) in [("192.0.2.1", 5_000), ("192.0.2.2", 9_000), ("2001:db8::", DAY_MS)] {
        store.apply(Change::SaveBan(ban(source, until)));
    }
    store.apply(Change::SaveBan(ban("192.0.2.1", 6_000)));
    store.flush();
    store.apply(Change::RemoveBan { source: "192.0.2.2".to_owned() });
    drop(store);
    let store = open(7_000);
    let kept = [ban("192.0.2.1", 6_000), ban("2001:db8::", DAY_MS)];
    assert_eq!(store.take_bans(), kept, "what is over still counts for the next one");
    assert_eq!(store.take_bans(), []);
    drop(store);
    assert_eq!(open(6_000 + DAY_MS).take_bans(), [ban("2001:db8::", DAY_MS)]);
}

#[test]
fn where_lines_have_been_comes_back_once_and_not_of_those_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&path).unwrap();
    let known = |line: &str, networks: &[&str]| StoredFamiliar {
        line: line.to_owned(),
        networks: networks.iter().map(|network| (*network).to_owned()).collect(),
        user_agents: vec!["Desk 1".to_owned()],
    };
    let both = known("201", &["192.0.2.0/24", "10.0.0.0/24"]);
    for row in [known("201", &["192.0.2.0/24"]), known("202", &["10.0.0.0/24"]), both.clone()] {
        store.apply(Change::SaveFamiliar(row));
    }
    store.flush();
    store.apply(Change::SaveFamiliar(known("202", &[])));
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.take_familiar(), [both]);
    assert_eq!(store.take_familiar(), []);
}
