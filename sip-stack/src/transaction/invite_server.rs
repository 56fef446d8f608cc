//! The INVITE server machine: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §8.7.

use std::time::Duration;

use super::timer::{Action, Class, Clock, ServerInput, Setting, TRYING_DELAY, Timer};

/// States of figure 7 of RFC 6026.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct InviteServer {
    state: State,
    interval: Duration,
}

impl InviteServer {
    pub(super) const fn new() -> Self {
        Self { state: State::Proceeding, interval: Duration::ZERO }
    }

    /// Whether the user still owes a final response.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    /// Whether a 2xx was sent: an ACK that matches belongs to the user.
    pub(super) const fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted)
    }

    /// Whether the user may send a response of this class now.
    pub(super) const fn may_respond(&self, class: Class) -> bool {
        matches!((self.state, class), (State::Proceeding, _) | (State::Accepted, Class::Success))
    }

    pub(super) fn handle(&mut self, input: ServerInput, with: Setting, out: &mut Vec<Action>) {
        use Class::{Provisional, Refusal, Success};
        use ServerInput::{Ack, Request, Response, Start, Timer as Fired, TransportFailed};
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
        match (self.state, input) {
            (Proceeding, Start) => out.push(Action::Arm(Timer::Trying, TRYING_DELAY)),
            (Proceeding, Fired(Timer::Trying)) => out.push(Action::Trying),
            (Proceeding, Request) => out.push(Action::Send),
            (Proceeding, Response(Provisional)) => {
                out.extend([Action::Disarm(Clock::Repeat), Action::Send]);
            }
            (Proceeding, Response(Success)) => {
                out.extend([Action::Disarm(Clock::Repeat), Action::Send]);
                out.push(Action::Arm(Timer::L, with.timers.give_up()));
                self.state = Accepted;
            }
            (Proceeding, Response(Refusal)) => self.refuse(with, out),
            (Completed, Request) => out.push(Action::Send),
            (Completed, Fired(Timer::G)) => {
                self.interval = self.interval.saturating_mul(2).min(with.timers.t2);
                out.extend([Action::Send, Action::Arm(Timer::G, self.interval)]);
            }
            (Completed, Ack) => self.confirm(with, out),
            (Completed, Fired(Timer::H) | TransportFailed) => self.end(out),
            (Confirmed, Fired(Timer::I) | TransportFailed) => self.end(out),
            // RFC 6026 §7.1: the user repeats its 2xx itself, echoes of the INVITE are absorbed.
            (Accepted, Response(Success)) => out.push(Action::Send),
            (Accepted, Fired(Timer::L)) => self.end(out),
            // Proceeding outlives a broken path: the user still owes its answer.
            (Proceeding | Completed | Confirmed | Accepted | Terminated, _) => {}
        }
    }

    fn refuse(&mut self, with: Setting, out: &mut Vec<Action>) {
        self.interval = with.timers.t1;
        self.state = State::Completed;
        out.extend([Action::Disarm(Clock::Repeat), Action::Send]);
        if !with.is_reliable {
            out.push(Action::Arm(Timer::G, self.interval));
        }
        out.push(Action::Arm(Timer::H, with.timers.give_up()));
    }

    fn confirm(&mut self, with: Setting, out: &mut Vec<Action>) {
        if with.is_reliable {
            return self.end(out);
        }
        self.state = State::Confirmed;
        out.extend([Action::Disarm(Clock::Repeat), Action::Arm(Timer::I, with.timers.t4)]);
    }

    fn end(&mut self, out: &mut Vec<Action>) {
        self.state = State::Terminated;
        out.push(Action::Terminate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Timers;

    const GIVE_UP: Duration = Duration::from_secs(32);

    fn step(from: State, input: ServerInput, is_reliable: bool) -> (State, Vec<Action>) {
        let mut machine = InviteServer { state: from, interval: Duration::from_millis(500) };
        let mut out = Vec::new();
        machine.handle(input, Setting { timers: Timers::default(), is_reliable }, &mut out);
        (machine.state, out)
    }

    #[test]
    fn follows_the_rows_of_the_figure() {
        use Action::{Arm, Disarm, Send, Terminate, Trying};
        use Class::{Provisional, Refusal, Success};
        use ServerInput::{Ack, Request, Response, Start, Timer as Fired, TransportFailed};
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
        let second = Duration::from_secs(1);
        let repeat = Disarm(Clock::Repeat);
        let rows = [
            (Proceeding, Start, Proceeding, vec![Arm(Timer::Trying, TRYING_DELAY)]),
            (Proceeding, Fired(Timer::Trying), Proceeding, vec![Trying]),
            (Proceeding, Request, Proceeding, vec![Send]),
            (Proceeding, Response(Provisional), Proceeding, vec![repeat, Send]),
            (Proceeding, Response(Success), Accepted, vec![repeat, Send, Arm(Timer::L, GIVE_UP)]),
            (
                Proceeding,
                Response(Refusal),
                Completed,
                vec![repeat, Send, Arm(Timer::G, second / 2), Arm(Timer::H, GIVE_UP)],
            ),
            (Proceeding, Ack, Proceeding, vec![]),
            (Proceeding, TransportFailed, Proceeding, vec![]),
            (Completed, Request, Completed, vec![Send]),
            (Completed, Fired(Timer::G), Completed, vec![Send, Arm(Timer::G, second)]),
            (Completed, Response(Success), Completed, vec![]),
            (Completed, Ack, Confirmed, vec![repeat, Arm(Timer::I, second * 5)]),
            (Completed, Fired(Timer::H), Terminated, vec![Terminate]),
            (Completed, TransportFailed, Terminated, vec![Terminate]),
            (Confirmed, Ack, Confirmed, vec![]),
            (Confirmed, Request, Confirmed, vec![]),
            (Confirmed, Fired(Timer::I), Terminated, vec![Terminate]),
            (Accepted, Request, Accepted, vec![]),
            (Accepted, Response(Success), Accepted, vec![Send]),
            (Accepted, Response(Refusal), Accepted, vec![]),
            (Accepted, TransportFailed, Accepted, vec![]),
            (Accepted, Fired(Timer::L), Terminated, vec![Terminate]),
        ];
        for (from, input, to, actions) in rows {
            assert_eq!(step(from, input, false), (to, actions), "{from:?} {input:?}");
        }
    }

    #[test]
    fn a_reliable_transport_skips_timers_g_and_i() {
        let (_, out) = step(State::Proceeding, ServerInput::Response(Class::Refusal), true);
        assert_eq!(out.last(), Some(&Action::Arm(Timer::H, GIVE_UP)));
        assert!(!out.iter().any(|action| matches!(action, Action::Arm(Timer::G, _))));
        let (to, out) = step(State::Completed, ServerInput::Ack, true);
        assert_eq!((to, out), (State::Terminated, vec![Action::Terminate]));
    }

    #[test]
    fn the_user_may_answer_once_or_repeat_its_2xx() {
        let allowed =
            |state, class| InviteServer { state, interval: Duration::ZERO }.may_respond(class);
        for class in [Class::Provisional, Class::Success, Class::Refusal] {
            assert!(allowed(State::Proceeding, class));
            assert!(!allowed(State::Completed, class));
            assert!(!allowed(State::Confirmed, class));
            assert_eq!(allowed(State::Accepted, class), class == Class::Success);
        }
    }
}
