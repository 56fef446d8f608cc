//! Messages: parsing, what a transaction has to know, answers; rsip beside it as the baseline.

use std::hint::black_box;
use std::time::Duration;

use benches::sample::{INVITE, OK, REGISTER};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};
use sip_stack::message::{HeaderName, Message, response_to};

/// Top Via with branch, tags, Call-ID, CSeq: how much text that is.
fn essentials(message: &Message) -> Option<usize> {
    let branch = message.via().ok()?.branch?.len();
    let from = message.from().ok()?.tag()?.len();
    let to = message.to().ok()?.tag().map_or(0, str::len);
    let number = message.cseq().ok()?.number as usize;
    Some(branch + from + to + message.call_id().len() + number)
}

fn essentials_by_rsip(message: &rsip::SipMessage) -> Option<usize> {
    let via = message.via_header().ok()?.typed().ok()?;
    let branch = via.branch()?.value().len();
    let from = message.from_header().ok()?.typed().ok()?.tag()?.value().len();
    let to = message.to_header().ok()?.typed().ok()?;
    let to = to.tag().map_or(0, |tag| tag.value().len());
    let number = message.cseq_header().ok()?.typed().ok()?.seq as usize;
    Some(branch + from + to + message.call_id_header().ok()?.value().len() + number)
}

/// rsip reads no `+sip.instance`; it gets the same message with a plain Contact.
fn for_rsip(text: &str) -> String {
    let instance = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"";
    text.replace(instance, "")
}

fn parse(criterion: &mut Criterion) {
    for (name, text) in [("register", REGISTER), ("invite", INVITE), ("200", OK)] {
        let bytes = Bytes::from_static(text.as_bytes());
        let other = for_rsip(text);
        let mut group = criterion.benchmark_group(format!("message/{name}"));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("parse", |bencher| {
            bencher.iter(|| Message::parse(black_box(bytes.clone())));
        });
        group.bench_function("parse, rsip", |bencher| {
            bencher.iter(|| rsip::SipMessage::try_from(black_box(other.as_str())));
        });
        group.bench_function("parse + essentials", |bencher| {
            bencher.iter(|| Message::parse(black_box(bytes.clone())).map(|one| essentials(&one)));
        });
        group.bench_function("parse + essentials, rsip", |bencher| {
            bencher.iter(|| {
                let message = rsip::SipMessage::try_from(black_box(other.as_str()));
                message.map(|one| essentials_by_rsip(&one))
            });
        });
        group.finish();
    }
}

/// The 200 to the INVITE, written whole.
fn answer(invite: &Message, body: &[u8]) -> Bytes {
    let mut writer = response_to(invite, 200, "OK", Some("a48279f6"));
    writer.header(HeaderName::Contact, "<sip:202@192.0.2.1:5060>");
    writer.header(HeaderName::Supported, "replaces, timer");
    writer.finish(Some("application/sdp"), body)
}

fn answer_by_rsip(request: &rsip::Request, body: &[u8]) -> Vec<u8> {
    let mut headers = rsip::Headers::default();
    for header in request.headers.iter() {
        match header {
            rsip::Header::Via(_)
            | rsip::Header::From(_)
            | rsip::Header::CallId(_)
            | rsip::Header::CSeq(_) => headers.push(header.clone()),
            rsip::Header::To(to) => {
                headers.push(rsip::headers::To::new(format!("{};tag=a48279f6", to.value())).into());
            }
            _ => {}
        }
    }
    headers.push(rsip::headers::Contact::new("<sip:202@192.0.2.1:5060>").into());
    headers.push(rsip::headers::Supported::new("replaces, timer").into());
    headers.push(rsip::headers::ContentType::new("application/sdp").into());
    headers.push(rsip::headers::ContentLength::new(body.len().to_string()).into());
    let response = rsip::Response {
        status_code: rsip::StatusCode::OK,
        version: rsip::Version::V2,
        headers,
        body: body.to_vec(),
    };
    response.into()
}

fn write(criterion: &mut Criterion) {
    let Ok(invite) = Message::parse(Bytes::from_static(INVITE.as_bytes())) else { return };
    let Ok(rsip::SipMessage::Request(request)) = rsip::SipMessage::try_from(INVITE) else { return };
    let body = OK.split_once("\r\n\r\n").map_or("", |(_, body)| body).as_bytes();
    let mut group = criterion.benchmark_group("message/answer");
    group.bench_function("200 to an invite", |bencher| {
        bencher.iter(|| answer(black_box(&invite), black_box(body)));
    });
    group.bench_function("200 to an invite, rsip", |bencher| {
        bencher.iter(|| answer_by_rsip(black_box(&request), black_box(body)));
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = short(); targets = parse, write }
criterion_main!(benches);
