//! The server machine for everything but INVITE: RFC 3261 §17.2.2.

use super::timer::{Action, Class, ServerInput, Setting, Timer};

/// States of figure 8 of RFC 3261.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    state: State,
}

impl Server {
    pub(super) const fn new() -> Self {
        Self { state: State::Trying }
    }

    /// Whether the user still owes a final response.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }

    pub(super) fn handle(&mut self, input: ServerInput, with: Setting, out: &mut Vec<Action>) {
        use ServerInput::{Ack, Request, Response, Start, Timer as Fired, TransportFailed};
        use State::{Completed, Proceeding, Terminated, Trying};
        match (self.state, input) {
            (Trying | Proceeding, Response(Class::Provisional)) => {
                out.push(Action::Send);
                self.state = Proceeding;
            }
            (Trying | Proceeding, Response(Class::Success | Class::Refusal)) => {
                out.push(Action::Send);
                self.state = Completed;
                if with.is_reliable {
                    self.end(out);
                } else {
                    out.push(Action::Arm(Timer::J, with.timers.give_up()));
                }
            }
            (Proceeding | Completed, Request) => out.push(Action::Send),
            (Completed, Fired(Timer::J) | TransportFailed) => self.end(out),
            // Nothing to repeat yet; the user still owes its answer when the path breaks.
            (Trying, Request) | (Trying | Proceeding, TransportFailed) => {}
            (Trying | Proceeding | Completed, Start | Ack | Response(_) | Fired(_))
            | (Terminated, _) => {}
        }
    }

    fn end(&mut self, out: &mut Vec<Action>) {
        self.state = State::Terminated;
        out.push(Action::Terminate);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transaction::Timers;

    fn step(from: State, input: ServerInput, is_reliable: bool) -> (State, Vec<Action>) {
        let mut machine = Server { state: from };
        let mut out = Vec::new();
        machine.handle(input, Setting { timers: Timers::default(), is_reliable }, &mut out);
        (machine.state, out)
    }

    #[test]
    fn follows_the_rows_of_the_figure() {
        use Action::{Arm, Send, Terminate};
        use Class::{Provisional, Refusal, Success};
        use ServerInput::{Request, Response, Timer as Fired, TransportFailed};
        use State::{Completed, Proceeding, Terminated, Trying};
        let final_actions = vec![Send, Arm(Timer::J, Duration::from_secs(32))];
        let rows = [
            (Trying, Request, Trying, vec![]),
            (Trying, Response(Provisional), Proceeding, vec![Send]),
            (Trying, Response(Success), Completed, final_actions.clone()),
            (Trying, Response(Refusal), Completed, final_actions.clone()),
            (Trying, TransportFailed, Trying, vec![]),
            (Proceeding, Request, Proceeding, vec![Send]),
            (Proceeding, Response(Provisional), Proceeding, vec![Send]),
            (Proceeding, Response(Success), Completed, final_actions.clone()),
            (Proceeding, Response(Refusal), Completed, final_actions),
            (Completed, Request, Completed, vec![Send]),
            (Completed, Response(Success), Completed, vec![]),
            (Completed, Fired(Timer::J), Terminated, vec![Terminate]),
            (Completed, TransportFailed, Terminated, vec![Terminate]),
        ];
        for (from, input, to, actions) in rows {
            assert_eq!(step(from, input, false), (to, actions), "{from:?} {input:?}");
        }
    }

    #[test]
    fn a_reliable_transport_skips_timer_j() {
        let (to, out) = step(State::Trying, ServerInput::Response(Class::Success), true);
        assert_eq!((to, out), (State::Terminated, vec![Action::Send, Action::Terminate]));
    }
}
