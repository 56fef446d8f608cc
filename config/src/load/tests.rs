//! Every kind of fault with its place, and the reference office.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{load, parse};
use crate::{FastPath, FeatureCode, Listen, OnTimeout, QueueStrategy, Scope, StatePath, Transport};

mod reference;

const OFFICE: &str = include_str!("../../office.toml");

/// Two lines and nothing else; five lines of text, so that a fault after it stands in line 6.
const BASE: &str =
    "domain = \"x.test\"\n[lines.201]\npassword = \"pw-201\"\n[lines.202]\npassword = \"pw-202\"\n";

/// The faults of a text as they are shown, without the file's name.
fn faults(text: &str) -> Vec<String> {
    match parse(text, "x.toml") {
        Ok(_) => Vec::new(),
        Err(faults) => faults
            .iter()
            .map(|fault| fault.to_string().trim_start_matches("x.toml:").to_owned())
            .collect(),
    }
}

/// The faults of the base with more behind it.
fn more(text: &str) -> Vec<String> {
    faults(&format!("{BASE}{text}"))
}

/// Each text behind the base has exactly this one fault.
fn assert_each(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(more(text), [*expected], "for:\n{text}");
    }
}

#[test]
fn the_reference_office_loads_unchanged() {
    let config = parse(OFFICE, "office.toml").unwrap();
    assert_eq!(config.domain, "office.test");
    let address = "127.0.0.1:5060".parse().unwrap();
    assert_eq!(
        config.sip.listen,
        [
            Listen { transport: Transport::Udp, address },
            Listen { transport: Transport::Tcp, address }
        ]
    );
    assert_eq!(config.registration.min_expires, Duration::from_secs(5));
    assert_eq!(config.registration.max_expires, Duration::from_secs(3600));
    assert_eq!(config.media.address, Ipv4Addr::LOCALHOST);
    assert_eq!(config.media.ports, 16384..=32767);
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.api.tokens[0].secret.expose(), "admin-token");
    assert!(config.api.tokens[0].allows(Scope::Tapi));
    assert!(config.api.tokens[0].allows_line("206"));
    assert!(!config.api.tokens[1].allows(Scope::Admin));
    assert!(config.api.tokens[1].allows_line("206"));
    assert!(!config.api.tokens[1].allows_line("250"));
    assert_eq!(config.state.path, StatePath::Memory);
    assert_eq!(config.switch.drain_timeout, Duration::from_secs(600));
    assert_eq!(config.lines.len(), 6);
    let ada = &config.lines["201"];
    assert_eq!((ada.number.as_str(), ada.name.as_str()), ("201", "Ada"));
    assert_eq!(ada.password.expose(), "pw-201");
    assert_eq!(ada.pickup_group.as_deref(), Some("sales"));
    assert_eq!((ada.ring_timeout, ada.max_calls), (Duration::from_secs(20), 4));
    assert_eq!(config.pickup_groups["support"].allow, ["sales"]);
    assert_eq!(config.shared_lines["250"].members, ["201", "204"]);
    let lot = &config.park.lots["main"];
    assert_eq!((lot.slots.count(), lot.on_timeout.clone()), (20, OnTimeout::Recall));
    assert_eq!(config.hunt_groups["260"].on_no_answer.as_deref(), Some("206"));
    assert_eq!(config.conference.rooms["800"].max_members, 32);
    assert_eq!(config.queues["support"].strategy, QueueStrategy::LongestIdle);
    assert_eq!(config.queues["support"].max_wait, Some(Duration::from_secs(300)));
    assert_eq!(config.agents["jane"].line.as_deref(), Some("204"));
    assert_eq!(config.completion.expires, Duration::from_secs(1800));
    assert_eq!(config.completion.idle_guard, Duration::from_secs(3));
    assert_eq!(config.completion.messages, ["Please call back."]);
    assert_eq!(config.completion.intruders, Vec::<String>::new());
    assert_eq!(config.feature_codes.codes.len(), 18);
    let carrier = &config.trunks["carrier"];
    assert_eq!((carrier.peer.host.as_str(), carrier.peer.port), ("127.0.0.1", Some(5090)));
    assert_eq!(carrier.credentials(), Some(("office", "carrier-pw")));
    assert!(!carrier.register);
    assert_eq!(config.location.as_ref().unwrap().country_code, 33);
    let (route, number) = config.route("0145678").unwrap();
    assert_eq!((route.trunk.as_str(), number.as_str()), ("carrier", "145678"));
    assert!(config.route("201").is_none());
    assert!(config.warnings().is_empty());
    assert_eq!(config.places.position("api.listen"), (17, 10));
}

#[test]
fn the_smallest_office_has_sensible_defaults() {
    let config = parse(BASE, "x.toml").unwrap();
    assert_eq!(config.lines["201"].name, "201");
    assert_eq!(config.registration.default_expires, Duration::from_secs(300));
    assert_eq!(config.registration.max_contacts, 10);
    assert_eq!(config.api.max_queued_messages, 10_000);
    assert_eq!(config.sip.listen.len(), 2);
    assert!(config.feature_codes.codes.is_empty());
}

#[test]
fn a_line_takes_the_defaults_that_it_does_not_set() {
    let text = "[defaults.line]\nring_timeout = \"7s\"\nmax_calls = 2\n[lines.203]\npassword = \"x\"\nmax_calls = 9\n";
    let config = parse(&format!("{BASE}{text}"), "x.toml").unwrap();
    assert_eq!(config.lines["201"].max_calls, 2);
    assert_eq!(config.lines["203"].max_calls, 9);
    assert_eq!(config.lines["203"].ring_timeout, Duration::from_secs(7));
    assert_eq!(config.lines["203"].ring_cycle, Duration::from_secs(5));
}

#[test]
fn agents_are_handled_by_the_switch_unless_a_line_leaves_that_to_an_application() {
    let text = "[defaults.line]\nagent_handler = \"application\"\n[lines.203]\npassword = \"x\"\nagent_handler = \"built-in\"\n";
    let config = parse(&format!("{BASE}{text}"), "x.toml").unwrap();
    assert_eq!(config.lines["201"].agent_handler, crate::AgentHandler::Application);
    assert_eq!(config.lines["203"].agent_handler, crate::AgentHandler::BuiltIn);
    assert_eq!(
        faults(&format!("{BASE}[defaults.line]\nagent_handler = \"nobody\"\n")).len(),
        1,
        "a choice"
    );
}

#[test]
fn an_unknown_setting_is_a_fault_at_every_depth() {
    assert_eq!(
        faults("domian = \"x.test\"\n"),
        [
            "1:1: domain is missing; expected a host name such as \"office.example\"",
            "1:1: unknown setting \"domian\"; expected one of agent_groups, agents, api, call_centre, call_records, capture, completion, conference, defaults, domain, feature_codes, hunt_groups, lines, location, media, park, pickup_groups, queues, recording, registration, routes, security, shared_lines, sip, state, subscriptions, switch, trunks; did you mean \"domain\"?"
        ]
    );
    assert_each(&[
        (
            "[regsitration]\n",
            "6:2: unknown setting \"regsitration\"; expected one of agent_groups, agents, api, call_centre, call_records, capture, completion, conference, defaults, domain, feature_codes, hunt_groups, lines, location, media, park, pickup_groups, queues, recording, registration, routes, security, shared_lines, sip, state, subscriptions, switch, trunks; did you mean \"registration\"?",
        ),
        (
            "[lines.203]\npassword = \"x\"\npickup = \"a\"\n[pickup_groups.a]\nid = \"1\"\n",
            "8:1: unknown setting \"pickup\" in [lines.203]; expected one of agent_handler, barred, max_calls, music, name, outside_calls, outside_calls_per_minute, password, pickup_group, record, ring_cycle, ring_timeout, srtp, srtp_keys, watchers",
        ),
        (
            "[park.lots.main]\nnumber = \"700\"\nslots = \"701-702\"\ntimout = \"9s\"\n",
            "9:1: unknown setting \"timout\" in [park.lots.main]; expected one of music, number, on_timeout, slots, timeout; did you mean \"timeout\"?",
        ),
        (
            "[[api.tokens]]\nname = \"a\"\nsecret = \"b\"\nscopes = [\"admin\"]\nscope = \"admin\"\n",
            "10:1: unknown setting \"scope\" in [api.tokens.0]; expected one of lines, name, scopes, secret; did you mean \"scopes\"?",
        ),
        (
            "media = { address = \"127.0.0.1\" }\n",
            "6:1: unknown setting \"media\" in [lines.202]; expected one of agent_handler, barred, max_calls, music, name, outside_calls, outside_calls_per_minute, password, pickup_group, record, ring_cycle, ring_timeout, srtp, srtp_keys, watchers",
        ),
        (
            "[conference]\nroom = 1\n",
            "7:1: unknown setting \"room\" in [conference]; expected one of rooms; did you mean \"rooms\"?",
        ),
        (
            "[feature_codes]\ndnd = \"*1\"\n",
            "7:1: unknown setting \"dnd\" in [feature_codes]; expected one of agent_login, agent_logout, agent_not_ready, agent_ready, completion_cancel, completion_set, dnd_cancel, dnd_set, echo_test, forward_all_cancel, forward_all_set, forward_busy_cancel, forward_busy_set, forward_no_answer_cancel, forward_no_answer_set, pickup_directed, pickup_group, pickup_held, supervisor_barge, supervisor_listen, supervisor_whisper",
        ),
    ]);
}

#[test]
fn a_wrong_type_is_a_fault() {
    assert_each(&[
        (
            "[sip]\nlisten = \"udp:127.0.0.1:5060\"\n",
            "7:10: sip.listen is a string; expected a list such as [\"udp:192.0.2.1:5060\"]",
        ),
        (
            "[defaults.line]\nmax_calls = \"4\"\n",
            "7:13: defaults.line.max_calls is a string; expected a whole number from 1 to 100",
        ),
        (
            "[defaults.line]\nring_timeout = 20\n",
            "7:16: defaults.line.ring_timeout is an integer; expected a duration such as \"90s\" in quotes, \"20\"",
        ),
        (
            "[shared_lines.250]\nmembers = [201]\n",
            "7:12: shared_lines.250.members.0 is an integer; expected a string in quotes, \"201\"",
        ),
        (
            "[shared_lines.250]\nmembers = [\"201\"]\nallow_join = \"yes\"\n",
            "8:14: shared_lines.250.allow_join is a string; expected true or false",
        ),
        (
            "[pickup_groups]\nsales = \"10\"\n",
            "7:9: pickup_groups.sales is a string; expected a table, [pickup_groups.sales]",
        ),
        ("[routes]\npattern = \"1\"\n", "6:1: routes is a table; expected [[routes]]"),
    ]);
}

#[test]
fn a_bad_duration_is_a_fault() {
    assert_each(&[
        (
            "[defaults.line]\nring_timeout = \"20\"\n",
            "7:16: \"20\" is no duration: the number 20 has no unit; expected a duration such as \"90s\", \"2m\", \"1h30m\" or \"500ms\"",
        ),
        (
            "[defaults.line]\nring_cycle = \"0s\"\n",
            "7:14: defaults.line.ring_cycle is too short: 0s; expected 1s to 366d",
        ),
        (
            "[registration]\nmin_expires = \"1500ms\"\n",
            "7:15: registration.min_expires is not whole seconds; expected whole seconds",
        ),
        (
            "[registration]\nmin_expires = \"2m\"\nmax_expires = \"1m\"\ndefault_expires = \"1m\"\n",
            "8:15: registration.max_expires is shorter than registration.min_expires; expected at least registration.min_expires",
        ),
        (
            "[registration]\ndefault_expires = \"2h\"\nmax_expires = \"1h\"\n",
            "7:19: registration.default_expires is not between min_expires and max_expires; expected a duration from min_expires to max_expires",
        ),
        (
            "[sip]\nmin_session_expires = \"30s\"\n",
            "7:23: sip.min_session_expires is too short: 30s; expected 1m30s to 366d",
        ),
        (
            "[sip]\nmin_session_expires = \"10m\"\nsession_expires = \"5m\"\n",
            "8:19: sip.session_expires is shorter than sip.min_session_expires; expected at least sip.min_session_expires",
        ),
    ]);
}

#[test]
fn a_media_setting_that_cannot_be_is_a_fault() {
    assert_each(&[
        (
            "[media]\naddress = \"localhost\"\n",
            "7:11: \"localhost\" is no IP address; expected an address such as \"192.0.2.1\"",
        ),
        (
            "[media]\naddress = \"0.0.0.0\"\n",
            "7:11: media.address 0.0.0.0 cannot be advertised in SDP; expected media.address, or media.public_address beside it",
        ),
        (
            "[media]\npublic_address = \"::1\"\n",
            "7:18: media.public_address ::1 cannot be advertised; expected an address of the family of media.address",
        ),
        (
            "[media]\nports = \"16384\"\n",
            "7:9: \"16384\" is no port range; expected a range such as \"16384-32767\"",
        ),
        (
            "[media]\nports = \"32767-16384\"\n",
            "7:9: the port range 32767-16384 cannot be used; expected at least 4 ports between 1024 and 65535",
        ),
        (
            "[media]\nports = \"5000-6000\"\n",
            "7:9: media.ports contains the port of udp:127.0.0.1:5060; expected ports that nothing else uses",
        ),
        (
            "[media]\nworkers = 0\n",
            "7:11: media.workers is 0; expected a whole number from 1 to 256",
        ),
        (
            "[media]\nbusy_limit = 101\n",
            "7:14: media.busy_limit is 101; expected a whole number from 1 to 100",
        ),
    ]);
}

#[test]
fn a_bad_address_or_port_is_a_fault() {
    let listen =
        "TRANSPORT:ADDRESS:PORT with udp, tcp, tls, ws or wss, such as \"udp:192.0.2.1:5060\"";
    assert_each(&[
        (
            "[sip]\nlisten = [\n  \"udp:127.0.0.1\",\n]\n",
            &format!("8:3: \"udp:127.0.0.1\" is nothing to listen on; expected {listen}"),
        ),
        (
            "[sip]\nlisten = [\"upd:127.0.0.1:5060\"]\n",
            &format!("7:11: \"upd\" is no transport; expected {listen}; did you mean \"udp\"?"),
        ),
        (
            "[sip]\nlisten = [\"tcp:127.0.0.1:5060\", \"ws:127.0.0.1:5060\"]\n",
            "7:33: ws:127.0.0.1:5060 takes a port that is already listened on; expected each address and port once",
        ),
        (
            "[sip]\nlisten = []\n",
            "7:10: sip.listen is empty; expected a list such as [\"udp:192.0.2.1:5060\"]",
        ),
        (
            "[sip]\ndigest = [\"SHA256\"]\n",
            "7:11: \"SHA256\" is no digest algorithm; expected \"SHA-256\", \"MD5\" or both, the one to prefer first; did you mean \"SHA-256\"?",
        ),
        (
            "[sip]\ndigest = [\"MD5\", \"MD5\"]\n",
            "7:18: \"MD5\" is listed twice; expected each name once",
        ),
        (
            "[sip]\ndigest = []\n",
            "7:10: sip.digest is empty; expected \"SHA-256\", \"MD5\" or both, the one to prefer first",
        ),
        (
            "[api]\nlisten = \"8080\"\n",
            "7:10: \"8080\" is no address with a port; expected an address such as \"127.0.0.1:8080\"",
        ),
        (
            "[api]\nlisten = \"127.0.0.1:5060\"\n",
            "7:10: api.listen takes the port of tcp:127.0.0.1:5060; expected a port of its own",
        ),
        (
            "[api]\nlisten = \"0.0.0.0:8080\"\n",
            "7:10: the control interface would listen on 0.0.0.0:8080, where its tokens cross the network unencrypted; expected a loopback address, or i_know = true beside it in [api]",
        ),
        (
            "[state]\npath = \"\"\n",
            "7:8: state.path is empty; expected the path of a file, or \":memory:\"",
        ),
        (
            "[state]\npath = \"a\\u0000b\"\n",
            "7:8: state.path has an octet of zero; expected the path of a file, or \":memory:\"",
        ),
        (
            "[recording]\nfolder = \"\"\n",
            "7:10: recording.folder is empty; expected a folder; a relative path starts at the folder of this file",
        ),
    ]);
    assert_eq!(
        faults("domain = \"not a host\"\n"),
        ["1:10: \"not a host\" is no host name; expected a host name such as \"office.example\""]
    );
}

#[test]
fn a_kernel_path_that_is_none_is_a_fault() {
    assert_each(&[
        (
            "[media]\nfast_path = \"xpd\"\n",
            "7:13: \"xpd\" is not known here; expected \"auto\", \"xdp\", \"tc\" or \"off\"; did you mean \"xdp\"?",
        ),
        (
            "[media]\nfast_path_pins = \"pins\"\n",
            "7:18: \"pins\" is no absolute path; expected a folder such as \"/sys/fs/bpf/strowger\"",
        ),
    ]);
    let text = format!(
        "{BASE}[media]\nfast_path = \"tc\"\nfast_path_pins = \"/run/bpf\"\nport_steering = \"off\"\n"
    );
    let media = parse(&text, "x.toml").unwrap().media;
    assert!(!media.steers_ports);
    assert_eq!((media.fast_path, media.fast_path_pins), (FastPath::Tc, "/run/bpf".into()));
}

#[test]
fn shared_ports_are_a_few_pairs_that_nothing_else_uses() {
    assert_each(&[
        (
            "[media]\nshared_ports = \"16384\"\n",
            "7:16: \"16384\" is no port range; expected pairs of ports such as \"16384-16385\" or \"16384-16399\"",
        ),
        (
            "[media]\nshared_ports = \"16385-16386\"\n",
            "7:16: the port range 16385-16386 is not made of pairs; expected an even first port from 1024 on and an odd last one",
        ),
        (
            "[media]\nshared_ports = \"16384-16449\"\n",
            "7:16: the port range 16384-16449 has 66 ports; expected at most 64; media.ports gives each stream its own",
        ),
        (
            "[media]\nports = \"20000-20099\"\nshared_ports = \"16384-16385\"\n",
            "7:9: media.ports is not used beside media.shared_ports; expected one of the two",
        ),
        (
            "[media]\nfast_path = \"xdp\"\nshared_ports = \"16384-16385\"\n",
            "7:13: the kernel cannot forward media of shared ports; expected \"auto\" or \"off\" beside media.shared_ports",
        ),
        (
            "[media]\nshared_ports = \"5060-5063\"\n",
            "7:16: media.shared_ports contains the port of udp:127.0.0.1:5060; expected ports that nothing else uses",
        ),
    ]);
    let text = format!("{BASE}[media]\nshared_ports = \"16384-16399\"\n");
    let shared = parse(&text, "x.toml").unwrap();
    assert_eq!(shared.media.shared_ports, Some(16384..=16399));
    let changes = crate::diff(&parse(BASE, "x.toml").unwrap(), &shared);
    assert_eq!(changes.needs_restart, ["media.shared_ports"]);
}

#[test]
fn an_open_control_interface_must_be_wanted_and_is_warned_of() {
    let text = format!("{BASE}[api]\nlisten = \"0.0.0.0:8080\"\ni_know = true\n");
    let warnings = parse(&text, "x.toml").unwrap().warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("0.0.0.0:8080"), "{warnings:?}");
}

#[test]
fn a_missing_or_empty_secret_is_a_fault() {
    assert_each(&[
        (
            "[lines.203]\n",
            "6:1: lines.203.password is missing; expected a password, \"env:NAME\" or \"file:PATH\"",
        ),
        (
            "[lines.203]\npassword = \"\"\n",
            "7:12: the password is empty; expected a password, \"env:NAME\" or \"file:PATH\"",
        ),
        (
            "[lines.203]\npassword = \"env:STROWGER_NO_SUCH\"\n",
            "7:12: the environment variable STROWGER_NO_SUCH is not set; expected STROWGER_NO_SUCH set to the secret in the environment of the switch",
        ),
        (
            "[lines.203]\npassword = \"file:/nonexistent/pw\"\n",
            "7:12: the file /nonexistent/pw cannot be read: No such file or directory (os error 2); expected a file that holds the secret",
        ),
        (
            "[agents.jane]\ngroups = [\"a\"]\n[agent_groups.a]\n",
            "6:1: agents.jane.password is missing; expected a PIN, \"env:NAME\" or \"file:PATH\"",
        ),
        (
            "[[api.tokens]]\nname = \"a\"\nscopes = [\"tapi\"]\n",
            "6:1: api.tokens.0.secret is missing; expected a token, \"env:NAME\" or \"file:PATH\"",
        ),
        (
            "[[api.tokens]]\nname = \"a\"\nsecret = \"a b\"\nscopes = [\"tapi\"]\n",
            "8:10: the token cannot be sent in an HTTP header; expected visible ASCII characters without spaces",
        ),
    ]);
}

#[test]
fn what_may_be_a_secret_is_not_shown_by_a_fault() {
    let secret = "expected a string in quotes, \"env:NAME\" or \"file:PATH\"";
    let peer =
        "it has a user part; use username; expected a SIP URI such as \"sip:carrier.example:5060\"";
    assert_each(&[
        (
            "[lines.203]\npassword = 4711\n",
            &format!("7:12: lines.203.password is an integer; {secret}"),
        ),
        (
            "[lines.203]\npassword = [\"4711\"]\n",
            &format!("7:12: lines.203.password is an array; {secret}"),
        ),
        (
            "[agents.jane]\npassword = 47.11\ngroups = [\"a\"]\n[agent_groups.a]\n",
            &format!("7:12: agents.jane.password is a float; {secret}"),
        ),
        (
            "[trunks.t]\npeer = \"SIPS:me:4711@host\"\n",
            &format!("7:8: \"sips:…@host\" is no address of a peer: {peer}"),
        ),
        (
            "[trunks.t]\npeer = \"me:47@11@host\"\n",
            "7:8: \"…@host\" is no address of a peer: it does not begin with sip: or sips:; \
             expected a SIP URI such as \"sip:carrier.example:5060\"",
        ),
    ]);
}

#[test]
fn a_faulty_token_is_a_fault() {
    let token =
        "[[api.tokens]]\nname = \"a\"\nsecret = \"s\"\nscopes = [\"admin\"]\n[[api.tokens]]\n";
    assert_each(&[
        (
            "[[api.tokens]]\nname = \"a\"\nsecret = \"s\"\nscopes = [\"admn\"]\n",
            "9:11: \"admn\" is not known here; expected \"admin\", \"tapi\" or \"read\"; did you mean \"admin\"?",
        ),
        (
            "[[api.tokens]]\nname = \"a\"\nsecret = \"s\"\nscopes = []\n",
            "9:10: api.tokens.0.scopes is empty; expected a list of scopes such as [\"admin\"]",
        ),
        (
            "[[api.tokens]]\nname = \"a\"\nsecret = \"s\"\nscopes = [\"tapi\"]\nlines = [\"201\", \"210\"]\n",
            "10:17: there is no line \"210\"; expected a configured line; did you mean \"201\"?",
        ),
        (
            &format!("{token}name = \"a\"\nsecret = \"t\"\nscopes = [\"tapi\"]\n"),
            "11:8: there already is a token \"a\"; expected a name of its own",
        ),
        (
            &format!("{token}name = \"b\"\nsecret = \"s\"\nscopes = [\"tapi\"]\n"),
            "12:10: the token has the secret of \"a\"; expected a secret of its own",
        ),
    ]);
}

#[test]
fn a_name_must_be_printable() {
    assert_each(&[
        (
            "name = \"\"\n",
            "6:8: lines.202.name is no name; expected 1 to 100 characters on one line",
        ),
        (
            "name = \"a\\nb\"\n",
            "6:8: lines.202.name is no name; expected 1 to 100 characters on one line",
        ),
    ]);
}

#[test]
fn every_fault_is_reported_at_once_in_the_order_of_the_lines() {
    let text = "domain = \"x.test\"\n[sip]\nlisten = [\"udp:nowhere\"]\nlisen = 1\n[lines.201]\n\
                password = \"\"\nring_timeout = \"soon\"\n[hunt_groups.260]\nmembers = [\"299\"]\n";
    let places: Vec<_> =
        parse(text, "x.toml").unwrap_err().iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(3, 11), (4, 1), (6, 12), (7, 16), (9, 12)]);
}

#[test]
fn broken_syntax_is_reported_with_the_other_faults_but_not_its_consequences() {
    let text = "domain = \"x.test\"\n[registration]\nmin_expires = 5s\nmx = 1\n[hunt_groups.1]\nmembers = [\"299\"]\n";
    let all = faults(text);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all[0].starts_with("3:1"), "{all:#?}");
    assert!(all[1].starts_with("4:1: unknown setting \"mx\""), "{all:#?}");
    let twice = faults("domain = \"a.test\"\ndomain = \"b.test\"\n");
    assert_eq!(twice, ["2:1: duplicate key; expected TOML"]);
}

#[test]
fn columns_are_counted_in_characters() {
    assert_eq!(
        more(
            "name = \"Zoë\"\n[lines.203]\npassword = \"pä\" # ä\n[defaults]\nline = { \"ä\" = 1 }\n"
        ),
        [
            "10:10: unknown setting \"ä\" in [defaults.line]; expected one of agent_handler, barred, max_calls, music, outside_calls, outside_calls_per_minute, record, ring_cycle, ring_timeout, srtp, srtp_keys, watchers"
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_one_fault() {
    let faults = load("/nonexistent/office.toml").unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "/nonexistent/office.toml:1:1: the file cannot be read: No such file or directory (os error 2); expected a configuration file"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.toml");
    std::fs::write(&path, b"domain = \"x.test\"\n# \xff\n").unwrap();
    let faults = load(&path).unwrap_err();
    assert_eq!((faults.len(), faults[0].line, faults[0].column), (1, 2, 3));
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let config = parse(&format!("{BASE}[state]\npath = \"state.db\"\n"), "/etc/strowger/x.toml");
    assert_eq!(config.unwrap().state.path, StatePath::File("/etc/strowger/state.db".into()));
}

#[test]
fn no_cut_or_changed_file_makes_the_reader_panic() {
    for end in (0..OFFICE.len()).step_by(5) {
        if let Some(text) = OFFICE.get(..end) {
            let _ = parse(text, "x.toml");
        }
    }
    for at in (0..OFFICE.len()).step_by(11) {
        if OFFICE.is_char_boundary(at) && OFFICE.is_char_boundary(at + 1) {
            for replacement in ["\"", "[", "=", "\n", "9", "é"] {
                let text = format!("{}{replacement}{}", &OFFICE[..at], &OFFICE[at + 1..]);
                let _ = parse(&text, "x.toml");
            }
        }
    }
}
