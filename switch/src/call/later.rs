//! Digits of a dial string after a pause: they are sent into the conversation once somebody answers.
//!
//! `0123456789,,45#` calls 0123456789, and two pauses after the answer 45# goes out as if an
//! application had asked for it by lineGenerateDigits. A pause after the outside line's prefix means
//! nothing: there is no dial tone to wait for. Source: TAPI dialable addresses; tapi-translation §8.

use std::time::Duration;

use tapi::CallParams;

use super::CallId;
use crate::exchange::Exchange;

/// What is sent after the answer, and how.
#[derive(Clone, Debug, Default)]
pub struct LaterDigits {
    /// Digits and pauses, the first one a pause.
    digits: String,
    /// How long a digit sounds, how long a pause lasts.
    times: (Duration, Duration),
}

impl LaterDigits {
    /// None yet, with the dial parameters of a call.
    pub(crate) fn of(params: &CallParams) -> LaterDigits {
        let params = params.dial_params;
        let ms = |ms: u32| Duration::from_millis(ms.into());
        LaterDigits {
            digits: String::new(),
            times: (ms(params.digit_duration), ms(params.dial_pause)),
        }
    }
}

/// The number that is called, and what is sent after its answer.
pub(crate) fn split(outside_line_prefix: &str, dialled: &str) -> (String, String) {
    let dialled = dialled.trim_start_matches(',');
    let (first, later) = match dialled.split_once(',') {
        Some((first, _)) => dialled.split_at(first.len()),
        None => (dialled, ""),
    };
    if first.is_empty() || first != outside_line_prefix {
        return (first.to_owned(), later.to_owned());
    }
    let rest = later.trim_start_matches(',');
    let (second, later) = match rest.split_once(',') {
        Some((second, _)) => rest.split_at(second.len()),
        None => (rest, ""),
    };
    (format!("{first}{second}"), later.to_owned())
}

impl Exchange {
    /// What is dialled before an outside number; empty where nothing is.
    pub(crate) fn outside_line_prefix(&self) -> &str {
        self.config.location.as_ref().map_or("", |location| &location.outside_line_prefix)
    }

    /// The number of a dial string; what follows a pause waits for the answer.
    pub(crate) fn keep_later_digits(&mut self, id: CallId, dialled: &str) -> String {
        let (number, later) = split(self.outside_line_prefix(), dialled);
        if let Some(call) = self.calls.get_mut(id.0) {
            call.details.later.digits = later;
        }
        number
    }

    /// Somebody has answered: what was dialled for then is sent.
    pub(crate) fn send_later_digits(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let LaterDigits { digits, times } = std::mem::take(&mut call.details.later);
        if !digits.is_empty() {
            self.send_digits(id, &digits, times);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_ends_at_its_first_pause_but_for_the_outside_lines_prefix() {
        for (dialled, number, later) in [
            ("201", "201", ""),
            ("", "", ""),
            ("201,,45#", "201", ",,45#"),
            (",201,4", "201", ",4"),
            ("0,0123456,1", "00123456", ",1"),
            ("0,,", "0", ""),
            ("00,1", "00", ",1"),
        ] {
            assert_eq!(split("0", dialled), (number.to_owned(), later.to_owned()), "{dialled}");
        }
        assert_eq!(split("", "9,1"), ("9".to_owned(), ",1".to_owned()));
    }
}
