//! A network that loses, doubles and reorders, a peer that is silent, a name that nobody resolves.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sip_stack::time::{Entropy, Seeded};
use switch::phone::{Behaviour, Phone};
use tests::program::{LivePhone, Program, office};

use super::serves;

/// Of a hundred datagrams each way so many vanish, come twice, and come after the next one.
const LOST: u64 = 20;
const DOUBLED: u64 = 10;
const OVERTAKEN: u64 = 10;
/// So many vanish one after the other at most.
const IN_A_ROW: u32 = 3;
/// A held back datagram goes on after this, if no other comes.
const HELD: Duration = Duration::from_millis(20);

/// One direction of a bad link.
struct Direction {
    random: Seeded,
    lost_in_a_row: u32,
    held: VecDeque<Vec<u8>>,
}

impl Direction {
    fn new(seed: u64) -> Self {
        Self { random: Seeded::new(seed), lost_in_a_row: 0, held: VecDeque::new() }
    }

    /// What goes on when this datagram comes.
    fn pass(&mut self, datagram: &[u8], lost: &AtomicU64) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let chance = self.random.next_u64() % 100;
        if chance < LOST && self.lost_in_a_row < IN_A_ROW {
            self.lost_in_a_row += 1;
            lost.fetch_add(1, Ordering::Relaxed);
            return out;
        }
        self.lost_in_a_row = 0;
        if chance < LOST + OVERTAKEN && self.held.is_empty() {
            self.held.push_back(datagram.to_vec());
            return out;
        }
        out.push(datagram.to_vec());
        if chance >= 100 - DOUBLED {
            out.push(datagram.to_vec());
        }
        out.extend(self.held.drain(..));
        out
    }
}

/// A bad link between one phone and the switch.
struct Link {
    address: SocketAddr,
    lost: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Link {
    fn to(switch: SocketAddr, seed: u64) -> Link {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(HELD)).unwrap();
        }
        back.connect(switch).unwrap();
        let address = front.local_addr().unwrap();
        let (lost, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let phone = Arc::new(std::sync::Mutex::new(None::<SocketAddr>));
        let (front, back) = (Arc::new(front), Arc::new(back));
        for is_up in [true, false] {
            let (front, back) = (Arc::clone(&front), Arc::clone(&back));
            let (lost, over) = (Arc::clone(&lost), Arc::clone(&is_over));
            let phone = Arc::clone(&phone);
            std::thread::spawn(move || {
                let mut way = Direction::new(seed * 2 + u64::from(is_up));
                let mut buffer = vec![0; 65_536];
                while !over.load(Ordering::Relaxed) {
                    let came = if is_up {
                        front.recv_from(&mut buffer).map(|(length, from)| {
                            *phone.lock().unwrap() = Some(from);
                            length
                        })
                    } else {
                        back.recv(&mut buffer)
                    };
                    let out = match came {
                        Ok(length) => way.pass(&buffer[..length], &lost),
                        Err(_) => way.held.drain(..).collect(),
                    };
                    for datagram in out {
                        let to = *phone.lock().unwrap();
                        let _ = match (is_up, to) {
                            (true, _) => back.send(&datagram),
                            (false, Some(to)) => front.send_to(&datagram, to),
                            (false, None) => Ok(0),
                        };
                    }
                }
            });
        }
        Link { address, lost, is_over }
    }

    fn phone(&self, number: &str, seed: u64) -> LivePhone {
        let password = format!("pw-{number}");
        let entropy = Box::new(Seeded::new(seed));
        let behaviour = Behaviour::default();
        let phone = Phone::with_behaviour(
            number,
            &password,
            "office.test",
            self.address,
            behaviour,
            entropy,
        );
        LivePhone::start(phone.unwrap())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[test]
fn calls_are_made_held_and_ended_though_a_fifth_of_all_datagrams_vanish_and_others_come_twice_or_late()
 {
    let program = Program::start();
    let links = [Link::to(program.sip, 11), Link::to(program.sip, 12)];
    let (a, b) = (links[0].phone("201", 101), links[1].phone("202", 102));
    for phone in [&a, &b] {
        phone.register(Duration::from_secs(300));
    }
    for _ in 0..2 {
        let (near, far) = a.talk_to(&b);
        a.hears(&b);
        a.hold(near);
        a.resume(near);
        b.hears(&a);
        a.hang_up(near);
        b.ended(far);
    }
    program.until("/api/v1/calls", |calls| calls["items"].as_array().is_some_and(Vec::is_empty));
    let lost: u64 = links.iter().map(|link| link.lost.load(Ordering::Relaxed)).sum();
    assert!(lost >= 5, "only {lost} were lost");
}

#[test]
fn a_phone_that_is_gone_without_a_word_leaves_the_caller_a_refusal_and_no_call_behind() {
    let program = Program::with(office(|text| {
        text.replace("ring_timeout = \"20s\"", "ring_timeout = \"2s\"")
    }));
    let a = program.live_phone("201");
    drop(program.live_phone("202"));
    let near = a.call("202");
    let status = a.failed().0;
    assert!(matches!(status, 408 | 480 | 487), "{status}");
    let _ = near;
    let c = program.live_phone("203");
    serves(&a, &c);
    program.until("/api/v1/calls", |calls| {
        let rows = calls["items"].as_array().cloned().unwrap_or_default();
        !rows.iter().any(|row| row.to_string().contains("CONNECTED"))
    });
}

#[test]
fn without_an_answer_of_the_name_service_calls_inside_go_on_and_calls_to_the_trunk_are_refused() {
    let program =
        Program::with(office(|text| text.replace("sip:127.0.0.1:5090", "sip:carrier.invalid")));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    a.call("0123456");
    let status = a.failed().0;
    assert!((400..600).contains(&status), "{status}");
    serves(&a, &b);
    assert_eq!(program.get("/readyz").0, 200);
}
