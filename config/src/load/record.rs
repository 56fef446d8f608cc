//! Readers of `[call_records]` and `[recording]`.

use std::time::Duration;

use super::Section;
use crate::model::record::{CallRecords, Recording, RecordingFormat};

/// Most records that can be kept: some 10 GB of them.
const MAX_RECORDS: u32 = 10_000_000;
/// Most calls that can be recorded at once.
const MAX_RECORDINGS: u32 = 10_000;

pub(super) fn call_records(root: &Section<'_>) -> CallRecords {
    let mut records = CallRecords::default();
    let Some(section) = root.table("call_records") else { return records };
    records.max = section.integer("max", 0..=MAX_RECORDS).unwrap_or(records.max);
    records.keep = section.duration("keep", Duration::from_secs(1)).unwrap_or(records.keep);
    section.finish();
    records
}

pub(super) fn recording(root: &Section<'_>) -> Recording {
    let mut recording = Recording::default();
    let Some(section) = root.table("recording") else { return recording };
    let expected = "a folder; a relative path starts at the folder of this file";
    let folder = section.string("folder", expected);
    recording.folder = folder.and_then(|folder| section.path_of("folder", &folder, expected));
    recording.format = section.choice("format", &RecordingFormat::ALL).unwrap_or_default();
    recording.max = section.integer("max", 1..=MAX_RECORDINGS).unwrap_or(recording.max);
    section.finish();
    recording
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::RecordingFormat;
    use crate::parse;

    const BASE: &str = "domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n[call_records]\n";

    #[test]
    fn a_hundred_thousand_are_kept_for_a_year_unless_the_file_says_otherwise() {
        let records = parse(BASE, "x").unwrap().call_records;
        assert_eq!((records.max, records.keep), (100_000, Duration::from_secs(365 * 86_400)));
        let records = parse(&format!("{BASE}max = 0\nkeep = \"30d\"\n"), "x").unwrap().call_records;
        assert_eq!((records.max, records.keep), (0, Duration::from_secs(30 * 86_400)));
    }

    #[test]
    fn lines_and_queues_are_recorded_where_the_file_says_so_into_a_folder_beside_it() {
        let base = "domain = \"x.test\"\n[defaults.line]\nrecord = true\n[lines.201]\npassword = \"pw\"\n\
                    [lines.202]\npassword = \"pw\"\nrecord = false\n[agent_groups.a]\n\
                    [queues.q]\nnumber = \"600\"\ngroups = [\"a\"]\nrecord = true\n";
        let config = parse(base, "/etc/x.toml").unwrap();
        assert_eq!([config.lines["201"].record, config.lines["202"].record], [true, false]);
        assert!(config.queues["q"].record);
        assert_eq!(config.recording.folder, None);
        let missing = config.warnings();
        assert!(
            missing.iter().any(|warning| warning.contains("[recording] folder")),
            "{missing:?}"
        );
        let text = format!("{base}[recording]\nfolder = \"calls\"\nformat = \"pcap\"\nmax = 7\n");
        let config = parse(&text, "/etc/x.toml").unwrap();
        assert_eq!(config.recording.folder, Some("/etc/calls".into()));
        assert_eq!((config.recording.format, config.recording.max), (RecordingFormat::Pcap, 7));
        assert_eq!(config.warnings(), Vec::<String>::new());
    }
}
