//! Answers the next call of a line, asks another number, and joins the two.
//!
//! ```sh
//! cargo run -p tapi --features client --example answer_and_transfer \
//!     http://127.0.0.1:8080 admin-token 201 203
//! ```

use std::error::Error;

use tapi::client::{
    Address, Call, CallInfoString, CallState, ClientConfig, Event, FinishMode, Tapi, TapiEvent,
    TapiMediaType,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, line, target] = arguments.as_slice() else {
        return Err("answer_and_transfer URL TOKEN LINE TARGET".into());
    };
    run(url, token, line, target, || ()).await
}

/// Serves one call of `line`; `is_ready` is told when calls are waited for.
pub(crate) async fn run(
    url: &str,
    token: &str,
    line: &str,
    target: &str,
    is_ready: impl FnOnce(),
) -> Result<(), Box<dyn Error>> {
    let tapi = Tapi::new(ClientConfig::new(url, token, "answer_and_transfer"));
    let _ = tapi.initialize().await?;
    tapi.put_event_filter(TapiEvent::CallNotification | TapiEvent::CallState);
    let address = tapi.address(line).await?;
    let audio = TapiMediaType::Audio.into();
    tapi.register_call_notifications(&address, false, true, audio, 0).await?;
    is_ready();
    while let Some(event) = tapi.next_event().await {
        // The notice of a new call comes first; it can be answered once it is offered.
        if let Event::CallState { call, state: CallState::Offering, .. } = event {
            serve(&address, &call, target).await?;
            break;
        }
    }
    let _ = tapi.shutdown().await?;
    Ok(())
}

async fn serve(address: &Address, call: &Call, target: &str) -> Result<(), Box<dyn Error>> {
    let caller = call.call_info_string(CallInfoString::CallerIdNumber).await?;
    call.answer().await?;
    println!("{caller} is answered and waits for {target}");
    let consultation = address.create_call(Some(target), TapiMediaType::Audio.into())?;
    call.transfer(&consultation, true).await?;
    println!("{target} has answered");
    consultation.finish(FinishMode::AsTransfer).await?;
    println!("{caller} and {target} talk");
    Ok(())
}
