//! A SIP peer at any loopback address that writes its messages by hand and waits no longer than it wants.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_stack::auth::{ClientCredentials, DigestClient};
use sip_stack::message::{HeaderName, Message, Method};
use sip_stack::time::{Entropy, Seeded};

/// How long silence is waited for.
pub const SILENCE: Duration = Duration::from_millis(700);

/// What a peer offers and answers that sends no media.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 9 RTP/AVP 0\r\n";

/// A socket and what it needs to make requests.
pub struct Stranger {
    /// Its socket.
    pub socket: UdpSocket,
    switch: SocketAddr,
    entropy: Seeded,
    cseq: u32,
}

impl Stranger {
    /// A peer at this loopback address, such as `127.0.0.2`.
    ///
    /// # Panics
    ///
    /// When the address cannot be bound.
    pub fn at(address: &str, switch: SocketAddr) -> Stranger {
        let socket = UdpSocket::bind((address, 0)).expect("a loopback address");
        let port = socket.local_addr().expect("bound").port();
        Stranger { socket, switch, entropy: Seeded::new(u64::from(port)), cseq: 0 }
    }

    /// Something that is there once.
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.entropy.next_u64())
    }

    /// Sends octets.
    ///
    /// # Panics
    ///
    /// When the socket fails.
    pub fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.switch).expect("sent");
    }

    /// The next datagram, if one comes in time.
    ///
    /// # Panics
    ///
    /// When the socket fails.
    pub fn receive(&self, patience: Duration) -> Option<Vec<u8>> {
        self.socket.set_read_timeout(Some(patience)).expect("a timeout");
        let mut buffer = vec![0; 65_536];
        let (length, _) = self.socket.recv_from(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// A request outside of any dialog; `more` are header lines.
    ///
    /// # Panics
    ///
    /// When the socket has no address.
    pub fn request(&mut self, method: &str, uri: &str, user: &str, more: &str) -> String {
        self.cseq += 1;
        let local = self.socket.local_addr().expect("bound");
        let (branch, tag, call_id) = (self.token(), self.token(), self.token());
        let to =
            if method == "REGISTER" { format!("sip:{user}@office.test") } else { uri.to_owned() };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@office.test>;tag={tag}\r\nTo: <{to}>\r\n\
             Call-ID: {call_id}\r\nCSeq: {} {method}\r\nContact: <sip:{user}@{local}>\r\n{more}\
             Content-Length: 0\r\n\r\n",
            self.cseq
        )
    }

    /// The final response to what was sent last, if one comes in time.
    pub fn response(&self, patience: Duration) -> Option<Message> {
        let start = Instant::now();
        loop {
            let left = patience.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
            let message = Message::parse(Bytes::from(self.receive(left)?)).ok()?;
            let is_ours = message.cseq().is_ok_and(|found| found.number == self.cseq);
            if is_ours && message.status().is_some_and(|status| status >= 200) {
                return Some(message);
            }
        }
    }

    /// Sends a request, and again as a client does (timer E) until it is answered or patience ends.
    pub fn ask(&mut self, request: &str, patience: Duration) -> Option<Message> {
        let start = Instant::now();
        let mut wait = Duration::from_millis(500);
        while start.elapsed() < patience {
            self.send(request.as_bytes());
            let left = patience.saturating_sub(start.elapsed()).min(wait);
            if let Some(response) = self.response(left) {
                return Some(response);
            }
            wait *= 2;
        }
        None
    }

    /// Registers with this password; the status of the last answer, `None` when there was none.
    pub fn register(&mut self, user: &str, password: &str, patience: Duration) -> Option<u16> {
        let credentials =
            ClientCredentials { username: user.to_owned(), password: password.to_owned() };
        let mut auth = DigestClient::new(credentials);
        let first = self.request("REGISTER", "sip:office.test", user, "Expires: 60\r\n");
        let challenge = self.ask(&first, patience)?;
        if !auth.on_challenge(&challenge, 0) {
            return challenge.status();
        }
        let answers = auth.authorize(&Method::Register, "sip:office.test", b"", &mut self.entropy);
        let more: String = answers
            .iter()
            .map(|(name, value)| format!("{}: {value}\r\n", name_of(*name)))
            .collect();
        let more = format!("Expires: 60\r\n{more}");
        let second = self.request("REGISTER", "sip:office.test", user, &more);
        self.ask(&second, patience)?.status()
    }
}

/// The answer of a peer, tag `carrier`, to a request of the switch; `more` are header lines.
///
/// # Panics
///
/// When the request is none.
pub fn answer_to(request: &Message, status: &str, more: &str, body: &str) -> String {
    let headers =
        [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];
    let copied: String = headers
        .into_iter()
        .map(|name| {
            format!("{}: {}\r\n", name.as_str(), request.header(name).expect("a request has it"))
        })
        .collect();
    let copied = match copied.contains(";tag=carrier\r\n") {
        true => copied,
        false => copied.replacen("\r\nCall-ID", ";tag=carrier\r\nCall-ID", 1),
    };
    let length = body.len();
    format!("SIP/2.0 {status}\r\n{copied}{more}Content-Length: {length}\r\n\r\n{body}")
}

fn name_of(name: HeaderName) -> &'static str {
    match name {
        HeaderName::ProxyAuthorization => "Proxy-Authorization",
        _ => "Authorization",
    }
}
