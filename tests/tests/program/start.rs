//! What keeps the program from starting, each told as one plain sentence.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use tests::program::{Program, office};

use super::is_sentence;

/// Starting with this configuration fails with exit code 1 and one sentence with these words.
fn cannot_start(config: &str, words: &[&str]) {
    let (code, complaint) = Program::refused(config);
    assert_eq!(code, Some(1), "{complaint}");
    assert!(!complaint.contains("panicked"), "{complaint}");
    is_sentence(&complaint);
    for word in words {
        assert!(complaint.contains(word), "no {word} in {complaint}");
    }
}

#[test]
fn a_taken_sip_port_is_one_plain_sentence() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = office(|text| text.replace("udp:127.0.0.1:0", &format!("udp:{address}")));
    cannot_start(&config, &[&address, "in use", "[sip] listen"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = office(|text| text.replace("tcp:127.0.0.1:0", &format!("tcp:{address}")));
    cannot_start(&config, &[&address, "in use", "[sip] listen"]);
}

#[test]
fn a_taken_control_port_is_one_plain_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = office(|text| {
        text.replace("[api]\nlisten = \"127.0.0.1:0\"", &format!("[api]\nlisten = \"{address}\""))
    });
    cannot_start(&config, &[&address, "in use", "[api] listen"]);
}

#[test]
fn a_database_that_cannot_be_used_is_one_plain_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let with = |path: &Path| office(|text| text.replace(":memory:", &path.to_string_lossy()));
    let corrupt = folder.path().join("corrupt.db");
    std::fs::write(&corrupt, "SQLite format 3\0 and then nothing of the sort".repeat(200)).unwrap();
    cannot_start(&with(&corrupt), &["corrupt.db", "move it away"]);
    let text = folder.path().join("letter.db");
    std::fs::write(&text, "Dear switch, this is no database. ".repeat(100)).unwrap();
    cannot_start(&with(&text), &["letter.db", "move it away"]);
    let nowhere = folder.path().join("no").join("such").join("folder.db");
    cannot_start(&with(&nowhere), &["folder.db", "[state] path"]);
    cannot_start(&with(folder.path()), &["[state] path"]);
    assert_eq!(std::fs::read_to_string(&text).unwrap().len(), 3400, "it was left alone");
}

#[test]
fn a_media_address_that_is_not_ours_is_one_plain_sentence() {
    let config = office(|text| {
        text.replace("[media]\naddress = \"127.0.0.1\"", "[media]\naddress = \"192.0.2.1\"")
    });
    cannot_start(&config, &["192.0.2.1", "[media]"]);
}
