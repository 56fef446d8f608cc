//! The INVITE client machine: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §8.4.

use std::time::Duration;

use super::timer::{Action, Class, ClientInput, Clock, Setting, Timer};

/// States of figure 5 of RFC 6026.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct InviteClient {
    state: State,
    interval: Duration,
}

impl InviteClient {
    pub(super) const fn new() -> Self {
        Self { state: State::Calling, interval: Duration::ZERO }
    }

    /// Whether a final response is still awaited.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Calling | State::Proceeding)
    }

    /// Whether a provisional response came and no final one: when CANCEL may be sent.
    pub(super) const fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    pub(super) fn handle(&mut self, input: ClientInput, with: Setting, out: &mut Vec<Action>) {
        use Class::{Provisional, Refusal, Success};
        use ClientInput::{CancelSent, Response, Start, Timer as Fired, TransportFailed};
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        match (self.state, input) {
            (Calling, Start) => self.start(with, out),
            (Calling, Fired(Timer::A)) => self.repeat(out),
            (Calling, Fired(Timer::B)) => self.end(Action::TimedOut, out),
            (Calling, Response(Provisional)) => {
                // RFC 3261 §17.1.1.2: any provisional ends the retransmissions and timer B.
                out.extend([Action::Disarm(Clock::Repeat), Action::Disarm(Clock::Life)]);
                out.push(Action::Deliver);
                self.state = Proceeding;
            }
            (Proceeding, Response(Provisional)) => out.push(Action::Deliver),
            (Proceeding, CancelSent) => {
                // RFC 3261 §9.1: 64·T1 after the CANCEL the INVITE is given up.
                out.push(Action::Arm(Timer::Cancelled, with.timers.give_up()));
            }
            (Proceeding, Fired(Timer::Cancelled)) => self.end(Action::TimedOut, out),
            (Calling | Proceeding, Response(Success)) => {
                out.push(Action::Disarm(Clock::Repeat));
                out.push(Action::Arm(Timer::M, with.timers.give_up()));
                out.push(Action::Deliver);
                self.state = Accepted;
            }
            (Calling | Proceeding, Response(Refusal)) => self.refused(with, out),
            (Calling | Proceeding, TransportFailed) => self.end(Action::TransportFailed, out),
            (Completed, Response(Refusal)) => out.push(Action::Acknowledge),
            (Completed, Fired(Timer::D)) => self.end(Action::Terminate, out),
            // RFC 3261 §17.1.1.2: the ACK cannot be sent; the final response is delivered already.
            (Completed, TransportFailed) => self.end(Action::Terminate, out),
            (Accepted, Response(Success)) => out.push(Action::Deliver),
            (Accepted, Fired(Timer::M)) => self.end(Action::Ended, out),
            // A broken path does not end the wait for other forks; timers of former states and
            // responses that are too late are ignored.
            (Calling | Proceeding | Completed | Accepted | Terminated, _) => {}
        }
    }

    fn start(&mut self, with: Setting, out: &mut Vec<Action>) {
        self.interval = with.timers.t1;
        out.push(Action::Send);
        if !with.is_reliable {
            out.push(Action::Arm(Timer::A, self.interval));
        }
        out.push(Action::Arm(Timer::B, with.timers.give_up()));
    }

    fn repeat(&mut self, out: &mut Vec<Action>) {
        // Timer A doubles without a ceiling.
        self.interval = self.interval.saturating_mul(2);
        out.extend([Action::Send, Action::Arm(Timer::A, self.interval)]);
    }

    fn refused(&mut self, with: Setting, out: &mut Vec<Action>) {
        out.extend([Action::Acknowledge, Action::Deliver, Action::Disarm(Clock::Repeat)]);
        self.state = State::Completed;
        if with.is_reliable {
            self.end(Action::Terminate, out);
        } else {
            out.push(Action::Arm(Timer::D, with.timers.refusal_echo()));
        }
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

    fn machine(state: State) -> InviteClient {
        InviteClient { state, interval: Duration::from_millis(500) }
    }

    fn step(from: State, input: ClientInput, is_reliable: bool) -> (State, Vec<Action>) {
        let mut machine = machine(from);
        let mut out = Vec::new();
        machine.handle(input, Setting { timers: Timers::default(), is_reliable }, &mut out);
        (machine.state, out)
    }

    #[test]
    fn follows_the_rows_of_the_figure() {
        use Action::{Acknowledge, Arm, Deliver, Disarm, Ended, Send, Terminate, TimedOut};
        use Class::{Provisional, Refusal, Success};
        use ClientInput::{CancelSent, Response, Start, Timer as Fired, TransportFailed};
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        let second = Duration::from_secs(1);
        let (repeat, life) = (Disarm(Clock::Repeat), Disarm(Clock::Life));
        let rows = [
            (
                Calling,
                Start,
                Calling,
                vec![Send, Arm(Timer::A, second / 2), Arm(Timer::B, GIVE_UP)],
            ),
            (Calling, Fired(Timer::A), Calling, vec![Send, Arm(Timer::A, second)]),
            (Calling, Fired(Timer::B), Terminated, vec![TimedOut, Terminate]),
            (Calling, Response(Provisional), Proceeding, vec![repeat, life, Deliver]),
            (Calling, Response(Success), Accepted, vec![repeat, Arm(Timer::M, GIVE_UP), Deliver]),
            (
                Calling,
                Response(Refusal),
                Completed,
                vec![Acknowledge, Deliver, repeat, Arm(Timer::D, GIVE_UP)],
            ),
            (Calling, TransportFailed, Terminated, vec![Action::TransportFailed, Terminate]),
            (Proceeding, Response(Provisional), Proceeding, vec![Deliver]),
            (Proceeding, CancelSent, Proceeding, vec![Arm(Timer::Cancelled, GIVE_UP)]),
            (Proceeding, Fired(Timer::Cancelled), Terminated, vec![TimedOut, Terminate]),
            (
                Proceeding,
                Response(Success),
                Accepted,
                vec![repeat, Arm(Timer::M, GIVE_UP), Deliver],
            ),
            (
                Proceeding,
                Response(Refusal),
                Completed,
                vec![Acknowledge, Deliver, repeat, Arm(Timer::D, GIVE_UP)],
            ),
            (Completed, Response(Refusal), Completed, vec![Acknowledge]),
            (Completed, Response(Success), Completed, vec![]),
            (Completed, Response(Provisional), Completed, vec![]),
            (Completed, Fired(Timer::D), Terminated, vec![Terminate]),
            (Completed, TransportFailed, Terminated, vec![Terminate]),
            (Accepted, Response(Success), Accepted, vec![Deliver]),
            (Accepted, Response(Refusal), Accepted, vec![]),
            (Accepted, Response(Provisional), Accepted, vec![]),
            (Accepted, TransportFailed, Accepted, vec![]),
            (Accepted, Fired(Timer::M), Terminated, vec![Ended, Terminate]),
        ];
        for (from, input, to, actions) in rows {
            assert_eq!(step(from, input, false), (to, actions), "{from:?} {input:?}");
        }
    }

    #[test]
    fn a_reliable_transport_skips_timers_a_and_d() {
        let (_, out) = step(State::Calling, ClientInput::Start, true);
        assert_eq!(out, [Action::Send, Action::Arm(Timer::B, GIVE_UP)]);
        let (to, out) = step(State::Calling, ClientInput::Response(Class::Refusal), true);
        assert_eq!(to, State::Terminated);
        assert_eq!(out.last(), Some(&Action::Terminate));
    }

    #[test]
    fn the_retransmission_interval_doubles_without_a_ceiling() {
        let mut machine = InviteClient::new();
        let with = Setting { timers: Timers::default(), is_reliable: false };
        let mut out = Vec::new();
        machine.handle(ClientInput::Start, with, &mut out);
        let mut intervals = Vec::new();
        for _ in 0..6 {
            out.clear();
            machine.handle(ClientInput::Timer(Timer::A), with, &mut out);
            if let Some(Action::Arm(Timer::A, interval)) = out.last() {
                intervals.push(interval.as_millis());
            }
        }
        assert_eq!(intervals, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000]);
    }
}
