//! Makes a call and shows what becomes of it, until it is over.
//!
//! ```sh
//! cargo run -p tapi --features client --example dial http://127.0.0.1:8080 admin-token 201 202
//! ```

use std::error::Error;

use tapi::Constant as _;
use tapi::client::{ClientConfig, Connect, Event, Tapi, TapiEvent, TapiMediaType};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, from, to] = arguments.as_slice() else {
        return Err("dial URL TOKEN FROM TO".into());
    };
    run(url, token, from, to).await
}

/// Calls `to` from `from`; ends with the call.
pub(crate) async fn run(
    url: &str,
    token: &str,
    from: &str,
    to: &str,
) -> Result<(), Box<dyn Error>> {
    let tapi = Tapi::new(ClientConfig::new(url, token, "dial"));
    let _ = tapi.initialize().await?;
    tapi.put_event_filter(TapiEvent::CallState);
    let address = tapi.address(from).await?;
    let call = address.create_call(Some(to), TapiMediaType::Audio.into())?;
    call.connect(Connect::asynchronous().comment("made by the example dial")).await?;
    while let Some(event) = tapi.next_event().await {
        if let Event::CallState { state, cause, .. } = event {
            println!("{from} to {to}: {} {}", state.name(), cause.name());
            if state == tapi::client::CallState::Disconnected {
                break;
            }
        }
    }
    let _ = tapi.shutdown().await?;
    Ok(())
}
