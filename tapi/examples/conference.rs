//! Calls several numbers one after the other and joins them in a conference, until only one party
//! is left.
//!
//! ```sh
//! cargo run -p tapi --features client --example conference \
//!     http://127.0.0.1:8080 admin-token 201 202 203 204
//! ```

use std::error::Error;

use tapi::client::{
    Call, CallState, ClientConfig, Connect, FinishMode, Tapi, TapiEvent, TapiMediaType,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, line, first, others @ ..] = arguments.as_slice() else {
        return Err("conference URL TOKEN LINE NUMBER NUMBER …".into());
    };
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    run(url, token, line, first, &others, |calls| println!("{calls} calls in the hub")).await
}

/// Joins all numbers with `line`; `joined` is told how many calls the hub has then.
pub(crate) async fn run(
    url: &str,
    token: &str,
    line: &str,
    first: &str,
    others: &[&str],
    joined: impl Fn(usize),
) -> Result<(), Box<dyn Error>> {
    let tapi = Tapi::new(ClientConfig::new(url, token, "conference"));
    let _ = tapi.initialize().await?;
    tapi.put_event_filter(TapiEvent::CallState);
    let address = tapi.address(line).await?;
    let audio = TapiMediaType::Audio.into();
    let mut members: Vec<Call> = vec![address.create_call(Some(first), audio)?];
    members[0].connect(Connect::sync()).await?;
    for number in others {
        let consultation = address.create_call(Some(number), audio)?;
        members[0].conference(&consultation, true).await?;
        consultation.finish(FinishMode::AsConference).await?;
        members.push(consultation);
        let hub = members[0].call_hub().await?;
        joined(hub.calls().await?.len());
    }
    let is_there = |call: &&Call| call.call_state() != CallState::Disconnected;
    while members.iter().filter(is_there).count() > 1 {
        if tapi.next_event().await.is_none() {
            break;
        }
    }
    if let Some(last) = members.iter().find(is_there) {
        last.call_hub().await?.clear().await?;
    }
    let _ = tapi.shutdown().await?;
    Ok(())
}
