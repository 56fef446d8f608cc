//! The client machine for everything but INVITE: RFC 3261 §17.1.2.

use std::time::Duration;

use super::timer::{Action, Class, ClientInput, Clock, Setting, Timer};

/// States of figure 6 of RFC 3261.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    state: State,
    interval: Duration,
}

impl Client {
    pub(super) const fn new() -> Self {
        Self { state: State::Trying, interval: Duration::ZERO }
    }

    /// Whether a final response is still awaited.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }

    pub(super) fn handle(&mut self, input: ClientInput, with: Setting, out: &mut Vec<Action>) {
        use ClientInput::{CancelSent, Response, Start, Timer as Fired, TransportFailed};
        use State::{Completed, Proceeding, Terminated, Trying};
        match (self.state, input) {
            (Trying, Start) => self.start(with, out),
            (Trying, Fired(Timer::E)) => {
                self.interval = self.interval.saturating_mul(2).min(with.timers.t2);
                out.extend([Action::Send, Action::Arm(Timer::E, self.interval)]);
            }
            // RFC 3261 §17.1.2.2: after a provisional the request is repeated every T2.
            (Proceeding, Fired(Timer::E)) => {
                out.extend([Action::Send, Action::Arm(Timer::E, with.timers.t2)]);
            }
            (Trying | Proceeding, Fired(Timer::F)) => self.end(Action::TimedOut, out),
            (Trying | Proceeding, Response(Class::Provisional)) => {
                out.push(Action::Deliver);
                self.state = Proceeding;
            }
            (Trying | Proceeding, Response(Class::Success | Class::Refusal)) => {
                out.extend([Action::Deliver, Action::Disarm(Clock::Repeat)]);
                self.state = Completed;
                if with.is_reliable {
                    self.end(Action::Terminate, out);
                } else {
                    out.push(Action::Arm(Timer::K, with.timers.t4));
                }
            }
            (Trying | Proceeding, TransportFailed) => self.end(Action::TransportFailed, out),
            (Completed, Fired(Timer::K)) => self.end(Action::Terminate, out),
            // Echoes of the final response and timers of former states.
            (Trying | Proceeding, Start | CancelSent | Fired(_)) | (Completed | Terminated, _) => {}
        }
    }

    fn start(&mut self, with: Setting, out: &mut Vec<Action>) {
        self.interval = with.timers.t1;
        out.push(Action::Send);
        if !with.is_reliable {
            out.push(Action::Arm(Timer::E, self.interval));
        }
        out.push(Action::Arm(Timer::F, with.timers.give_up()));
    }

    fn end(&mut self, how: Action, out: &mut Vec<Action>) {
        self.state = State::Terminated;
        out.push(how);
        if how != Action::Terminate {
            out.push(Action::Terminate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Timers;

    const GIVE_UP: Duration = Duration::from_secs(32);

    fn step(from: State, input: ClientInput, is_reliable: bool) -> (State, Vec<Action>) {
        let mut machine = Client { state: from, interval: Duration::from_millis(500) };
        let mut out = Vec::new();
        machine.handle(input, Setting { timers: Timers::default(), is_reliable }, &mut out);
        (machine.state, out)
    }

    #[test]
    fn follows_the_rows_of_the_figure() {
        use Action::{Arm, Deliver, Disarm, Send, Terminate, TimedOut};
        use Class::{Provisional, Refusal, Success};
        use ClientInput::{Response, Start, Timer as Fired, TransportFailed};
        use State::{Completed, Proceeding, Terminated, Trying};
        let second = Duration::from_secs(1);
        let final_actions = vec![Deliver, Disarm(Clock::Repeat), Arm(Timer::K, second * 5)];
        let rows = [
            (Trying, Start, Trying, vec![Send, Arm(Timer::E, second / 2), Arm(Timer::F, GIVE_UP)]),
            (Trying, Fired(Timer::E), Trying, vec![Send, Arm(Timer::E, second)]),
            (Trying, Fired(Timer::F), Terminated, vec![TimedOut, Terminate]),
            (Trying, Response(Provisional), Proceeding, vec![Deliver]),
            (Trying, Response(Success), Completed, final_actions.clone()),
            (Trying, Response(Refusal), Completed, final_actions.clone()),
            (Trying, TransportFailed, Terminated, vec![Action::TransportFailed, Terminate]),
            (Proceeding, Fired(Timer::E), Proceeding, vec![Send, Arm(Timer::E, second * 4)]),
            (Proceeding, Fired(Timer::F), Terminated, vec![TimedOut, Terminate]),
            (Proceeding, Response(Provisional), Proceeding, vec![Deliver]),
            (Proceeding, Response(Success), Completed, final_actions.clone()),
            (Proceeding, Response(Refusal), Completed, final_actions),
            (Proceeding, TransportFailed, Terminated, vec![Action::TransportFailed, Terminate]),
            (Completed, Response(Success), Completed, vec![]),
            (Completed, Response(Refusal), Completed, vec![]),
            (Completed, TransportFailed, Completed, vec![]),
            (Completed, Fired(Timer::K), Terminated, vec![Terminate]),
        ];
        for (from, input, to, actions) in rows {
            assert_eq!(step(from, input, false), (to, actions), "{from:?} {input:?}");
        }
    }

    #[test]
    fn a_reliable_transport_skips_timers_e_and_k() {
        let (_, out) = step(State::Trying, ClientInput::Start, true);
        assert_eq!(out, [Action::Send, Action::Arm(Timer::F, GIVE_UP)]);
        let (to, out) = step(State::Proceeding, ClientInput::Response(Class::Success), true);
        assert_eq!(to, State::Terminated);
        assert_eq!(out.last(), Some(&Action::Terminate));
    }

    #[test]
    fn the_retransmission_interval_stops_doubling_at_t2() {
        let mut machine = Client::new();
        let with = Setting { timers: Timers::default(), is_reliable: false };
        let mut out = Vec::new();
        machine.handle(ClientInput::Start, with, &mut out);
        let mut intervals = Vec::new();
        for _ in 0..5 {
            out.clear();
            machine.handle(ClientInput::Timer(Timer::E), with, &mut out);
            if let Some(Action::Arm(Timer::E, interval)) = out.last() {
                intervals.push(interval.as_millis());
            }
        }
        assert_eq!(intervals, [1_000, 2_000, 4_000, 4_000, 4_000]);
    }
}
