//! The bodies of NOTIFYs. Pure text; knows no calls.
//!
//! What depends on the subscription (version, address as subscribed) is filled in last, so that one
//! document serves everybody who may see the same. Source: RFC 4235 §4, RFC 3842 §5, RFC 4575 §5,
//! RFC 3863; sip-mapping A.1, A.2, A.5.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use sip_stack::uri::encode_user;

pub use super::token::Token;
use crate::call::identity::Identity;

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n";

/// Where a dialog stands (RFC 4235 §3.7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Begun, nothing heard.
    Trying,
    /// Somebody looks for the other party.
    Proceeding,
    /// It rings.
    Early,
    /// Answered.
    Confirmed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Trying => "trying",
            State::Proceeding => "proceeding",
            State::Early => "early",
            State::Confirmed => "confirmed",
        }
    }
}

/// The other party of a dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// Who it is; `None` does not want to be known.
    pub identity: Option<Identity>,
    /// What is dialled to get to it.
    pub target: String,
}

/// One dialog of a watched thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialog {
    /// Stays the same as long as the dialog.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// Whether the watched side began it.
    pub is_initiator: bool,
    /// The watched side.
    pub local: Identity,
    /// The other side, for those who may know.
    pub remote: Option<Remote>,
    /// What a Replaces may name, for those who may pick up.
    pub token: Option<Token>,
    /// The watched side listens: it does not hold.
    pub is_rendering: bool,
}

/// One party in a conference room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who it is.
    pub identity: Identity,
    /// Which of its calls.
    pub call: String,
    /// On hold: in the room, and hears nothing of it.
    pub is_on_hold: bool,
}

/// A document without what depends on the subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    envelope: Envelope,
    content: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Envelope {
    Dialogs,
    Conference,
    Presence,
    Plain,
}

impl Document {
    /// dialog-info, full state: all live dialogs, or one that is terminated, because phones ignore an
    /// empty list (sip-mapping §3.12).
    pub fn dialogs(domain: &str, idle: &str, dialogs: &[Dialog]) -> Document {
        let mut content = String::new();
        for dialog in dialogs {
            write_dialog(&mut content, domain, dialog);
        }
        if dialogs.is_empty() {
            let id = escape(idle);
            let state = "<state>terminated</state>";
            let _ = write!(content, "<dialog id=\"{id}\">{state}</dialog>\r\n");
        }
        Document { envelope: Envelope::Dialogs, content }
    }

    /// conference-info, full state; without `members` only how many there are.
    pub fn conference(
        domain: &str,
        name: &str,
        max: u32,
        count: usize,
        members: Option<&[Member]>,
    ) -> Document {
        let mut content = format!(
            "<conference-description><display-text>{}</display-text>\
             <maximum-user-count>{max}</maximum-user-count></conference-description>\r\n\
             <conference-state><user-count>{count}</user-count><active>{}</active>\
             </conference-state>\r\n",
            escape(name),
            count > 0,
        );
        if let Some(members) = members {
            write_users(&mut content, domain, members);
        }
        Document { envelope: Envelope::Conference, content }
    }

    /// PIDF: whether the line can be reached, and in words what it does.
    pub fn presence(is_open: bool, note: &str) -> Document {
        let basic = if is_open { "open" } else { "closed" };
        let content = format!(
            "<tuple id=\"line\"><status><basic>{basic}</basic></status><note>{}</note></tuple>\r\n",
            escape(note)
        );
        Document { envelope: Envelope::Presence, content }
    }

    /// simple-message-summary: so many new messages, no old ones.
    pub fn message_summary(count: u32) -> Document {
        let waiting = if count > 0 { "yes" } else { "no" };
        let content = format!("Messages-Waiting: {waiting}\r\nVoice-Message: {count}/0 (0/0)\r\n");
        Document { envelope: Envelope::Plain, content }
    }

    /// Tells documents apart.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        hasher.finish()
    }

    /// The whole body for one subscription.
    pub fn body(&self, version: u32, entity: &str) -> String {
        let (content, entity) = (&self.content, escape(entity));
        match self.envelope {
            Envelope::Plain => content.clone(),
            Envelope::Dialogs => format!(
                "{XML}<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
                 version=\"{version}\" state=\"full\" entity=\"{entity}\">\r\n\
                 {content}</dialog-info>\r\n"
            ),
            Envelope::Conference => format!(
                "{XML}<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" \
                 version=\"{version}\" state=\"full\" entity=\"{entity}\">\r\n\
                 {content}</conference-info>\r\n"
            ),
            Envelope::Presence => format!(
                "{XML}<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{entity}\">\r\n\
                 {content}</presence>\r\n"
            ),
        }
    }
}

fn write_dialog(out: &mut String, domain: &str, dialog: &Dialog) {
    let _ = write!(out, "<dialog id=\"{}\"", escape(&dialog.id));
    if let Some(token) = &dialog.token {
        let Token { call_id, local_tag, remote_tag } = token;
        let _ = write!(
            out,
            " call-id=\"{call_id}\" local-tag=\"{local_tag}\" remote-tag=\"{remote_tag}\""
        );
    }
    let direction = if dialog.is_initiator { "initiator" } else { "recipient" };
    let state = dialog.state.name();
    let _ = write!(out, " direction=\"{direction}\">\r\n<state>{state}</state>\r\n");
    let local = address(&dialog.local.number, domain);
    let rendering = if dialog.is_rendering { "yes" } else { "no" };
    let _ = write!(
        out,
        "<local>{}<target uri=\"{local}\"><param pname=\"+sip.rendering\" pvalue=\"{rendering}\"/>\
         </target></local>\r\n",
        identity(&dialog.local, domain)
    );
    if let Some(remote) = &dialog.remote {
        let shown = match &remote.identity {
            Some(known) => identity(known, domain),
            None => "<identity display=\"Anonymous\">sip:anonymous@anonymous.invalid</identity>"
                .to_owned(),
        };
        let target = address(&remote.target, domain);
        let _ = write!(out, "<remote>{shown}<target uri=\"{target}\"/></remote>\r\n");
    }
    out.push_str("</dialog>\r\n");
}

fn write_users(out: &mut String, domain: &str, members: &[Member]) {
    out.push_str("<users>\r\n");
    let mut numbers: Vec<&str> = members.iter().map(|one| one.identity.number.as_str()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let user = address(number, domain);
        let own = || members.iter().filter(|one| one.identity.number == number);
        let name = own().map(|one| one.identity.name.as_str()).next().unwrap_or_default();
        let name = if name.is_empty() { number } else { name };
        let _ = write!(
            out,
            "<user entity=\"{user}\" state=\"full\"><display-text>{}</display-text>",
            escape(name)
        );
        for one in own() {
            let status = if one.is_on_hold { "on-hold" } else { "connected" };
            let call = escape(&one.call);
            let _ = write!(
                out,
                "<endpoint entity=\"{user};call={call}\"><status>{status}</status></endpoint>"
            );
        }
        out.push_str("</user>\r\n");
    }
    out.push_str("</users>\r\n");
}

fn identity(identity: &Identity, domain: &str) -> String {
    let uri = address(&identity.number, domain);
    if identity.name.is_empty() {
        return format!("<identity>{uri}</identity>");
    }
    format!("<identity display=\"{}\">{uri}</identity>", escape(&identity.name))
}

fn address(number: &str, domain: &str) -> String {
    escape(&format!("sip:{}@{domain}", encode_user(number)))
}

/// Text for element and attribute values; what XML cannot carry becomes a question mark.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: &str, name: &str) -> Identity {
        Identity { number: number.to_owned(), name: name.to_owned(), is_private: false }
    }

    fn ringing() -> Dialog {
        Dialog {
            id: "c42".to_owned(),
            state: State::Early,
            is_initiator: false,
            local: known("202", "Ben"),
            remote: Some(Remote {
                identity: Some(known("201", "A & \"B\"")),
                target: "**202".to_owned(),
            }),
            token: Some(Token {
                call_id: "pickup-1-2".to_owned(),
                local_tag: "l3".to_owned(),
                remote_tag: "r4".to_owned(),
            }),
            is_rendering: true,
        }
    }

    #[test]
    fn a_ringing_line_is_written_as_rfc_4235_has_it() {
        let document = Document::dialogs("office.test", "202", &[ringing()]);
        assert_eq!(
            document.body(7, "sip:202@192.0.2.1:5062").replace("\r\n", "\n"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"7\" \
             state=\"full\" entity=\"sip:202@192.0.2.1:5062\">\n\
             <dialog id=\"c42\" call-id=\"pickup-1-2\" local-tag=\"l3\" remote-tag=\"r4\" \
             direction=\"recipient\">\n\
             <state>early</state>\n\
             <local><identity display=\"Ben\">sip:202@office.test</identity>\
             <target uri=\"sip:202@office.test\">\
             <param pname=\"+sip.rendering\" pvalue=\"yes\"/></target></local>\n\
             <remote><identity display=\"A &amp; &quot;B&quot;\">sip:201@office.test</identity>\
             <target uri=\"sip:**202@office.test\"/></remote>\n\
             </dialog>\n\
             </dialog-info>\n"
        );
    }

    #[test]
    fn nothing_going_on_is_a_terminated_dialog() {
        let body = Document::dialogs("x.test", "202", &[]).body(0, "sip:202@x.test");
        assert!(body.contains("<dialog id=\"202\"><state>terminated</state></dialog>"), "{body}");
    }

    #[test]
    fn who_does_not_want_to_be_known_is_anonymous() {
        let anonymous = Remote { identity: None, target: "**202".to_owned() };
        let dialog = Dialog { remote: Some(anonymous), ..ringing() };
        let body = Document::dialogs("x.test", "202", &[dialog]).body(0, "sip:202@x.test");
        assert!(body.contains("sip:anonymous@anonymous.invalid") && !body.contains("201@"));
    }

    #[test]
    fn nobody_can_write_markup_or_headers_through_a_name() {
        let text = escape("</x>\r\n'\u{7}\u{1f600}");
        assert_eq!(text, "&lt;/x&gt;??&apos;?\u{1f600}");
    }

    #[test]
    fn a_line_that_is_in_a_room_twice_is_one_user_with_two_endpoints() {
        let member = |call: &str, is_on_hold| Member {
            identity: known("201", "Ada"),
            call: call.to_owned(),
            is_on_hold,
        };
        let members = [member("c1", false), member("c2", true)];
        let document = Document::conference("x.test", "Board", 32, 2, Some(&members));
        let body = document.body(1, "sip:800@x.test");
        assert_eq!(body.matches("<user ").count(), 1);
        assert!(body.contains("call=c2\"><status>on-hold</status>"), "{body}");
        assert!(body.contains("<user-count>2</user-count><active>true</active>"));
        let plain = Document::conference("x.test", "Board", 32, 2, None).body(1, "sip:800@x.test");
        assert!(plain.contains("<user-count>2") && !plain.contains("201"));
    }

    #[test]
    fn messages_and_presence_are_said_in_their_own_words() {
        let body = Document::message_summary(2).body(9, "sip:201@x.test");
        assert_eq!(body, "Messages-Waiting: yes\r\nVoice-Message: 2/0 (0/0)\r\n");
        assert!(Document::message_summary(0).body(0, "").starts_with("Messages-Waiting: no\r\n"));
        let body = Document::presence(true, "Ringing").body(0, "sip:201@x.test");
        assert!(body.contains("<basic>open</basic></status><note>Ringing</note>"), "{body}");
    }
}
