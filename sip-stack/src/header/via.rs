//! Via (RFC 3261 §20.42, RFC 3581).

use std::fmt;
use std::net::IpAddr;

use super::params::Params;
use super::text::{is_token, parse_port, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};
use crate::uri::{parse_host_port, parse_ip, write_host};

/// The `rport` parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rport {
    /// Not there.
    #[default]
    Absent,
    /// There without a value: the client asks for it.
    Requested,
    /// Filled in by the server.
    Filled(u16),
}

/// One Via value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP` … as it came.
    pub transport: &'a str,
    /// The sent-by host; an IPv6 address without its brackets.
    pub host: &'a str,
    /// The sent-by port.
    pub port: Option<u16>,
    /// The branch; `None` or without the cookie from an RFC 2543 element.
    pub branch: Option<&'a str>,
    /// Where the message came from, as a server before us saw it.
    pub received: Option<&'a str>,
    /// RFC 3581.
    pub rport: Rport,
    /// All parameters, those above among them.
    pub params: Params<'a>,
}

/// The cookie that a branch of RFC 3261 begins with.
const COOKIE: &str = "z9hG4bK";

impl<'a> Via<'a> {
    /// Reads one value; blanks around `/`, `:` and `;` are allowed.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<Via<'a>, ParseError> {
        let (name, rest) = value.split_once('/').ok_or(Kind::Via.at(0))?;
        let (version, rest) = rest.split_once('/').ok_or(Kind::Via.at(0))?;
        if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
            return Err(Kind::Via.at(0));
        }
        let rest = trim(rest);
        let (transport, rest) = rest.split_once([' ', '\t']).ok_or(Kind::Via.at(0))?;
        if !is_token(transport) {
            return Err(Kind::Via.at(0));
        }
        let semicolon = rest.find(';').unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at_checked(semicolon).ok_or(Kind::Via.at(0))?;
        let (host, port) = parse_host_port(trim(sent_by))?;
        let params = Params::parse(params)?;
        let mut via = Via {
            transport,
            host,
            port,
            branch: None,
            received: None,
            rport: Rport::Absent,
            params,
        };
        via.take_params()?;
        Ok(via)
    }

    fn take_params(&mut self) -> Result<(), ParseError> {
        for param in self.params.iter() {
            let value = param.value.unwrap_or("");
            if param.name.eq_ignore_ascii_case("branch") {
                self.branch = self.branch.or(Some(value));
            } else if param.name.eq_ignore_ascii_case("received") {
                self.received = self.received.or(Some(value));
            } else if param.name.eq_ignore_ascii_case("rport") {
                self.rport = match value {
                    "" => Rport::Requested,
                    digits => Rport::Filled(parse_port(digits)?),
                };
            }
        }
        Ok(())
    }

    /// The branch if it identifies the transaction by itself: cookie and something behind it
    /// (RFC 3261 §8.1.1.7).
    #[must_use]
    pub fn rfc3261_branch(&self) -> Option<&'a str> {
        let branch = self.branch?;
        let cookie = branch.get(..COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(COOKIE) && branch.len() > COOKIE.len()).then_some(branch)
    }

    /// The `received` address, with or without brackets (RFC 5118 §4.5).
    #[must_use]
    pub fn received_ip(&self) -> Option<IpAddr> {
        let received = self.received?;
        let bare = received.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        parse_ip(bare.unwrap_or(received))
    }
}

impl fmt::Display for Via<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} ", self.transport)?;
        write_host(f, self.host, self.port)?;
        write!(f, "{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_value_with_blanks_everywhere() {
        let via = Via::parse(
            "SIP  / 2.0  / TCP     spindle.example.com  : 5070 ; branch  =   z9hG4bK9ikj8",
        )
        .unwrap();
        assert_eq!((via.transport, via.host, via.port), ("TCP", "spindle.example.com", Some(5070)));
        assert_eq!(via.branch, Some("z9hG4bK9ikj8"));
        assert_eq!(via.to_string(), "SIP/2.0/TCP spindle.example.com:5070;branch=z9hG4bK9ikj8");
    }

    #[test]
    fn reads_ipv6_and_received_with_and_without_brackets() {
        let via = Via::parse("SIP/2.0/UDP [2001:db8::9:1]:5070;received=[2001:db8::9:255];rport")
            .unwrap();
        assert_eq!((via.host, via.port), ("2001:db8::9:1", Some(5070)));
        assert_eq!(via.received_ip(), "2001:db8::9:255".parse().ok());
        assert_eq!(via.rport, Rport::Requested);
        assert!(via.to_string().starts_with("SIP/2.0/UDP [2001:db8::9:1]:5070;"));
        let via = Via::parse("SIP/2.0/UDP h;received=2001:db8::9:255;rport=5062").unwrap();
        assert_eq!(via.received_ip(), "2001:db8::9:255".parse().ok());
        assert_eq!(via.rport, Rport::Filled(5062));
    }

    #[test]
    fn a_bare_cookie_is_no_branch() {
        let via = Via::parse("SIP/2.0/UDP h;branch=z9hG4bK").unwrap();
        assert_eq!(via.rfc3261_branch(), None);
        let via = Via::parse("SIP/2.0/UDP h;branch=z9hg4bkx").unwrap();
        assert_eq!(via.rfc3261_branch(), Some("z9hg4bkx"));
    }

    #[test]
    fn refuses_what_the_grammar_forbids() {
        for value in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ;branch=1",
            "SIP/2.0/UDP h;;",
            "SIP/1.0/UDP h",
            "SIP/2.0 UDP h",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP h;rport=x",
            "SIP/2.0/U,DP h",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP [::1",
            "HTTP/2.0/UDP h",
        ] {
            assert!(Via::parse(value).is_err(), "{value}");
        }
    }
}
