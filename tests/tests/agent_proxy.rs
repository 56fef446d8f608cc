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
