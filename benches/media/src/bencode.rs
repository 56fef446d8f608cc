//! As much of bencode as rtpengine's ng protocol takes: dictionaries of strings.

use std::collections::BTreeMap;

/// A dictionary of strings.
pub(crate) fn dictionary(entries: &BTreeMap<&str, String>) -> String {
    let entry = |(key, value): (&&str, &String)| string(key) + &string(value);
    format!("d{}e", entries.iter().map(entry).collect::<String>())
}

fn string(text: &str) -> String {
    format!("{}:{text}", text.len())
}

/// The strings of a dictionary; other values are stepped over.
pub(crate) fn strings(text: &str) -> Option<BTreeMap<String, String>> {
    let mut rest = text.strip_prefix('d')?;
    let mut found = BTreeMap::new();
    while !rest.starts_with('e') {
        let (key, after) = take_string(rest)?;
        if after.starts_with(|first: char| first.is_ascii_digit()) {
            let (value, after) = take_string(after)?;
            found.insert(key.to_owned(), value.to_owned());
            rest = after;
        } else {
            rest = skip(after)?;
        }
    }
    Some(found)
}

fn take_string(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
}

fn skip(text: &str) -> Option<&str> {
    match text.chars().next()? {
        'i' => text.split_once('e').map(|(_, rest)| rest),
        'd' | 'l' => {
            let mut rest = text.get(1..)?;
            while !rest.starts_with('e') {
                rest = skip(rest)?;
            }
            rest.get(1..)
        }
        _ => take_string(text).map(|(_, rest)| rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_other_values_are_stepped_over() {
        let entries = BTreeMap::from([("command", "offer".to_owned()), ("sdp", "v=0\r\n".into())]);
        let text = dictionary(&entries);
        assert_eq!(text, "d7:command5:offer3:sdp5:v=0\r\ne");
        let read = strings("d1:ai7e1:bl1:xi2ed1:y1:zee1:c2:ok4:liste2:nod").map(|_| ());
        assert_eq!(read, None);
        let read = strings("d1:ai7e1:bl1:xi2ed1:y1:zee1:c2:oke").unwrap();
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [("c".to_owned(), "ok".to_owned())]);
    }
}
