//! An application as the agent handler of a line, over the WebSockets of the real program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use tests::program::{Application, Program, office};

const GROUP: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// The office, whose agents applications handle.
fn office_without_handler() -> Program {
    Program::with(office(|text| {
        text.replace("[defaults.line]\n", "[defaults.line]\nagent_handler = \"application\"\n")
    }))
}

/// Opens a line to serve requests of these types; its hLine.
fn serve(app: &mut Application, line: &str, kinds: &[&str]) -> u64 {
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("LINEPROXYREQUEST_{kind}")).collect();
    let open = json!({"line": line, "callParams": {"proxyRequests": kinds},
        "privileges": ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"]});
    app.call("lineOpen", open).expect("lineOpen")["hLine"].as_u64().expect("hLine")
}

/// The next LINE_PROXYREQUEST, which must be of this type.
fn asked(handler: &mut Application, kind: &str) -> Value {
    let message = handler.wait(kind, |message| message["method"] == "LINE_PROXYREQUEST");
    let params = message["params"].clone();
    assert_eq!(params["requestType"], format!("LINEPROXYREQUEST_{kind}"));
    params
}

fn answer(handler: &mut Application, request: &Value, result: Value, data: Value) {
    let params = json!({"hLine": request["hLine"], "proxyRequest": request["proxyRequest"],
        "result": result, "data": data});
    handler.call("lineProxyResponse", params).expect("lineProxyResponse");
}

/// The next message of this name.
fn told(app: &mut Application, method: &str) -> Value {
    app.wait(method, |message| message["method"] == method)["params"].clone()
}

/// Another configuration from now on.
fn reload(program: &Program, text: &str) {
    std::fs::write(&program.config, text).expect("the configuration is written");
    let (status, answer) = program.post("/api/v1/reload", &json!({}));
    assert_eq!((status, &answer["reloaded"]), (200, &json!(true)), "{answer}");
}

#[test]
fn an_agent_logs_in_with_a_handler_of_another_application() {
    let program = office_without_handler();
    let mut client = program.application("desk");
    let h_line = client.open_for("201", &["NONE"]);
    let mut handler = program.application("acd");
    let kinds = ["CREATEAGENT", "CREATEAGENTSESSION", "SETAGENTSTATEEX", "GETAGENTINFO"];
    let served = serve(&mut handler, "201", &kinds);
    for kind in kinds {
        let status = told(&mut client, "LINE_PROXYSTATUS");
        assert_eq!(status["proxyStatus"], json!(["LINEPROXYSTATUS_OPEN"]));
        assert_eq!(status["requestType"], format!("LINEPROXYREQUEST_{kind}"));
    }
    let credentials = json!({"hLine": h_line, "agentId": "7001", "agentPin": "4711"});
    client.call("lineCreateAgent", credentials).expect("lineCreateAgent");
    let request = asked(&mut handler, "CREATEAGENT");
    assert_eq!(request["hLine"], served);
    assert_eq!(request["clientUserName"], "desk");
    assert_eq!((&request["agentId"], &request["agentPin"]), (&json!("7001"), &json!("4711")));
    answer(&mut handler, &request, json!(0), json!({"hAgent": 4}));
    assert_eq!(told(&mut client, "LINE_REPLY")["hAgent"], 4);

    let session = json!({"hLine": h_line, "hAgent": 4, "groupId": GROUP, "workingAddressId": 0});
    client.call("lineCreateAgentSession", session).expect("lineCreateAgentSession");
    let request = asked(&mut handler, "CREATEAGENTSESSION");
    assert_eq!(request["groupId"], GROUP);
    answer(&mut handler, &request, json!(0), json!({"hAgentSession": 9}));
    assert_eq!(told(&mut client, "LINE_REPLY")["hAgentSession"], 9);

    let ready = json!({"hLine": h_line, "hAgent": 4, "agentState": "LINEAGENTSTATEEX_READY"});
    client.call("lineSetAgentStateEx", ready).expect("lineSetAgentStateEx");
    let request = asked(&mut handler, "SETAGENTSTATEEX");
    answer(&mut handler, &request, json!(0), Value::Null);
    assert_eq!(told(&mut client, "LINE_REPLY")["result"], 0);
    let message = json!({"hLine": served, "hCall": 0, "msg": "LINE_AGENTSTATUSEX", "param1": 4,
        "param2": ["LINEAGENTSTATUSEX_STATE"], "param3": "LINEAGENTSTATEEX_READY"});
    handler.call("lineProxyMessage", message).expect("lineProxyMessage");
    let status = told(&mut client, "LINE_AGENTSTATUSEX");
    assert_eq!((&status["hLine"], &status["hAgent"]), (&json!(h_line), &json!(4)));
    assert_eq!(status["agentState"], "LINEAGENTSTATEEX_READY");
    handler.expect_silence();
}

#[test]
fn a_handler_that_serves_what_tapi_3_needs_is_told_to_be_complete() {
    let program = office_without_handler();
    let mut client = program.application("desk");
    client.open_for("201", &["NONE"]);
    let mut handler = program.application("acd");
    let all: Vec<u32> = (0x09..=0x14).collect();
    let open = json!({"line": "201", "callParams": {"proxyRequests": all},
        "privileges": ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"]});
    let served = handler.call("lineOpen", open).expect("lineOpen")["hLine"].clone();
    for _ in &all {
        let status = told(&mut client, "LINE_PROXYSTATUS");
        assert_eq!(status["proxyStatus"], json!(["LINEPROXYSTATUS_OPEN"]));
    }
    let status = told(&mut client, "LINE_PROXYSTATUS");
    assert_eq!(status["proxyStatus"], json!(["LINEPROXYSTATUS_ALLOPENFORACD"]));
    handler.call("lineClose", json!({"hLine": served})).expect("lineClose");
    for _ in &all {
        let status = told(&mut client, "LINE_PROXYSTATUS");
        assert_eq!(status["proxyStatus"], json!(["LINEPROXYSTATUS_CLOSE"]));
    }
}

#[test]
fn a_client_that_waits_gets_the_answer_of_the_handler_as_its_response() {
    let program = office_without_handler();
    let mut client = program.application("desk");
    let h_line = client.open_for("202", &["NONE"]);
    let mut handler = program.application("acd");
    serve(&mut handler, "202", &["GETGROUPLIST", "GETQUEUEINFO"]);
    let id = client.send("lineGetGroupList", &json!({"hLine": h_line, "wait": true}));
    let request = asked(&mut handler, "GETGROUPLIST");
    let groups = json!([{"groupId": GROUP, "name": "Sales"}]);
    answer(&mut handler, &request, json!(0), json!({"groups": groups}));
    let response = client.response(&json!(id), "lineGetGroupList");
    assert_eq!(response["result"]["groups"], groups);
    let wish = json!({"hLine": h_line, "queueId": 3, "wait": true});
    let id = client.send("lineGetQueueInfo", &wish);
    let request = asked(&mut handler, "GETQUEUEINFO");
    answer(&mut handler, &request, json!("LINEERR_INVALPARAM"), Value::Null);
    let response = client.response(&json!(id), "lineGetQueueInfo");
    assert_eq!(response["error"]["message"], "LINEERR_INVALPARAM");
}

#[test]
fn a_handler_that_goes_fails_what_it_has_not_answered_and_another_takes_over() {
    let program = office_without_handler();
    let mut client = program.application("desk");
    let h_line = client.open_for("201", &["NONE"]);
    let wish = json!({"hLine": h_line, "hAgent": 4});
    assert_eq!(client.refusal("lineGetAgentInfo", wish.clone()), "OPERATIONUNAVAIL");
    let mut first = program.application("acd");
    let served = serve(&mut first, "201", &["GETAGENTINFO"]);
    let mut second = program.application("other acd");
    let open = json!({"line": "201", "callParams": {"proxyRequests": [0x0B]},
        "privileges": ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"]});
    assert_eq!(second.refusal("lineOpen", open), "NOTREGISTERED");
    told(&mut client, "LINE_PROXYSTATUS");
    client.call("lineGetAgentInfo", wish.clone()).expect("lineGetAgentInfo");
    asked(&mut first, "GETAGENTINFO");
    first.call("lineClose", json!({"hLine": served})).expect("lineClose");
    assert_eq!(told(&mut client, "LINE_REPLY")["result"], "LINEERR_OPERATIONFAILED");
    let status = told(&mut client, "LINE_PROXYSTATUS");
    assert_eq!(status["proxyStatus"], json!(["LINEPROXYSTATUS_CLOSE"]));
    serve(&mut second, "201", &["GETAGENTINFO"]);
    client.call("lineGetAgentInfo", wish.clone()).expect("lineGetAgentInfo");
    let request = asked(&mut second, "GETAGENTINFO");
    let info = json!({"agentState": "LINEAGENTSTATEEX_READY", "numberOfAcdCalls": 2});
    answer(&mut second, &request, json!(0), info);
    let reply = told(&mut client, "LINE_REPLY");
    assert_eq!((&reply["numberOfAcdCalls"], &reply["measurementPeriod"]), (&json!(2), &json!(0)));

    // Its connection breaks in the middle of a request.
    client.call("lineGetAgentInfo", wish).expect("lineGetAgentInfo");
    asked(&mut second, "GETAGENTINFO");
    second.break_off();
    assert_eq!(told(&mut client, "LINE_REPLY")["result"], "LINEERR_OPERATIONFAILED");
}

#[test]
fn a_reload_gives_the_agents_of_a_line_to_an_application_and_takes_them_back() {
    let program = Program::start();
    let mut app = program.application("acd");
    let open = json!({"line": "201", "callParams": {"proxyRequests": [0x13]},
        "privileges": ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"]});
    let before = app.refusal("lineOpen", open.clone());
    assert!(["NOTREGISTERED", "OPERATIONUNAVAIL"].contains(&before.as_str()), "{before}");
    let plain = std::fs::read_to_string(&program.config).expect("the configuration");
    let given =
        plain.replace("[defaults.line]\n", "[defaults.line]\nagent_handler = \"application\"\n");
    reload(&program, &given);
    let served = app.call("lineOpen", open).expect("lineOpen")["hLine"].clone();
    let mut client = program.application("desk");
    let h_line = client.open_for("201", &["NONE"]);
    client.call("lineGetGroupList", json!({"hLine": h_line})).expect("lineGetGroupList");
    asked(&mut app, "GETGROUPLIST");
    reload(&program, &plain);
    assert_eq!(told(&mut client, "LINE_REPLY")["result"], "LINEERR_OPERATIONFAILED");
    let status = told(&mut app, "LINE_PROXYSTATUS");
    assert_eq!(status["proxyStatus"], json!(["LINEPROXYSTATUS_CLOSE"]));
    let late = json!({"hLine": served, "proxyRequest": 1, "result": 0});
    assert_eq!(app.refusal("lineProxyResponse", late), "NOTREGISTERED");
}

#[test]
fn a_shell_asks_the_handler_and_sees_what_is_told() {
    let program = office_without_handler();
    let mut handler = program.application("acd");
    serve(&mut handler, "201", &["GETAGENTCAPS", "CREATEAGENT"]);
    let status = program.command(&["tapi", "lineGetProxyStatus", "{\"line\": \"201\"}"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let served = ["LINEPROXYREQUEST_GETAGENTCAPS", "LINEPROXYREQUEST_CREATEAGENT"];
    assert_eq!(status["proxyRequests"], json!(served));
    let shell = |handler: &mut Application, words: [&str; 3], kind: &str, data: Value| {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| program.command(&words));
            let request = asked(handler, kind);
            answer(handler, &request, json!(0), data);
            let output = run.join().expect("the command ends");
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
        })
    };
    let words = ["tapi", "lineGetAgentCaps", "{\"line\": \"201\"}"];
    let caps = json!({"agentHandlerInfo": "ACD 1.0", "states": 6});
    let said = shell(&mut handler, words, "GETAGENTCAPS", caps);
    assert_eq!(said["agentHandlerInfo"], "ACD 1.0");
    assert_eq!(said["states"], json!(["LINEAGENTSTATE_NOTREADY", "LINEAGENTSTATE_READY"]));
    let mut events = tests::program::Events::follow(&program, "");
    let wish = "{\"line\": \"201\", \"agentId\": \"7001\", \"agentPin\": \"4711\"}";
    let words = ["tapi", "lineCreateAgent", wish];
    let said = shell(&mut handler, words, "CREATEAGENT", json!({"hAgent": 4}));
    assert_eq!(said["hAgent"], 4);
    let event = events.wait("LINE_PROXYREQUEST", |event| {
        event.to_string().contains("LINEPROXYREQUEST_CREATEAGENT")
    });
    assert!(event.to_string().contains("7001") && !event.to_string().contains("4711"), "{event}");
}

/// Errors that every function on a line handle documents, and that a handler can bring about.
const COMMON: [&str; 3] = ["OPERATIONFAILED", "OPERATIONUNAVAIL", "RESOURCEUNAVAIL"];
/// Those of the functions of TAPI 2.2.
const OF_2_2: &[&str] = &["INVALPARAM"];
/// Those of the functions of TAPI 2.0.
const OF_2_0: &[&str] = &["INVALADDRESSID"];

/// A function, its parameters beside `hLine`, what a handler answers, and the errors of its own.
type Row = (&'static str, Value, Value, &'static [&'static [&'static str]]);

/// Every function that an agent handler serves.
fn functions() -> Vec<Row> {
    let agent = json!({"hAgent": 4});
    let session = json!({"hAgentSession": 5, "agentSessionState": 2, "nextAgentSessionState": 0});
    let info = json!({"agentState": 2});
    let groups = json!({"groups": [{"groupId": GROUP, "name": "Sales"}]});
    let status = json!({"state": "LINEAGENTSTATE_READY", "nextState": 0});
    vec![
        ("lineCreateAgent", json!({"agentId": "7001"}), json!({"hAgent": 4}), &[OF_2_2]),
        (
            "lineCreateAgentSession",
            json!({"hAgent": 4, "workingAddressId": 0, "groupId": GROUP}),
            json!({"hAgentSession": 5}),
            &[OF_2_2],
        ),
        ("lineGetAgentInfo", agent.clone(), info, &[OF_2_2]),
        ("lineGetAgentSessionList", agent.clone(), json!({"sessions": []}), &[OF_2_2]),
        (
            "lineGetAgentSessionInfo",
            json!({"hAgentSession": 5}),
            json!({"agentSessionState": "LINEAGENTSESSIONSTATE_READY"}),
            &[OF_2_2],
        ),
        (
            "lineSetAgentMeasurementPeriod",
            json!({"hAgent": 4, "measurementPeriod": 60}),
            json!({}),
            &[OF_2_2],
        ),
        (
            "lineSetAgentStateEx",
            json!({"hAgent": 4, "agentState": 2, "nextAgentState": 0}),
            json!({}),
            &[OF_2_2, &["INVALAGENTSTATE"]],
        ),
        ("lineSetAgentSessionState", session, json!({}), &[OF_2_2, &["INVALAGENTSTATE"]]),
        ("lineGetGroupList", json!({}), groups.clone(), &[OF_2_2]),
        ("lineGetQueueList", json!({"groupId": GROUP}), json!({"queues": []}), &[OF_2_2]),
        ("lineGetQueueInfo", json!({"queueId": 8}), json!({"totalCallsQueued": 3}), &[OF_2_2]),
        (
            "lineSetQueueMeasurementPeriod",
            json!({"queueId": 8, "measurementPeriod": 60}),
            json!({}),
            &[OF_2_2],
        ),
        ("lineGetAgentStatus", json!({"addressId": 0}), status, &[OF_2_0]),
        ("lineGetAgentGroupList", json!({"addressId": 0}), groups, &[OF_2_0, &["INVALAGENTID"]]),
        (
            "lineGetAgentActivityList",
            json!({"addressId": 0}),
            json!({"activities": [{"id": 1, "name": "Lunch"}]}),
            &[OF_2_0, &["INVALAGENTID"]],
        ),
        (
            "lineSetAgentActivity",
            json!({"addressId": 0, "activityId": 1}),
            json!({}),
            &[OF_2_0, &["INVALADDRESSSTATE", "INVALAGENTACTIVITY"]],
        ),
        (
            "lineSetAgentState",
            json!({"addressId": 0, "agentState": 4, "nextAgentState": 0}),
            json!({}),
            &[OF_2_0, &["INVALADDRESSSTATE", "INVALAGENTSTATE", "INVALPARAM"]],
        ),
        (
            "lineSetAgentGroup",
            json!({"addressId": 0, "agentGroupList": [{"groupId": GROUP}]}),
            json!({}),
            &[OF_2_0, &["INVALADDRESSSTATE", "INVALAGENTGROUP", "INVALAGENTID", "INVALPASSWORD"]],
        ),
        (
            "lineAgentSpecific",
            json!({"addressId": 0, "agentExtensionIdIndex": 0, "params": {"skill": 2}}),
            json!({"params": {"skill": 3}}),
            &[OF_2_0, &["INVALAGENTID", "INVALPARAM"]],
        ),
    ]
}

#[test]
fn every_function_reaches_the_handler_and_fails_as_it_documents() {
    let program = office_without_handler();
    let mut client = program.application("desk");
    let h_line = client.open_for("201", &["NONE"]);
    let unserved = client.open_for("202", &["NONE"]);
    let mut handler = program.application("acd");
    let all: Vec<u32> = (1..=0x14).collect();
    let open = json!({"line": "201", "callParams": {"proxyRequests": all},
        "privileges": ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"]});
    handler.call("lineOpen", open).expect("lineOpen");
    let mut early = program.connection();
    for (method, params, data, errors) in functions() {
        let with = |h_line: u64| {
            let mut params = params.clone();
            params["hLine"] = h_line.into();
            params
        };
        assert_eq!(early.refusal(method, with(h_line)), "UNINITIALIZED", "{method}");
        assert_eq!(client.refusal(method, with(9999)), "INVALLINEHANDLE", "{method}");
        assert_eq!(client.refusal(method, with(unserved)), "OPERATIONUNAVAIL", "{method}");
        let kind = method.strip_prefix("line").unwrap().to_uppercase();
        client.call(method, with(h_line)).expect(method);
        let request = asked(&mut handler, &kind);
        answer(&mut handler, &request, json!(0), data.clone());
        let reply = told(&mut client, "LINE_REPLY");
        assert_eq!(reply["result"], 0, "{method}");
        for (name, value) in data.as_object().unwrap() {
            let said = &reply[name];
            assert!(said == value || said.is_string() && value.is_u64(), "{method}: {reply}");
        }
        for error in COMMON.iter().chain(errors.iter().copied().flatten()) {
            client.call(method, with(h_line)).expect(method);
            let request = asked(&mut handler, &kind);
            let name = format!("LINEERR_{error}");
            answer(&mut handler, &request, json!(name), Value::Null);
            assert_eq!(told(&mut client, "LINE_REPLY")["result"], name, "{method}");
        }
    }
    client.expect_silence();
}
