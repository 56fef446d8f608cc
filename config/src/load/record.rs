//! Reader of `[call_records]`.

use std::time::Duration;

use super::Section;
use crate::model::record::CallRecords;

/// Most records that can be kept: some 10 GB of them.
const MAX_RECORDS: u32 = 10_000_000;

pub(super) fn call_records(root: &Section<'_>) -> CallRecords {
    let mut records = CallRecords::default();
    let Some(section) = root.table("call_records") else { return records };
    records.max = section.integer("max", 0..=MAX_RECORDS).unwrap_or(records.max);
    records.keep = section.duration("keep", Duration::from_secs(1)).unwrap_or(records.keep);
    section.finish();
    records
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::parse;

    const BASE: &str = "domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n[call_records]\n";

    #[test]
    fn a_hundred_thousand_are_kept_for_a_year_unless_the_file_says_otherwise() {
        let records = parse(BASE, "x").unwrap().call_records;
        assert_eq!((records.max, records.keep), (100_000, Duration::from_secs(365 * 86_400)));
        let records = parse(&format!("{BASE}max = 0\nkeep = \"30d\"\n"), "x").unwrap().call_records;
        assert_eq!((records.max, records.keep), (0, Duration::from_secs(30 * 86_400)));
    }
}
