//! Reader of `[capture]`.

use super::Section;
use crate::model::capture::Capture;

/// Most kibibytes of messages that can be kept: 1 GiB.
const MAX_KIB: u32 = 1_048_576;

pub(super) fn capture(root: &Section<'_>) -> Capture {
    let mut capture = Capture::default();
    let Some(section) = root.table("capture") else { return capture };
    if let Some(kib) = section.integer("kept_kib", 0..=MAX_KIB) {
        capture.kept = usize::try_from(kib).map_or(capture.kept, |kib| kib * 1024);
    }
    let expected = "\"udp:ADDRESS:PORT\" of the collector, such as \"udp:192.0.2.9:9060\"";
    if let Some(hep) = section.string("hep", expected) {
        capture.hep = hep.value.strip_prefix("udp:").and_then(|address| address.parse().ok());
        if capture.hep.is_none() {
            let found = format!("\"{}\" is no address of a collector", hep.value);
            section.context.fault(&hep.span, found, expected);
        }
    }
    capture.node = section.integer("node", 1..=u32::MAX).unwrap_or(capture.node);
    section.finish();
    capture
}

#[cfg(test)]
mod tests {
    use crate::parse;

    const BASE: &str = "domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n[capture]\n";

    #[test]
    fn eight_mebibytes_are_kept_and_nothing_is_copied_unless_the_file_says_so() {
        let capture = parse(BASE, "x").unwrap().capture;
        assert_eq!((capture.kept, capture.hep, capture.node), (8 << 20, None, 2001));
        let text = format!("{BASE}kept_kib = 0\nhep = \"udp:192.0.2.9:9060\"\nnode = 7\n");
        let capture = parse(&text, "x").unwrap().capture;
        assert_eq!((capture.kept, capture.node), (0, 7));
        assert_eq!(capture.hep, Some("192.0.2.9:9060".parse().unwrap()));
    }

    #[test]
    fn a_collector_needs_an_address_and_a_port() {
        for hep in ["192.0.2.9:9060", "udp:collector", "tcp:192.0.2.9:9060"] {
            let faults = parse(&format!("{BASE}hep = \"{hep}\"\n"), "x").unwrap_err();
            assert!(faults[0].to_string().contains("is no address of a collector"), "{faults:?}");
        }
    }
}
