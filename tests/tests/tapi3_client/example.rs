//! The example programs.

use std::sync::mpsc;
use tapi::constant::ForwardMode;
use tests::program::{PATIENCE, TOKEN};

use crate::office::Office;

#[path = "../../../tapi/examples/answer_and_transfer.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod answer_and_transfer;
#[path = "../../../tapi/examples/conference.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod conference;
#[path = "../../../tapi/examples/dial.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod dial;
#[path = "../../../tapi/examples/forward.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod forward;
#[path = "../../../tapi/examples/park_and_pickup.rs"]
#[allow(dead_code, reason = "main is for the command line")]
mod park_and_pickup;

/// Runs an example beside the phones; what it told and how it ended.
struct Example {
    told: mpsc::Receiver<String>,
    thread: std::thread::JoinHandle<Result<(), String>>,
}

impl Example {
    fn start<W>(work: impl FnOnce(mpsc::Sender<String>) -> W + Send + 'static) -> Example
    where
        W: Future<Output = Result<(), Box<dyn std::error::Error>>>,
    {
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(work(tell)).map_err(|error| error.to_string())
        });
        Example { told, thread }
    }

    fn hears(&self, wanted: &str) -> String {
        let told = self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{wanted}"));
        assert!(told.starts_with(wanted), "{told} and not {wanted}");
        told
    }

    fn ends(self) {
        assert_eq!(self.thread.join().unwrap(), Ok(()));
    }
}

#[test]
fn the_example_dial_makes_a_call_and_ends_with_it() {
    let office = Office::new(&["201", "202"]);
    let url = format!("http://{}", office.program.api);
    let example =
        Example::start(move |_| async move { dial::run(&url, TOKEN, "201", "202").await });
    let leg = office.answers(1);
    office.hear_each_other(0, 1);
    office.phones[1].hang_up(leg);
    example.ends();
    office.at_rest();
}

#[test]
fn the_example_answer_and_transfer_joins_its_caller_with_a_third_party() {
    let office = Office::new(&["201", "202", "203"]);
    let url = format!("http://{}", office.program.api);
    let example = Example::start(move |tell| async move {
        let ready = move || tell.send("ready".to_owned()).unwrap();
        answer_and_transfer::run(&url, TOKEN, "201", "203", ready).await
    });
    example.hears("ready");
    let near = office.phones[1].call("201");
    office.answers(2);
    example.ends();
    office.hear_each_other(1, 2);
    office.phones[1].hang_up(near);
    office.at_rest();
}

#[test]
fn the_example_forward_sets_and_cancels_forwarding() {
    let office = Office::new(&["201"]);
    let url = format!("http://{}", office.program.api);
    for (wish, destination) in
        [(&["busy", "203"][..], Some("203")), (&["none"], None), (&["none"], None)]
    {
        let info = office.run(forward::run(&url, TOKEN, "201", wish)).unwrap();
        assert_eq!(info.forward_type_destination(ForwardMode::Busy), destination);
    }
    let dnd = office.run(forward::run(&url, TOKEN, "201", &["dnd"])).unwrap();
    assert_eq!(dnd.entries().len(), 1);
    assert!(office.run(forward::run(&url, TOKEN, "201", &["sometimes", "203"])).is_err());
}

#[test]
fn the_example_park_and_pickup_moves_two_calls_to_another_line() {
    let office = Office::new(&["201", "202", "203"]);
    let url = format!("http://{}", office.program.api);
    let example = Example::start(move |tell| async move {
        let told = move |step| tell.send(step).unwrap();
        park_and_pickup::run(&url, TOKEN, "201", "203", told).await
    });
    example.hears("ready");
    for step in [&["parked in 701", "taken out"][..], &["picked up"]] {
        let near = office.phones[1].call("201");
        for told in step {
            example.hears(told);
        }
        office.hear_each_other(1, 2);
        office.phones[1].hang_up(near);
    }
    example.ends();
    office.at_rest();
}

#[test]
fn the_example_conference_joins_all_numbers() {
    let office = Office::new(&["201", "202", "203", "204"]);
    let url = format!("http://{}", office.program.api);
    let example = Example::start(move |tell| async move {
        let joined = move |calls: usize| tell.send(calls.to_string()).unwrap();
        conference::run(&url, TOKEN, "201", "202", &["203", "204"], joined).await
    });
    let legs = [office.answers(1), office.answers(2)];
    example.hears("2");
    office.answers(3);
    example.hears("3");
    office.hear_a_mix(&[0, 1, 2, 3]);
    for (phone, leg) in [(1, legs[0]), (2, legs[1])] {
        office.phones[phone].hang_up(leg);
    }
    example.ends();
    office.at_rest();
}
