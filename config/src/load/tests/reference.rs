//! What refers to something else: names, numbers, feature codes, trunks and routes.

use super::{BASE, FeatureCode, OFFICE, Transport, assert_each, more, parse};

#[test]
fn a_name_that_refers_to_nothing_is_a_fault() {
    let destination = "expected a number of this switch, or one that a route matches";
    assert_each(&[
        (
            "pickup_group = \"sale\"\n[pickup_groups.sales]\nid = \"10\"\n",
            "6:16: there is no pickup group \"sale\"; expected a configured pickup group; did you mean \"sales\"?",
        ),
        (
            "[pickup_groups.a]\nid = \"1\"\nallow = [\"b\"]\n",
            "8:10: there is no pickup group \"b\"; expected a configured pickup group",
        ),
        (
            "[shared_lines.250]\nmembers = [\"201\", \"299\"]\n",
            "7:19: there is no line \"299\"; expected a configured line",
        ),
        (
            "[hunt_groups.260]\nmembers = [\"260\"]\n",
            "7:12: there is no line \"260\"; expected a configured line",
        ),
        (
            "[hunt_groups.260]\nmembers = [\"201\"]\non_no_answer = \"999\"\n",
            &format!("8:16: nothing has the number \"999\"; {destination}"),
        ),
        (
            "[hunt_groups.260]\nmembers = [\"201\"]\non_no_answer = \"260\"\n",
            "8:16: hunt_groups.260.on_no_answer leads back to itself; expected another number",
        ),
        (
            "[queues.q]\nnumber = \"600\"\ngroups = [\"helpdesk\"]\n[agent_groups.help_desk]\n",
            "8:11: there is no agent group \"helpdesk\"; expected a configured agent group; did you mean \"help_desk\"?",
        ),
        (
            "[queues.q]\nnumber = \"600\"\ngroups = [\"a\"]\nmax_wait = \"9s\"\non_max_wait = \"777\"\n[agent_groups.a]\n",
            &format!("10:15: nothing has the number \"777\"; {destination}"),
        ),
        (
            "[queues.q]\nnumber = \"600\"\ngroups = [\"a\"]\non_max_wait = \"201\"\n[agent_groups.a]\n",
            "9:15: queues.q.on_max_wait has no effect; expected max_wait beside it",
        ),
        (
            "[queues.q]\nnumber = \"600\"\n[agent_groups.a]\n",
            "6:1: queues.q.groups is missing; expected a list of agent groups",
        ),
        (
            "[agents.jane]\npassword = \"1\"\ngroups = [\"a\"]\nline = \"301\"\n[agent_groups.a]\n",
            "9:8: there is no line \"301\"; expected a configured line; did you mean \"201\"?",
        ),
        (
            "[park.lots.m]\nnumber = \"700\"\nslots = \"701-702\"\non_timeout = \"recal\"\n",
            &format!(
                "9:14: nothing has the number \"recal\"; {destination}; did you mean \"recall\"?"
            ),
        ),
        (
            "[[routes]]\npattern = \"^0\"\ntrunk = \"carier\"\n[trunks.carrier]\npeer = \"sip:192.0.2.1\"\n",
            "8:9: there is no trunk \"carier\"; expected a configured trunk; did you mean \"carrier\"?",
        ),
    ]);
}

#[test]
fn a_destination_may_be_anything_that_can_be_called() {
    for target in ["201", "700", "702", "01234"] {
        let text = format!(
            "[hunt_groups.260]\nmembers = [\"201\"]\non_no_answer = \"{target}\"\n\
             [park.lots.m]\nnumber = \"700\"\nslots = \"701-702\"\n\
             [[routes]]\npattern = \"^0\"\ntrunk = \"t\"\n[trunks.t]\npeer = \"sip:192.0.2.1\"\n"
        );
        assert_eq!(more(&text), Vec::<String>::new(), "{target}");
    }
}

#[test]
fn two_things_with_one_number_are_a_fault() {
    let owned = "expected a number of its own";
    let lot = "[park.lots.m]\nnumber = \"700\"\nslots = ";
    assert_each(&[
        (
            "[shared_lines.201]\nmembers = [\"202\"]\n",
            &format!("6:15: shared line 201 has the number 201 of line 201 in line 2; {owned}"),
        ),
        (
            "[hunt_groups.202]\nmembers = [\"201\"]\n",
            &format!("6:14: hunt group 202 has the number 202 of line 202 in line 4; {owned}"),
        ),
        (
            "[queues.q]\nnumber = \"201\"\ngroups = [\"a\"]\n[agent_groups.a]\n",
            &format!("7:10: queue \"q\" has the number 201 of line 201 in line 2; {owned}"),
        ),
        (
            "[conference.rooms.201]\n",
            &format!("6:19: conference room 201 has the number 201 of line 201 in line 2; {owned}"),
        ),
        (
            &format!("{lot}\"701-702\"\n[conference.rooms.700]\n"),
            &format!(
                "9:19: conference room 700 has the number 700 of park lot \"m\" in line 7; {owned}"
            ),
        ),
        (
            &format!("{lot}\"200-201\"\n"),
            "8:9: the slots contain the number 201 of line 201 in line 2; expected slots that nothing else has",
        ),
        (
            &format!("{lot}\"700-720\"\n"),
            "8:9: the slots contain the number 700 of park lot \"m\" in line 7; expected slots that nothing else has",
        ),
        (
            &format!("{lot}\"701-720\"\n[park.lots.n]\nnumber = \"730\"\nslots = \"720-725\"\n"),
            "11:9: the slots overlap those of park lot \"m\"; expected slots of its own",
        ),
        (
            &format!("{lot}\"720-701\"\n"),
            "8:9: \"720-701\" is no range of slots; expected a range of numbers with the same count of digits, such as \"701-720\"",
        ),
        (&format!("{lot}\"1001-9999\"\n"), "8:9: 8999 slots are too many; expected at most 1000"),
        (
            "[pickup_groups.a]\nid = \"1\"\n[pickup_groups.b]\nid = \"1\"\n",
            "9:6: pickup group \"a\" already has the id 1; expected an id of its own",
        ),
        (
            "[hunt_groups.260]\nmembers = [\"201\", \"201\"]\n",
            "7:19: \"201\" is listed twice; expected each name once",
        ),
        (
            "[lines.\"2 03\"]\npassword = \"x\"\n",
            "6:8: \"2 03\" cannot be dialled; expected 1 to 32 letters, digits, \"*\", \"#\", \"+\", \"-\", \"_\" or \".\"",
        ),
    ]);
}

#[test]
fn a_feature_code_that_hides_something_is_a_fault() {
    assert_each(&[
        (
            "[feature_codes]\ndnd_set = \"*7\"\npickup_held = \"*7\"\n",
            "7:11: dnd_set has the code *7 of pickup_held; expected a code of its own",
        ),
        (
            "[feature_codes]\ndnd_set = \"201\"\n",
            "7:11: the code 201 hides the number 201 of line 201; expected a code that begins no number",
        ),
        (
            "[feature_codes]\npickup_directed = \"20\"\n",
            "7:19: the code 20 hides the number 201 of line 201; expected a code that begins no number",
        ),
        (
            "[park.lots.m]\nnumber = \"700\"\nslots = \"711-712\"\n[feature_codes]\npickup_group = \"71\"\n",
            "10:16: the code 71 hides the number 711 of a slot of park lot \"m\"; expected a code that begins no number",
        ),
        (
            "[pickup_groups.a]\nid = \"6\"\n[feature_codes]\npickup_group = \"*8\"\ncompletion_cancel = \"*86\"\n",
            "10:21: completion_cancel hides *86, which pickup_group needs for 6; expected a code that nothing else begins with",
        ),
        (
            "[feature_codes]\necho_test = \"star43\"\n",
            "7:13: \"star43\" is no feature code; expected 1 to 16 of the digits 0 to 9, \"*\" and \"#\"",
        ),
    ]);
    // A code without argument may begin a number.
    assert_eq!(more("[feature_codes]\ndnd_set = \"20\"\n"), Vec::<String>::new());
}

#[test]
fn feature_codes_are_found_exact_first_then_longest() {
    let codes = parse(OFFICE, "office.toml").unwrap().feature_codes;
    for (dialled, found) in [
        ("*8", Some((FeatureCode::PickupGroup, ""))),
        ("*810", Some((FeatureCode::PickupGroup, "10"))),
        ("*86", Some((FeatureCode::CompletionCancel, ""))),
        ("**201", Some((FeatureCode::PickupDirected, "201"))),
        ("*72206", Some((FeatureCode::ForwardAllSet, "206"))),
        ("*7", Some((FeatureCode::PickupHeld, ""))),
        ("*73", Some((FeatureCode::ForwardAllCancel, ""))),
        ("*731", None),
        ("201", None),
        ("", None),
    ] {
        assert_eq!(codes.find(dialled), found, "{dialled}");
    }
}

#[test]
fn a_faulty_trunk_or_route_is_a_fault() {
    let peer = "expected a SIP URI such as \"sip:carrier.example:5060\"";
    let trunk = "[trunks.t]\npeer = \"sip:192.0.2.1\"\n";
    assert_each(&[
        ("[trunks.t]\n", &format!("6:1: trunks.t.peer is missing; {peer}")),
        (
            "[trunks.t]\npeer = \"192.0.2.1:5060\"\n",
            &format!(
                "7:8: \"192.0.2.1:5060\" is no address of a peer: it does not begin with sip: or sips:; {peer}"
            ),
        ),
        (
            "[trunks.t]\npeer = \"sip:me@host\"\n",
            &format!(
                "7:8: \"sip:…@host\" is no address of a peer: it has a user part; use username; {peer}"
            ),
        ),
        (
            "[trunks.t]\npeer = \"sip:host:0\"\n",
            &format!(
                "7:8: \"sip:host:0\" is no address of a peer: its port is not 1 to 65535; {peer}"
            ),
        ),
        (
            "[trunks.t]\npeer = \"sips:host;transport=udp\"\n",
            &format!(
                "7:8: \"sips:host;transport=udp\" is no address of a peer: sips needs TLS; {peer}"
            ),
        ),
        (
            &format!("{trunk}register = true\n"),
            "6:1: trunks.t.username is missing; expected the name to register with",
        ),
        (
            &format!("{trunk}password = \"x\"\n"),
            "8:12: a password without a user name; expected username beside it",
        ),
        (
            &format!("{trunk}channels = 0\n"),
            "8:12: trunks.t.channels is 0; expected a whole number from 1 to 100000",
        ),
        (
            &format!("{trunk}[[routes]]\npattern = \"^0([0-9]+\"\ntrunk = \"t\"\n"),
            "9:11: \"^0([0-9]+\" is no regular expression: unclosed group; expected a regular expression of dialled digits",
        ),
        (
            &format!(
                "{trunk}[[routes]]\npattern = \"^0(?<number>.*)$\"\ntrunk = \"t\"\ndial = \"$nubmer\"\n"
            ),
            "11:8: the pattern has no group \"nubmer\"; expected $number; did you mean \"number\"?",
        ),
        (
            &format!(
                "{trunk}[[routes]]\npattern = \"^0(.*)$\"\ntrunk = \"t\"\ndial = \"00${{2}}\"\n"
            ),
            "11:8: the pattern has no group \"2\"; expected a group of the pattern, written (?<number>…)",
        ),
        (
            &format!("{trunk}[[routes]]\ntrunk = \"t\"\n"),
            "8:1: routes.0.pattern is missing; expected a regular expression of dialled digits",
        ),
        (
            "[location]\ncountry_code = 0\n",
            "7:16: location.country_code is 0; expected a whole number from 1 to 999",
        ),
        (
            "[location]\ncountry_code = 1\narea_code = \"4x\"\n",
            "8:13: \"4x\" is not dialled as a prefix; expected at most 8 digits",
        ),
        (
            "[location]\ncountry_code = 1\ncard = \"gold\"\n",
            "8:8: there is no calling card \"gold\"; expected the name of one of location.cards",
        ),
    ]);
}

#[test]
fn a_trunk_peer_is_taken_apart() {
    for (uri, is_secure, host, port, transport) in [
        ("sip:Carrier.Example", false, "carrier.example", None, None),
        ("sip:192.0.2.1:5090;transport=TCP", false, "192.0.2.1", Some(5090), Some(Transport::Tcp)),
        ("sips:[2001:db8::1]:5061", true, "2001:db8::1", Some(5061), None),
    ] {
        let text = format!("{BASE}[trunks.t]\npeer = \"{uri}\"\n");
        let peer = parse(&text, "x").unwrap().trunks["t"].peer.clone();
        assert_eq!(
            (peer.is_secure, peer.host.as_str(), peer.port, peer.transport),
            (is_secure, host, port, transport)
        );
        assert_eq!(peer.to_string(), uri);
    }
}
