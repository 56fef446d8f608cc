//! Order of contacts, counts, and readers beside a writer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sip_stack::flow::{Flow, Transport};
use sip_stack::time::Now;

use super::{Binding, Registry};

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn binding(line: &str, id: u64) -> Binding {
    Binding {
        id,
        line: line.to_owned(),
        uri: format!("sip:{line}@127.0.0.1:{id}"),
        params: String::new(),
        q: 1000,
        expires_at: Now(Duration::from_secs(60)),
        expires_at_unix_ms: 60_000,
        refreshed_at: Now(Duration::from_secs(id)),
        registered_at_unix_ms: id * 1000,
        call_id: "a".to_owned(),
        cseq: 1,
        instance: None,
        reg_id: None,
        flow: Flow::udp(address(5060), address(7000)),
        source: address(7000),
        is_direct: true,
        is_reachable: true,
        path: Vec::new(),
        user_agent: String::new(),
        allow: vec!["INVITE".to_owned()],
        allow_events: vec!["talk".to_owned(), "Hold".to_owned()],
        supported: Vec::new(),
    }
}

fn ids(bindings: &[Arc<Binding>]) -> Vec<u64> {
    bindings.iter().map(|binding| binding.id).collect()
}

#[test]
fn contacts_come_by_q_then_the_latest_first() {
    let registry = Registry::new();
    let with_q = |id, q| Arc::new(Binding { q, ..binding("201", id) });
    registry.replace("201", vec![with_q(1, 500), with_q(2, 1000), with_q(3, 0), with_q(4, 1000)]);
    assert_eq!(ids(&registry.contacts("201")), [4, 2, 1, 3]);
    assert_eq!(ids(&registry.bindings("201")), [1, 2, 3, 4]);
    assert_eq!(registry.contacts("202"), []);
}

#[test]
fn an_unreachable_binding_is_no_contact() {
    let registry = Registry::new();
    let lost = Arc::new(Binding { is_reachable: false, ..binding("201", 1) });
    registry.replace("201", vec![lost, Arc::new(binding("201", 2))]);
    assert_eq!(ids(&registry.contacts("201")), [2]);
    assert_eq!(registry.binding_count(), 2);
}

#[test]
fn of_the_flows_of_one_phone_only_the_latest_is_a_contact() {
    let registry = Registry::new();
    let flow_of = |id, instance: &str, reg_id| {
        Arc::new(Binding {
            instance: Some(instance.to_owned()),
            reg_id: Some(reg_id),
            ..binding("201", id)
        })
    };
    registry.replace("201", vec![flow_of(1, "a", 1), flow_of(2, "a", 2), flow_of(3, "b", 1)]);
    assert_eq!(ids(&registry.contacts("201")), [3, 2]);
}

#[test]
fn counts_follow_every_replacement() {
    let registry = Registry::new();
    registry.replace("201", vec![Arc::new(binding("201", 1)), Arc::new(binding("201", 2))]);
    registry.replace("202", vec![Arc::new(binding("202", 3))]);
    assert_eq!((registry.binding_count(), registry.bound_line_count()), (3, 2));
    registry.replace("201", vec![Arc::new(binding("201", 1))]);
    assert_eq!((registry.binding_count(), registry.bound_line_count()), (2, 2));
    registry.replace("201", Vec::new());
    registry.replace("202", Vec::new());
    registry.replace("202", Vec::new());
    assert_eq!((registry.binding_count(), registry.bound_line_count()), (0, 0));
}

#[test]
fn a_connection_knows_its_lines_until_their_bindings_go() {
    let registry = Registry::new();
    let on = |line: &str, id, connection| {
        let flow = Flow {
            transport: Transport::Tcp,
            connection: Some(connection),
            ..binding(line, id).flow
        };
        Arc::new(Binding { flow, ..binding(line, id) })
    };
    registry.replace("201", vec![on("201", 1, 7), on("201", 2, 7)]);
    registry.replace("202", vec![on("202", 3, 7)]);
    assert_eq!(registry.lines_on(7), ["201", "202"]);
    registry.replace("201", vec![on("201", 1, 7), on("201", 2, 8)]);
    assert_eq!(registry.lines_on(7), ["201", "202"]);
    registry.replace("201", vec![on("201", 2, 8)]);
    registry.replace("202", Vec::new());
    assert_eq!(registry.lines_on(7), Vec::<String>::new());
    assert_eq!(registry.lines_on(8), ["201"]);
}

#[test]
fn what_a_phone_says_of_itself_is_found_as_its_standard_compares_it() {
    let binding = binding("201", 1);
    assert!(binding.allows_event("hold") && binding.allows_event("TALK"));
    assert!(!binding.allows_event("conference"));
    assert!(binding.allows("INVITE") && !binding.allows("invite"));
    assert!(!binding.supports("path"));
}

#[test]
fn readers_beside_a_writer_see_whole_sets_only() {
    let registry = Arc::new(Registry::new());
    let is_over = Arc::new(AtomicBool::new(false));
    let lines: Vec<String> = (200..232).map(|line| line.to_string()).collect();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (registry, is_over, lines) =
                (Arc::clone(&registry), Arc::clone(&is_over), lines.clone());
            std::thread::spawn(move || {
                let mut seen = 0_usize;
                while !is_over.load(Ordering::Relaxed) || seen == 0 {
                    for line in &lines {
                        let bindings = registry.bindings(line);
                        // Each set is written as three bindings of one generation.
                        assert!(matches!(bindings.len(), 0 | 3), "{bindings:?}");
                        assert!(bindings.iter().all(|binding| binding.line == *line));
                        assert!(bindings.iter().all(|binding| binding.cseq == bindings[0].cseq));
                        seen += bindings.len();
                        assert!(registry.contacts(line).len() <= 3);
                    }
                    assert!(registry.binding_count() <= 3 * lines.len() + 3 * 2);
                }
                seen
            })
        })
        .collect();
    // Two writers on lines of their own.
    let writers: Vec<_> = [0, 1]
        .map(|half| {
            let (registry, lines) = (Arc::clone(&registry), lines.clone());
            std::thread::spawn(move || {
                for cseq in 1..=400 {
                    for line in lines.iter().skip(half).step_by(2) {
                        let set = (0..3).map(|id| Arc::new(Binding { cseq, ..binding(line, id) }));
                        registry.replace(line, set.collect());
                        if cseq % 7 == 0 {
                            registry.replace(line, Vec::new());
                        }
                    }
                }
            })
        })
        .into_iter()
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
    assert_eq!(registry.binding_count(), 3 * lines.len());
    assert_eq!(registry.bound_line_count(), lines.len());
}
