//! Every function of the call centre: its results by their names, its errors.

use std::collections::HashMap;

use serde_json::{Value, json};
use tests::program::{Application, CRM_TOKEN, Events, Program, office};
use tests::row::Row;

use crate::floor::{Floor, agent_wish, centre, fields, session_wish, short};

/// A group that is none.
const NO_GROUP: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

#[test]
fn an_agent_is_one_person_with_one_handle_and_needs_its_name_and_pin() {
    let mut floor = Floor::with("", &[]);
    let line = floor.line("204");
    let wish = |id: Value, pin: Value| json!({"hLine": line, "agentId": id, "agentPin": pin});
    let refused =
        |floor: &mut Floor, id: Value, pin: Value| floor.refused("lineCreateAgent", wish(id, pin));
    assert_eq!(refused(&mut floor, json!("nobody"), json!("4711")), "INVALAGENTID");
    assert_eq!(refused(&mut floor, json!("jane"), json!("4712")), "INVALPASSWORD");
    assert_eq!(refused(&mut floor, json!("jane"), Value::Null), "INVALPASSWORD");
    assert_eq!(refused(&mut floor, json!(7), Value::Null), "-32602");
    let jane = floor.agent("jane", "4711", "204");
    floor.said(&["AGENT jane NEWAGENT"]);
    let session = floor.session(jane, "Help desk", "204", "jane");
    floor.said(&["SESSION jane NEWSESSION"]);
    // Again, from anywhere: the same agent, whose session stays.
    assert_eq!(floor.agent("jane", "4711", "205"), jane);
    floor.said_nothing();
    assert_eq!(floor.state(session), "NOTREADY");
    // Without a name it is the one agent of the line.
    let own = floor.ask("lineCreateAgent", wish(Value::Null, Value::Null));
    assert_eq!(own, json!({"hAgent": jane}));
    let here = floor.line("201");
    assert_eq!(floor.refused("lineCreateAgent", json!({"hLine": here})), "INVALAGENTID");
    let omar = floor.agent("omar", "4712", "205");
    floor.said(&["AGENT omar NEWAGENT"]);
    assert_ne!(omar, jane);
    assert_eq!(floor.agent_state(omar), "NOTREADY");
}

#[test]
fn a_session_is_of_an_agent_a_group_it_serves_and_an_address_of_the_line() {
    let mut floor = Floor::with("", &[]);
    let (helpdesk, sales) = (floor.group("Help desk"), floor.group("Sales"));
    let (jane, session) = floor.jane();
    let (omar, _) = floor.omar();
    let refused = |floor: &mut Floor, agent: u64, pin: Value, group: &str, address: u32| {
        let wish = json!({"hAgent": agent, "agentPin": pin, "groupId": group,
            "workingAddressId": address});
        floor.refused("lineCreateAgentSession", wish)
    };
    assert_eq!(refused(&mut floor, 99, Value::Null, &helpdesk, 0), "INVALPARAM");
    assert_eq!(refused(&mut floor, jane, json!("4712"), &sales, 0), "INVALPASSWORD");
    assert_eq!(refused(&mut floor, jane, Value::Null, NO_GROUP, 0), "INVALAGENTGROUP");
    assert_eq!(refused(&mut floor, omar, Value::Null, &sales, 0), "INVALAGENTGROUP");
    assert_eq!(refused(&mut floor, jane, Value::Null, "Sales", 0), "INVALPARAM");
    assert_eq!(refused(&mut floor, jane, Value::Null, &sales, 7), "INVALADDRESSID");
    assert_eq!(refused(&mut floor, jane, Value::Null, &helpdesk, 0), "OPERATIONFAILED");
    // Somebody else works there.
    assert_eq!(refused(&mut floor, omar, Value::Null, &helpdesk, 0), "OPERATIONFAILED");
    floor.said_nothing();
    let other = floor.session(jane, "Sales", "204", "jane@sales");
    floor.said(&["SESSION jane@sales NEWSESSION"]);
    let list = floor.ask("lineGetAgentSessionList", json!({"hAgent": jane}));
    let entry = |session: u64, group: &str| {
        json!({"hAgentSession": session, "hAgent": jane, "groupId": group, "workingAddressId": 0,
            "deviceId": list["sessions"][0]["deviceId"]})
    };
    assert!(list["sessions"][0]["deviceId"].is_u64());
    assert_eq!(list, json!({"sessions": [entry(session, &helpdesk), entry(other, &sales)]}));
    assert_eq!(floor.refused("lineGetAgentSessionList", json!({"hAgent": 99})), "INVALPARAM");
}

#[test]
fn what_is_known_of_an_agent_and_a_session_has_the_documented_names() {
    let mut floor = Floor::with("", &[]);
    let (jane, session) = floor.jane();
    assert_eq!(
        floor.agent_info(jane),
        json!({"agentState": "LINEAGENTSTATEEX_NOTREADY", "nextAgentState": 0,
            "measurementPeriod": 86_400, "overallCallRate": 0, "numberOfAcdCalls": 0,
            "numberOfIncomingCalls": 0, "numberOfOutgoingCalls": 0, "totalAcdTalkTime": 0,
            "totalAcdCallTime": 0, "totalAcdWrapUpTime": 0})
    );
    let info = floor.session_info(session);
    assert_eq!(
        fields(&info),
        "acdCallRate agentSessionState averageCallTime averageTalkTime averageTimeToAnswer \
         averageWrapUpTime longestTimeToAnswer nextAgentSessionState numberOfCalls sessionDuration \
         sessionStartTime totalCallTime totalTalkTime totalWrapUpTime"
    );
    assert_eq!(info["agentSessionState"], "LINEAGENTSESSIONSTATE_NOTREADY");
    assert_eq!((&info["nextAgentSessionState"], &info["numberOfCalls"]), (&json!(0), &json!(0)));
    let start = info["sessionStartTime"].as_str().unwrap();
    assert!(start.len() == 24 && start.ends_with('Z') && &start[10..11] == "T", "{start}");
    assert_eq!(floor.refused("lineGetAgentInfo", json!({"hAgent": 99})), "INVALPARAM");
    let nothing = json!({"hAgentSession": 99});
    assert_eq!(floor.refused("lineGetAgentSessionInfo", nothing), "INVALPARAM");
}

#[test]
fn groups_and_queues_are_listed_and_keep_their_identifiers_over_a_reload_and_in_another_run() {
    let mut floor = Floor::with("", &[]);
    let list = |floor: &mut Floor| {
        let groups = floor.ask("lineGetGroupList", json!({}))["groups"].clone();
        (groups, floor.queues_of("Help desk"), floor.queues_of("Sales"))
    };
    let (groups, of_helpdesk, of_sales) = list(&mut floor);
    let names = |entries: &Value| {
        let mut names: Vec<String> =
            entries.as_array().unwrap().iter().map(|entry| short(&entry["name"])).collect();
        names.sort();
        names
    };
    assert_eq!(names(&groups), ["Help desk", "Sales"]);
    assert_eq!(fields(&groups[0]), "groupId name");
    assert_eq!(names(&json!(of_helpdesk)), ["orders", "support"]);
    assert_eq!(names(&json!(of_sales)), ["orders"]);
    assert_eq!(fields(&of_sales[0]), "name queueId");
    let group = |id: &str| json!({"groupId": id});
    assert_eq!(floor.refused("lineGetQueueList", group(NO_GROUP)), "INVALAGENTGROUP");
    assert_eq!(floor.refused("lineGetQueueList", group("Sales")), "INVALPARAM");
    floor.reload(|text| text.replace("name = \"Ada\"", "name = \"Ada L.\""));
    assert_eq!(list(&mut floor), (groups.clone(), of_helpdesk.clone(), of_sales.clone()));
    let mut again = Floor::with("", &[]);
    assert_eq!(list(&mut again), (groups, of_helpdesk, of_sales));
}

#[test]
fn what_is_known_of_a_queue_counts_in_its_measurement_period() {
    let mut floor = Floor::with("", &["201", "600"]);
    let [a] = floor.row.phones(["201"]);
    let counts = |queued: u32, current: u32, abandoned: u32, period: u32| {
        json!({"measurementPeriod": period, "totalCallsQueued": queued,
            "currentCallsQueued": current, "totalCallsAbandoned": abandoned,
            "totalCallsFlowedIn": 0, "totalCallsFlowedOut": 0, "finalDisposition": 0})
    };
    let counters = |floor: &mut Floor| {
        let mut info = floor.queue_info("support");
        let times = ["longestEverWaitTime", "currentLongestWaitTime", "averageWaitTime"];
        let fields = info.as_object_mut().unwrap();
        assert!(times.iter().all(|time| fields.remove(*time).unwrap().is_u64()));
        info
    };
    assert_eq!(counters(&mut floor), counts(0, 0, 0, 86_400));
    let near = a.call("600");
    floor.said(&["QUEUE support UPDATEINFO"]);
    assert_eq!(counters(&mut floor), counts(1, 1, 0, 86_400));
    a.connected(near);
    a.hang_up(near);
    floor.said(&["QUEUE support UPDATEINFO"]);
    assert_eq!(counters(&mut floor), counts(1, 0, 1, 86_400));
    assert_eq!(floor.queue_info("orders")["totalCallsQueued"], 0);

    let period = |queue: u64, seconds: u32| json!({"queueId": queue, "measurementPeriod": seconds});
    let support = floor.queue("support");
    let set = "lineSetQueueMeasurementPeriod";
    assert_eq!(floor.refused(set, period(support, 0)), "INVALPARAM");
    assert_eq!(floor.refused(set, period(99, 60)), "INVALPARAM");
    assert_eq!(floor.refused("lineGetQueueInfo", json!({"queueId": 99})), "INVALPARAM");
    assert_eq!(floor.ask(set, period(support, 900)), json!({}));
    floor.said(&["QUEUE support UPDATEINFO"]);
    assert_eq!(counters(&mut floor), counts(0, 0, 0, 900));
    // At the end of a period everything is counted from 0, and that is told.
    let near = a.call("600");
    a.connected(near);
    assert_eq!(floor.ask(set, period(support, 2)), json!({}));
    a.hang_up(near);
    while floor.queue_info("support")["totalCallsAbandoned"] != 1 {
        floor.said(&["QUEUE support UPDATEINFO"]);
    }
    while floor.queue_info("support")["totalCallsAbandoned"] != 0 {
        floor.said(&["QUEUE support UPDATEINFO"]);
    }
    assert_eq!(counters(&mut floor), counts(0, 0, 0, 2));
}

#[test]
fn the_measurement_period_of_an_agent_is_set_and_told() {
    let mut floor = Floor::with("", &[]);
    let (jane, _) = floor.jane();
    let period = |agent: u64, seconds: u32| json!({"hAgent": agent, "measurementPeriod": seconds});
    let set = "lineSetAgentMeasurementPeriod";
    assert_eq!(floor.refused(set, period(jane, 0)), "INVALPARAM");
    assert_eq!(floor.refused(set, period(99, 60)), "INVALPARAM");
    assert_eq!(floor.ask(set, period(jane, 600)), json!({}));
    floor.said(&["AGENT jane UPDATEINFO"]);
    assert_eq!(floor.agent_info(jane)["measurementPeriod"], 600);
}

#[test]
fn the_handler_says_what_it_can_before_a_line_is_open() {
    let program = Program::with(office(|text| centre(&text, "")));
    let mut app = program.application("desk");
    let caps = |app: &mut Application, more: Value| {
        let mut params = json!({"deviceId": 0, "addressId": 0, "wait": true});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.call("lineGetAgentCaps", params)
    };
    let said = caps(&mut app, json!({"appApiVersion": "3.1"})).unwrap();
    assert!(said["agentHandlerInfo"].as_str().unwrap().starts_with("Strowger "), "{said}");
    assert_eq!(
        short(&said["features"]),
        "SETAGENTGROUP|SETAGENTSTATE|SETAGENTACTIVITY|AGENTSPECIFIC|GETAGENTACTIVITYLIST|\
         GETAGENTGROUP"
    );
    let settable = "LOGGEDOFF|NOTREADY|READY|WORKINGAFTERCALL";
    assert_eq!(
        (short(&said["states"]), short(&said["nextStates"])),
        (settable.into(), settable.into())
    );
    assert_eq!(said["maxNumGroupEntries"], 2);
    assert_eq!(
        short(&said["agentStatusMessages"]),
        "GROUP|STATE|NEXTSTATE|ACTIVITY|ACTIVITYLIST|GROUPLIST|VALIDSTATES|VALIDNEXTSTATES"
    );
    assert_eq!(said["agentExtensionIds"].as_array().unwrap().len(), 2);
    assert_eq!(said["proxyGuid"].as_str().unwrap().len(), 36);
    let old = caps(&mut app, json!({"appApiVersion": "2.1"})).unwrap();
    assert_eq!(old["proxyGuid"], Value::Null);
    let other = caps(&mut app, json!({"deviceId": 1})).unwrap();
    assert_eq!(other["agentExtensionIds"], said["agentExtensionIds"]);
    for (wrong, error) in [
        (json!({"deviceId": 999}), "LINEERR_BADDEVICEID"),
        (json!({"addressId": 7}), "LINEERR_INVALADDRESSID"),
        (json!({"appApiVersion": "1.0"}), "LINEERR_INCOMPATIBLEAPIVERSION"),
    ] {
        assert_eq!(caps(&mut app, wrong).unwrap_err()["message"], error);
    }
}

#[test]
fn the_switch_serves_all_twenty_requests_of_a_line_and_lets_nobody_else() {
    let mut floor = Floor::with("", &[]);
    let status = floor.app.call("lineGetProxyStatus", json!({"deviceId": 0})).unwrap();
    let served = status["proxyRequests"].as_array().unwrap();
    let names: Vec<String> = served.iter().map(short).collect();
    assert_eq!(
        names.join(" "),
        "SETAGENTGROUP SETAGENTSTATE SETAGENTACTIVITY GETAGENTCAPS GETAGENTSTATUS AGENTSPECIFIC \
         GETAGENTACTIVITYLIST GETAGENTGROUPLIST CREATEAGENT SETAGENTMEASUREMENTPERIOD GETAGENTINFO \
         CREATEAGENTSESSION GETAGENTSESSIONLIST SETAGENTSESSIONSTATE GETAGENTSESSIONINFO \
         GETQUEUELIST SETQUEUEMEASUREMENTPERIOD GETQUEUEINFO GETGROUPLIST SETAGENTSTATEEX"
    );
    let wrong = json!({"deviceId": 999});
    assert_eq!(floor.app.refusal("lineGetProxyStatus", wrong), "BADDEVICEID");
    let old = json!({"deviceId": 0, "appApiVersion": "1.0"});
    assert_eq!(floor.app.refusal("lineGetProxyStatus", old), "INCOMPATIBLEAPIVERSION");
    for kind in 1..=0x14 {
        let open = json!({"line": "204", "callParams": {"proxyRequests": [kind]},
            "privileges": ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"]});
        assert_eq!(floor.app.refusal("lineOpen", open), "NOTREGISTERED");
    }
    let h_line = floor.line("204");
    let response = json!({"hLine": h_line, "proxyRequest": 1, "result": 0});
    assert_eq!(floor.app.refusal("lineProxyResponse", response), "NOTREGISTERED");
    let message = json!({"hLine": h_line, "hCall": 0, "msg": "LINE_AGENTSTATUSEX", "param1": 1,
        "param2": ["LINEAGENTSTATUSEX_STATE"], "param3": "LINEAGENTSTATEEX_READY"});
    assert_eq!(floor.app.refusal("lineProxyMessage", message), "NOTREGISTERED");
}

#[test]
fn groups_are_chosen_by_address_and_an_empty_list_logs_out() {
    let mut floor = Floor::with("", &[]);
    floor.hears_addresses = true;
    let (helpdesk, sales) = (floor.group("Help desk"), floor.group("Sales"));
    let (line, nobodys) = (floor.line("204"), floor.line("201"));
    let here = json!({"addressId": 0});
    let list = floor.ask("lineGetAgentGroupList", here.clone());
    let names: Vec<String> =
        list["groups"].as_array().unwrap().iter().map(|group| short(&group["name"])).collect();
    assert_eq!(names, ["Help desk", "Sales"]);
    let wish = |line: u64, groups: Value| {
        json!({"hLine": line, "addressId": 0,
        "agentGroupList": groups})
    };
    let set = "lineSetAgentGroup";
    let nobody = json!({"hLine": nobodys, "addressId": 0});
    assert_eq!(floor.refused("lineGetAgentGroupList", nobody), "INVALAGENTID");
    assert_eq!(floor.refused("lineGetAgentGroupList", json!({"addressId": 7})), "INVALADDRESSID");
    assert_eq!(floor.refused(set, wish(nobodys, json!([helpdesk]))), "INVALAGENTID");
    assert_eq!(floor.refused(set, wish(line, json!([NO_GROUP]))), "INVALAGENTGROUP");
    assert_eq!(floor.refused(set, wish(line, json!(["Sales"]))), "INVALPARAM");
    let omars = floor.line("205");
    assert_eq!(floor.refused(set, wish(omars, json!([sales]))), "INVALAGENTGROUP");
    floor.said_nothing();

    // Names do not count.
    let named = json!([{"groupId": helpdesk, "name": "any"}]);
    assert_eq!(floor.ask(set, wish(line, named)), json!({}));
    floor.said(&[
        "AGENT 1 NEWAGENT",
        "SESSION 1 NEWSESSION",
        "ADDRESS 204 GROUP|STATE|VALIDSTATES|VALIDNEXTSTATES NOTREADY",
    ]);
    let groups =
        |floor: &mut Floor| floor.ask("lineGetAgentStatus", here.clone())["groups"].clone();
    assert_eq!(groups(&mut floor), json!([{"groupId": helpdesk, "name": "Help desk"}]));
    assert_eq!(floor.ask("lineGetAgentGroupList", here.clone()), list);
    // Exactly these: one ends, one begins.
    floor.ask(set, wish(line, json!([sales])));
    floor.said(&["SESSION 1 STATE ENDED", "SESSION 2 NEWSESSION", "ADDRESS 204 GROUP"]);
    assert_eq!(groups(&mut floor), json!([{"groupId": sales, "name": "Sales"}]));
    floor.ask(set, wish(line, json!([])));
    floor.said(&[
        "SESSION 2 STATE ENDED",
        "AGENT 1 STATE RELEASED",
        "ADDRESS 204 GROUP|STATE|VALIDSTATES|VALIDNEXTSTATES LOGGEDOFF",
    ]);
    assert_eq!(groups(&mut floor), json!([]));
}

#[test]
fn an_agent_says_what_it_does_from_a_list_of_activities() {
    let mut floor = Floor::with("", &[]);
    floor.hears_addresses = true;
    let (line, nobodys) = (floor.line("204"), floor.line("201"));
    let list = floor.ask("lineGetAgentActivityList", json!({"addressId": 0}));
    assert_eq!(
        list,
        json!({"activities": [{"id": 1, "name": "Mail"}, {"id": 2, "name": "Lunch"}]})
    );
    let nobody = json!({"hLine": nobodys, "addressId": 0});
    assert_eq!(floor.refused("lineGetAgentActivityList", nobody), "INVALAGENTID");
    let wish = |activity: u32| json!({"hLine": line, "addressId": 0, "activityId": activity});
    assert_eq!(floor.refused("lineSetAgentActivity", wish(2)), "INVALADDRESSSTATE");
    let jane = floor.agent("jane", "4711", "204");
    floor.session(jane, "Help desk", "204", "jane");
    floor.hears("ADDRESS 204 GROUP|STATE|VALIDSTATES|VALIDNEXTSTATES NOTREADY");
    assert_eq!(floor.refused("lineSetAgentActivity", wish(3)), "INVALAGENTACTIVITY");
    assert_eq!(floor.ask("lineSetAgentActivity", wish(2)), json!({}));
    floor.said(&["ADDRESS 204 ACTIVITY"]);
    let status = floor.ask("lineGetAgentStatus", json!({"addressId": 0}));
    assert_eq!((&status["activityId"], &status["activity"]), (&json!(2), &json!("Lunch")));
    floor.reload(|text| text.replace("[\"Mail\", \"Lunch\"]", "[\"Mail\", \"Lunch\", \"Course\"]"));
    floor.said(&["ADDRESS 204 ACTIVITYLIST"]);
}

#[test]
fn the_private_functions_of_the_handler_are_named_by_position() {
    let mut floor = Floor::with("", &["201"]);
    let [a] = floor.row.phones(["201"]);
    let support = floor.queue("support");
    let wish = |extension: u32, params: Value| {
        json!({"addressId": 0,
        "agentExtensionIdIndex": extension, "params": params})
    };
    let call = "lineAgentSpecific";
    assert_eq!(floor.refused(call, wish(2, Value::Null)), "INVALPARAM");
    assert_eq!(floor.refused(call, wish(0, json!({}))), "INVALPARAM");
    assert_eq!(floor.refused(call, wish(0, json!({"seconds": 5}))), "INVALAGENTID");
    assert_eq!(floor.refused(call, wish(1, json!({"queueId": 99}))), "INVALPARAM");
    let near = a.call("600");
    a.connected(near);
    let said = floor.ask(call, wish(1, json!({"queueId": support})));
    assert_eq!(said["params"]["queued"], 1, "{said}");
    floor.jane();
    assert_eq!(floor.refused(call, wish(0, json!({"seconds": 5}))), "INVALAGENTSTATE");
}

#[test]
fn a_function_answers_with_a_request_and_its_outcome_comes_as_a_reply() {
    let mut floor = Floor::with("", &[]);
    let (jane, _) = floor.jane();
    let h_line = floor.line("204");
    let mut reply = |method: &str, params: Value| {
        let request = floor.app.call(method, params).unwrap();
        assert!(request["requestId"].as_u64().unwrap() > 0);
        assert_eq!(fields(&request), "requestId");
        let reply = floor.app.wait(method, |message| message["method"] == "LINE_REPLY");
        assert_eq!(reply["params"]["requestId"], request["requestId"]);
        reply["params"].clone()
    };
    let info = reply("lineGetAgentInfo", json!({"hLine": h_line, "hAgent": jane}));
    assert_eq!((&info["result"], &info["measurementPeriod"]), (&json!(0), &json!(86_400)));
    let none = reply("lineGetAgentInfo", json!({"hLine": h_line, "hAgent": 99}));
    assert_eq!(none["result"], "LINEERR_INVALPARAM");
    let wrong = json!({"hLine": h_line, "agentId": "jane", "agentPin": "1"});
    assert_eq!(reply("lineCreateAgent", wrong)["result"], "LINEERR_INVALPASSWORD");
}

#[test]
fn every_function_needs_an_open_line_and_a_state_that_there_is() {
    let mut floor = Floor::with("", &[]);
    let (jane, session) = floor.jane();
    let group = floor.group("Sales");
    let support = floor.queue("support");
    for (method, params) in [
        ("lineCreateAgent", json!({"agentId": "jane", "agentPin": "4711"})),
        ("lineCreateAgentSession", json!({"hAgent": jane, "groupId": group})),
        ("lineGetAgentInfo", json!({"hAgent": jane})),
        ("lineSetAgentStateEx", json!({"hAgent": jane, "agentState": 2})),
        ("lineSetAgentMeasurementPeriod", json!({"hAgent": jane, "measurementPeriod": 60})),
        ("lineGetAgentSessionList", json!({"hAgent": jane})),
        ("lineGetAgentSessionInfo", json!({"hAgentSession": session})),
        ("lineSetAgentSessionState", json!({"hAgentSession": session, "agentSessionState": 2})),
        ("lineGetGroupList", json!({})),
        ("lineGetQueueList", json!({"groupId": group})),
        ("lineGetQueueInfo", json!({"queueId": support})),
        ("lineSetQueueMeasurementPeriod", json!({"queueId": support, "measurementPeriod": 60})),
        ("lineGetAgentStatus", json!({"addressId": 0})),
        ("lineSetAgentState", json!({"addressId": 0, "agentState": 4})),
        ("lineGetAgentGroupList", json!({"addressId": 0})),
        ("lineSetAgentGroup", json!({"addressId": 0, "agentGroupList": [group]})),
        ("lineGetAgentActivityList", json!({"addressId": 0})),
        ("lineSetAgentActivity", json!({"addressId": 0, "activityId": 1})),
        (
            "lineAgentSpecific",
            json!({"addressId": 0, "agentExtensionIdIndex": 1,
            "params": {"queueId": support}}),
        ),
    ] {
        let mut params = params;
        params["hLine"] = json!(9999);
        assert_eq!(floor.refused(method, params.clone()), "INVALLINEHANDLE", "{method}");
        if params.get("addressId").is_some() {
            params["hLine"] = floor.line("204").into();
            params["addressId"] = json!(7);
            assert_eq!(floor.refused(method, params), "INVALADDRESSID", "{method}");
        }
    }
    let nonsense = session_wish(session, "TIRED", "");
    assert_eq!(floor.refused("lineSetAgentSessionState", nonsense), "INVALAGENTSTATE");
    let nonsense = agent_wish(jane, "TIRED", "");
    assert_eq!(floor.refused("lineSetAgentStateEx", nonsense), "INVALAGENTSTATE");
    let nobody = session_wish(99, "READY", "");
    assert_eq!(floor.refused("lineSetAgentSessionState", nobody), "INVALPARAM");
    assert_eq!(floor.refused("lineSetAgentStateEx", agent_wish(99, "READY", "")), "INVALPARAM");
    floor.said_nothing();
    assert_eq!(floor.state(session), "NOTREADY");
}

#[test]
fn who_may_see_one_line_runs_nobody_who_works_at_another() {
    let program = Program::with(office(|text| {
        let lines = "lines = [\"201\", \"202\", \"203\", \"204\", \"205\", \"206\"]";
        centre(&text.replace(lines, "lines = [\"201\"]"), "")
    }));
    let mut floor = Floor::of(Row::with(program, &[]));
    let (jane, session) = floor.jane();
    let group = floor.group("Help desk");
    let mut stranger = Application::connect(floor.row.program.api, CRM_TOKEN);
    stranger.call("lineInitializeEx", json!({"appName": "crm"})).unwrap();
    let h_line = stranger.open_for("201", &["NONE"]);
    for (method, mut params) in [
        ("lineGetAgentInfo", json!({"hAgent": jane})),
        ("lineSetAgentStateEx", agent_wish(jane, "READY", "")),
        ("lineGetAgentSessionList", json!({"hAgent": jane})),
        ("lineGetAgentSessionInfo", json!({"hAgentSession": session})),
        ("lineSetAgentSessionState", session_wish(session, "READY", "")),
        ("lineSetAgentMeasurementPeriod", json!({"hAgent": jane, "measurementPeriod": 60})),
        ("lineCreateAgentSession", json!({"hAgent": jane, "groupId": group})),
    ] {
        params["hLine"] = h_line.into();
        params["wait"] = true.into();
        assert_eq!(stranger.refusal(method, params), "OPERATIONUNAVAIL", "{method}");
    }
    assert_eq!(floor.state(session), "NOTREADY");
    // It is told nothing of her either, not even that she goes; and of who works at 201 everything.
    floor.set(session, "READY");
    floor.set_agent(jane, "RELEASED", "");
    floor.hears("AGENT jane STATE RELEASED");
    floor.set_agent(jane, "RELEASED", "");
    floor.hears("SESSION jane STATE RELEASED");
    stranger.expect_silence();
    let omar = floor.agent("omar", "4712", "205");
    floor.session(omar, "Help desk", "201", "omar");
    floor.hears("SESSION omar NEWSESSION");
    stranger.expect(&[
        "SESSION NEWSESSION",
        "201 AGENTSTATUS GROUP|STATE|VALIDSTATES|VALIDNEXTSTATES NOTREADY",
    ]);
}

#[test]
fn that_books_changed_is_told_at_most_once_a_second_for_each_and_states_every_time() {
    let (mut floor, [a, jane, _], _, _) = Floor::at_work("", &[]);
    let mut events = Events::follow(&floor.row.program, "");
    for _ in 0..3 {
        let (near, far) = floor.serve(&a, &jane);
        a.hang_up(near);
        jane.ended(far);
        floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    }
    // By the clock of the switch: of each object, when it was told that its books changed.
    let mut told: HashMap<String, Vec<u64>> = HashMap::new();
    let mut states = Vec::new();
    while states.len() < 6
        || ["QUEUE", "SESSION", "AGENT"].iter().any(|one| !told.contains_key(*one))
    {
        let event = events.next("what the call centre says");
        let kind = short(&event["kind"]);
        let (what, changed) = match kind.as_str() {
            "QUEUESTATUS" => ("QUEUE", short(&event["queueStatus"])),
            "AGENTSESSIONSTATUS" => ("SESSION", short(&event["agentSessionStatus"])),
            "AGENTSTATUSEX" => ("AGENT", short(&event["agentStatus"])),
            _ => continue,
        };
        match changed.as_str() {
            "UPDATEINFO" => {
                told.entry(what.to_owned()).or_default().push(event["time"].as_u64().unwrap());
            }
            "STATE" if what == "SESSION" => states.push(short(&event["agentSessionState"])),
            _ => {}
        }
    }
    assert_eq!(states, ["BUSYONCALL", "READY"].repeat(3));
    for (what, times) in told {
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1_000), "{what}: {times:?}");
    }
}
