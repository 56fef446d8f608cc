//! RAck (RFC 3262). RSeq is one number: `Message::number`.

use std::fmt;

use super::cseq::CSeq;
use super::text::{parse_number, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// Which reliable provisional response a PRACK acknowledges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq of the response.
    pub cseq: CSeq,
}

impl RAck {
    /// Reads the value.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &str) -> Result<RAck, ParseError> {
        let (rseq, cseq) = value.split_once([' ', '\t']).ok_or(Kind::Value.at(0))?;
        Ok(RAck { rseq: parse_number(rseq)?, cseq: CSeq::parse(trim(cseq))? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

    #[test]
    fn reads_three_elements() {
        let rack = RAck::parse("776656   1 INVITE").unwrap();
        assert_eq!(
            (rack.rseq, rack.cseq.number, rack.cseq.method.clone()),
            (776_656, 1, Method::Invite)
        );
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for value in ["", "1", "1 2", "x 1 INVITE", "4294967296 1 INVITE"] {
            assert!(RAck::parse(value).is_err(), "{value}");
        }
    }
}
