//! The configuration: any text is either a configuration or a list of faults that lead to their
//! places, and the same text says the same twice.

/// A file.
pub(crate) fn file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Secrets and sounds name files and the environment: those of the machine stay unread.
    if text.contains("file:") || text.contains("env:") || text.contains(".wav") {
        return;
    }
    match (config::parse(text, "none/office.toml"), config::parse(text, "none/office.toml")) {
        (Ok(first), Ok(second)) => assert!(config::diff(&first, &second).is_empty()),
        (Err(first), Err(second)) => {
            assert_eq!(first, second);
            assert!(!first.is_empty());
            let lines = text.split('\n').count();
            let mut last = 0;
            for fault in &first {
                assert!((1..=lines).contains(&(fault.line)), "{fault} of {lines} lines");
                assert!(fault.column >= 1 && fault.line >= last, "{fault}");
                assert!(!fault.found.is_empty(), "{fault}");
                last = fault.line;
            }
        }
        (first, second) => panic!("once {}, then {}", first.is_ok(), second.is_ok()),
    }
}
