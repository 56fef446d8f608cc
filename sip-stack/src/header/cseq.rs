//! CSeq (RFC 3261 §20.16).

use std::fmt;

use super::text::{is_token, parse_number, trim};
use crate::message::{Method, ParseError, ParseErrorKind as Kind};

/// A sequence number and the method it counts for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CSeq {
    /// Less than 2³¹ (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// The first number that is too large.
    pub const LIMIT: u32 = 1 << 31;

    /// Reads the value.
    ///
    /// # Errors
    /// A value that does not fit the grammar, or a number of 2³¹ and above.
    pub fn parse(value: &str) -> Result<CSeq, ParseError> {
        let (number, method) = value.split_once([' ', '\t']).ok_or(Kind::CSeq.at(0))?;
        let number = parse_number(number)?;
        let method = trim(method);
        if number >= Self::LIMIT || !is_token(method) {
            return Err(Kind::CSeq.at(0));
        }
        Ok(CSeq { number, method: Method::from_token(method) })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_leading_zeros_and_blanks() {
        let cseq = CSeq::parse("0009   INVITE").unwrap();
        assert_eq!(cseq, CSeq { number: 9, method: Method::Invite });
        assert_eq!(cseq.to_string(), "9 INVITE");
    }

    #[test]
    fn refuses_numbers_beyond_31_bits_and_bad_methods() {
        for value in
            ["2147483648 INVITE", "36893488147419103232 REGISTER", "1", "1 A B", "-1 A", "A 1", ""]
        {
            assert!(CSeq::parse(value).is_err(), "{value}");
        }
        assert!(CSeq::parse("2147483647 INVITE").is_ok());
    }
}
