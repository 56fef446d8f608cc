use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const NEVER: fn(usize) -> Option<Heard> = |_| None;
const SECOND_US: u64 = 1_000_000;

/// A book of one pair without sockets.
fn book() -> Book {
    let line = |component| Line {
        fd: -1,
        pair: 0,
        component,
        sources: HashMap::new(),
        hosts: HashMap::new(),
        ended: HashMap::new(),
        contests: HashMap::new(),
    };
    Book {
        lines: [Component::Media, Component::Control].map(line).into(),
        streams: Vec::new(),
        fragments: HashMap::new(),
        resting: VecDeque::new(),
        rest_us: 30 * SECOND_US,
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn rules(remote: &str, peer: &str) -> LatchRules {
    let peer = Some(peer.parse().unwrap());
    LatchRules { remote: Some(at(remote)), remote_rtcp: None, peer }
}

/// A phone whose SDP says where its media comes from.
fn open_phone(book: &mut Book, slot: usize, remote: &str) {
    let peer = at(remote).ip().to_string();
    book.update((slot, 0), &rules(remote, &peer), Signs::default(), News::Told, 1);
}

/// A phone behind a NAT.
fn hidden_phone(book: &mut Book, slot: usize, remote: &str, nat: &str) {
    let signs = Signs { is_hidden: true, ..Signs::default() };
    book.update((slot, 0), &rules(remote, nat), signs, News::Told, 1);
}

fn rtp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 0, 0, 1, 0, 0, 0, 0], &ssrc.to_be_bytes()[..], &[0x55; 160]].concat()
}

fn find(book: &mut Book, from: &str, ssrc: u32) -> Result<usize, Missed> {
    book.find(0, (at(from), &rtp(ssrc)), NEVER, 1)
}

const STRANGER: Result<usize, Missed> = Err(Missed::Stranger);
const AMBIGUOUS: Result<usize, Missed> = Err(Missed::Ambiguous);

#[test]
fn phones_of_one_host_are_told_apart_by_the_addresses_of_their_sdp() {
    let mut book = book();
    open_phone(&mut book, 0, "192.0.2.1:4000");
    open_phone(&mut book, 1, "192.0.2.1:4002");
    assert_eq!(find(&mut book, "192.0.2.1:4000", 1), Ok(0));
    assert_eq!(find(&mut book, "192.0.2.1:4002", 2), Ok(1));
    // Which of the two sends from a port that neither named?
    assert_eq!(find(&mut book, "192.0.2.1:4004", 3), AMBIGUOUS);
    book.settle(0, Component::Media, at("192.0.2.1:4000"));
    assert_eq!(find(&mut book, "192.0.2.1:4004", 3), Ok(1));
    assert_eq!(find(&mut book, "192.0.2.2:4000", 1), STRANGER);
}

#[test]
fn two_phones_behind_one_nat_are_given_nothing_until_one_of_them_is_known() {
    let mut book = book();
    hidden_phone(&mut book, 0, "10.0.0.1:4000", "198.51.100.1");
    hidden_phone(&mut book, 1, "10.0.0.2:4000", "198.51.100.1");
    assert_eq!(find(&mut book, "198.51.100.1:30001", 1), AMBIGUOUS);
    let named = Signs { ssrcs: vec![7], is_hidden: true, ..Signs::default() };
    book.update((0, 0), &rules("10.0.0.1:4000", "198.51.100.1"), named, News::Told, 1);
    assert_eq!(find(&mut book, "198.51.100.1:30001", 7), Ok(0));
    book.settle(0, Component::Media, at("198.51.100.1:30001"));
    assert_eq!(find(&mut book, "198.51.100.1:30001", 9), Ok(0));
    assert_eq!(find(&mut book, "198.51.100.1:30002", 8), Ok(1));
}

#[test]
fn whoever_names_an_address_behind_somebody_elses_nat_gets_nothing_from_there() {
    let mut book = book();
    hidden_phone(&mut book, 0, "10.0.0.1:4000", "198.51.100.1");
    let guess = rules("198.51.100.1:30001", "203.0.113.9");
    book.update((1, 0), &guess, Signs::default(), News::Told, 1);
    assert_eq!(find(&mut book, "198.51.100.1:30001", 1), AMBIGUOUS);
    book.settle(0, Component::Media, at("198.51.100.1:30001"));
    // The address is contested: what is known is the SSRC that was heard.
    let packet = rtp(1);
    let heard = |slot| (slot == 0).then_some(Heard { ssrc: 1, at_us: 1 });
    assert_eq!(book.find(0, (at("198.51.100.1:30001"), &packet), heard, 1), Ok(0));
    assert_eq!(find(&mut book, "198.51.100.1:30001", 2), AMBIGUOUS);
}

#[test]
fn media_of_a_gateway_comes_from_another_host_than_its_signalling() {
    let mut book = book();
    for (slot, remote) in ["192.0.2.9:4000", "192.0.2.9:4002"].into_iter().enumerate() {
        book.update((slot, 0), &rules(remote, "192.0.2.8"), Signs::default(), News::Told, 1);
    }
    assert_eq!(find(&mut book, "192.0.2.9:4002", 2), Ok(1));
    assert_eq!(find(&mut book, "192.0.2.8:4002", 2), AMBIGUOUS);
}

#[test]
fn two_streams_of_one_address_are_told_apart_by_ssrc_or_not_at_all() {
    let mut book = book();
    open_phone(&mut book, 0, "192.0.2.1:16384");
    open_phone(&mut book, 1, "192.0.2.1:16384");
    assert_eq!(find(&mut book, "192.0.2.1:16384", 5), AMBIGUOUS);
    for (slot, ssrc) in [(0, 5), (1, 6)] {
        let named = Signs { ssrcs: vec![ssrc], ..Signs::default() };
        book.update((slot, 0), &rules("192.0.2.1:16384", "192.0.2.1"), named, News::Told, 1);
        assert_eq!(find(&mut book, "192.0.2.1:16384", ssrc), Ok(slot));
        book.settle(slot, Component::Media, at("192.0.2.1:16384"));
    }
    assert_eq!(find(&mut book, "192.0.2.1:16384", 5), Ok(0));
    assert_eq!(find(&mut book, "192.0.2.1:16384", 6), Ok(1));
    assert_eq!(find(&mut book, "192.0.2.1:16384", 7), AMBIGUOUS);
}

#[test]
fn late_packets_of_an_ended_stream_are_nobodys_and_the_same_phones_next_ones_are_its_own() {
    let mut book = book();
    hidden_phone(&mut book, 0, "10.0.0.1:4000", "198.51.100.1");
    book.settle(0, Component::Media, at("198.51.100.1:30001"));
    book.close(0, Some(1), SECOND_US);
    hidden_phone(&mut book, 1, "10.0.0.1:4000", "198.51.100.1");
    assert_eq!(find(&mut book, "198.51.100.1:30001", 1), STRANGER);
    assert_eq!(find(&mut book, "198.51.100.1:30001", 2), Ok(1));
    book.close(1, None, SECOND_US);
    // It ended before its first packet, which may still come.
    hidden_phone(&mut book, 2, "10.0.0.2:4000", "198.51.100.1");
    assert_eq!(find(&mut book, "198.51.100.1:30003", 3), AMBIGUOUS);
    book.sweep(4 * SECOND_US);
    assert_eq!(find(&mut book, "198.51.100.1:30003", 3), Ok(2));
    book.close(2, None, 5 * SECOND_US);
    book.sweep(100 * SECOND_US);
    assert!(book.lines.iter().all(|line| line.sources.is_empty() && line.hosts.is_empty()));
    assert!(book.lines.iter().all(|line| line.ended.is_empty()) && book.fragments.is_empty());
}

#[test]
fn rtcp_without_a_port_of_its_own_in_the_sdp_is_known_by_the_media() {
    let mut book = book();
    for (slot, phone) in ["10.0.0.1:4000", "10.0.0.2:4000"].into_iter().enumerate() {
        hidden_phone(&mut book, slot, phone, "198.51.100.1");
    }
    let report = [&[0x80, 200, 0, 6][..], &9u32.to_be_bytes(), &[0; 20]].concat();
    let from = at("198.51.100.1:30007");
    assert_eq!(book.find(1, (from, &report), NEVER, 1), AMBIGUOUS);
    let heard = |slot| Some(Heard { ssrc: [8, 9][slot], at_us: 1 });
    assert_eq!(book.find(1, (from, &report), heard, 1), Ok(1));
}

#[test]
fn checks_go_to_the_stream_that_they_name() {
    let mut book = book();
    for (slot, fragment) in ["aaaa", "bbbb"].into_iter().enumerate() {
        let fragment = Some(fragment.to_owned());
        let signs = Signs { fragment, ..Signs::default() };
        book.update((slot, 0), &LatchRules::default(), signs, News::Told, 1);
    }
    let check = |name: &str| {
        let mut packet = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        packet.extend([7; 12]);
        packet.extend([0, 6, 0, 8]);
        packet.extend(name.as_bytes());
        packet
    };
    let from = at("198.51.100.1:30007");
    assert_eq!(book.find(0, (from, &check("bbbb:xyz")), NEVER, 1), Ok(1));
    assert_eq!(book.find(1, (from, &check("aaaa:xyz")), NEVER, 1), Ok(0));
    assert_eq!(book.find(0, (from, &check("cccc:xyz")), NEVER, 1), STRANGER);
    book.settle(1, Component::Media, from);
    // An address that has proved to be one stream's is no other's.
    assert_eq!(book.find(0, (from, &check("aaaa:xyz")), NEVER, 1), Ok(1));
    assert_eq!(find(&mut book, "198.51.100.1:30007", 3), Ok(1));
}

/// What streams have taken, by slot.
#[derive(Default)]
struct Ears([Option<Heard>; 3]);

impl Ears {
    /// A packet comes; whose it is, which then has taken it.
    fn hear(
        &mut self,
        book: &mut Book,
        from: &str,
        ssrc: u32,
        now_ms: u64,
    ) -> Result<usize, Missed> {
        let (from, at_us) = (at(from), now_ms * 1_000);
        let found = book.find(0, (from, &rtp(ssrc)), |slot| self.0[slot], at_us);
        if let Ok(slot) = found {
            self.0[slot] = Some(Heard { ssrc, at_us });
            book.settle(slot, Component::Media, from);
        }
        found
    }
}

const ONE: &str = "192.0.2.1:16384";

/// Signalling says again, or for the first time, that a stream's media comes from [`ONE`].
fn tell(book: &mut Book, slot: usize, now_ms: u64) {
    let rules = rules(ONE, "192.0.2.1");
    book.update((slot, 0), &rules, Signs::default(), News::Told, now_ms * 1_000);
}

#[test]
fn a_phone_that_changes_its_ssrc_or_its_port_on_hold_resume_and_transfer_is_still_itself() {
    let (mut book, mut ears) = (book(), Ears::default());
    open_phone(&mut book, 0, "192.0.2.1:4000");
    open_phone(&mut book, 1, "192.0.2.1:4002");
    assert_eq!(ears.hear(&mut book, "192.0.2.1:4000", 1, 0), Ok(0));
    assert_eq!(ears.hear(&mut book, "192.0.2.1:4002", 2, 0), Ok(1));
    // Without a word.
    assert_eq!(ears.hear(&mut book, "192.0.2.1:4000", 3, 20), Ok(0));
    // With a re-INVITE that changes nothing, and with the other one's SSRC.
    open_phone(&mut book, 0, "192.0.2.1:4000");
    assert_eq!(ears.hear(&mut book, "192.0.2.1:4000", 2, 40), Ok(0));
    assert_eq!(ears.hear(&mut book, "192.0.2.1:4002", 2, 40), Ok(1));
    // With one that names another port.
    let moved = rules("192.0.2.1:4004", "192.0.2.1");
    book.update((0, 0), &moved, Signs::default(), News::Elsewhere, 50_000);
    assert_eq!(ears.hear(&mut book, "192.0.2.1:4004", 4, 60), Ok(0));
    assert_eq!(ears.hear(&mut book, "192.0.2.1:4002", 5, 60), Ok(1));
}

#[test]
fn a_second_call_from_one_address_is_heard_as_soon_as_the_first_one_goes_on() {
    let (mut book, mut ears) = (book(), Ears::default());
    tell(&mut book, 0, 0);
    assert_eq!(ears.hear(&mut book, ONE, 1, 0), Ok(0));
    tell(&mut book, 1, 1_000);
    // One packet of the first call may have been overtaken by its new SSRC.
    for now_ms in (1_000..=1_100).step_by(20) {
        assert_eq!(ears.hear(&mut book, ONE, 2, now_ms), AMBIGUOUS);
        assert_eq!(ears.hear(&mut book, ONE, 1, now_ms), Ok(0));
    }
    assert_eq!(ears.hear(&mut book, ONE, 1, 1_120), Ok(0));
    assert_eq!(ears.hear(&mut book, ONE, 2, 1_120), Ok(1));
    assert_eq!(ears.hear(&mut book, ONE, 1, 1_140), Ok(0));
    assert_eq!(ears.hear(&mut book, ONE, 2, 1_140), Ok(1));
}

#[test]
fn while_the_first_call_is_silent_a_new_ssrc_from_its_address_is_nobodys() {
    let (mut book, mut ears) = (book(), Ears::default());
    tell(&mut book, 0, 0);
    assert_eq!(ears.hear(&mut book, ONE, 1, 0), Ok(0));
    tell(&mut book, 1, 1_000);
    for now_ms in (1_000..4_000).step_by(20) {
        assert_eq!(ears.hear(&mut book, ONE, 2, now_ms), AMBIGUOUS);
    }
    // What SDP names is known at once.
    let signs = Signs { ssrcs: vec![2], ..Signs::default() };
    book.update((1, 0), &rules(ONE, "192.0.2.1"), signs, News::Told, 4_000_000);
    assert_eq!(ears.hear(&mut book, ONE, 2, 4_020), Ok(1));
    assert_eq!(ears.hear(&mut book, ONE, 1, 4_020), Ok(0));
}

#[test]
fn of_two_calls_from_one_address_the_one_that_signalling_has_changed_may_change_its_ssrc() {
    let (mut book, mut ears) = (book(), Ears::default());
    let both = |book: &mut Book, ears: &mut Ears, ssrcs: [u32; 2], from_ms: u64| {
        let mut found = [AMBIGUOUS; 2];
        for now_ms in (from_ms..from_ms + 400).step_by(20) {
            found = ssrcs.map(|ssrc| ears.hear(book, ONE, ssrc, now_ms));
        }
        found
    };
    tell(&mut book, 0, 0);
    assert_eq!(ears.hear(&mut book, ONE, 1, 0), Ok(0));
    tell(&mut book, 1, 0);
    assert_eq!(both(&mut book, &mut ears, [1, 2], 100), [Ok(0), Ok(1)]);
    // A transfer behind the far switch that signalling does not tell of: it might be either's.
    assert_eq!(both(&mut book, &mut ears, [1, 3], 1_000), [Ok(0), AMBIGUOUS]);
    tell(&mut book, 1, 2_000);
    assert_eq!(both(&mut book, &mut ears, [1, 3], 2_000), [Ok(0), Ok(1)]);
    // Both at once, and the same for both, cannot be told apart.
    tell(&mut book, 0, 3_000);
    tell(&mut book, 1, 3_000);
    assert_eq!(both(&mut book, &mut ears, [4, 5], 3_000), [AMBIGUOUS; 2]);
    assert_eq!(both(&mut book, &mut ears, [6, 6], 4_000), [AMBIGUOUS; 2]);
    book.sweep(10 * SECOND_US);
    assert!(book.lines.iter().all(|line| line.contests.is_empty()));
}

#[test]
fn phones_behind_one_nat_that_all_have_the_same_ssrc_are_told_apart_while_they_talk() {
    let (mut book, mut ears) = (book(), Ears::default());
    let [first, second] = ["198.51.100.1:30001", "198.51.100.1:30002"];
    hidden_phone(&mut book, 0, "10.0.0.1:4000", "198.51.100.1");
    assert_eq!(ears.hear(&mut book, first, 7, 0), Ok(0));
    hidden_phone(&mut book, 1, "10.0.0.2:4000", "198.51.100.1");
    // The first one's NAT may have moved it.
    assert_eq!(ears.hear(&mut book, second, 7, 20), AMBIGUOUS);
    assert_eq!(ears.hear(&mut book, first, 7, 200), Ok(0));
    assert_eq!(ears.hear(&mut book, second, 7, 200), Ok(1));
    assert_eq!(ears.hear(&mut book, first, 7, 220), Ok(0));
    assert_eq!(ears.hear(&mut book, second, 7, 220), Ok(1));
}

#[test]
fn a_phone_that_its_nat_moves_is_known_by_its_ssrc_where_nobody_else_is_awaited() {
    let (mut book, mut ears) = (book(), Ears::default());
    hidden_phone(&mut book, 0, "10.0.0.1:4000", "198.51.100.1");
    assert_eq!(ears.hear(&mut book, "198.51.100.1:30001", 7, 0), Ok(0));
    assert_eq!(ears.hear(&mut book, "198.51.100.1:30002", 7, 20), Ok(0));
    hidden_phone(&mut book, 1, "10.0.0.2:4000", "198.51.100.1");
    for now_ms in (40..5_000).step_by(20) {
        assert_eq!(ears.hear(&mut book, "198.51.100.1:30003", 7, now_ms), AMBIGUOUS);
    }
    assert_eq!(ears.hear(&mut book, "198.51.100.1:30004", 8, 5_000), Ok(1));
    assert_eq!(ears.hear(&mut book, "198.51.100.1:30003", 7, 5_020), Ok(0));
}

#[test]
fn who_names_the_address_of_somebody_else_gets_none_of_its_ssrcs() {
    let (mut book, mut ears) = (book(), Ears::default());
    let nat = "198.51.100.1:30001";
    hidden_phone(&mut book, 0, "10.0.0.1:4000", "198.51.100.1");
    assert_eq!(ears.hear(&mut book, nat, 1, 0), Ok(0));
    let guess = rules(nat, "203.0.113.9");
    book.update((1, 0), &guess, Signs::default(), News::Told, 1);
    for now_ms in (20..1_000).step_by(20) {
        assert_eq!(ears.hear(&mut book, nat, 1, now_ms), Ok(0));
        // Events of some phones have an SSRC of their own.
        assert_eq!(ears.hear(&mut book, nat, 2, now_ms), AMBIGUOUS);
    }
}

#[test]
fn rtcp_that_comes_before_rtp_goes_to_the_only_phone_that_is_awaited() {
    let mut book = book();
    hidden_phone(&mut book, 0, "10.0.0.1:4000", "198.51.100.1");
    let report = [&[0x80, 200, 0, 6][..], &9u32.to_be_bytes(), &[0; 20]].concat();
    // Beside media (RFC 5761), and at the port of its own.
    for line in [0, 1] {
        assert_eq!(book.find(line, (at("198.51.100.1:30007"), &report), NEVER, 1), Ok(0));
    }
    book.settle(0, Component::Control, at("198.51.100.1:30007"));
    hidden_phone(&mut book, 1, "10.0.0.2:4000", "198.51.100.1");
    // The media of both is still awaited.
    assert_eq!(book.find(0, (at("198.51.100.1:30008"), &report), NEVER, 1), AMBIGUOUS);
    assert_eq!(book.find(1, (at("198.51.100.1:30008"), &report), NEVER, 1), Ok(1));
    assert_eq!(book.find(1, (at("198.51.100.1:30007"), &report), NEVER, 1), Ok(0));
}

/// A gateway that sends several calls from one address.
const GATEWAY: &str = "192.0.2.1:16384";

/// Calls of the gateway, told of at 1 µs; of these it has been heard what they send.
fn gateway(book: &mut Book, heard: &[(usize, u32)]) {
    for slot in 0..=heard.len() {
        open_phone(book, slot, GATEWAY);
    }
    for (slot, _) in heard {
        book.settle(*slot, Component::Media, at(GATEWAY));
    }
}

/// What the gateway's calls are heard of: slot, SSRC, when.
fn hearing(all: &[(usize, u32, u64)]) -> impl Fn(usize) -> Option<Heard> + '_ {
    |slot| {
        let (_, ssrc, at_us) = all.iter().find(|(of, ..)| *of == slot)?;
        Some(Heard { ssrc: *ssrc, at_us: *at_us })
    }
}

#[test]
fn what_a_gateway_still_sends_of_a_call_that_ended_is_not_given_to_one_that_begins() {
    let mut book = book();
    gateway(&mut book, &[(0, 5), (1, 9)]);
    let ended_us = SECOND_US;
    book.close(1, Some(9), ended_us);
    // The other call goes on; of the new one nothing was heard yet.
    for now_us in (ended_us..ended_us + 10 * SECOND_US).step_by(20_000) {
        let heard = [(0, 5, now_us)];
        let found = book.find(0, (at(GATEWAY), &rtp(9)), hearing(&heard), now_us);
        assert_eq!(found, STRANGER, "{now_us}");
    }
    let heard = [(0, 5, 11 * SECOND_US)];
    let find =
        |book: &mut Book, now_us| book.find(0, (at(GATEWAY), &rtp(3)), hearing(&heard), now_us);
    assert_eq!(find(&mut book, 11 * SECOND_US), AMBIGUOUS);
    let heard = [(0, 5, 11 * SECOND_US + 2 * SURE_US)];
    let later_us = 11 * SECOND_US + 2 * SURE_US;
    let found = book.find(0, (at(GATEWAY), &rtp(3)), hearing(&heard), later_us);
    assert_eq!(found, Ok(2));
}

#[test]
fn a_call_whose_old_source_overlaps_its_new_one_is_heard_when_the_old_one_is_silent() {
    let mut book = book();
    gateway(&mut book, &[(0, 5), (1, 2)]);
    book.close(2, None, 1);
    // Signalling spoke of it anew; the old SSRC goes on for 200 ms beside the new one.
    let told_us = SECOND_US;
    let same = rules(GATEWAY, "192.0.2.1");
    book.update((1, 0), &same, Signs::default(), News::Elsewhere, told_us);
    let mut first = None;
    for now_us in (told_us..told_us + 2 * SECOND_US).step_by(20_000) {
        let heard = [(0, 5, now_us), (1, 2, now_us.min(told_us + 200_000))];
        match book.find(0, (at(GATEWAY), &rtp(3)), hearing(&heard), now_us) {
            Ok(slot) => first = first.or(Some((slot, now_us))),
            Err(missed) => assert!(missed == Missed::Ambiguous || now_us < told_us + SECOND_US),
        }
    }
    let (slot, since_us) = first.expect("it is heard");
    assert_eq!(slot, 1);
    assert!(since_us > told_us + 200_000 + SILENT_US, "not while it could be the other's");
}

#[test]
fn two_new_sources_at_once_do_not_hide_each_other() {
    let mut book = book();
    gateway(&mut book, &[(0, 5)]);
    let mut found = Vec::new();
    for now_us in (SECOND_US..SECOND_US + 4 * SURE_US).step_by(20_000) {
        let heard = [(0, 5, now_us)];
        let ssrc = if now_us % 40_000 == 0 { 3 } else { 4 };
        found.push(book.find(0, (at(GATEWAY), &rtp(ssrc)), hearing(&heard), now_us));
    }
    assert_eq!(found[0], AMBIGUOUS);
    assert_eq!(found.last(), Some(&Ok(1)));
}

#[test]
fn only_what_signalling_says_anew_makes_a_stream_await_another_source() {
    let mut book = book();
    gateway(&mut book, &[(0, 5), (1, 6)]);
    book.close(2, None, 1);
    let now_us = 10 * SECOND_US;
    // Its music changes, say: its plan is made anew, and nothing was negotiated.
    book.update((1, 0), &rules(GATEWAY, "192.0.2.1"), Signs::default(), News::None, now_us);
    for later_us in (now_us..now_us + SECOND_US).step_by(20_000) {
        let heard = [(0, 5, later_us), (1, 6, 3 * SECOND_US)];
        let found = book.find(0, (at(GATEWAY), &rtp(7)), hearing(&heard), later_us);
        assert_eq!(found, AMBIGUOUS, "the telephone-events of the one that speaks");
    }
}

/// A phone of the simulation.
#[derive(Clone, Copy, Debug)]
struct Simulated {
    host: u8,
    port: u16,
    is_hidden: bool,
    names_itself: bool,
    /// It has the SSRC that all such phones have.
    is_twin: bool,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// It will come from here; its SDP is still to come.
    Expect(usize),
    Describe(usize),
    Talk(usize),
    End(usize),
}

fn phones() -> impl Strategy<Value = Vec<Simulated>> {
    let phone =
        (0..3u8, any::<[bool; 3]>()).prop_map(|(host, [is_hidden, names_itself, is_twin])| {
            let names_itself = names_itself && !is_twin;
            Simulated { host, port: 0, is_hidden, names_itself, is_twin }
        });
    proptest::collection::vec(phone, 2..6).prop_map(|mut phones| {
        for (phone, port) in phones.iter_mut().zip(30_000..) {
            phone.port = port;
        }
        phones
    })
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0..6usize, 0..4u8).prop_map(|(phone, kind)| match kind {
        0 => Event::Expect(phone),
        1 => Event::Describe(phone),
        2 => Event::Talk(phone),
        _ => Event::End(phone),
    });
    proptest::collection::vec(event, 1..80)
}

proptest! {
    /// Whatever happens in whatever order: nobody is ever given another phone's packet.
    #[test]
    fn no_packet_is_ever_given_to_anybody_but_its_senders_stream(
        phones in phones(),
        events in events(),
    ) {
        let mut book = book();
        let mut is_open = [false; 6];
        let source = |phone: &Simulated| {
            SocketAddr::new(Ipv4Addr::new(198, 51, 100, phone.host).into(), phone.port)
        };
        let mut heard: [Option<Heard>; 6] = [None; 6];
        for (event, now_us) in events.into_iter().zip((1..).map(|n| n * 100_000)) {
            let (Event::Expect(at) | Event::Describe(at) | Event::Talk(at) | Event::End(at)) = event;
            let Some(phone) = phones.get(at) else { continue };
            let from = source(phone);
            let ssrc = if phone.is_twin { 7 } else { 100 + u32::try_from(at).unwrap() };
            let is_hidden = phone.is_hidden;
            match event {
                // Who has ended does not come again here: that would be another stream.
                Event::Expect(_) if !is_open[at] && heard[at].is_none() => {
                    is_open[at] = true;
                    let hosts = vec![from.ip()];
                    let signs = Signs { hosts, is_hidden, ..Signs::default() };
                    book.update((at, 0), &LatchRules::default(), signs, News::Elsewhere, now_us);
                }
                Event::Describe(_) if is_open[at] => {
                    let private = SocketAddr::from(([10, 0, 0, 1], 4_000));
                    let remote = Some(if is_hidden { private } else { from });
                    let rules = LatchRules { remote, remote_rtcp: None, peer: Some(from.ip()) };
                    let ssrcs = if phone.names_itself { vec![ssrc] } else { Vec::new() };
                    let signs = Signs { ssrcs, is_hidden, ..Signs::default() };
                    book.update((at, 0), &rules, signs, News::Told, now_us);
                }
                // Before anything is expected of it, it has no call and says nothing.
                Event::Talk(_) if is_open[at] => {
                    let known = |slot: usize| heard.get(slot).copied().flatten();
                    let found = book.find(0, (from, &rtp(ssrc)), known, now_us);
                    if let Ok(slot) = found {
                        prop_assert_eq!(slot, at);
                        heard[at] = Some(Heard { ssrc, at_us: now_us });
                        if book.is_new(slot, Component::Media, from) {
                            book.settle(slot, Component::Media, from);
                        }
                        prop_assert_eq!(book.find(0, (from, &rtp(ssrc)), NEVER, now_us), Ok(at));
                    }
                }
                Event::End(_) if is_open[at] => {
                    is_open[at] = false;
                    book.close(at, heard[at].map(|heard| heard.ssrc), now_us);
                    heard[at] = Some(Heard { ssrc, at_us: now_us });
                }
                _ => {}
            }
        }
        book.sweep(u64::MAX - 1);
        for at in 0..phones.len() {
            book.close(at, None, 0);
        }
        book.sweep(u64::MAX);
        prop_assert!(book.lines.iter().all(|line| line.sources.is_empty() && line.hosts.is_empty()));
    }
}
