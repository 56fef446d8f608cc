//! Members that join each other's calls, where the line allows it.

use super::desk::Desk;

#[test]
fn members_join_through_the_mixer_where_the_line_allows_it() {
    let mut desk = Desk::with_joining();
    let (near, at_ada) = desk.talking();
    assert_eq!(desk.features("204"), ["ANSWER", "DROP"]);
    desk.tell("lineAnswer", "204");
    desk.app.expect(&["REPLY 0", "204 CONNECTED ACTIVE", "204 INFO CONNECTEDID"]);
    let at_dan = desk.dan.incoming();
    for phone in [&desk.ada, &desk.dan, &desk.finn] {
        let before = phone.rtp().received;
        phone.wait_for_packets(before + 10);
    }
    assert!(!desk.features("201").contains(&"BLINDTRANSFER".to_owned()));
    assert_eq!(desk.refused("lineDial", "201"), "INVALCALLSTATE");
    // One station's hold leaves the call to the other.
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED INACTIVE"]);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    desk.ada.hears_nothing_of(&desk.finn);
    desk.tell("lineAnswer", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED ACTIVE"]);
    // All stations hold: the call is on hold.
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED INACTIVE"]);
    desk.tell("lineHold", "204");
    desk.app.expect(&["REPLY 0", "204 ONHOLD", "201 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    desk.finn.hears_tone();
    desk.tell("lineUnhold", "204");
    desk.app.expect(&[
        "REPLY 0",
        "204 CONNECTED ACTIVE",
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
    ]);
    desk.tell("lineAnswer", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED ACTIVE"]);
    // The first station leaves, the second goes on.
    desk.ada.hang_up(at_ada);
    desk.app.expect(&["201 CONNECTED INACTIVE"]);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    desk.tell("lineAnswer", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED ACTIVE", "201 INFO CONNECTEDID"]);
    desk.tell("lineDrop", "204");
    desk.app.expect(&["REPLY 0", "204 CONNECTED INACTIVE"]);
    desk.dan.ended(at_dan);
    desk.ada.hears(&desk.finn);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn a_phone_joins_by_calling_the_line_in_its_own_name() {
    let mut desk = Desk::with_joining();
    let (near, at_ada) = desk.talking();
    let at_dan = desk.dan.with(|phone| phone.call_as("250", "250")).unwrap();
    desk.dan.connected(at_dan);
    desk.app.expect(&[
        "204/2 NEW OWNER",
        "204/2 DIALING OWNER",
        "204/2 PROCEEDING",
        "204/2 INFO CALLID",
        "204 IDLE",
        "204/2 CONNECTED ACTIVE",
        "204/2 INFO CONNECTEDID",
    ]);
    // The phone of one station holds: only that station is out, until the phone resumes.
    desk.ada.hold(at_ada);
    desk.app.expect(&["201 CONNECTED INACTIVE"]);
    desk.dan.hears(&desk.finn);
    desk.ada.resume(at_ada);
    desk.app.expect(&["201 CONNECTED ACTIVE"]);
    desk.dan.hang_up(at_dan);
    desk.app.expect(&["204/2 CONNECTED INACTIVE"]);
    desk.ada.hears(&desk.finn);
    desk.ada.hang_up(at_ada);
    desk.app.expect(&[
        "206 DISCONNECTED NORMAL",
        "206 IDLE",
        "201 IDLE",
        "204/2 DISCONNECTED NORMAL",
        "204/2 IDLE",
    ]);
    desk.finn.ended(near);
    desk.nothing_is_left();
}
