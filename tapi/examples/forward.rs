//! Forwards a line, or ends its forwarding, and shows what is in force.
//!
//! ```sh
//! cargo run -p tapi --features client --example forward \
//!     http://127.0.0.1:8080 admin-token 201 busy 203
//! cargo run -p tapi --features client --example forward \
//!     http://127.0.0.1:8080 admin-token 201 none
//! ```

use std::error::Error;

use tapi::Constant as _;
use tapi::client::{
    AddressEvent, ClientConfig, Event, Forward, ForwardInformation, Tapi, TapiEvent,
};
use tapi::constant::ForwardMode;

const USAGE: &str = "forward URL TOKEN LINE (all|busy|noanswer|dnd|none) [NUMBER]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, line, wish @ ..] = arguments.as_slice() else { return Err(USAGE.into()) };
    let wish: Vec<&str> = wish.iter().map(String::as_str).collect();
    for Forward { mode, destination, .. } in run(url, token, line, &wish).await?.entries() {
        println!("{} {}", mode.name(), destination.as_deref().unwrap_or("do not disturb"));
    }
    Ok(())
}

/// Sets the forwarding that is wished; what is in force then.
pub(crate) async fn run(
    url: &str,
    token: &str,
    line: &str,
    wish: &[&str],
) -> Result<ForwardInformation, Box<dyn Error>> {
    let tapi = Tapi::new(ClientConfig::new(url, token, "forward"));
    let _ = tapi.initialize().await?;
    tapi.put_event_filter(TapiEvent::Address);
    let address = tapi.address(line).await?;
    let before = address.current_forward_info().await?;
    let mut info = address.create_forward_info_object();
    match wish {
        ["none"] => address.forward(None).await?,
        ["dnd"] => address.put_do_not_disturb(true).await?,
        [condition, number] => {
            let mode = match *condition {
                "all" => ForwardMode::Uncond,
                "busy" => ForwardMode::Busy,
                "noanswer" => ForwardMode::NoAnsw,
                _ => return Err(USAGE.into()),
            };
            info.set_forward_type(mode, number, None)?;
            address.forward(Some(&info)).await?;
        }
        _ => return Err(USAGE.into()),
    }
    let after = address.current_forward_info().await?;
    // A change is announced to every application that looks at the address.
    if after != before {
        announced(&tapi).await;
    }
    let _ = tapi.shutdown().await?;
    Ok(after)
}

/// Waits until the change of the forwarding is told.
async fn announced(tapi: &Tapi) {
    while let Some(event) = tapi.next_event().await {
        if let Event::Address { event: AddressEvent::Forward, .. } = event {
            return;
        }
    }
}
