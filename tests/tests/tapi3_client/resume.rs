//! Broken connections.

use tapi::client::{
    CallInfoString, ClientConfig, Event, Success, Tapi, TapiErrorCode, TapiEvent, TapiObjectEvent,
};
use tests::program::TOKEN;
use tokio::runtime::Runtime;

use crate::office::Office;

/// A proxy between the client and the switch whose connections can be cut.
struct Cable {
    address: std::net::SocketAddr,
    cut: tokio::sync::watch::Sender<u32>,
}

impl Cable {
    fn new(runtime: &Runtime, to: std::net::SocketAddr) -> Cable {
        let (cut, cuts) = tokio::sync::watch::channel(0);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = tokio::net::TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Cable { address, cut }
    }

    fn break_off(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

#[test]
fn a_broken_connection_is_taken_up_again_with_all_objects_and_no_event_lost() {
    let mut office = Office::new(&["201", "202"]);
    let cable = Cable::new(&office.runtime, office.program.api);
    let url = format!("http://{}", cable.address);
    office.tapi = Tapi::new(ClientConfig::new(url, TOKEN, "resumes"));
    assert_eq!(office.run(office.tapi.initialize()), Ok(Success::Ok));
    office.tapi.put_event_filter(TapiEvent::CallState);
    let ben = office.registered("202", 0);
    let near = office.phones[0].call("202");
    let call = office.offered();
    cable.break_off();
    // Asked while nobody is connected: answered when somebody is. What was sent into the broken
    // connection, before the client noticed, fails and says so.
    let caller = loop {
        match office.run(call.call_info_string(CallInfoString::CallerIdNumber)) {
            Err(error) if error.code == TapiErrorCode::OperationFailed => {}
            answer => break answer.unwrap(),
        }
    };
    assert_eq!(caller, "201");
    office.ok(call.answer());
    cable.break_off();
    office.phones[0].connected(near);
    office.phones[0].hang_up(near);
    assert_eq!(office.trace(&call), ["CS_CONNECTED", "CS_DISCONNECTED CEC_DISCONNECT_NORMAL"]);
    assert!(office.ok(ben.calls()).is_empty());
    office.at_rest();
}

#[test]
fn an_application_that_the_switch_has_forgotten_is_told_te_reinit_and_begins_anew() {
    let office = Office::new(&["201", "202"]);
    office.registered("202", 0);
    office.phones[0].call("202");
    let call = office.offered();
    let Office { runtime, program, phones, tapi } = office;
    let program = program.crash_and_restart();
    let office = Office { runtime, program, phones, tapi };
    assert_eq!(office.trace(&call), ["CS_DISCONNECTED CEC_DISCONNECT_FAILED"]);
    let event = office.event("TE_REINIT");
    assert!(matches!(event, Event::TapiObject { event: TapiObjectEvent::Reinit, .. }), "{event:?}");
    assert!(office.run(office.tapi.next_event()).is_none(), "the stream ends");
    assert_eq!(office.fails(call.hold(true)), TapiErrorCode::InvalCallState);
    assert_eq!(office.fails(office.tapi.address("202")), TapiErrorCode::NotInitialized);
    assert_eq!(office.run(office.tapi.initialize()), Ok(Success::Ok));
    assert!(office.ok(office.address("202").calls()).is_empty());
}
