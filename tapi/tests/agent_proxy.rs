//! An application as the agent handler of a line: LINEOPENOPTION_PROXY, LINE_PROXYREQUEST,
//! lineProxyResponse, lineProxyMessage, LINE_PROXYSTATUS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{Constant as _, ProxyRequest};
use tapi::{AgentService, ConnectionId, LineSpec, ServerConfig};

const GROUP: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
/// A little longer than the two minutes after which a TAPI 3 method gives up.
const TIMEOUT_MS: u64 = 122_000;
const HANDLER: u64 = 1;
const CLIENT: u64 = 2;

/// Lines 201 to 203 whose agents applications handle.
fn bench() -> Bench {
    Bench::with_lines(ServerConfig::default(), |number, id| {
        let mut spec = LineSpec::full(number, "Somebody", id, 4);
        spec.offers.agents = AgentService::Application;
        spec
    })
}

fn names(kinds: &[&str]) -> Value {
    kinds.iter().map(|kind| format!("LINEPROXYREQUEST_{kind}")).collect()
}

fn proxy_open(line: &str, requests: &Value) -> Value {
    json!({"line": line, "privileges": ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"],
        "callParams": {"proxyRequests": requests}})
}

/// A handler of these types on line 201, and a client there; their line handles.
fn served(bench: &mut Bench, kinds: &[&str]) -> (u64, u64) {
    let client = bench.open(CLIENT, "201", &["NONE"]);
    bench.connect(HANDLER);
    bench.ok(HANDLER, "lineInitializeEx", json!({"appName": "desk.exe"}));
    let handler = open_handler(bench, "201", kinds);
    bench.messages(CLIENT);
    (handler, client)
}

fn open_handler(bench: &mut Bench, line: &str, kinds: &[&str]) -> u64 {
    let open = proxy_open(line, &names(kinds));
    bench.ok(HANDLER, "lineOpen", open)["hLine"].as_u64().unwrap()
}

/// The parameters of the one LINE_PROXYREQUEST since the last look, without `seq`.
fn request(bench: &mut Bench) -> Value {
    let mut messages = bench.messages(HANDLER);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["method"], "LINE_PROXYREQUEST");
    let mut params = messages.remove(0)["params"].take();
    params.as_object_mut().unwrap().remove("seq").unwrap();
    params
}

/// A client's request on its way: what the handler got of it.
fn asked(bench: &mut Bench, method: &str, params: Value) -> Value {
    let answer = bench.ok(CLIENT, method, params);
    assert!(answer["requestId"].as_u64().unwrap() > 0);
    bench.drain();
    assert!(bench.intents.is_empty(), "the provider is not asked");
    request(bench)
}

fn reply(bench: &mut Bench) -> Value {
    let mut messages = bench.messages(CLIENT);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["method"], "LINE_REPLY");
    messages.remove(0)["params"].take()
}

#[test]
fn a_request_goes_to_the_handler_and_its_answer_to_the_client() {
    let mut bench = bench();
    let (handler, client) = served(&mut bench, &["GETAGENTINFO", "CREATEAGENT"]);
    let params = json!({"hLine": client, "agentId": "7001", "agentPin": "4711"});
    let asked_for = asked(&mut bench, "lineCreateAgent", params);
    let number = asked_for["proxyRequest"].as_u64().unwrap();
    assert_eq!(
        asked_for,
        json!({"hLine": handler, "proxyRequest": number,
            "requestType": "LINEPROXYREQUEST_CREATEAGENT", "clientMachineName": "",
            "clientUserName": "app2", "clientAppApiVersion": 0x0002_0002,
            "agentId": "7001", "agentPin": "4711"})
    );
    assert!(bench.messages(CLIENT).is_empty(), "no reply before the handler's");
    let answer = json!({"hLine": handler, "proxyRequest": number, "result": 0,
        "data": {"hAgent": 4}});
    assert_eq!(bench.ok(HANDLER, "lineProxyResponse", answer.clone()), json!({}));
    let said = reply(&mut bench);
    assert_eq!((&said["result"], &said["hAgent"]), (&json!(0), &json!(4)));
    let again = bench.refused(HANDLER, "lineProxyResponse", answer);
    assert_eq!(again, "LINEERR_INVALPARAM", "exactly once");
    assert!(bench.messages(CLIENT).is_empty());
}

/// A function, its type of request, its parameters beside `hLine`, and the members of its arm.
type Row = (&'static str, &'static str, Value, Value);

fn by_address() -> Vec<Row> {
    vec![
        (
            "lineSetAgentGroup",
            "SETAGENTGROUP",
            json!({"agentGroupList": [GROUP]}),
            json!({"addressId": 0, "groups": [{"groupId": GROUP}]}),
        ),
        (
            "lineSetAgentState",
            "SETAGENTSTATE",
            json!({"agentState": 4}),
            json!({"addressId": 0, "agentState": "LINEAGENTSTATE_READY", "nextAgentState": 0}),
        ),
        (
            "lineSetAgentActivity",
            "SETAGENTACTIVITY",
            json!({"activityId": 3}),
            json!({"addressId": 0, "activityId": 3}),
        ),
        ("lineGetAgentStatus", "GETAGENTSTATUS", json!({}), json!({"addressId": 0})),
        (
            "lineAgentSpecific",
            "AGENTSPECIFIC",
            json!({"agentExtensionIdIndex": 2, "params": [1]}),
            json!({"addressId": 0, "agentExtensionIdIndex": 2, "params": [1]}),
        ),
        ("lineGetAgentActivityList", "GETAGENTACTIVITYLIST", json!({}), json!({"addressId": 0})),
        ("lineGetAgentGroupList", "GETAGENTGROUPLIST", json!({}), json!({"addressId": 0})),
    ]
}

fn by_handle() -> Vec<Row> {
    vec![
        ("lineCreateAgent", "CREATEAGENT", json!({}), json!({"agentId": null, "agentPin": null})),
        (
            "lineSetAgentMeasurementPeriod",
            "SETAGENTMEASUREMENTPERIOD",
            json!({"hAgent": 4, "measurementPeriod": 9}),
            json!({"hAgent": 4, "measurementPeriod": 9}),
        ),
        ("lineGetAgentInfo", "GETAGENTINFO", json!({"hAgent": 4}), json!({"hAgent": 4})),
        (
            "lineCreateAgentSession",
            "CREATEAGENTSESSION",
            json!({"hAgent": 4, "groupId": GROUP}),
            json!({"hAgent": 4, "agentPin": null, "groupId": GROUP, "workingAddressId": 0}),
        ),
        (
            "lineGetAgentSessionList",
            "GETAGENTSESSIONLIST",
            json!({"hAgent": 4}),
            json!({"hAgent": 4}),
        ),
        (
            "lineSetAgentSessionState",
            "SETAGENTSESSIONSTATE",
            json!({"hAgentSession": 5, "agentSessionState": 2, "nextAgentSessionState": 16}),
            json!({"hAgentSession": 5, "agentSessionState": "LINEAGENTSESSIONSTATE_READY",
                "nextAgentSessionState": "LINEAGENTSESSIONSTATE_ENDED"}),
        ),
        (
            "lineGetAgentSessionInfo",
            "GETAGENTSESSIONINFO",
            json!({"hAgentSession": 5}),
            json!({"hAgentSession": 5}),
        ),
        ("lineGetQueueList", "GETQUEUELIST", json!({"groupId": GROUP}), json!({"groupId": GROUP})),
        (
            "lineSetQueueMeasurementPeriod",
            "SETQUEUEMEASUREMENTPERIOD",
            json!({"queueId": 8, "measurementPeriod": 9}),
            json!({"queueId": 8, "measurementPeriod": 9}),
        ),
        ("lineGetQueueInfo", "GETQUEUEINFO", json!({"queueId": 8}), json!({"queueId": 8})),
        ("lineGetGroupList", "GETGROUPLIST", json!({}), json!({})),
        (
            "lineSetAgentStateEx",
            "SETAGENTSTATEEX",
            json!({"hAgent": 4, "nextAgentState": "LINEAGENTSTATEEX_NOTREADY"}),
            json!({"hAgent": 4, "agentState": 0,
                "nextAgentState": "LINEAGENTSTATEEX_NOTREADY"}),
        ),
    ]
}

#[test]
fn every_request_has_the_members_of_its_arm() {
    let mut bench = bench();
    let all: Vec<&str> =
        ProxyRequest::ALL.iter().map(|kind| &kind.name()["LINEPROXYREQUEST_".len()..]).collect();
    let (_, client) = served(&mut bench, &all);
    for (method, kind, params, arm) in by_address().into_iter().chain(by_handle()) {
        let mut params = params;
        params["hLine"] = client.into();
        check_arm(&mut bench, method, kind, params, &arm);
    }
    check_arm(
        &mut bench,
        "lineGetAgentCaps",
        "GETAGENTCAPS",
        json!({"deviceId": 0}),
        &json!({"addressId": 0}),
    );
}

fn check_arm(bench: &mut Bench, method: &str, kind: &str, params: Value, arm: &Value) {
    let mut said = asked(bench, method, params);
    assert_eq!(said["requestType"], format!("LINEPROXYREQUEST_{kind}"));
    let members = said.as_object_mut().unwrap();
    for common in [
        "hLine",
        "proxyRequest",
        "requestType",
        "clientMachineName",
        "clientUserName",
        "clientAppApiVersion",
    ] {
        members.remove(common).unwrap();
    }
    assert_eq!(said, *arm, "{method}");
}

#[test]
fn only_types_that_somebody_serves_can_be_asked_for_and_each_type_goes_to_who_serves_it() {
    let mut bench = bench();
    let (_, client) = served(&mut bench, &["GETGROUPLIST"]);
    let error = bench.refused(CLIENT, "lineCreateAgent", json!({"hLine": client}));
    assert_eq!(error, "LINEERR_OPERATIONUNAVAIL");
    let elsewhere = bench.open_more(CLIENT, "202", &["NONE"]);
    let error = bench.refused(CLIENT, "lineGetGroupList", json!({"hLine": elsewhere}));
    assert_eq!(error, "LINEERR_OPERATIONUNAVAIL", "another line");
    let status = bench.ok(CLIENT, "lineGetProxyStatus", json!({"deviceId": 0}));
    assert_eq!(status, json!({"proxyRequests": ["LINEPROXYREQUEST_GETGROUPLIST"]}));
    let second = open_handler(&mut bench, "201", &["CREATEAGENT"]);
    for connection in [CLIENT, HANDLER] {
        bench.messages(connection);
    }
    assert_eq!(asked(&mut bench, "lineCreateAgent", json!({"hLine": client}))["hLine"], second);
}

#[test]
fn opening_as_a_handler_names_types_that_nobody_serves() {
    let mut bench = bench();
    served(&mut bench, &["GETGROUPLIST"]);
    for (line, requests, error) in [
        ("201", names(&["CREATEAGENT", "GETGROUPLIST"]), "LINEERR_NOTREGISTERED"),
        ("202", names(&["FLY"]), "LINEERR_INVALPARAM"),
        ("202", json!([0x15]), "LINEERR_INVALPARAM"),
        ("202", json!([]), "LINEERR_INVALPARAM"),
        ("202", json!([{}]), "Invalid params"),
        ("202", json!("LINEPROXYREQUEST_CREATEAGENT"), "Invalid params"),
        ("202", Value::Null, "Invalid params"),
    ] {
        let open = proxy_open(line, &requests);
        assert_eq!(bench.refused(CLIENT, "lineOpen", open), error, "{requests}");
    }
    let mut bare = proxy_open("202", &Value::Null);
    bare.as_object_mut().unwrap().remove("callParams");
    assert_eq!(bench.refused(CLIENT, "lineOpen", bare), "Invalid params");
    bench.ok(CLIENT, "lineOpen", proxy_open("202", &json!([0x13, "LINEPROXYREQUEST_CREATEAGENT"])));
    let status = bench.ok(CLIENT, "lineGetProxyStatus", json!({"deviceId": 1}));
    assert_eq!(status["proxyRequests"], names(&["CREATEAGENT", "GETGROUPLIST"]));
}

#[test]
fn where_the_switch_is_the_handler_no_application_can_be() {
    let mut bench = Bench::full();
    bench.open(1, "202", &["NONE"]);
    let open = proxy_open("201", &names(&["CREATEAGENT"]));
    assert_eq!(bench.refused(1, "lineOpen", open), "LINEERR_NOTREGISTERED");
    let status = bench.ok(1, "lineGetProxyStatus", json!({"deviceId": 0}));
    assert_eq!(status["proxyRequests"].as_array().unwrap().len(), ProxyRequest::ALL.len());
    let h_line = bench.open_more(1, "201", &["NONE"]);
    let params = json!({"hLine": h_line, "proxyRequest": 1, "result": 0});
    assert_eq!(bench.refused(1, "lineProxyResponse", params), "LINEERR_NOTREGISTERED");
    let params = json!({"hLine": h_line, "msg": "LINE_GROUPSTATUS", "param2": 1});
    assert_eq!(bench.refused(1, "lineProxyMessage", params), "LINEERR_NOTREGISTERED");
}

#[test]
fn the_others_hear_what_is_served_and_what_no_longer() {
    let mut bench = bench();
    let client = bench.open(CLIENT, "201", &["NONE"]);
    bench.connect(HANDLER);
    bench.ok(HANDLER, "lineInitializeEx", json!({"appName": "desk.exe"}));
    let all: Vec<&str> =
        ProxyRequest::ALL.iter().map(|kind| &kind.name()["LINEPROXYREQUEST_".len()..]).collect();
    let (older, newer) = all.split_at(8);
    let (some, rest) = newer.split_at(5);
    let told = |bench: &mut Bench| -> Vec<(String, Value)> {
        let messages = bench.messages(CLIENT);
        let tell = |message: &Value| {
            assert_eq!(message["method"], "LINE_PROXYSTATUS");
            assert_eq!(message["params"]["hLine"], client);
            let status = message["params"]["proxyStatus"][0].as_str().unwrap();
            let status = status.replace("LINEPROXYSTATUS_", "");
            (status, message["params"]["requestType"].clone())
        };
        messages.iter().map(tell).collect()
    };
    let each = |what: &str, kinds: &[&str]| -> Vec<(String, Value)> {
        let kind = |kind: &&str| (what.to_owned(), format!("LINEPROXYREQUEST_{kind}").into());
        kinds.iter().map(kind).collect()
    };
    open_handler(&mut bench, "201", some);
    assert_eq!(told(&mut bench), each("OPEN", some));
    let second = open_handler(&mut bench, "201", rest);
    let mut expected = each("OPEN", rest);
    expected.push(("ALLOPENFORACD".to_owned(), Value::Null));
    assert_eq!(told(&mut bench), expected);
    open_handler(&mut bench, "201", older);
    assert_eq!(told(&mut bench), each("OPEN", older), "not again: it was complete before");
    bench.ok(HANDLER, "lineClose", json!({"hLine": second}));
    assert_eq!(told(&mut bench), each("CLOSE", rest));
    bench.ok(HANDLER, "lineShutdown", json!({}));
    assert_eq!(told(&mut bench).len(), some.len() + older.len());
    let error = bench.refused(CLIENT, "lineGetGroupList", json!({"hLine": client}));
    assert_eq!(error, "LINEERR_OPERATIONUNAVAIL");
}

#[test]
fn a_handler_that_refuses_says_why_by_name_or_number() {
    let mut bench = bench();
    let (handler, client) = served(&mut bench, &["GETAGENTINFO"]);
    for (result, error) in [
        (json!("LINEERR_INVALPARAM"), "LINEERR_INVALPARAM"),
        (json!(0x8000_0048_u32), "LINEERR_OPERATIONFAILED"),
        (json!(-2_147_483_575), "LINEERR_OPERATIONUNAVAIL"),
        (json!(0xC000_0001_u32), "LINEERR_OPERATIONFAILED"),
    ] {
        let params = json!({"hLine": client, "hAgent": 4});
        let number = asked(&mut bench, "lineGetAgentInfo", params)["proxyRequest"].clone();
        let answer = json!({"hLine": handler, "proxyRequest": number, "result": result});
        bench.ok(HANDLER, "lineProxyResponse", answer);
        assert_eq!(reply(&mut bench)["result"], error);
    }
}

#[test]
fn an_answer_that_does_not_fit_leaves_the_request_open() {
    let mut bench = bench();
    let (handler, client) = served(&mut bench, &["GETAGENTINFO"]);
    let params = json!({"hLine": client, "hAgent": 4});
    let number = asked(&mut bench, "lineGetAgentInfo", params)["proxyRequest"].as_u64().unwrap();
    let answer = |more: Value| {
        let mut answer = json!({"hLine": handler, "proxyRequest": number});
        for (name, value) in more.as_object().unwrap() {
            answer[name] = value.clone();
        }
        answer
    };
    let bad = "LINEERR_INVALPARAM";
    bench.check(
        HANDLER,
        "lineProxyResponse",
        &[
            (json!({"hLine": 99, "proxyRequest": number}), "LINEERR_INVALLINEHANDLE"),
            (answer(json!({"proxyRequest": number + 1, "result": 0})), bad),
            (answer(json!({})), "Invalid params"),
            (answer(json!({"result": []})), "Invalid params"),
            (answer(json!({"result": 1})), bad),
            (answer(json!({"result": "LINEERR_TIRED"})), bad),
            (answer(json!({"result": 0, "data": 4})), "Invalid params"),
            (answer(json!({"result": 0})), bad),
            (
                answer(json!({"result": 0, "data": {"agentState": 2, "measurementPeriod": "x"}})),
                bad,
            ),
        ],
    );
    assert!(bench.messages(CLIENT).is_empty());
    let good = json!({"result": 0, "data": {"agentState": 2, "numberOfAcdCalls": 7}});
    bench.ok(HANDLER, "lineProxyResponse", answer(good));
    let said = reply(&mut bench);
    assert_eq!(said["agentState"], "LINEAGENTSTATEEX_READY", "numbers become names");
    assert_eq!((&said["numberOfAcdCalls"], &said["totalAcdTalkTime"]), (&json!(7), &json!(0)));
}

#[test]
fn messages_of_the_handler_reach_everybody_but_its_own_handle() {
    let mut bench = bench();
    let (handler, client) = served(&mut bench, &["SETAGENTSTATEEX"]);
    let twice = bench.open_more(CLIENT, "201", &["NONE"]);
    bench.open(3, "202", &["NONE"]);
    let own = bench.open_more(HANDLER, "201", &["NONE"]);
    for connection in 1..=3 {
        bench.messages(connection);
    }
    let tell = |message: Value, param1: Value, param2: Value, param3: Value| {
        json!({"hLine": handler, "hCall": 0, "msg": message, "param1": param1, "param2": param2,
            "param3": param3})
    };
    for (params, method, expected) in [
        (
            tell(json!(29), json!(4), json!(2), json!(4)),
            "LINE_AGENTSTATUSEX",
            json!({"hAgent": 4, "agentStatus": ["LINEAGENTSTATUSEX_STATE"],
                "agentState": "LINEAGENTSTATEEX_BUSYACD"}),
        ),
        (
            tell(
                json!("LINE_AGENTSESSIONSTATUS"),
                json!(5),
                json!(["LINEAGENTSESSIONSTATUS_NEWSESSION"]),
                json!(0),
            ),
            "LINE_AGENTSESSIONSTATUS",
            json!({"hAgentSession": 5,
                "agentSessionStatus": ["LINEAGENTSESSIONSTATUS_NEWSESSION"]}),
        ),
        (
            tell(json!("LINE_QUEUESTATUS"), json!(8), json!(1), json!(0)),
            "LINE_QUEUESTATUS",
            json!({"queueId": 8, "queueStatus": ["LINEQUEUESTATUS_UPDATEINFO"]}),
        ),
        (
            tell(json!("LINE_GROUPSTATUS"), json!(0), json!(1), json!(0)),
            "LINE_GROUPSTATUS",
            json!({"groupStatus": ["LINEGROUPSTATUS_NEWGROUP"]}),
        ),
        (
            tell(json!("LINE_AGENTSTATUS"), json!(0), json!(0x22), json!("LINEAGENTSTATE_READY")),
            "LINE_AGENTSTATUS",
            json!({"addressId": 0,
                "agentStatus": ["LINEAGENTSTATUS_STATE", "LINEAGENTSTATUS_GROUPLIST"],
                "agentState": "LINEAGENTSTATE_READY"}),
        ),
        (
            tell(json!("LINE_AGENTSPECIFIC"), json!(1), json!("a"), json!(7)),
            "LINE_AGENTSPECIFIC",
            json!({"agentExtensionIdIndex": 1, "params": ["a", 7]}),
        ),
    ] {
        bench.ok(HANDLER, "lineProxyMessage", params);
        let told = |bench: &mut Bench, connection: u64| -> Vec<Value> {
            let mut messages = bench.messages(connection);
            let params = messages.iter_mut().map(|message| {
                assert_eq!(message["method"], method);
                message["params"].as_object_mut().unwrap().remove("seq").unwrap();
                message["params"].take()
            });
            params.collect()
        };
        let with = |h_line: u64| {
            let mut params = expected.clone();
            params["hLine"] = h_line.into();
            params
        };
        assert_eq!(told(&mut bench, CLIENT), [with(client), with(twice)]);
        assert_eq!(told(&mut bench, HANDLER), [with(own)], "another handle of the handler");
        assert!(bench.messages(3).is_empty(), "another line");
    }
}

#[test]
fn a_message_about_a_call_has_the_handle_of_each_receiver() {
    let mut bench = bench();
    bench.owner(CLIENT, "201");
    bench.connect(HANDLER);
    bench.ok(HANDLER, "lineInitializeEx", json!({"appName": "desk.exe"}));
    bench.open(3, "201", &["NONE"]);
    let open = json!({"line": "201", "privileges": ["LINECALLPRIVILEGE_MONITOR",
        "LINEOPENOPTION_PROXY"], "callParams": {"proxyRequests": [9]}});
    let handler = bench.ok(HANDLER, "lineOpen", open)["hLine"].as_u64().unwrap();
    bench.incoming();
    let of = |bench: &mut Bench, connection| {
        let messages = bench.messages(connection);
        let new = messages.iter().find(|message| message["method"] == "LINE_APPNEWCALL");
        new.map(|message| message["params"]["hCall"].clone())
    };
    let (mine, theirs) = (of(&mut bench, HANDLER).unwrap(), of(&mut bench, CLIENT).unwrap());
    assert!(of(&mut bench, 3).is_none());
    let about = |h_call: Value| {
        json!({"hLine": handler, "hCall": h_call, "msg": "LINE_QUEUESTATUS", "param1": 1,
            "param2": 1})
    };
    let error = bench.refused(HANDLER, "lineProxyMessage", about(json!(99)));
    assert_eq!(error, "LINEERR_INVALCALLHANDLE");
    bench.ok(HANDLER, "lineProxyMessage", about(mine));
    assert_eq!(bench.messages(CLIENT)[0]["params"]["hCall"], theirs);
    assert!(bench.messages(3)[0]["params"].get("hCall").is_none(), "it has no handle of it");
}

#[test]
fn messages_that_no_handler_may_send_are_refused() {
    let mut bench = bench();
    let (handler, _) = served(&mut bench, &["SETAGENTSTATEEX"]);
    let tell = |message: Value, param2: Value, param3: Value| json!({"hLine": handler, "msg": message, "param1": 0, "param2": param2, "param3": param3});
    let bad = "LINEERR_INVALPARAM";
    bench.check(
        HANDLER,
        "lineProxyMessage",
        &[
            (tell(json!("LINE_CALLSTATE"), json!(1), json!(0)), bad),
            (tell(json!("LINE_PROXYSTATUS"), json!(1), json!(0)), bad),
            (tell(json!(2), json!(1), json!(0)), bad),
            (tell(json!(29), json!(0), json!(0)), bad),
            (tell(json!(29), json!(8), json!(0)), bad),
            (tell(json!(29), json!(2), json!(0)), bad),
            (tell(json!(29), json!(4), json!(2)), bad),
            (tell(json!(29), json!(2), json!(0x100)), bad),
            (tell(json!(29), json!({}), json!(1)), "Invalid params"),
            (json!({"hLine": handler, "msg": 22, "param1": 5, "param2": 1}), bad),
            (json!({"hLine": 77, "msg": 29}), "LINEERR_INVALLINEHANDLE"),
        ],
    );
}

#[test]
fn a_handler_that_closes_its_line_fails_what_it_has_not_answered() {
    let mut bench = bench();
    let (handler, client) = served(&mut bench, &["GETGROUPLIST"]);
    asked(&mut bench, "lineGetGroupList", json!({"hLine": client}));
    bench.ok(HANDLER, "lineClose", json!({"hLine": handler}));
    assert_eq!(bench.trace(CLIENT)[0], "REPLY OPERATIONFAILED");
    assert_eq!(bench.server.request_count(), 0);
}

#[test]
fn a_handler_whose_connection_breaks_fails_them_too_and_serves_again_when_it_is_back() {
    let mut bench = bench();
    let client = bench.open(CLIENT, "201", &["NONE"]);
    bench.connect(HANDLER);
    let begun = bench.ok(HANDLER, "lineInitializeEx", json!({"appName": "desk.exe"}));
    let handler = open_handler(&mut bench, "201", &["GETGROUPLIST"]);
    bench.messages(CLIENT);
    let lost = asked(&mut bench, "lineGetGroupList", json!({"hLine": client}));
    bench.server.disconnect(bench.now_ms, ConnectionId(HANDLER));
    assert_eq!(reply(&mut bench)["result"], "LINEERR_OPERATIONFAILED");
    let error = bench.refused(CLIENT, "lineGetGroupList", json!({"hLine": client}));
    assert_eq!(error, "LINEERR_OPERATIONFAILED", "nobody is there to ask");
    bench.connect(HANDLER);
    let again = json!({"instance": begun["instance"], "after": 1});
    bench.ok(HANDLER, "lineInitializeEx", again);
    bench.messages(HANDLER);
    let late = json!({"hLine": handler, "proxyRequest": lost["proxyRequest"], "result": 0});
    assert_eq!(bench.refused(HANDLER, "lineProxyResponse", late), "LINEERR_INVALPARAM");
    let asked_for = asked(&mut bench, "lineGetGroupList", json!({"hLine": client}));
    let answer = json!({"hLine": handler, "proxyRequest": asked_for["proxyRequest"],
        "result": 0, "data": {"groups": [{"groupId": GROUP, "name": "Sales"}]}});
    bench.ok(HANDLER, "lineProxyResponse", answer);
    assert_eq!(reply(&mut bench)["groups"][0]["name"], "Sales");
}

#[test]
fn a_handler_that_does_not_come_back_serves_no_longer() {
    let mut bench = bench();
    let (_, client) = served(&mut bench, &["GETGROUPLIST"]);
    bench.server.disconnect(bench.now_ms, ConnectionId(HANDLER));
    bench.now_ms += 60_000;
    assert_eq!(bench.server.next_deadline(), Some(bench.now_ms));
    bench.server.expire(bench.now_ms);
    assert_eq!(bench.messages(CLIENT)[0]["method"], "LINE_PROXYSTATUS");
    let error = bench.refused(CLIENT, "lineGetGroupList", json!({"hLine": client}));
    assert_eq!(error, "LINEERR_OPERATIONUNAVAIL");
}

#[test]
fn a_handler_that_never_answers_fails_the_request_after_a_bounded_time() {
    let mut bench = bench();
    let (handler, client) = served(&mut bench, &["GETGROUPLIST"]);
    let asked_for = asked(&mut bench, "lineGetGroupList", json!({"hLine": client}));
    let deadline = bench.now_ms + TIMEOUT_MS;
    assert_eq!(bench.server.next_deadline(), Some(deadline));
    bench.server.expire(deadline - 1);
    assert!(bench.messages(CLIENT).is_empty());
    bench.server.expire(deadline);
    assert_eq!(reply(&mut bench)["result"], "LINEERR_OPERATIONFAILED");
    assert_eq!(bench.server.next_deadline(), None);
    let late = json!({"hLine": handler, "proxyRequest": asked_for["proxyRequest"], "result": 0});
    assert_eq!(bench.refused(HANDLER, "lineProxyResponse", late), "LINEERR_INVALPARAM");
}

#[test]
fn what_waits_for_a_handler_is_bounded() {
    let mut bench = bench();
    let (_, client) = served(&mut bench, &["GETGROUPLIST"]);
    let other = bench.open(3, "201", &["NONE"]);
    bench.messages(3);
    for _ in 0..tapi::server::MAX_PROXY_REQUESTS {
        bench.ok(CLIENT, "lineGetGroupList", json!({"hLine": client}));
    }
    let error = bench.refused(3, "lineGetGroupList", json!({"hLine": other}));
    assert_eq!(error, "LINEERR_RESOURCEUNAVAIL");
    bench.server.expire(bench.now_ms + TIMEOUT_MS);
    bench.ok(3, "lineGetGroupList", json!({"hLine": other}));
}

#[test]
fn a_client_that_is_gone_is_not_answered_and_the_handler_does_not_notice() {
    let mut bench = bench();
    let (handler, client) = served(&mut bench, &["GETGROUPLIST"]);
    let asked_for = asked(&mut bench, "lineGetGroupList", json!({"hLine": client}));
    bench.ok(CLIENT, "lineClose", json!({"hLine": client}));
    let answer = json!({"hLine": handler, "proxyRequest": asked_for["proxyRequest"],
        "result": 0, "data": {"groups": []}});
    bench.ok(HANDLER, "lineProxyResponse", answer);
    assert!(bench.messages(CLIENT).is_empty());
}

#[test]
fn a_line_that_is_removed_or_changes_hands_ends_its_handler() {
    let mut bench = bench();
    let (_, client) = served(&mut bench, &["GETGROUPLIST"]);
    asked(&mut bench, "lineGetGroupList", json!({"hLine": client}));
    let device = bench.line("201");
    bench.server.add_line(LineSpec::full("201", "Somebody", 100, 4));
    assert_eq!(bench.trace(CLIENT)[0], "REPLY OPERATIONFAILED");
    let told = bench.messages(HANDLER);
    assert_eq!(told[0]["params"]["proxyStatus"], json!(["LINEPROXYSTATUS_CLOSE"]));
    bench.begin(CLIENT, "lineGetGroupList", json!({"hLine": client}));
    bench.server.remove_line(bench.now_ms, device);
    assert_eq!(bench.trace(CLIENT)[..2], ["REPLY OPERATIONFAILED", "CLOSE"]);
}

#[test]
fn who_follows_the_switch_sees_requests_answers_and_messages_but_no_pin() {
    let mut bench = bench();
    let (handler, client) = served(&mut bench, &["CREATEAGENT"]);
    bench.server.observed.clear();
    let params = json!({"hLine": client, "agentId": "7001", "agentPin": "4711"});
    let number = asked(&mut bench, "lineCreateAgent", params)["proxyRequest"].clone();
    let answer = json!({"hLine": handler, "proxyRequest": number, "result": 0,
        "data": {"hAgent": 4}});
    bench.ok(HANDLER, "lineProxyResponse", answer);
    let message = json!({"hLine": handler, "msg": "LINE_AGENTSTATUSEX", "param1": 4, "param2": 1});
    bench.ok(HANDLER, "lineProxyMessage", message);
    bench.ok(HANDLER, "lineClose", json!({"hLine": handler}));
    let seen = std::mem::take(&mut bench.server.observed);
    let kinds: Vec<&str> = seen.iter().map(|one| one.kind).collect();
    let wanted = ["LINE_PROXYREQUEST", "LINE_REPLY", "LINE_AGENTSTATUSEX", "LINE_PROXYSTATUS"];
    assert_eq!(kinds, wanted);
    assert_eq!(seen[0].fields["line"], "201");
    assert_eq!(seen[0].fields["application"], "desk.exe");
    assert_eq!(seen[0].fields["agentId"], "7001");
    assert!(seen.iter().all(|one| !one.fields.to_string().contains("4711")), "{seen:?}");
}
