//! A new configuration: groups, queues and agents come and go, and applications are told
//! (tapi-agents 10.6).

use serde_json::json;

use crate::floor::{Floor, short};

const NIGHT: &str = "[queues.night]\nnumber = \"602\"\ngroups = [\"watch\"]\n\
                     [agent_groups.watch]\nname = \"Night watch\"\n";

#[test]
fn a_group_and_a_queue_come_and_go_with_the_configuration() {
    let mut floor = Floor::with("", &[]);
    floor.reload(|text| format!("{text}{NIGHT}"));
    let first = floor.app.wait("the group", |message| message["method"] == "LINE_GROUPSTATUS");
    assert_eq!(first["params"]["groupStatus"], json!(["LINEGROUPSTATUS_NEWGROUP"]));
    let group = floor.group("Night watch");
    assert_eq!(first["params"]["groupId"], group);
    let queue = floor.app.wait("the queue", |message| message["method"] == "LINE_QUEUESTATUS");
    assert_eq!(queue["params"]["queueStatus"], json!(["LINEQUEUESTATUS_NEWQUEUE"]));
    let listed = floor.queues_of("Night watch");
    assert_eq!(listed, [json!({"queueId": queue["params"]["queueId"], "name": "night"})]);
    floor.reload(|text| text.replace(NIGHT, ""));
    let said: Vec<String> = (0..2)
        .map(|_| {
            let message = floor.app.wait("that they are gone", |message| {
                let method = message["method"].as_str().unwrap();
                ["LINE_GROUPSTATUS", "LINE_QUEUESTATUS"].contains(&method)
            });
            let params = &message["params"];
            format!("{}{}", short(&params["groupStatus"]), short(&params["queueStatus"]))
        })
        .collect();
    assert_eq!(said, ["GROUPREMOVED", "QUEUEREMOVED"]);
    let gone = json!({"queueId": queue["params"]["queueId"]});
    assert_eq!(floor.refused("lineGetQueueInfo", gone), "INVALPARAM");
    let gone = json!({"groupId": group});
    assert_eq!(floor.refused("lineGetQueueList", gone), "INVALAGENTGROUP");
}

#[test]
fn waiting_calls_of_a_queue_that_goes_go_where_they_would_have_gone() {
    let settings = "max_wait = \"300s\"\non_max_wait = \"205\"";
    let mut floor = Floor::with(settings, &[]);
    let [a, c] = floor.row.phones(["201", "205"]);
    let near = a.call("600");
    a.connected(near);
    a.hears_tone();
    floor.said(&["QUEUE support UPDATEINFO"]);
    floor.reload(|text| {
        let (before, rest) = text.split_once("[queues.support]").unwrap();
        let (_, after) = rest.split_once("[agent_groups.helpdesk]").unwrap();
        format!("{before}[agent_groups.helpdesk]{after}")
    });
    floor.said(&["QUEUE support QUEUEREMOVED"]);
    let far = c.incoming();
    c.answer(far);
    c.connected(far);
    tests::row::hear_each_other(&a, &c);
    a.hang_up(near);
    c.ended(far);
    let (_, queues) = floor.row.program.get("/api/v1/queues");
    let left: Vec<String> =
        queues["items"].as_array().unwrap().iter().map(|row| short(&row["queue"])).collect();
    assert_eq!(left, ["orders"]);
}

#[test]
fn the_sessions_of_a_group_that_goes_end_those_with_a_call_after_it() {
    let (mut floor, [a, jane, _], agent, helpdesk) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let sales = floor.session(agent, "Sales", "204", "jane@sales");
    floor.said(&["SESSION jane@sales NEWSESSION"]);
    floor.set(sales, "READY");
    floor.said(&["SESSION jane@sales STATE READY"]);
    let (near, far) = floor.serve(&a, &jane);
    let without = |text: String| {
        text.replace("groups = [\"helpdesk\", \"sales\"]\nline", "groups = [\"sales\"]\nline")
            .replace("groups = [\"helpdesk\"]\nline", "groups = [\"sales\"]\nline")
            .replace("groups = [\"helpdesk\"]", "groups = [\"sales\"]")
            .replace("groups = [\"sales\", \"helpdesk\"]", "groups = [\"sales\"]")
            .replace("[agent_groups.helpdesk]\nname = \"Help desk\"\n", "")
    };
    floor.reload(without);
    floor.said(&["GROUP GROUPREMOVED"]);
    assert_eq!(floor.state(helpdesk), "BUSYONCALL then ENDED");
    // It ends, whatever is asked.
    assert_eq!(floor.set_refused(helpdesk, "READY"), "INVALAGENTSTATE");
    tests::row::hear_each_other(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE ENDED", "AGENT jane STATE READY"]);
    assert_eq!(floor.state(sales), "READY");
}

#[test]
fn an_agent_that_goes_is_logged_out() {
    let (mut floor, _, agent, session) = Floor::at_work("", &[]);
    floor.reload(|text| {
        let (before, rest) = text.split_once("[agents.jane]").unwrap();
        let (_, after) = rest.split_once("[agents.omar]").unwrap();
        format!("{before}[agents.omar]{after}")
    });
    floor.said(&[
        "SESSION jane STATE ENDED",
        "AGENT jane STATE RELEASED",
        "SESSION jane STATE RELEASED",
    ]);
    assert_eq!(floor.refused("lineGetAgentInfo", json!({"hAgent": agent})), "INVALPARAM");
    let gone = json!({"hAgentSession": session});
    assert_eq!(floor.refused("lineGetAgentSessionInfo", gone), "INVALPARAM");
}

#[test]
fn the_groups_that_an_agent_may_serve_change_at_its_address() {
    let mut floor = Floor::with("", &[]);
    floor.hears_addresses = true;
    let (agent, helpdesk) = floor.jane_with_address();
    let sales = floor.session(agent, "Sales", "204", "jane@sales");
    floor.said(&["SESSION jane@sales NEWSESSION", "ADDRESS 204 GROUP"]);
    floor.reload(|text| text.replace("[\"helpdesk\", \"sales\"]\nline", "[\"helpdesk\"]\nline"));
    floor.said(&["SESSION jane@sales STATE ENDED", "ADDRESS 204 GROUP|GROUPLIST"]);
    assert_eq!((floor.state(helpdesk), floor.state(sales)), ("NOTREADY".into(), "ENDED".into()));
    let list = floor.ask("lineGetAgentGroupList", json!({"addressId": 0}));
    assert_eq!(list["groups"].as_array().unwrap().len(), 1);
}
