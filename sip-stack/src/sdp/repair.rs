//! From what phones send to what the parser underneath reads.
//!
//! One pass over the lines: line ends become CRLF, lines that carry nothing for us are left out,
//! those that the grammar would refuse are mended or dropped, and the limits are applied.

use super::{SdpError, SdpErrorKind, Session};

/// Where in the description the pass is.
struct Repair {
    out: String,
    media_lines: usize,
    has_origin: bool,
    has_connection: bool,
}

/// The body rewritten as regular SDP.
pub(super) fn repair(body: &[u8]) -> Result<String, SdpError> {
    if body.len() > Session::MAX_BYTES {
        return Err(SdpError::new(0, SdpErrorKind::TooLong));
    }
    let text = String::from_utf8_lossy(body);
    let mut lines = numbered_lines(&text);
    match lines.next() {
        Some((_, line)) if version_of(line) == Some("0") => {}
        other => {
            let line = other.map_or(0, |(number, _)| number);
            return Err(SdpError::new(line, SdpErrorKind::Version));
        }
    }
    let mut repair = Repair {
        out: String::with_capacity(text.len() + 32),
        media_lines: 0,
        has_origin: false,
        has_connection: false,
    };
    repair.out.push_str("v=0\r\n");
    for (count, (number, line)) in lines.enumerate() {
        if count >= Session::MAX_LINES {
            return Err(SdpError::new(number, SdpErrorKind::TooManyLines));
        }
        repair.line(number, line)?;
    }
    Ok(repair.out)
}

/// Lines with content, their numbers from 1; CR, LF and CRLF all end a line.
fn numbered_lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    // A CRLF makes an empty line here; numbers are therefore counted at LF.
    let mut number = 1_u32;
    text.split_inclusive(['\r', '\n'])
        .map(move |line| {
            let this = number;
            if line.ends_with('\n') {
                number = number.saturating_add(1);
            }
            (this, line.trim_matches([' ', '\t', '\r', '\n']))
        })
        .filter(|(_, line)| !line.is_empty())
}

fn version_of(line: &str) -> Option<&str> {
    line.strip_prefix("v=").map(str::trim)
}

impl Repair {
    fn line(&mut self, number: u32, line: &str) -> Result<(), SdpError> {
        // A NUL never belongs into a line (RFC 8866 §9, byte-string).
        let Some((key, value)) = line.split_once('=').filter(|_| !line.contains('\0')) else {
            return Ok(());
        };
        let value = value.trim_start();
        match key {
            "m" => self.media(number, value)?,
            "o" if self.media_lines == 0 && !self.has_origin => {
                self.has_origin = true;
                let origin = origin(value);
                self.push('o', &origin);
            }
            "c" => self.connection(value),
            "b" => self.bandwidth(value),
            "a" if !value.is_empty() && !value.starts_with(':') => self.push('a', value),
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, key: char, value: &str) {
        self.out.push(key);
        self.out.push('=');
        self.out.push_str(value);
        self.out.push_str("\r\n");
    }

    fn media(&mut self, number: u32, value: &str) -> Result<(), SdpError> {
        if self.media_lines >= Session::MAX_MEDIA {
            return Err(SdpError::new(number, SdpErrorKind::TooManyMedia));
        }
        let malformed = SdpError::new(number, SdpErrorKind::Media);
        let mut fields = value.split_whitespace();
        let (Some(kind), Some(port), Some(protocol)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err(malformed);
        };
        let port = port.split_once('/').map_or(port, |(port, _)| port);
        let port: u16 = port.parse().map_err(|_| malformed)?;
        let mut formats: Vec<&str> = fields.collect();
        if formats.len() > Session::MAX_FORMATS {
            return Err(SdpError::new(number, SdpErrorKind::TooManyFormats));
        }
        if formats.is_empty() {
            // Some phones reject a stream without repeating a format.
            if port != 0 {
                return Err(malformed);
            }
            formats.push("0");
        }
        self.media_lines += 1;
        self.has_connection = false;
        self.push('m', &format!("{kind} {port} {protocol} {}", formats.join(" ")));
        Ok(())
    }

    fn connection(&mut self, value: &str) {
        let fields: Vec<&str> = value.split_whitespace().collect();
        if let ([net_type, address_type, address], false) = (fields.as_slice(), self.has_connection)
            && is_word(net_type)
            && is_word(address_type)
        {
            self.has_connection = true;
            self.push('c', &format!("{net_type} {address_type} {address}"));
        }
    }

    fn bandwidth(&mut self, value: &str) {
        if let Some((kind, amount)) = value.split_once(':')
            && is_word(kind.trim())
            && let Ok(amount) = amount.trim().parse::<u64>()
        {
            self.push('b', &format!("{}:{amount}", kind.trim()));
        }
    }
}

/// Mends an o= line: user names with blanks, ids that are no numbers, missing fields.
fn origin(value: &str) -> String {
    let fields: Vec<&str> = value.split_whitespace().collect();
    let (username, rest) = match fields.as_slice() {
        [name @ .., session_id, version, _, _, address] if fields.len() >= 5 => {
            (name.join("_"), Some((*session_id, *version, *address)))
        }
        _ => (String::new(), None),
    };
    let username = if username.is_empty() { "-".to_owned() } else { username };
    match rest {
        Some((session_id, version, address)) => {
            let kind = if address.contains(':') { "IP6" } else { "IP4" };
            format!("{username} {} {} IN {kind} {address}", number(session_id), number(version))
        }
        // Whatever it says, a different line is a different description.
        None => format!("- {} {} IN IP4 0.0.0.0", number(""), number(value)),
    }
}

/// The number a field means; a field that is none is replaced by its FNV-1a hash, so that equal
/// fields stay equal and different ones different.
fn number(field: &str) -> u64 {
    field.parse().unwrap_or_else(|_| {
        field.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    })
}

/// Letters, digits and a few marks: the part of RFC 8866's token that is in use.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
