//! Dialling rules: `1FG` and what becomes of it.

use super::Fault;

/// What the letters of a rule stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) country: &'a str,
    pub(super) area: &'a str,
    pub(super) subscriber: &'a str,
    /// The card's number, or for display its name in brackets.
    pub(super) card: &'a str,
    pub(super) long_distance_carrier: &'a str,
    pub(super) international_carrier: &'a str,
}

/// Writes a rule out.
pub(super) fn expand(rule: &str, parts: &Parts<'_>) -> String {
    let mut text = String::new();
    for letter in rule.chars() {
        match letter {
            'E' => text.push_str(parts.country),
            'F' | 'I' => text.push_str(parts.area),
            'G' => text.push_str(parts.subscriber),
            'H' => text.push_str(parts.card),
            'L' | 'N' => text.push_str(parts.long_distance_carrier),
            'M' | 'S' => text.push_str(parts.international_carrier),
            other => text.push(other),
        }
    }
    text
}

/// Checks the letters of a rule; the mandatory carriers must be there.
pub(super) fn check(
    rule: &str,
    long_distance_carrier: &str,
    international_carrier: &str,
) -> Result<(), Fault> {
    for letter in rule.chars() {
        match letter {
            '0'..='9' | 'A'..='I' | 'N' | 'S' => {}
            'T' | 'P' | '*' | '#' | ',' | '!' | 'W' | '@' | '$' | '?' => {}
            'L' if !long_distance_carrier.is_empty() => {}
            'M' if !international_carrier.is_empty() => {}
            'L' | 'M' => return Err(Fault::NoCarrier { rule: rule.to_owned() }),
            letter => return Err(Fault::UnknownLetter { rule: rule.to_owned(), letter }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_a_rule_are_known_and_carriers_there() {
        assert_eq!(check("18006747000,,TH,,011EFG", "", ""), Ok(()));
        assert_eq!(check("N1FG", "", ""), Ok(()));
        assert_eq!(check("L1FG", "", ""), Err(Fault::NoCarrier { rule: "L1FG".to_owned() }));
        assert_eq!(check("M011EFG", "", "10288"), Ok(()));
        let unknown = Fault::UnknownLetter { rule: "1JG".to_owned(), letter: 'J' };
        assert_eq!(check("1JG", "", ""), Err(unknown));
    }
}
