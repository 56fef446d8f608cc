//! ITTAPICallCenter and its objects, with an application as the agent handler that answers
//! everything and tells everything.

use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tapi::client::{
    AcdGroup, Agent, AgentEvent, AgentHandlerEvent, AgentSession, AgentSessionEvent,
    AgentSessionState, AgentState, CallCenterEvent, Event, Queue, Tapi, TapiErrorCode,
};
use tests::program::{Application, PATIENCE, Program, TOKEN, office};

use crate::office::{Office, config};

#[path = "../../../tapi/examples/agent.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod agent;

const SALES: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
const HANDLER: &str = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";
const QUEUE: u32 = 8;

/// An application that handles the agents of line 201, on a thread of its own.
struct Desk {
    app: Application,
    h_line: u64,
    agent_state: String,
    session_state: String,
    period: u32,
}

impl Desk {
    /// Serves until it is asked to stop by lineAgentSpecific.
    fn start(program: &Program) -> JoinHandle<()> {
        let mut app = program.application("desk");
        let all: Vec<u32> = (1..=0x14).collect();
        let open = json!({"line": "201", "callParams": {"proxyRequests": all},
            "privileges": ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"]});
        let h_line = app.call("lineOpen", open).unwrap()["hLine"].as_u64().unwrap();
        let mut desk = Desk {
            app,
            h_line,
            agent_state: "LINEAGENTSTATEEX_NOTREADY".to_owned(),
            session_state: "LINEAGENTSESSIONSTATE_NOTREADY".to_owned(),
            period: 86_400,
        };
        std::thread::spawn(move || while desk.serve() {})
    }

    fn serve(&mut self) -> bool {
        let wanted = |message: &Value| message["method"] == "LINE_PROXYREQUEST";
        let request = self.app.wait("a request", wanted)["params"].clone();
        let kind = request["requestType"].as_str().unwrap().replace("LINEPROXYREQUEST_", "");
        let (result, data) = self.answer(&kind, &request);
        let response = json!({"hLine": self.h_line, "proxyRequest": request["proxyRequest"],
            "result": result, "data": data});
        self.app.call("lineProxyResponse", response).unwrap();
        if result == json!(0) {
            self.tell_of(&kind, &request);
        }
        kind != "AGENTSPECIFIC"
    }

    fn answer(&mut self, kind: &str, request: &Value) -> (Value, Value) {
        let refused = |error: &str| (json!(format!("LINEERR_{error}")), Value::Null);
        if request["queueId"].as_u64().is_some_and(|queue| queue != u64::from(QUEUE)) {
            return refused("INVALPARAM");
        }
        if request["groupId"].as_str().is_some_and(|group| group != SALES) {
            return refused("INVALAGENTGROUP");
        }
        let data = match kind {
            "GETAGENTCAPS" => json!({"agentHandlerInfo": "Desk ACD 1.0", "proxyGuid": HANDLER}),
            "GETGROUPLIST" => json!({"groups": [{"groupId": SALES, "name": "Sales"}]}),
            "GETQUEUELIST" => json!({"queues": [{"queueId": QUEUE, "name": "Orders"}]}),
            "CREATEAGENT" if request["agentId"].is_null() => json!({"hAgent": 3}),
            "CREATEAGENT" if request["agentId"] != "7001" => return refused("INVALAGENTID"),
            "CREATEAGENT" if request["agentPin"] != "4711" => return refused("INVALPASSWORD"),
            "CREATEAGENT" => json!({"hAgent": 4}),
            "CREATEAGENTSESSION" if request["agentPin"] == "0000" => {
                return refused("INVALPASSWORD");
            }
            "CREATEAGENTSESSION" => json!({"hAgentSession": 5}),
            "GETAGENTSESSIONLIST" => json!({"sessions": [{"hAgentSession": 5,
                "hAgent": request["hAgent"], "groupId": SALES, "workingAddressId": 0}]}),
            "SETAGENTSTATEEX" if request["agentState"] == "LINEAGENTSTATEEX_BUSYACD" => {
                return refused("INVALAGENTSTATE");
            }
            "SETAGENTSTATEEX" => {
                self.agent_state = request["agentState"].as_str().unwrap().to_owned();
                Value::Null
            }
            "SETAGENTSESSIONSTATE" => {
                self.session_state = request["agentSessionState"].as_str().unwrap().to_owned();
                Value::Null
            }
            "SETQUEUEMEASUREMENTPERIOD" | "SETAGENTMEASUREMENTPERIOD" => {
                self.period =
                    u32::try_from(request["measurementPeriod"].as_u64().unwrap()).unwrap();
                Value::Null
            }
            "GETAGENTINFO" => json!({"agentState": self.agent_state,
                "measurementPeriod": self.period, "overallCallRate": 125_000,
                "numberOfAcdCalls": 11, "numberOfIncomingCalls": 12, "numberOfOutgoingCalls": 13,
                "totalAcdTalkTime": 14, "totalAcdCallTime": 15, "totalAcdWrapUpTime": 16}),
            "GETAGENTSESSIONINFO" => json!({"agentSessionState": self.session_state,
                "sessionStartTime": "2024-03-01T00:00:00Z", "sessionDuration": 137,
                "numberOfCalls": 21, "totalTalkTime": 22, "averageTalkTime": 23,
                "totalCallTime": 24, "averageCallTime": 25, "totalWrapUpTime": 26,
                "averageWrapUpTime": 27, "acdCallRate": 5_000, "longestTimeToAnswer": 28,
                "averageTimeToAnswer": 29}),
            "GETQUEUEINFO" => json!({"measurementPeriod": self.period, "totalCallsQueued": 31,
                "currentCallsQueued": 32, "totalCallsAbandoned": 33, "totalCallsFlowedIn": 34,
                "totalCallsFlowedOut": 35, "longestEverWaitTime": 36,
                "currentLongestWaitTime": 37, "averageWaitTime": 38, "finalDisposition": 39}),
            _ => Value::Null,
        };
        (json!(0), data)
    }

    /// Tells everybody what a request has changed.
    fn tell_of(&mut self, kind: &str, request: &Value) {
        match kind {
            "SETAGENTSTATEEX" => {
                self.tell("LINE_AGENTSTATUSEX", &request["hAgent"], 2, &self.agent_state.clone());
            }
            "CREATEAGENTSESSION" => {
                let state = "LINEAGENTSESSIONSTATE_NOTREADY";
                self.tell("LINE_AGENTSESSIONSTATUS", &json!(5), 3, state);
            }
            "SETAGENTSESSIONSTATE" => {
                let state = self.session_state.clone();
                self.tell("LINE_AGENTSESSIONSTATUS", &request["hAgentSession"], 6, &state);
            }
            "AGENTSPECIFIC" => {
                self.tell("LINE_QUEUESTATUS", &json!(QUEUE), 4, "");
                self.tell("LINE_GROUPSTATUS", &json!(0), 2, "");
                self.app.call("lineClose", json!({"hLine": self.h_line})).unwrap();
            }
            _ => {}
        }
    }

    fn tell(&mut self, message: &str, of: &Value, changed: u32, state: &str) {
        let mut params = json!({"hLine": self.h_line, "msg": message, "param1": of,
            "param2": changed, "groupId": SALES});
        if !state.is_empty() {
            params["param3"] = state.into();
        }
        self.app.call("lineProxyMessage", params).unwrap();
    }
}

/// An office whose agents applications handle, with a client, and a handler of line 201.
fn office_with_desk() -> (Office, JoinHandle<()>) {
    let program = Program::with(office(|text| {
        text.replace("[defaults.line]\n", "[defaults.line]\nagent_handler = \"application\"\n")
    }));
    let desk = Desk::start(&program);
    (Office::with(program, &[]), desk)
}

/// The handler closes its line after having said that its queue and its group are gone.
fn close(office: &Office, desk: JoinHandle<()>) {
    let mut app = office.program.application("end");
    let h_line = app.open_for("201", &["NONE"]);
    let params = json!({"hLine": h_line, "agentExtensionIdIndex": 0, "wait": true});
    app.call("lineAgentSpecific", params).unwrap();
    desk.join().unwrap();
}

fn next(office: &Office, what: &str) -> CallCenterEvent {
    office.wait(what, |event| match event {
        Event::CallCenter(event) => Some(event),
        _ => None,
    })
}

/// The desk's one group and one queue; the other lines' agents are handled by the switch.
fn group_and_queue(office: &Office) -> (AcdGroup, Queue) {
    let handlers = office.ok(office.tapi.agent_handlers());
    assert_eq!(handlers.len(), 2, "{handlers:?}");
    let mut groups = office.ok(handlers[0].acd_groups());
    assert_eq!(groups.len(), 1);
    let group = groups.remove(0);
    let mut queues = office.ok(group.queues());
    assert_eq!(queues.len(), 1);
    (group, queues.remove(0))
}

#[test]
fn handlers_groups_and_queues_tell_their_names_and_numbers() {
    let (office, desk) = office_with_desk();
    let handler = office.ok(office.tapi.agent_handlers()).remove(0);
    assert_eq!(office.ok(handler.name()), "Desk ACD 1.0");
    let usable = office.ok(handler.usable_addresses());
    assert_eq!(usable.len(), 2, "its own and a shared one: {usable:?}");
    assert_eq!(usable[0], office.address("201"));
    let (group, queue) = group_and_queue(&office);
    assert_eq!(office.ok(group.name()), "Sales");
    assert_eq!(office.ok(queue.name()), "Orders");
    assert_eq!(office.fails(queue.put_measurement_period(0)), TapiErrorCode::InvalidArg);
    office.ok(queue.put_measurement_period(900));
    assert_eq!(office.ok(queue.measurement_period()), 900);
    let numbers = office.run(async {
        Ok::<_, tapi::client::TapiError>([
            queue.total_calls_queued().await?,
            queue.current_calls_queued().await?,
            queue.total_calls_abandoned().await?,
            queue.total_calls_flowed_in().await?,
            queue.total_calls_flowed_out().await?,
            queue.longest_ever_wait_time().await?,
            queue.current_longest_wait_time().await?,
            queue.average_wait_time().await?,
            queue.final_disposition().await?,
        ])
    });
    assert_eq!(numbers.unwrap(), [31, 32, 33, 34, 35, 36, 37, 38, 39]);
    close(&office, desk);
}

#[test]
fn an_agent_is_created_with_or_without_an_identifier() {
    let (office, desk) = office_with_desk();
    let handler = office.ok(office.tapi.agent_handlers()).remove(0);
    let agent = office.ok(handler.create_agent_with_id("7001", "4711"));
    assert_eq!(agent.id().as_deref(), Ok("7001"));
    assert_eq!(agent.user(), "client");
    assert_eq!(agent.agent_handler(), handler);
    let again = office.ok(handler.create_agent_with_id("7001", "4711"));
    assert_eq!(again, agent, "one person");
    let own = office.ok(handler.create_agent());
    assert_ne!(own, agent);
    assert_eq!(own.id().unwrap_err().code, TapiErrorCode::CallCenterNoAgentId);
    let wrong_pin = office.fails(handler.create_agent_with_id("7001", "1"));
    assert_eq!(wrong_pin, TapiErrorCode::CallCenterInvalPassword);
    let nobody = office.fails(handler.create_agent_with_id("7009", "1"));
    assert_eq!(nobody, TapiErrorCode::CallCenterInvalAgentId);
    let empty = office.fails(handler.create_agent_with_id("", "1"));
    assert_eq!(empty, TapiErrorCode::InvalidArg);
    let (group, _) = group_and_queue(&office);
    let address = office.address("201");
    let with_pin = own.create_session_with_pin(&group, &address, "1");
    assert_eq!(office.fails(with_pin), TapiErrorCode::CallCenterNoAgentId);
    let without = agent.create_session_with_pin(&group, &address, "");
    assert_eq!(office.fails(without), TapiErrorCode::InvalidArg);
    let wrong = agent.create_session_with_pin(&group, &address, "0000");
    assert_eq!(office.fails(wrong), TapiErrorCode::CallCenterInvalPassword);
    office.ok(agent.create_session_with_pin(&group, &address, "4711"));
    close(&office, desk);
}

#[test]
fn an_agent_works_and_everybody_sees_it() {
    let (office, desk) = office_with_desk();
    let (group, queue) = group_and_queue(&office);
    let handler = office.ok(office.tapi.agent_handlers()).remove(0);
    let agent = office.ok(handler.create_agent_with_id("7001", "4711"));
    let address = office.address("201");
    let session = office.ok(agent.create_session(&group, &address));
    for wanted in [AgentSessionEvent::NewSession, AgentSessionEvent::NotReady] {
        let CallCenterEvent::AgentSession { session: of, event } = next(&office, "session") else {
            panic!("{wanted:?}")
        };
        assert_eq!((of, event), (session.clone(), wanted));
    }
    assert_eq!(office.ok(agent.agent_sessions()), std::slice::from_ref(&session));
    assert_eq!(office.ok(session.agent()), agent);
    assert_eq!(office.ok(session.address()), address);
    assert_eq!(office.ok(session.acd_group()), group);
    assert_eq!(office.ok(office.ok(session.acd_group()).name()), "Sales");

    office.ok(session.put_state(AgentSessionState::Ready));
    let CallCenterEvent::AgentSession { event, .. } = next(&office, "READY") else { panic!() };
    assert_eq!(event, AgentSessionEvent::Ready);
    assert_eq!(office.ok(session.state()), AgentSessionState::Ready);
    office.ok(agent.put_state(AgentState::Ready));
    let CallCenterEvent::Agent { agent: of, event } = next(&office, "AE_READY") else { panic!() };
    assert_eq!((of, event), (agent.clone(), AgentEvent::Ready));
    assert_eq!(office.ok(agent.state()), AgentState::Ready);
    let busy = office.fails(agent.put_state(AgentState::BusyAcd));
    assert_eq!(busy, TapiErrorCode::CallCenterInvalAgentState);
    numbers_of(&office, &agent, &session);

    close(&office, desk);
    let CallCenterEvent::Queue { queue: gone, .. } = next(&office, "queue") else { panic!() };
    assert_eq!(gone, queue);
    let CallCenterEvent::AcdGroup { group: gone, .. } = next(&office, "group") else { panic!() };
    assert_eq!(gone, group);
    let removed = next(&office, "the handler has gone");
    let event = AgentHandlerEvent::AgentHandlerRemoved;
    assert_eq!(removed, CallCenterEvent::AgentHandler { agent_handler: handler, event });
    assert_eq!(office.ok(office.tapi.agent_handlers()).len(), 1, "the switch's own");
    assert_eq!(office.fails(agent.state()), TapiErrorCode::NoItems, "there is nobody to ask");
}

/// Every number of an agent and of a session.
fn numbers_of(office: &Office, agent: &Agent, session: &AgentSession) {
    let numbers = office.run(async {
        Ok::<_, tapi::client::TapiError>([
            agent.number_of_acd_calls().await?,
            agent.number_of_incoming_calls().await?,
            agent.number_of_outgoing_calls().await?,
            agent.total_acd_talk_time().await?,
            agent.total_acd_call_time().await?,
            agent.total_wrap_up_time().await?,
        ])
    });
    assert_eq!(numbers.unwrap(), [11, 12, 13, 14, 15, 16]);
    office.ok(agent.put_measurement_period(60));
    assert_eq!(office.ok(agent.measurement_period()), 60);
    assert!((office.ok(agent.overall_call_rate()).per_hour() - 12.5).abs() < 1e-9);
    let numbers = office.run(async {
        Ok::<_, tapi::client::TapiError>([
            session.session_duration().await?,
            session.number_of_calls().await?,
            session.total_talk_time().await?,
            session.average_talk_time().await?,
            session.total_call_time().await?,
            session.average_call_time().await?,
            session.total_wrap_up_time().await?,
            session.average_wrap_up_time().await?,
            session.longest_time_to_answer().await?,
            session.average_time_to_answer().await?,
        ])
    });
    assert_eq!(numbers.unwrap(), [137, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
    assert!((office.ok(session.acd_call_rate()).per_hour() - 0.5).abs() < 1e-9);
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_251_200);
    assert_eq!(office.ok(session.session_start_time()), began);
}

#[test]
fn a_session_that_another_application_made_is_looked_up() {
    let (office, desk) = office_with_desk();
    let (group, _) = group_and_queue(&office);
    let other = Tapi::new(config(&office.program, "other"));
    let _ = office.ok(other.initialize());
    let handler = office.ok(other.agent_handlers()).remove(0);
    let agent = office.ok(handler.create_agent_with_id("7001", "4711"));
    let address = office.address("201");
    // Objects of another TAPI object are named by what they stand for, too.
    office.ok(agent.create_session(&group, &address));
    office.ok(agent.put_state(AgentState::Ready));
    let CallCenterEvent::AgentSession { session, .. } = next(&office, "session") else { panic!() };
    let seen = office.wait("AE_READY", |event| match event {
        Event::CallCenter(CallCenterEvent::Agent { agent, .. }) => Some(agent),
        _ => None,
    });
    assert_eq!(office.ok(session.agent()), seen);
    assert_eq!(office.ok(session.acd_group()), group);
    assert_eq!(office.ok(session.address()), address);
    close(&office, desk);
}

#[test]
fn what_is_gone_says_so() {
    let (office, desk) = office_with_desk();
    let (group, queue) = group_and_queue(&office);
    close(&office, desk);
    let CallCenterEvent::Queue { queue: gone, .. } = next(&office, "queue") else { panic!() };
    assert_eq!(gone, queue);
    let replaced = Desk::start(&office.program);
    // The line is served again, by a handler that knows the same things under the same names.
    assert_eq!(office.ok(group.name()), "Sales");
    let CallCenterEvent::AcdGroup { .. } = next(&office, "group") else { panic!() };
    let CallCenterEvent::AgentHandler { event, .. } = next(&office, "gone") else { panic!() };
    assert_eq!(event, AgentHandlerEvent::AgentHandlerRemoved);
    let CallCenterEvent::AgentHandler { event, agent_handler } = next(&office, "new") else {
        panic!()
    };
    assert_eq!(event, AgentHandlerEvent::NewAgentHandler);
    assert_eq!(office.ok(agent_handler.name()), "Desk ACD 1.0");
    close(&office, replaced);
}

#[test]
fn the_example_agent_shows_the_day_of_an_agent() {
    let (office, desk) = office_with_desk();
    let url = format!("http://{}", office.program.api);
    let (tell, told) = std::sync::mpsc::channel();
    let example = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let who = ["7001", "4711", "201"];
        let shown = |text| tell.send(text).unwrap();
        let day = agent::run(&url, TOKEN, who, shown);
        runtime.block_on(day).map_err(|error| error.to_string())
    });
    let hears = |wanted: &str| {
        let text = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{wanted}"));
        assert_eq!(text, wanted);
    };
    for wanted in [
        "handler Desk ACD 1.0",
        "session in Sales",
        "session ASE_NEW_SESSION",
        "session ASE_NOT_READY",
        "session ASE_READY",
    ] {
        hears(wanted);
    }
    let handler = office.ok(office.tapi.agent_handlers()).remove(0);
    let agent = office.ok(handler.create_agent_with_id("7001", "4711"));
    let session = office.ok(agent.agent_sessions()).remove(0);
    office.ok(agent.put_state(AgentState::NotReady));
    hears("agent AE_NOT_READY");
    office.ok(session.put_state(AgentSessionState::SessionEnded));
    hears("session ASE_END");
    hears("handled 21 calls, talking 23 s each");
    assert_eq!(example.join().unwrap(), Ok(()));
    close(&office, desk);
}
