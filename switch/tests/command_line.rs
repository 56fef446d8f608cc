//! The program as cargo builds it: what it prints about itself, and how it refuses what it is not.

#![allow(clippy::unwrap_used, reason = "a failed unwrap here is a failed test")]

use std::process::{Command, Output};

fn strowger(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strowger")).args(arguments).output().unwrap()
}

#[test]
fn it_says_its_name_and_version() {
    let output = strowger(&["--version"]);
    assert!(output.status.success());
    let version = format!("strowger {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), version);
}

#[test]
fn a_command_that_is_none_is_wrong_usage() {
    let output = strowger(&["dance"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("dance"));
}
