//! The older view of an agent by its address (tapi-agents 7.4): lineGetAgentStatus, lineSetAgentState,
//! LINE_AGENTSTATUS.

use serde_json::{Value, json};
use tests::program::LivePhone;

use crate::floor::{Floor, fields, short};

fn status(floor: &mut Floor, line: &str) -> Value {
    let h_line = floor.line(line);
    floor.ask("lineGetAgentStatus", json!({"hLine": h_line, "addressId": 0}))
}

/// Jane READY at 204 by the older functions, and everything of her address is told.
fn at_work(settings: &str) -> (Floor, [LivePhone; 3]) {
    let mut floor = Floor::with(settings, &[]);
    let phones = floor.row.phones(["201", "204", "205"]);
    floor.jane();
    floor.hears_addresses = true;
    floor.set_address("204", "READY", "");
    floor.hears("SESSION jane STATE READY");
    floor.said(&["AGENT jane STATE READY", "ADDRESS 204 STATE READY"]);
    (floor, phones)
}

#[test]
fn an_address_shows_who_works_there_and_what_can_be_asked() {
    let mut floor = Floor::with("", &[]);
    let off = status(&mut floor, "204");
    assert_eq!(
        fields(&off),
        "activity activityId agentFeatures groups nextState state validNextStates validStates"
    );
    assert_eq!(off["state"], "LINEAGENTSTATE_LOGGEDOFF");
    assert_eq!(
        (&off["groups"], &off["validStates"], &off["nextState"]),
        (&json!([]), &json!([]), &json!(0))
    );
    assert_eq!((&off["activityId"], &off["activity"]), (&json!(0), &json!("")));
    let features = "SETAGENTGROUP|AGENTSPECIFIC|GETAGENTACTIVITYLIST|GETAGENTGROUP";
    assert_eq!(short(&off["agentFeatures"]), features);
    // Nobody is of line 201.
    let nobody = status(&mut floor, "201");
    assert_eq!(short(&nobody["agentFeatures"]), "AGENTSPECIFIC");
    floor.jane();
    let here = status(&mut floor, "204");
    assert_eq!(here["state"], "LINEAGENTSTATE_NOTREADY");
    assert_eq!(here["groups"].as_array().unwrap().len(), 1);
    assert_eq!(short(&here["validStates"]), "LOGGEDOFF|NOTREADY|READY");
    assert_eq!(
        short(&here["agentFeatures"]),
        "SETAGENTGROUP|SETAGENTSTATE|SETAGENTACTIVITY|AGENTSPECIFIC|GETAGENTACTIVITYLIST|\
         GETAGENTGROUP"
    );
}

#[test]
fn a_call_of_a_queue_shows_at_its_address_after_session_and_agent_and_before_the_books() {
    let (mut floor, [a, jane, _]) = at_work("wrap_up = \"2s\"");
    let near = a.call("600");
    let far = jane.incoming();
    floor.said(&["QUEUE support UPDATEINFO"]);
    jane.answer(far);
    a.connected(near);
    floor.said(&[
        "SESSION jane STATE BUSYONCALL",
        "AGENT jane STATE BUSYACD",
        "ADDRESS 204 STATE|VALIDSTATES|VALIDNEXTSTATES BUSYACD",
        "QUEUE support UPDATEINFO",
    ]);
    let busy = status(&mut floor, "204");
    assert_eq!(short(&busy["validStates"]), "LOGGEDOFF|NOTREADY|READY|WORKINGAFTERCALL");
    a.hang_up(near);
    jane.ended(far);
    floor.said(&[
        "SESSION jane STATE BUSYWRAPUP",
        "ADDRESS 204 STATE|VALIDNEXTSTATES WORKINGAFTERCALL",
        "SESSION jane UPDATEINFO",
        "AGENT jane UPDATEINFO",
    ]);
    assert_eq!(floor.address_state("204"), "WORKINGAFTERCALL");
    floor.said(&[
        "SESSION jane STATE READY",
        "AGENT jane STATE READY",
        "ADDRESS 204 STATE|VALIDSTATES READY",
        "SESSION jane UPDATEINFO",
        "AGENT jane UPDATEINFO",
    ]);
}

#[test]
fn calls_of_her_own_show_at_her_address_and_as_busy_other_at_another() {
    let (mut floor, [a, jane, omars]) = at_work("");
    let near = a.call("204");
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    floor.said(&["AGENT jane STATE BUSYINCOMING", "ADDRESS 204 STATE BUSYINCOMING"]);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["AGENT jane STATE READY", "ADDRESS 204 STATE READY"]);
    let near = jane.call("201");
    floor.said(&["AGENT jane STATE BUSYOUTGOING", "ADDRESS 204 STATE BUSYOUTBOUND"]);
    a.incoming();
    jane.hang_up(near);
    floor.said(&["AGENT jane STATE READY", "ADDRESS 204 STATE READY"]);
    // She works at 205 too.
    let jane_id = floor.agent("jane", "4711", "204");
    let second = floor.session(jane_id, "Help desk", "205", "jane@205");
    floor.set(second, "READY");
    floor.hears("ADDRESS 205 STATE READY");
    let near = a.call("205");
    let far = omars.incoming();
    omars.answer(far);
    a.connected(near);
    floor.said(&[
        "AGENT jane STATE BUSYINCOMING",
        "ADDRESS 204 STATE BUSYOTHER",
        "ADDRESS 205 STATE BUSYINCOMING",
    ]);
    a.hang_up(near);
    floor.said(&["AGENT jane STATE READY", "ADDRESS 204 STATE READY", "ADDRESS 205 STATE READY"]);
}

#[test]
fn what_is_asked_by_address_is_asked_of_its_sessions() {
    let (mut floor, [a, jane, _]) = at_work("wrap_up = \"2s\"");
    floor.set_address("204", "NOTREADY", "");
    floor.said(&[
        "SESSION jane STATE NOTREADY",
        "AGENT jane STATE NOTREADY",
        "ADDRESS 204 STATE NOTREADY",
    ]);
    floor.set_address("204", "READY", "");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY", "ADDRESS 204 STATE READY"]);
    for state in [
        "BUSYACD",
        "BUSYINCOMING",
        "BUSYOUTBOUND",
        "BUSYOTHER",
        "UNKNOWN",
        "UNAVAIL",
        "WORKINGAFTERCALL",
    ] {
        for wish in [floor.address_wish("204", state, ""), floor.address_wish("204", "", state)] {
            assert_eq!(floor.refused("lineSetAgentState", wish), "INVALAGENTSTATE", "{state}");
        }
    }
    let nobody = floor.address_wish("205", "READY", "");
    assert_eq!(floor.refused("lineSetAgentState", nobody), "INVALADDRESSSTATE");
    floor.said_nothing();
    // After the call, for as long as she says.
    let near = a.call("600");
    let far = jane.incoming();
    jane.answer(far);
    floor.hears("ADDRESS 204 STATE|VALIDSTATES|VALIDNEXTSTATES BUSYACD");
    floor.set_address("204", "WORKINGAFTERCALL", "");
    floor.said(&["ADDRESS 204 NEXTSTATE"]);
    assert_eq!(floor.address_state("204"), "BUSYACD then WORKINGAFTERCALL");
    a.connected(near);
    a.hang_up(near);
    floor.said(&[
        "SESSION jane STATE BUSYWRAPUP",
        "ADDRESS 204 STATE|NEXTSTATE|VALIDNEXTSTATES WORKINGAFTERCALL",
    ]);
    floor.set_address("204", "", "NOTREADY");
    floor.said(&["ADDRESS 204 NEXTSTATE"]);
    floor.set_address("204", "READY", "");
    floor.said(&[
        "SESSION jane STATE READY",
        "AGENT jane STATE READY",
        "ADDRESS 204 STATE|NEXTSTATE|VALIDSTATES READY",
    ]);
}

#[test]
fn logged_off_is_the_end_of_the_sessions_and_during_a_call_what_follows_it() {
    let (mut floor, [a, jane, _]) = at_work("wrap_up = \"300s\"");
    let near = a.call("600");
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    floor.hears("ADDRESS 204 STATE|VALIDSTATES|VALIDNEXTSTATES BUSYACD");
    floor.set_address("204", "LOGGEDOFF", "");
    floor.said(&["ADDRESS 204 NEXTSTATE"]);
    assert_eq!(floor.address_state("204"), "BUSYACD then LOGGEDOFF");
    tests::row::hear_each_other(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&[
        "SESSION jane STATE ENDED",
        "AGENT jane STATE RELEASED",
        "ADDRESS 204 GROUP|STATE|NEXTSTATE|VALIDSTATES|VALIDNEXTSTATES LOGGEDOFF",
    ]);
}

#[test]
fn the_next_state_of_an_address_is_entered_when_its_call_is_idle() {
    let (mut floor, [a, jane, _]) = at_work("wrap_up = \"300s\"");
    let near = a.call("600");
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    floor.hears("ADDRESS 204 STATE|VALIDSTATES|VALIDNEXTSTATES BUSYACD");
    floor.set_address("204", "", "NOTREADY");
    floor.said(&["ADDRESS 204 NEXTSTATE"]);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&[
        "SESSION jane STATE NOTREADY",
        "AGENT jane STATE NOTREADY",
        "ADDRESS 204 STATE|NEXTSTATE|VALIDSTATES|VALIDNEXTSTATES NOTREADY",
    ]);
}
