//! Logs an agent in for every group of its call centre, and shows its day until its sessions are
//! over, ended by its phone, a supervisor or another program.
//!
//! ```sh
//! cargo run -p tapi --features client --example agent \
//!     http://127.0.0.1:8080 admin-token jane 4711 204
//! ```

use std::error::Error;

use tapi::Constant as _;
use tapi::client::{
    AgentSession, AgentSessionEvent, CallCenterEvent, ClientConfig, Event, Tapi, TapiErrorCode,
    TapiEvent,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, id, pin, line] = arguments.as_slice() else {
        return Err("agent URL TOKEN AGENT PIN LINE".into());
    };
    run(url, token, [id, pin, line], |text| println!("{text}")).await
}

/// The same, telling what happens.
pub(crate) async fn run(
    url: &str,
    token: &str,
    [id, pin, line]: [&str; 3],
    tell: impl Fn(String),
) -> Result<(), Box<dyn Error>> {
    let tapi = Tapi::new(ClientConfig::new(url, token, "agent"));
    let _ = tapi.initialize().await?;
    tapi.put_event_filter(TapiEvent::Agent | TapiEvent::AgentSession);
    let handlers = tapi.agent_handlers().await?;
    let handler = handlers.first().ok_or("Nobody handles agents here.")?;
    tell(format!("handler {}", handler.name().await?));
    let agent = handler.create_agent_with_id(id, pin).await?;
    let address = tapi.address(line).await?;
    let mut sessions = Vec::new();
    for group in handler.acd_groups().await? {
        match agent.create_session(&group, &address).await {
            Ok(session) => {
                tell(format!("session in {}", group.name().await?));
                sessions.push(session);
            }
            // Somebody else's group.
            Err(error) if error.code == TapiErrorCode::CallCenterInvalAgentGroup => {}
            Err(error) => return Err(error.into()),
        }
    }
    for session in &sessions {
        session.put_state(tapi::client::AgentSessionState::Ready).await?;
    }
    while !sessions.is_empty() {
        match tapi.next_event().await {
            Some(Event::CallCenter(CallCenterEvent::Agent { agent: who, event })) => {
                if who == agent {
                    tell(format!("agent {}", event.name()));
                }
            }
            Some(Event::CallCenter(CallCenterEvent::AgentSession { session, event })) => {
                if sessions.contains(&session) {
                    tell(format!("session {}", event.name()));
                    if event == AgentSessionEvent::End {
                        tell(summary(&session).await?);
                        sessions.retain(|other| *other != session);
                    }
                }
            }
            Some(_) => {}
            None => break,
        }
    }
    let _ = tapi.shutdown().await?;
    Ok(())
}

/// The numbers of a session.
async fn summary(session: &AgentSession) -> Result<String, Box<dyn Error>> {
    let info = session.info().await?;
    let (calls, seconds) = (info.calls, info.average_talk_time);
    Ok(format!("handled {calls} calls, talking {seconds} s each"))
}
