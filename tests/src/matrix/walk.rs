//! One situation, every operation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::operation::{Bit, OPERATIONS, Operation, PAIRS, PairOperation};
use super::setting::{Phones, Setting};
use super::situation::Situation;
use crate::sim::Application;

/// What a walk has seen.
#[derive(Debug, Default)]
pub struct Cells {
    /// Operations that were announced and carried out.
    pub lit: usize,
    /// Operations that were not announced and refused.
    pub refused: usize,
    /// What was not as announced.
    pub failures: Vec<String>,
}

impl Cells {
    /// All that both have seen.
    pub fn join(&mut self, other: Cells) {
        self.lit += other.lit;
        self.refused += other.refused;
        self.failures.extend(other.failures);
    }
}

/// What a call announces: features and their variants.
type Features = [Vec<String>; 2];

/// One walk: how to get to its beginning, and what it has seen.
struct Walk<'a> {
    situation: &'a Situation,
    phones: Phones,
    is_in_service: bool,
    capabilities: [Vec<String>; 3],
    cells: Cells,
}

/// Tries every operation on every call of a situation.
pub fn walk(situation: &Situation, phones: Phones, is_in_service: bool) -> Cells {
    let capabilities = Setting::new(phones, 1).capabilities();
    let cells = Cells::default();
    let mut walk = Walk { situation, phones, is_in_service, capabilities, cells };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| walk.run())) {
        let why = words(panic.as_ref());
        walk.fail("", "reaching it", why);
    }
    walk.cells
}

impl Walk<'_> {
    fn run(&mut self) {
        let mut setting = self.reach();
        let owner = setting.owner;
        let calls = setting.calls(owner);
        let features: Vec<Features> =
            calls.iter().map(|(call, _)| setting.features(owner, *call)).collect();
        let of_address = setting.address_features();
        self.refuse_all(&mut setting, &features, &of_address);
        setting.end();
        for operation in OPERATIONS {
            let is_lit_here = |bits: &[&str]| bits.iter().any(|bit| has(&of_address, bit));
            if matches!(operation.bit, Bit::Address(bits) if is_lit_here(bits)) {
                self.carry_out(&[operation], None);
            }
        }
        for (index, features) in features.iter().enumerate() {
            let lit = OPERATIONS.iter().filter(|operation| is_lit(operation, features));
            // What leaves the states alone is tried one after the other in the same world.
            let (moving, resting): (Vec<_>, Vec<_>) =
                lit.partition(|operation| !operation.leads_to.is_empty());
            self.carry_out(&resting, Some(index));
            moving.into_iter().for_each(|operation| self.carry_out(&[operation], Some(index)));
        }
        PAIRS.iter().for_each(|pair| self.carry_out_pairs(pair, &features));
    }

    fn reach(&self) -> Setting {
        let mut setting = Setting::new(self.phones, 1);
        (self.situation.reach)(&mut setting);
        let calls = setting.calls(setting.owner);
        let states: Vec<&str> = calls.iter().map(|(_, state)| state.as_str()).collect();
        assert_eq!(states, self.situation.states, "\n{}", setting.world.ladder());
        if !self.is_in_service {
            setting.unregister();
        }
        setting
    }

    fn fail(&mut self, call: &str, what: &str, why: String) {
        let service = if self.is_in_service { "" } else { ", out of service" };
        let (name, phones) = (self.situation.name, self.phones);
        // The whole ladder only where a single situation is looked at.
        let why = match std::env::var_os("STROWGER_SITUATION") {
            Some(_) => why.as_str(),
            None => why.lines().next().unwrap_or_default(),
        };
        self.cells.failures.push(format!("{name} ({phones:?}{service}) {call}: {what}: {why}"));
    }

    /// Asks for everything that is not announced; refusals change nothing, so one world will do.
    fn refuse_all(&mut self, setting: &mut Setting, features: &[Features], of_address: &[String]) {
        let (owner, monitor) = (setting.owner, setting.monitor);
        let calls = setting.calls(owner);
        let before = setting.snapshot();
        for operation in OPERATIONS {
            if let Bit::Address(bits) = operation.bit {
                if !bits.iter().any(|bit| has(of_address, bit)) {
                    let allowed = self.refusals(operation, "");
                    let params = (operation.params)(setting, 0);
                    self.refuse(
                        setting,
                        owner,
                        operation.function,
                        operation.way,
                        (params, &allowed),
                    );
                }
                continue;
            }
            for ((call, state), features) in calls.iter().zip(features) {
                if !is_lit(operation, features) {
                    let allowed = self.refusals(operation, state);
                    let params = (operation.params)(setting, *call);
                    let what = format!("{} of {state}", operation.way);
                    self.refuse(setting, owner, operation.function, &what, (params, &allowed));
                }
            }
        }
        self.refuse_monitor(setting, monitor);
        self.refuse_pairs(setting, features);
        self.compare("all refusals together", &before, &setting.snapshot());
    }

    fn compare(&mut self, what: &str, before: &[String], after: &[String]) {
        if let Some((was, is)) = before.iter().zip(after).find(|(was, is)| was != is) {
            self.fail("", what, format!("changed {was} to {is}"));
        }
    }

    /// What only owners may do is refused to a monitor.
    fn refuse_monitor(&mut self, setting: &mut Setting, monitor: Application) {
        for (call, state) in setting.calls(monitor) {
            let features = setting.features(monitor, call);
            for operation in OPERATIONS {
                if matches!(operation.bit, Bit::Address(_)) || is_lit(operation, &features) {
                    continue;
                }
                let mut allowed = self.refusals(operation, &state);
                allowed.extend(["NOTOWNER", "INVALCONFCALLHANDLE"]);
                let params = (operation.params)(setting, call);
                let what = format!("{} of {state} by a monitor", operation.way);
                self.refuse(setting, monitor, operation.function, &what, (params, &allowed));
            }
        }
    }

    fn refuse_pairs(&mut self, setting: &mut Setting, features: &[Features]) {
        let owner = setting.owner;
        let calls = setting.calls(owner);
        for pair in PAIRS {
            for (first, second) in ordered_pairs(calls.len()) {
                if is_announced(pair, &features[first], &features[second]) {
                    continue;
                }
                let mut allowed = pair.not_now.to_vec();
                if !self.is_in_service {
                    allowed.push("OPERATIONFAILED");
                }
                let params = (pair.params)(calls[first].0, calls[second].0);
                let what = format!("{} of {} and {}", pair.way, calls[first].1, calls[second].1);
                self.refuse(setting, owner, pair.function, &what, (params, &allowed));
            }
        }
    }

    fn refuse(
        &mut self,
        setting: &mut Setting,
        application: Application,
        function: &str,
        way: &str,
        (params, allowed): (Value, &[&str]),
    ) {
        let before = setting.glance();
        self.cells.refused += 1;
        match setting.outcome(application, function, params) {
            Err(error) if allowed.contains(&error.as_str()) => {}
            other => {
                let why = format!("is not announced: {other:?} instead of {allowed:?}");
                return self.fail("", &format!("{function} {way}"), why);
            }
        }
        self.compare(&format!("{function} {way}"), &before, &setting.glance());
    }

    /// The documented errors of an operation that is not announced.
    fn refusals(&self, operation: &Operation, state: &str) -> Vec<&'static str> {
        let [calls, variants, addresses] = &self.capabilities;
        let is_ever = match operation.bit {
            Bit::Call(bit) => has(calls, bit),
            Bit::Variant(bit, variant) => has(calls, bit) && has(variants, variant),
            Bit::Address(bits) => bits.iter().any(|bit| has(addresses, bit)),
        };
        let mut allowed = Vec::new();
        if !is_ever {
            allowed.push("OPERATIONUNAVAIL");
        }
        if is_ever && !self.is_in_service && state != "IDLE" {
            allowed.push(operation.dead);
            // What is wrong with a handle comes before what is wrong with the line.
            let handles = operation.not_now.iter().filter(|error| error.ends_with("HANDLE"));
            allowed.extend(handles);
        } else if is_ever {
            allowed.extend(operation.not_now);
        }
        // Of the conference without a first call TSPI says that the call is missing.
        if operation.way == "from nothing" {
            allowed.push("INVALCALLHANDLE");
        }
        allowed
    }

    /// Carries out what is announced, in a world of its own.
    fn carry_out(&mut self, operations: &[&Operation], index: Option<usize>) {
        self.cells.lit += operations.len();
        let (Some(first), call) = (operations.first(), index) else { return };
        let what = operations.iter().map(|o| format!("{} {}", o.function, o.way));
        let what = what.collect::<Vec<_>>().join(", ");
        let run = || -> Result<(), String> {
            let mut setting = self.reach();
            let call = call.map_or(0, |index| setting.calls(setting.owner)[index].0);
            for operation in operations {
                ask(&mut setting, operation, call)?;
            }
            leads_to(&setting, call, first.leads_to)?;
            setting.end();
            Ok(())
        };
        let done = catch_unwind(AssertUnwindSafe(run));
        if let Err(why) = done.unwrap_or_else(|panic| Err(words(panic.as_ref()))) {
            let call = index.map_or("", |index| self.situation.states[index]);
            self.fail(call, &what, why);
        }
    }

    /// Each call that announces an operation on two finds one with which it is carried out.
    fn carry_out_pairs(&mut self, pair: &PairOperation, features: &[Features]) {
        let mut found = vec![false; features.len()];
        for (first, second) in ordered_pairs(features.len()) {
            if !is_announced(pair, &features[first], &features[second]) {
                continue;
            }
            self.cells.lit += 1;
            let run = || -> Result<bool, String> {
                let mut setting = self.reach();
                let calls = setting.calls(setting.owner);
                let before = setting.glance();
                let params = (pair.params)(calls[first].0, calls[second].0);
                let outcome = setting.outcome(setting.owner, pair.function, params);
                let is_done = match outcome {
                    Ok(_) => true,
                    Err(error) if pair.not_now.contains(&error.as_str()) => {
                        if setting.glance() != before {
                            return Err(format!("{error} changes something"));
                        }
                        false
                    }
                    Err(error) => return Err(error),
                };
                setting.world.settle();
                setting.end();
                Ok(is_done)
            };
            let done = catch_unwind(AssertUnwindSafe(run));
            match done.unwrap_or_else(|panic| Err(words(panic.as_ref()))) {
                Ok(true) => {
                    found[first] |= !pair.is_of_second;
                    found[second] = true;
                }
                Ok(false) => {}
                Err(why) => {
                    let call = self.situation.states[first];
                    self.fail(call, &format!("{} {}", pair.function, pair.way), why);
                }
            }
        }
        for (index, is_found) in found.into_iter().enumerate() {
            let (bit, variant) = pair.bits;
            let features = &features[index];
            let announces =
                has(&features[0], bit) && variant.is_none_or(|variant| has(&features[1], variant));
            if announces && !is_found {
                let why = "is announced, and there is no call to do it with".to_owned();
                let call = self.situation.states[index];
                self.fail(call, &format!("{} {}", pair.function, pair.way), why);
            }
        }
    }
}

/// Asks for what is announced: it succeeds, or fails for a reason from outside.
fn ask(setting: &mut Setting, operation: &Operation, call: u64) -> Result<(), String> {
    let params = (operation.params)(setting, call);
    match setting.outcome(setting.owner, operation.function, params) {
        Err(error) if !operation.outside.contains(&error.as_str()) => {
            let (function, way) = (operation.function, operation.way);
            Err(format!("{function} {way} is announced: {error}\n{}", setting.world.ladder()))
        }
        _ => {
            setting.world.settle();
            Ok(())
        }
    }
}

fn leads_to(setting: &Setting, call: u64, wanted: &[&str]) -> Result<(), String> {
    let calls = setting.calls(setting.owner);
    let state = calls.iter().find(|(handle, _)| *handle == call).map(|(_, state)| state.as_str());
    match state {
        Some(state) if !wanted.is_empty() && !wanted.contains(&state) => {
            Err(format!("leads to {state} instead of {wanted:?}\n{}", setting.world.ladder()))
        }
        _ => Ok(()),
    }
}

fn is_lit(operation: &Operation, [features, variants]: &Features) -> bool {
    match operation.bit {
        Bit::Call(bit) => has(features, bit),
        Bit::Variant(bit, variant) => has(features, bit) && has(variants, variant),
        Bit::Address(_) => false,
    }
}

fn is_announced(pair: &PairOperation, first: &Features, second: &Features) -> bool {
    (pair.is_lit)([&first[0], &first[1]], [&second[0], &second[1]])
}

fn ordered_pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let pairs = (0..count).flat_map(move |first| (0..count).map(move |second| (first, second)));
    pairs.filter(|(first, second)| first != second)
}

fn has(features: &[String], bit: &str) -> bool {
    features.iter().any(|feature| feature == bit)
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
