//! The call centre: what its functions ask the agent handler, what comes back, who is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::agent::{
    AgentId, AgentInfo, AgentSessionId, AgentSessionInfo, CallRate, GroupEntry, GroupId,
    QueueEntry, QueueId, SessionEntry, WorkAddress,
};
use tapi::constant::{
    AgentFeature, AgentSessionState, AgentSessionStatusChange, AgentState, AgentStateEx,
    AgentStatusChange, AgentStatusExChange, Constant as _, GroupStatusChange, ProxyRequest,
    QueueStatusChange,
};
use tapi::{
    AddressId, AgentAnswer, AgentNotice, AgentRequest, AgentService, DeviceId, Intent, LineErr,
    LineSpec, Mask, ServerConfig,
};

const GROUP: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// A function, its parameters beside `hLine`, and the request that they make.
type Row = (&'static str, Value, AgentRequest);

fn group() -> GroupId {
    GROUP.parse().unwrap()
}

fn at() -> WorkAddress {
    WorkAddress { line: DeviceId(0), address: AddressId(0) }
}

fn by_address() -> Vec<Row> {
    use AgentRequest as R;
    let at = at();
    vec![
        (
            "lineSetAgentGroup",
            json!({"addressId": 0, "agentGroupList": [{"groupId": GROUP, "name": "x"}, GROUP]}),
            R::SetAgentGroup { at, groups: vec![group()] },
        ),
        (
            "lineSetAgentGroup",
            json!({"agentGroupList": {"groups": [{"groupId": GROUP}]}}),
            R::SetAgentGroup { at, groups: vec![group()] },
        ),
        ("lineSetAgentGroup", json!({}), R::SetAgentGroup { at, groups: Vec::new() }),
        (
            "lineSetAgentState",
            json!({"agentState": "LINEAGENTSTATE_READY", "nextAgentState": 0x80}),
            R::SetAgentState {
                at,
                state: Some(AgentState::Ready),
                next: Some(AgentState::WorkingAfterCall),
            },
        ),
        ("lineSetAgentActivity", json!({"activityId": 7}), R::SetAgentActivity { at, activity: 7 }),
        ("lineGetAgentStatus", json!({"addressId": 0}), R::GetAgentStatus { at }),
        ("lineGetAgentActivityList", json!({}), R::GetAgentActivityList { at }),
        ("lineGetAgentGroupList", json!({}), R::GetAgentGroupList { at }),
        (
            "lineAgentSpecific",
            json!({"agentExtensionIdIndex": 1, "params": {"skill": 3}}),
            R::AgentSpecific { at, extension: 1, params: json!({"skill": 3}) },
        ),
    ]
}

fn by_handle() -> Vec<Row> {
    use AgentRequest as R;
    let (agent, session, queue) = (AgentId(4), AgentSessionId(5), QueueId(0xFFFF_FFFF));
    vec![
        (
            "lineCreateAgent",
            json!({"agentId": "7001", "agentPin": "4711"}),
            R::CreateAgent {
                line: DeviceId(0),
                id: Some("7001".to_owned()),
                pin: Some("4711".to_owned()),
            },
        ),
        (
            "lineCreateAgent",
            json!({"agentId": null, "agentPin": ""}),
            R::CreateAgent { line: DeviceId(0), id: None, pin: None },
        ),
        (
            "lineCreateAgentSession",
            json!({"hAgent": 4, "agentPin": null, "workingAddressId": 0, "groupId": GROUP}),
            R::CreateAgentSession { agent, pin: None, group: group(), at: at() },
        ),
        ("lineGetAgentInfo", json!({"hAgent": 4}), R::GetAgentInfo { agent }),
        (
            "lineSetAgentStateEx",
            json!({"hAgent": 4, "agentState": 2, "nextAgentState": 0}),
            R::SetAgentStateEx { agent, state: Some(AgentStateEx::Ready), next: None },
        ),
        (
            "lineSetAgentMeasurementPeriod",
            json!({"hAgent": 4, "measurementPeriod": 900}),
            R::SetAgentMeasurementPeriod { agent, seconds: 900 },
        ),
        ("lineGetAgentSessionList", json!({"hAgent": 4}), R::GetAgentSessionList { agent }),
        (
            "lineGetAgentSessionInfo",
            json!({"hAgentSession": 5}),
            R::GetAgentSessionInfo { session },
        ),
        (
            "lineSetAgentSessionState",
            json!({"hAgentSession": 5, "agentSessionState": 0,
                "nextAgentSessionState": "LINEAGENTSESSIONSTATE_NOTREADY"}),
            R::SetAgentSessionState {
                session,
                state: None,
                next: Some(AgentSessionState::NotReady),
            },
        ),
        ("lineGetGroupList", json!({}), R::GetGroupList),
        ("lineGetQueueList", json!({"groupId": GROUP}), R::GetQueueList { group: group() }),
        ("lineGetQueueInfo", json!({"queueId": 0xFFFF_FFFF_u32}), R::GetQueueInfo { queue }),
        (
            "lineSetQueueMeasurementPeriod",
            json!({"queueId": 0xFFFF_FFFF_u32, "measurementPeriod": 60}),
            R::SetQueueMeasurementPeriod { queue, seconds: 60 },
        ),
    ]
}

fn with_line(h_line: u64, mut params: Value) -> Value {
    params["hLine"] = h_line.into();
    params
}

#[test]
fn every_function_asks_the_handler_what_its_parameters_say() {
    let mut bench = Bench::full();
    let h_line = bench.open(1, "201", &["NONE"]);
    let mut kinds: Vec<ProxyRequest> = Vec::new();
    for (method, params, expected) in by_address().into_iter().chain(by_handle()) {
        let (request, intent) = bench.begin(1, method, with_line(h_line, params));
        assert_eq!(intent, Intent::Agent { line: DeviceId(0), request: expected.clone() });
        bench.server.complete_agent(bench.now_ms, request, Ok(AgentAnswer::Done));
        assert_eq!(bench.trace(1), ["REPLY 0"], "{method}");
        kinds.push(expected.kind());
    }
    let params = json!({"deviceId": 0, "addressId": 0, "appApiVersion": 0x0003_0001});
    let (_, intent) = bench.begin(1, "lineGetAgentCaps", params);
    let request = AgentRequest::GetAgentCaps { at: at() };
    assert_eq!(intent, Intent::Agent { line: DeviceId(0), request: request.clone() });
    kinds.push(request.kind());
    assert!(ProxyRequest::ALL.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn a_line_without_a_handler_answers_operationunavail_after_its_handle() {
    let mut bench = Bench::new();
    let h_line = bench.open(1, "201", &["NONE"]);
    for (method, params, _) in by_address().into_iter().chain(by_handle()) {
        let here = with_line(h_line, params.clone());
        assert_eq!(bench.refused(1, method, here), "LINEERR_OPERATIONUNAVAIL", "{method}");
        let nowhere = with_line(99, params);
        assert_eq!(bench.refused(1, method, nowhere), "LINEERR_INVALLINEHANDLE", "{method}");
    }
    let error = bench.refused(1, "lineGetAgentCaps", json!({"deviceId": 0}));
    assert_eq!(error, "LINEERR_OPERATIONUNAVAIL");
    let status = bench.ok(1, "lineGetProxyStatus", json!({"deviceId": 0}));
    assert_eq!(status, json!({"proxyRequests": []}));
    let open = json!({"line": "202", "privileges":
        ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"]});
    assert_eq!(bench.refused(1, "lineOpen", open), "LINEERR_OPERATIONUNAVAIL");
}

#[test]
fn wrong_parameters_are_refused_before_the_handler_is_asked() {
    let mut bench = Bench::full();
    let h_line = bench.open(1, "201", &["NONE"]);
    for (method, params, error) in [
        ("lineGetAgentStatus", json!({"addressId": 1}), "LINEERR_INVALADDRESSID"),
        ("lineSetAgentState", json!({"addressId": 9, "agentState": 3}), "LINEERR_INVALADDRESSID"),
        ("lineSetAgentState", json!({"agentState": 3}), "LINEERR_INVALAGENTSTATE"),
        ("lineSetAgentState", json!({"agentState": 0x0001_0000}), "LINEERR_INVALAGENTSTATE"),
        ("lineSetAgentState", json!({"nextAgentState": "READY"}), "LINEERR_INVALAGENTSTATE"),
        ("lineSetAgentState", json!({"agentState": {}}), "Invalid params"),
        ("lineSetAgentGroup", json!({"agentGroupList": ["Support"]}), "LINEERR_INVALPARAM"),
        ("lineSetAgentGroup", json!({"agentGroupList": "Support"}), "Invalid params"),
        ("lineSetAgentGroup", json!({"agentGroupList": vec![GROUP; 257]}), "LINEERR_INVALPARAM"),
        ("lineSetAgentActivity", json!({}), "Invalid params"),
        ("lineAgentSpecific", json!({"params": 1}), "Invalid params"),
        ("lineCreateAgent", json!({"agentId": 7001}), "Invalid params"),
        (
            "lineCreateAgentSession",
            json!({"hAgent": 1, "groupId": GROUP, "workingAddressId": 4}),
            "LINEERR_INVALADDRESSID",
        ),
        ("lineCreateAgentSession", json!({"hAgent": 1}), "Invalid params"),
        (
            "lineCreateAgentSession",
            json!({"hAgent": 1, "groupId": "Support"}),
            "LINEERR_INVALPARAM",
        ),
        ("lineGetAgentInfo", json!({}), "Invalid params"),
        ("lineGetAgentInfo", json!({"hAgent": -1}), "LINEERR_INVALPARAM"),
        (
            "lineSetAgentStateEx",
            json!({"hAgent": 1, "agentState": 0x80}),
            "LINEERR_INVALAGENTSTATE",
        ),
        (
            "lineSetAgentSessionState",
            json!({"hAgentSession": 1, "agentSessionState": "LINEAGENTSTATE_READY"}),
            "LINEERR_INVALAGENTSTATE",
        ),
        (
            "lineSetAgentMeasurementPeriod",
            json!({"hAgent": 1, "measurementPeriod": 0}),
            "LINEERR_INVALPARAM",
        ),
        (
            "lineSetQueueMeasurementPeriod",
            json!({"queueId": 1, "measurementPeriod": 0}),
            "LINEERR_INVALPARAM",
        ),
        ("lineGetQueueList", json!({"groupId": "{}"}), "LINEERR_INVALPARAM"),
        ("lineGetQueueList", json!({"groupId": 4}), "Invalid params"),
        ("lineGetQueueInfo", json!({"queueId": "Support"}), "Invalid params"),
    ] {
        bench.check(1, method, &[(with_line(h_line, params), error)]);
    }
    bench.check(
        1,
        "lineGetAgentCaps",
        &[
            (json!({"deviceId": 77}), "LINEERR_BADDEVICEID"),
            (json!({"deviceId": 0, "addressId": 3}), "LINEERR_INVALADDRESSID"),
            (json!({"deviceId": 0, "appApiVersion": "1.0"}), "LINEERR_INCOMPATIBLEAPIVERSION"),
        ],
    );
    bench.connect(2);
    for method in ["lineGetAgentCaps", "lineGetProxyStatus", "lineCreateAgent"] {
        assert_eq!(bench.refused(2, method, json!({})), "LINEERR_UNINITIALIZED");
    }
}

/// What the reply of a request looks like.
fn replied(bench: &mut Bench, method: &str, params: Value, answer: AgentAnswer) -> Value {
    let (request, _) = bench.begin(1, method, params);
    bench.server.complete_agent(bench.now_ms, request, Ok(answer));
    let mut messages = bench.messages(1);
    assert_eq!(messages.len(), 1);
    let mut params = messages.remove(0)["params"].take();
    assert_eq!(params["result"], 0);
    let params = params.as_object_mut().unwrap();
    for common in ["result", "requestId", "seq"] {
        params.remove(common).unwrap();
    }
    json!(params)
}

#[test]
fn structures_are_the_fields_of_the_reply() {
    let mut bench = Bench::full();
    let h_line = bench.open(1, "201", &["NONE"]);
    let agent = json!({"hLine": h_line, "hAgent": 4});
    let created = replied(
        &mut bench,
        "lineCreateAgent",
        json!({"hLine": h_line}),
        AgentAnswer::Agent(AgentId(4)),
    );
    assert_eq!(created, json!({"hAgent": 4}));
    let info = AgentInfo {
        state: AgentStateEx::BusyAcd,
        next: None,
        measurement_period: 86_400,
        overall_call_rate: CallRate(36_000),
        acd_calls: 3,
        incoming_calls: 1,
        outgoing_calls: 2,
        acd_talk_time: 360,
        acd_call_time: 390,
        acd_wrap_up_time: 30,
    };
    let expected = json!({"agentState": "LINEAGENTSTATEEX_BUSYACD", "nextAgentState": 0,
        "measurementPeriod": 86_400, "overallCallRate": 36_000, "numberOfAcdCalls": 3,
        "numberOfIncomingCalls": 1, "numberOfOutgoingCalls": 2, "totalAcdTalkTime": 360,
        "totalAcdCallTime": 390, "totalAcdWrapUpTime": 30});
    let answer = AgentAnswer::AgentInfo(info);
    assert_eq!(replied(&mut bench, "lineGetAgentInfo", agent.clone(), answer), expected);

    let session = AgentSessionInfo {
        state: AgentSessionState::Ready,
        next: Some(AgentSessionState::Ended),
        start_unix_ms: 1_709_251_200_000,
        duration: 137,
        calls: 1,
        talk_time: 120,
        average_talk_time: 120,
        call_time: 130,
        average_call_time: 130,
        wrap_up_time: 10,
        average_wrap_up_time: 10,
        call_rate: CallRate(262_773),
        longest_time_to_answer: 5,
        average_time_to_answer: 5,
    };
    let params = json!({"hLine": h_line, "hAgentSession": 5});
    let answer = AgentAnswer::SessionInfo(session);
    let said = replied(&mut bench, "lineGetAgentSessionInfo", params, answer);
    assert_eq!(said["sessionStartTime"], "2024-03-01T00:00:00.000Z");
    assert_eq!(said["nextAgentSessionState"], "LINEAGENTSESSIONSTATE_ENDED");
    assert_eq!((&said["totalCallTime"], &said["acdCallRate"]), (&json!(130), &json!(262_773)));

    let entry = SessionEntry {
        session: AgentSessionId(5),
        agent: AgentId(4),
        group: group(),
        at: WorkAddress { line: DeviceId(2), address: AddressId(0) },
    };
    let answer = AgentAnswer::Sessions(vec![entry]);
    assert_eq!(
        replied(&mut bench, "lineGetAgentSessionList", agent, answer),
        json!({"sessions": [{"hAgentSession": 5, "hAgent": 4, "groupId": GROUP,
            "workingAddressId": 0, "deviceId": 2}]})
    );
    let answer = AgentAnswer::Groups(vec![GroupEntry { group: group(), name: "Sales".to_owned() }]);
    assert_eq!(
        replied(&mut bench, "lineGetGroupList", json!({"hLine": h_line}), answer),
        json!({"groups": [{"groupId": GROUP, "name": "Sales"}]})
    );
    let queue = QueueEntry { queue: QueueId(8), name: "Orders".to_owned() };
    let params = json!({"hLine": h_line, "groupId": GROUP});
    assert_eq!(
        replied(&mut bench, "lineGetQueueList", params, AgentAnswer::Queues(vec![queue])),
        json!({"queues": [{"queueId": 8, "name": "Orders"}]})
    );
}

#[test]
fn a_failure_of_the_handler_is_the_reply_and_a_waiting_caller_gets_it_as_response() {
    let mut bench = Bench::full();
    let h_line = bench.open(1, "201", &["NONE"]);
    let params = json!({"hLine": h_line, "agentId": "7001", "agentPin": "0000"});
    let (request, _) = bench.begin(1, "lineCreateAgent", params.clone());
    bench.server.complete_agent(bench.now_ms, request, Err(LineErr::InvalPassword));
    assert_eq!(bench.trace(1), ["REPLY INVALPASSWORD"]);
    let mut waiting = params;
    waiting["wait"] = true.into();
    assert!(bench.ask(1, "lineCreateAgent", waiting).is_none());
    let (request, _) = bench.intent();
    bench.server.complete_agent(bench.now_ms, request, Ok(AgentAnswer::Agent(AgentId(9))));
    let response = bench.text(1, "[]").remove(0);
    assert_eq!(response["result"]["hAgent"], 9, "{response}");
}

#[test]
fn an_older_client_gets_no_proxyguid() {
    let mut bench = Bench::full();
    bench.open(1, "201", &["NONE"]);
    let caps = tapi::agent::AgentCaps {
        handler: "Strowger".to_owned(),
        features: AgentFeature::SetAgentState.into(),
        states: AgentState::Ready.into(),
        next_states: Mask::EMPTY,
        max_groups: 4,
        messages: AgentStatusChange::State.into(),
        extensions: vec![1],
        handler_id: group().0,
    };
    for (version, guid) in [(json!("2.1"), Value::Null), (json!("2.2"), json!(GROUP))] {
        let params = json!({"deviceId": 0, "appApiVersion": version});
        let said = replied(&mut bench, "lineGetAgentCaps", params, AgentAnswer::Caps(caps.clone()));
        assert_eq!(said["proxyGuid"], guid);
        assert_eq!(said["agentHandlerInfo"], "Strowger");
        assert_eq!(said["states"], json!(["LINEAGENTSTATE_READY"]));
        assert_eq!(said["agentExtensionIds"], json!(["00000000-0000-0000-0000-000000000001"]));
    }
}

/// A notice of each kind; those of an address are about line 202.
fn one_of_each() -> [AgentNotice; 6] {
    [
        AgentNotice::Session {
            session: AgentSessionId(5),
            changed: AgentSessionStatusChange::State | AgentSessionStatusChange::UpdateInfo,
            state: Some(AgentSessionState::BusyOnCall),
        },
        AgentNotice::Agent {
            agent: AgentId(4),
            changed: AgentStatusExChange::State.into(),
            state: Some(AgentStateEx::BusyAcd),
        },
        AgentNotice::Address {
            at: WorkAddress { line: DeviceId(1), address: AddressId(0) },
            changed: AgentStatusChange::State.into(),
            state: Some(AgentState::BusyAcd),
        },
        AgentNotice::Queue { queue: QueueId(8), changed: QueueStatusChange::UpdateInfo.into() },
        AgentNotice::Group {
            group: Some(group()),
            changed: GroupStatusChange::GroupRemoved.into(),
        },
        AgentNotice::Specific {
            at: WorkAddress { line: DeviceId(1), address: AddressId(0) },
            extension: 1,
            params: json!({"skill": 2}),
        },
    ]
}

#[test]
fn each_application_is_told_once_and_an_address_only_where_it_is_open() {
    let mut bench = Bench::full();
    let first = bench.open(1, "201", &["NONE"]);
    let second = bench.open_more(1, "202", &["NONE"]);
    let other = bench.open(2, "202", &["MONITOR"]);
    bench.connect(3);
    bench.ok(3, "lineInitializeEx", json!({"appName": "idle"}));
    for connection in 1..=3 {
        bench.messages(connection);
    }
    let notices = one_of_each();
    for notice in &notices {
        bench.server.tell_agents(notice, None);
    }
    let expected = |h_line: u64, of_202: u64| {
        vec![
            (
                "LINE_AGENTSESSIONSTATUS",
                json!({"hLine": h_line, "hAgentSession": 5,
                "agentSessionStatus": ["LINEAGENTSESSIONSTATUS_STATE",
                    "LINEAGENTSESSIONSTATUS_UPDATEINFO"],
                "agentSessionState": "LINEAGENTSESSIONSTATE_BUSYONCALL"}),
            ),
            (
                "LINE_AGENTSTATUSEX",
                json!({"hLine": h_line, "hAgent": 4,
                "agentStatus": ["LINEAGENTSTATUSEX_STATE"],
                "agentState": "LINEAGENTSTATEEX_BUSYACD"}),
            ),
            (
                "LINE_AGENTSTATUS",
                json!({"hLine": of_202, "addressId": 0,
                "agentStatus": ["LINEAGENTSTATUS_STATE"],
                "agentState": "LINEAGENTSTATE_BUSYACD"}),
            ),
            (
                "LINE_QUEUESTATUS",
                json!({"hLine": h_line, "queueId": 8,
                "queueStatus": ["LINEQUEUESTATUS_UPDATEINFO"]}),
            ),
            (
                "LINE_GROUPSTATUS",
                json!({"hLine": h_line, "groupId": GROUP,
                "groupStatus": ["LINEGROUPSTATUS_GROUPREMOVED"]}),
            ),
            (
                "LINE_AGENTSPECIFIC",
                json!({"hLine": of_202, "agentExtensionIdIndex": 1,
                "params": {"skill": 2}}),
            ),
        ]
    };
    for (connection, expected) in [(1, expected(first, second)), (2, expected(other, other))] {
        let mut messages = bench.messages(connection);
        let said: Vec<(&str, Value)> = messages
            .iter_mut()
            .map(|message| {
                message["params"].as_object_mut().unwrap().remove("seq").unwrap();
                (message["method"].as_str().unwrap(), message["params"].clone())
            })
            .collect();
        assert_eq!(said, expected);
    }
    assert!(bench.messages(3).is_empty(), "an application without an open line");
}

#[test]
fn applications_older_than_2_0_and_lines_without_the_handler_are_not_told() {
    let mut bench = Bench::with_lines(ServerConfig::default(), |number, id| {
        let mut spec = LineSpec::full(number, "Somebody", id, 2);
        if number == "202" {
            spec.offers.agents = AgentService::None;
        }
        spec
    });
    bench.connect(1);
    bench.ok(1, "lineInitializeEx", json!({"appName": "old"}));
    let old = json!({"line": "201", "privileges": 1, "apiVersion": 0x0001_0004});
    bench.ok(1, "lineOpen", old);
    bench.open(2, "202", &["NONE"]);
    let h_line = bench.open(3, "202", &["NONE"]);
    let served = bench.open_more(3, "203", &["NONE"]);
    assert_ne!(h_line, served);
    let notice = AgentNotice::Agent {
        agent: AgentId(1),
        changed: AgentStatusExChange::NewAgent.into(),
        state: None,
    };
    bench.server.tell_agents(&notice, None);
    assert!(bench.messages(1).is_empty() && bench.messages(2).is_empty());
    let messages = bench.messages(3);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["params"]["hLine"], served);
    assert!(messages[0]["params"].get("agentState").is_none());
}

#[test]
fn the_provider_learns_whether_the_requester_may_see_a_line() {
    let mut bench = Bench::full();
    bench.connect_only(1, &["201"]);
    bench.ok(1, "lineInitializeEx", json!({"appName": "desk"}));
    let h_line = bench.open_more(1, "201", &["NONE"]);
    let (request, _) = bench.begin(1, "lineGetAgentInfo", json!({"hLine": h_line, "hAgent": 4}));
    assert!(bench.server.requester_sees(request, bench.line("201")));
    assert!(!bench.server.requester_sees(request, bench.line("202")));
}

#[test]
fn a_log_of_a_request_shows_no_pin() {
    let request = AgentRequest::CreateAgent {
        line: DeviceId(0),
        id: Some("7001".to_owned()),
        pin: Some("4711".to_owned()),
    };
    let log = format!("{request:?}");
    assert!(log.contains("7001") && !log.contains("4711"), "{log}");
}
