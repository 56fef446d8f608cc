//! Agents log in and out, and become ready and not ready, from their phones.
//!
//! `*45` logs the line's one agent in, `*45<agent>` any other one, who proves it by the PIN: keyed after
//! the tone, or dialled along as `*45<agent>*<PIN>`. Free seating: the phone that logs in is where the
//! agent works. Source: tapi-agents 7.1, 10.6; interface "agents".

use std::time::Duration;

use acd::LoginError;
use config::FeatureCode;
use media::Tone;
use tapi::CallMode;
use tapi::constant::{CallState, ConnectedMode};

use super::cause::Cause;
use super::{CallId, Timer};
use crate::exchange::{Exchange, Output};

/// How long somebody may think about the PIN.
const PIN_PAUSE: Duration = Duration::from_secs(10);
/// How long a refused PIN is heard.
const REFUSAL: Duration = Duration::from_secs(2);
/// Longest PIN that is keyed.
const MAX_PIN: usize = 32;
/// So many wrong PINs in a row, and an agent cannot log in from elsewhere for a while.
const MAX_WRONG: u32 = 5;
/// For how long.
const LOCKED: Duration = Duration::from_secs(60);
/// Calls that wait for a PIN at one time.
const MAX_ENTRIES: usize = 1_000;

/// Somebody is keying a PIN.
#[derive(Clone, Debug)]
pub(crate) struct PinEntry {
    agent: String,
    digits: String,
}

impl Exchange {
    /// A feature code of agents.
    ///
    /// Errors: 484 when it does not say who, 404 for an agent that is none, 403 for a wrong PIN or when
    /// nobody is logged in here, 480 when the call centre refuses.
    pub(crate) fn agent_by_code(
        &mut self,
        caller: CallId,
        line: &str,
        code: FeatureCode,
        argument: &str,
    ) -> Result<(), Cause> {
        if code == FeatureCode::AgentLogin {
            return self.log_in_by_code(caller, line, argument);
        }
        self.agent_at_line(line).ok_or(Cause::FORBIDDEN)?;
        let answer = self.prepare_confirmation(caller)?;
        let done = match code {
            FeatureCode::AgentLogout => self.log_out_at(line),
            code => self.set_ready_at(line, code == FeatureCode::AgentReady),
        };
        done.map_err(cause)?;
        self.confirm(caller, answer);
        Ok(())
    }

    fn log_in_by_code(&mut self, caller: CallId, line: &str, argument: &str) -> Result<(), Cause> {
        let (agent, pin) = match argument.split_once('*') {
            Some((agent, pin)) => (agent.to_owned(), Some(pin.to_owned())),
            None if argument.is_empty() => {
                (self.own_agent(line).ok_or(Cause::of_status(484, false))?, None)
            }
            None => (argument.to_owned(), None),
        };
        let known = self.config.agents.get(&agent).ok_or(Cause::UNKNOWN_NUMBER)?;
        let is_at_home = known.line.as_deref() == Some(line) && !known.asks_pin;
        if pin.is_none() && !is_at_home {
            return self.ask_pin(caller, agent);
        }
        let answer = self.prepare_confirmation(caller)?;
        self.log_in_with(caller, line, &agent, pin.as_deref())?;
        self.confirm(caller, answer);
        Ok(())
    }

    /// The one agent who works at a line.
    fn own_agent(&self, line: &str) -> Option<String> {
        let mut own =
            self.config.agents.values().filter(|agent| agent.line.as_deref() == Some(line));
        let one = own.next()?;
        own.next().is_none().then(|| one.id.clone())
    }

    /// Errors: 403 for a wrong PIN, which is told like a wrong password, and after too many of them; 480
    /// when the call centre refuses.
    fn log_in_with(
        &mut self,
        caller: CallId,
        line: &str,
        agent: &str,
        pin: Option<&str>,
    ) -> Result<(), Cause> {
        let now = self.clock.now;
        let is_locked = self.centre.wrong_pins.get(agent).is_some_and(|(count, last)| {
            *count >= MAX_WRONG && now.0.saturating_sub(last.0) < LOCKED
        });
        let done = match is_locked && pin.is_some() {
            true => Err(LoginError::WrongPin),
            false => self.log_agent_in(agent, line, pin),
        };
        match done {
            Ok(()) => {
                self.centre.wrong_pins.remove(agent);
            }
            Err(LoginError::WrongPin) => self.note_wrong_pin(caller, line, agent),
            Err(_) => {}
        }
        done.map_err(cause)
    }

    /// One more wrong PIN of an agent: counted, and said to who reads the log.
    fn note_wrong_pin(&mut self, caller: CallId, line: &str, agent: &str) {
        let now = self.clock.now;
        let (count, last) = self.centre.wrong_pins.entry(agent.to_owned()).or_insert((0, now));
        *count = count.saturating_add(1);
        *last = now;
        let source = self
            .calls
            .get(caller.0)
            .and_then(|call| self.endpoint.leg(call.leg?))
            .map(|view| view.flow.remote);
        if let Some(source) = source {
            let (line, reason) = (line.to_owned(), "wrong PIN of an agent");
            let is_proven = true;
            self.outputs.push(Output::AuthenticationRefused { source, line, reason, is_proven });
        }
    }

    /// Answers with a tone; the keys that follow are the PIN.
    fn ask_pin(&mut self, caller: CallId, agent: String) -> Result<(), Cause> {
        if self.centre.pins.len() >= MAX_ENTRIES {
            return Err(Cause::NO_RESOURCES);
        }
        let answer = self.prepare_confirmation(caller)?;
        if let Some((leg, sdp)) = answer {
            self.endpoint.answer(self.clock.now, leg, sdp, &[], &mut self.sip);
        }
        let active = CallMode::Connected(ConnectedMode::Active);
        self.set_state(caller, CallState::Connected, active);
        self.refresh_capability(caller);
        self.centre.pins.insert(caller, PinEntry { agent, digits: String::new() });
        self.play(caller, Tone::Dial);
        let connection = self.calls.get(caller.0).map(|call| call.connection);
        connection.into_iter().for_each(|key| self.hear_anew(key));
        self.set_call_timer(caller, PIN_PAUSE, Timer::PinPause(caller));
        Ok(())
    }

    /// A key of somebody who is asked for a PIN; `#` ends it, and so does the last digit.
    pub(crate) fn pin_by_key(&mut self, id: CallId, digit: char) {
        let Some(entry) = self.centre.pins.get_mut(&id) else { return };
        if entry.digits.is_empty() && digit != '#' {
            self.hush(id);
        }
        let Some(entry) = self.centre.pins.get_mut(&id) else { return };
        if digit != '#' && entry.digits.len() < MAX_PIN {
            entry.digits.push(digit);
        }
        let agent = self.config.agents.get(&entry.agent);
        let length = agent.map_or(0, |agent| agent.password.expose().chars().count());
        if digit == '#' || entry.digits.chars().count() >= length {
            self.finish_pin(id);
        } else {
            self.set_call_timer(id, PIN_PAUSE, Timer::PinPause(id));
        }
    }

    /// The PIN is complete, or nobody presses a key any more.
    pub(crate) fn finish_pin(&mut self, id: CallId) {
        let Some(PinEntry { agent, digits }) = self.centre.pins.remove(&id) else { return };
        let line = self.calls.get(id.0).and_then(|call| call.party.line().map(str::to_owned));
        let Some(line) = line else { return };
        match self.log_in_with(id, &line, &agent, Some(&digits)) {
            Ok(()) => self.confirm(id, None),
            Err(_) => {
                self.play(id, Tone::Congestion);
                self.set_call_timer(id, REFUSAL, Timer::Confirmed(id));
            }
        }
    }
}

fn cause(error: LoginError) -> Cause {
    match error {
        LoginError::UnknownAgent => Cause::UNKNOWN_NUMBER,
        LoginError::WrongPin | LoginError::PinNeeded | LoginError::NobodyLoggedIn => {
            Cause::FORBIDDEN
        }
        _ => Cause::of_status(480, false),
    }
}
