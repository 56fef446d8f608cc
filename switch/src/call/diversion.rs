//! How a call came to where it is: Diversion (RFC 5806), History-Info (RFC 7044) and our own steps.

use sip_stack::header::{Diversion as DiversionHeader, HistoryInfo};
use sip_stack::message::{HeaderName, Message};
use sip_stack::uri::decode;
use tapi::constant::CallReason;

/// Values of a trunk that are kept.
const MAX_OUTSIDE: usize = 10;

/// One step of a call from the number that was called to another one.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The number that sent it on.
    pub from: String,
    /// Where to.
    pub to: String,
    /// LINECALLREASON_ at the new destination.
    pub reason: CallReason,
}

/// How a connection came to where it is.
#[derive(Clone, Debug, Default)]
pub struct Diversions {
    /// Our own, oldest first.
    hops: Vec<Hop>,
    /// Values of Diversion (RFC 5806), most recent first.
    values: Vec<String>,
    /// How often the call had been diverted before it came to us.
    outside: u32,
    /// Who diverted it last before that, and why.
    outside_hop: Option<(String, CallReason)>,
}

impl Diversions {
    /// What the INVITE of a trunk says; phones are not asked. Where History-Info comes beside Diversion it
    /// tells the same once more.
    pub(crate) fn of_trunk(message: &Message) -> Diversions {
        let told = Diversions::of_diversion(message);
        if told.values.is_empty() { Diversions::of_history(message) } else { told }
    }

    fn of_diversion(message: &Message) -> Diversions {
        let said = message.list(HeaderName::Diversion).take(MAX_OUTSIDE);
        let readable = said.filter_map(|value| Some((value, DiversionHeader::parse(value).ok()?)));
        let mut diversions = Diversions::default();
        for (value, parsed) in readable {
            let from = parsed.addr.parsed_uri().ok().and_then(|uri| uri.user_decoded());
            let reason = reason_of(parsed.reason().unwrap_or_default());
            diversions.note_outside(value.to_owned(), parsed.counter(), from, reason);
        }
        diversions
    }

    /// RFC 7044, read as RFC 7544 translates it: whoever an entry was retargeted from has diverted the call.
    fn of_history(message: &Message) -> Diversions {
        let said = message.list(HeaderName::HistoryInfo).take(MAX_OUTSIDE + 1);
        let entries: Vec<_> = said.filter_map(|value| HistoryInfo::parse(value).ok()).collect();
        let mut diversions = Diversions::default();
        for (at, reached) in entries.iter().enumerate().skip(1).rev() {
            let mapped = reached.params.get("mp");
            let is_from = |entry: &&HistoryInfo<'_>| mapped == Some(entry.index);
            let Some(from) = entries.iter().find(is_from).or_else(|| entries.get(at - 1)) else {
                continue;
            };
            let cause = target_cause(reached).or_else(|| reason_cause(from));
            let Ok(uri) = from.parsed_uri() else { continue };
            let (Some(user), Some(host)) = (uri.user_decoded(), uri.host()) else { continue };
            if mapped.is_none() && cause.is_none() {
                continue;
            }
            let reason = reason_of_cause(cause.unwrap_or_default());
            let privacy = if is_private(from) { "full" } else { "off" };
            let value = format!(
                "<sip:{}@{host}>;reason={reason};counter=1;privacy={privacy}",
                sip_stack::uri::encode_user(&user)
            );
            diversions.note_outside(value, 1, Some(user), reason_of(reason));
        }
        diversions
    }

    /// The next older value.
    fn note_outside(
        &mut self,
        value: String,
        count: u32,
        from: Option<String>,
        reason: CallReason,
    ) {
        if self.outside_hop.is_none() {
            self.outside_hop = from.map(|from| (from, reason));
        }
        self.values.push(value);
        self.outside = self.outside.saturating_add(count);
    }

    /// Who sent the call to us from outside, and why.
    pub fn outside(&self) -> Option<(&str, CallReason)> {
        self.outside_hop.as_ref().map(|(from, reason)| (from.as_str(), *reason))
    }

    /// The last step, if there was one.
    pub fn last(&self) -> Option<&Hop> {
        self.hops.last()
    }

    /// Values of the Diversion header field, most recent first.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    /// How often the call has been diverted, here and before.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.hops.len()).unwrap_or(u32::MAX).saturating_add(self.outside)
    }

    /// Whether this number has sent the call on.
    pub(super) fn has_visited(&self, number: &str) -> bool {
        self.hops.iter().any(|hop| hop.from == number)
    }

    /// Notes the newest step.
    pub(super) fn push(&mut self, hop: Hop, domain: &str) {
        let user = sip_stack::uri::encode_user(&hop.from);
        let reason = diversion_reason(hop.reason);
        let value =
            format!("<sip:{user}@{domain}>;reason={reason};counter=1;privacy=off;screen=no");
        self.values.insert(0, value);
        self.hops.push(hop);
    }
}

/// RFC 5806 §4: diversion-reason.
fn diversion_reason(reason: CallReason) -> &'static str {
    match reason {
        CallReason::FwdUncond => "unconditional",
        CallReason::FwdBusy => "user-busy",
        CallReason::FwdNoAnswer => "no-answer",
        CallReason::Redirect => "deflection",
        _ => "unknown",
    }
}

/// Why an entry of History-Info became the target: `cause` of its URI (RFC 4458).
fn target_cause(entry: &HistoryInfo<'_>) -> Option<u16> {
    entry.parsed_uri().ok()?.param("cause")?.parse().ok()
}

/// Why a target of History-Info was left: Reason in its URI (RFC 7044 §5).
fn reason_cause(entry: &HistoryInfo<'_>) -> Option<u16> {
    let uri = entry.parsed_uri().ok()?;
    let (_, value) = uri.sip()?.headers().find(|(name, _)| name.eq_ignore_ascii_case("Reason"))?;
    let value = String::from_utf8(decode(value)).ok()?;
    let (protocol, params) = value.split_once(';')?;
    let cause = params.split(';').find_map(|param| param.trim().strip_prefix("cause="))?;
    cause.parse().ok().filter(|_| protocol.trim().eq_ignore_ascii_case("SIP"))
}

/// Whether who was an entry of History-Info is to be told nobody (RFC 7044 §10.1).
fn is_private(entry: &HistoryInfo<'_>) -> bool {
    let Ok(uri) = entry.parsed_uri() else { return false };
    let mut headers = uri.sip().into_iter().flat_map(|uri| uri.headers());
    headers.any(|(name, value)| name.eq_ignore_ascii_case("Privacy") && value != "none")
}

/// The diversion-reason of a cause (RFC 7544; sip-mapping §2.9.9).
fn reason_of_cause(cause: u16) -> &'static str {
    match cause {
        302 => "unconditional",
        486 => "user-busy",
        408 => "no-answer",
        480 | 487 => "deflection",
        503 => "unavailable",
        _ => "unknown",
    }
}

/// The LINECALLREASON_ of a diversion-reason (sip-mapping §2.6).
fn reason_of(text: &str) -> CallReason {
    match text.trim_matches('"').to_ascii_lowercase().as_str() {
        "unconditional" => CallReason::FwdUncond,
        "user-busy" => CallReason::FwdBusy,
        "no-answer" => CallReason::FwdNoAnswer,
        "deflection" => CallReason::Redirect,
        _ => CallReason::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &str) -> Diversions {
        let text = format!(
            "INVITE sip:201@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:201@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{headers}\
             Content-Length: 0\r\n\r\n"
        );
        Diversions::of_trunk(&Message::parse(text.into()).unwrap())
    }

    #[test]
    fn the_topmost_diversion_of_a_trunk_is_the_latest_and_counters_add_up() {
        let told = told(
            "Diversion: <sip:302@x>;reason=no-answer;counter=2\r\n\
             Diversion: <sip:301@x>;reason=user-busy\r\n",
        );
        assert_eq!(told.outside(), Some(("302", CallReason::FwdNoAnswer)));
        assert_eq!((told.count(), told.values().count()), (3, 2));
    }

    #[test]
    fn history_that_was_retargeted_tells_who_diverted_and_why() {
        let told = told(
            "History-Info: <sip:301@x?Reason=SIP%3Bcause%3D486%3Btext%3D%22Busy%22>;index=1,\
             <sip:+302@x?Privacy=history>;index=1.1;mp=1,<sip:201@h;cause=408>;index=1.1.1;mp=1.1\r\n",
        );
        assert_eq!(told.outside(), Some(("+302", CallReason::FwdNoAnswer)));
        let values: Vec<&str> = told.values().collect();
        assert_eq!(
            values,
            [
                "<sip:+302@x>;reason=no-answer;counter=1;privacy=full",
                "<sip:301@x>;reason=user-busy;counter=1;privacy=off"
            ]
        );
    }

    #[test]
    fn history_without_a_diversion_tells_of_none() {
        let steps = ["<sip:201@x>;index=1", "<sip:201@x>;index=1,<sip:201@h>;index=1.1;np=1"];
        for said in steps {
            let told = told(&format!("History-Info: {said}\r\n"));
            assert_eq!((told.outside(), told.count()), (None, 0), "{said}");
        }
    }

    #[test]
    fn history_beside_diversion_is_not_counted_again() {
        let told = told(
            "Diversion: <sip:301@x>;reason=unconditional\r\n\
             History-Info: <sip:301@x>;index=1,<sip:201@h;cause=302>;index=1.1;mp=1\r\n",
        );
        assert_eq!((told.outside(), told.count()), (Some(("301", CallReason::FwdUncond)), 1));
    }

    #[test]
    fn history_that_is_not_to_be_read_or_without_end_harms_nothing() {
        for said in ["x", "<sip:a@h>;index=1..1", "<sip:%ff@h>;index=1,<sip:b@h;cause=302>;index=2"]
        {
            assert_eq!(told(&format!("History-Info: {said}\r\n")).count(), 0, "{said}");
        }
        let many: Vec<String> =
            (1..60).map(|step| format!("<sip:{step}@h;cause=302>;index={step}")).collect();
        let told = told(&format!("History-Info: {}\r\n", many.join(",")));
        assert_eq!(told.values().count(), MAX_OUTSIDE);
    }
}
