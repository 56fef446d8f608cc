//! Moves two calls of a line to another one: the first is answered, parked and taken out of its
//! slot at the other line; the second is picked up there while it rings.
//!
//! ```sh
//! cargo run -p tapi --features client --example park_and_pickup \
//!     http://127.0.0.1:8080 admin-token 201 203
//! ```

use std::error::Error;

use tapi::client::{
    Address, Call, CallState, ClientConfig, DisconnectCode, Event, Tapi, TapiError, TapiEvent,
    TapiMediaType,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, line, other] = arguments.as_slice() else {
        return Err("park_and_pickup URL TOKEN LINE OTHER".into());
    };
    run(url, token, line, other, |step| println!("{step}")).await
}

/// Moves the next two calls of `line` to `other`; `told` hears of each step.
pub(crate) async fn run(
    url: &str,
    token: &str,
    line: &str,
    other: &str,
    told: impl Fn(String),
) -> Result<(), Box<dyn Error>> {
    let tapi = Tapi::new(ClientConfig::new(url, token, "park_and_pickup"));
    let _ = tapi.initialize().await?;
    tapi.put_event_filter(TapiEvent::CallNotification | TapiEvent::CallState);
    let (here, there) = (tapi.address(line).await?, tapi.address(other).await?);
    let audio = TapiMediaType::Audio.into();
    tapi.register_call_notifications(&here, false, true, audio, 0).await?;
    told("ready".to_owned());

    let first = offered(&tapi).await?;
    first.answer().await?;
    let slot = first.park_indirect().await?;
    told(format!("parked in {slot}"));
    let taken = there.create_call(Some(&slot), audio)?;
    taken.unpark().await?;
    told("taken out".to_owned());
    over(&tapi, &taken).await?;

    offered(&tapi).await?;
    let picked = pick_up(&there, line).await?;
    told("picked up".to_owned());
    over(&tapi, &picked).await?;
    let _ = tapi.shutdown().await?;
    Ok(())
}

/// The next call that is offered.
async fn offered(tapi: &Tapi) -> Result<Call, Box<dyn Error>> {
    while let Some(event) = tapi.next_event().await {
        if let Event::CallState { call, state: CallState::Offering, .. } = event {
            return Ok(call);
        }
    }
    Err("the switch is gone".into())
}

async fn pick_up(there: &Address, line: &str) -> Result<Call, TapiError> {
    let call = there.create_call(Some(line), TapiMediaType::Audio.into())?;
    call.pickup(None).await?;
    Ok(call)
}

/// Waits until a call is over, and clears what is left of it.
async fn over(tapi: &Tapi, wanted: &Call) -> Result<(), TapiError> {
    while wanted.call_state() != CallState::Disconnected {
        if tapi.next_event().await.is_none() {
            break;
        }
    }
    let _ = wanted.disconnect(DisconnectCode::Normal).await?;
    Ok(())
}
