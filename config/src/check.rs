//! How the sections fit together: numbers that belong to one thing only, names that refer to something,
//! feature codes that hide nothing.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnose::nearest;
use crate::load::{Context, tls};
use crate::model::Config;
use crate::model::feature::{Argument, FeatureCode, Slots};

/// A number that is dialled to reach something.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) number: String,
    /// What it reaches, as faults say it.
    pub(crate) owner: String,
    pub(crate) span: Range<usize>,
}

/// The slots of a park lot.
#[derive(Clone, Debug)]
pub(crate) struct SlotClaim {
    pub(crate) slots: Slots,
    pub(crate) lot: String,
    pub(crate) span: Range<usize>,
}

/// A name that must be the name of something.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) to: Target,
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
}

/// What a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Line,
    PickupGroup,
    AgentGroup,
    Trunk,
    /// Anything that can be called: a number of this switch or one that a route carries outside.
    Destination,
    /// The same, where the word `recall` is allowed too.
    RecallOrDestination,
}

impl Target {
    fn noun(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::PickupGroup => "pickup group",
            Self::AgentGroup => "agent group",
            Self::Trunk => "trunk",
            Self::Destination | Self::RecallOrDestination => "number",
        }
    }

    /// The things, for faults about lists of them.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Line => "lines",
            Self::PickupGroup => "pickup groups",
            Self::AgentGroup => "agent groups",
            Self::Trunk => "trunks",
            Self::Destination | Self::RecallOrDestination => "numbers",
        }
    }
}

/// Checks a configuration whose sections have all been read.
pub(crate) fn check(context: &Context<'_>, config: &Config) {
    let mut claims = context.claims.take();
    claims.sort_by_key(|claim| claim.span.start);
    let mut slots = context.slots.take();
    slots.sort_by_key(|claim| claim.span.start);
    let owners = check_numbers(context, &claims);
    check_slots(context, &claims, &slots);
    for reference in context.references.take() {
        check_reference(context, config, &owners, &slots, &reference);
    }
    check_feature_codes(context, config, &claims, &slots);
    tls::check(context, config);
}

/// Two features with one number; answers who has which.
fn check_numbers<'a>(context: &Context<'_>, claims: &'a [Claim]) -> BTreeMap<&'a str, &'a Claim> {
    let mut owners: BTreeMap<&str, &Claim> = BTreeMap::new();
    for claim in claims {
        if let Some(first) = owners.get(claim.number.as_str()) {
            let (line, _) = context.faults.position(first.span.start);
            let found = format!(
                "{} has the number {} of {} in line {line}",
                claim.owner, claim.number, first.owner
            );
            context.fault(&claim.span, found, "a number of its own");
        } else {
            owners.insert(&claim.number, claim);
        }
    }
    owners
}

fn check_slots(context: &Context<'_>, claims: &[Claim], slots: &[SlotClaim]) {
    for (index, own) in slots.iter().enumerate() {
        for other in slots.iter().take(index) {
            let overlap = own.slots.digits == other.slots.digits
                && own.slots.first <= other.slots.last
                && other.slots.first <= own.slots.last;
            if overlap {
                let found = format!("the slots overlap those of park lot \"{}\"", other.lot);
                context.fault(&own.span, found, "slots of its own");
            }
        }
        for claim in claims.iter().filter(|claim| own.slots.contains(&claim.number)) {
            let (line, _) = context.faults.position(claim.span.start);
            let found = format!(
                "the slots contain the number {} of {} in line {line}",
                claim.number, claim.owner
            );
            context.fault(&own.span, found, "slots that nothing else has");
        }
    }
}

fn check_reference(
    context: &Context<'_>,
    config: &Config,
    owners: &BTreeMap<&str, &Claim>,
    slots: &[SlotClaim],
    reference: &Reference,
) {
    let name = reference.name.as_str();
    let known: Vec<&str> = match reference.to {
        Target::Line => config.lines.keys().map(String::as_str).collect(),
        Target::PickupGroup => config.pickup_groups.keys().map(String::as_str).collect(),
        Target::AgentGroup => config.agent_groups.keys().map(String::as_str).collect(),
        Target::Trunk => config.trunks.keys().map(String::as_str).collect(),
        Target::Destination => owners.keys().copied().collect(),
        Target::RecallOrDestination => {
            owners.keys().copied().chain(std::iter::once("recall")).collect()
        }
    };
    let is_destination = matches!(reference.to, Target::Destination | Target::RecallOrDestination);
    let is_reached = is_destination
        && (slots.iter().any(|claim| claim.slots.contains(name))
            || config.routes.iter().any(|route| route.matches(name)));
    if known.contains(&name) || is_reached {
        return;
    }
    let noun = reference.to.noun();
    let (found, expected) = if is_destination {
        let expected = "a number of this switch, or one that a route matches";
        (format!("nothing has the number \"{name}\""), expected.to_owned())
    } else {
        (format!("there is no {noun} \"{name}\""), format!("a configured {noun}"))
    };
    let suggestion = nearest(name, known);
    context.faults.report(&reference.span, found, expected, suggestion);
}

/// Exact codes are tried first, then the longest code that begins what was dialled (interface 3.1).
/// Whatever that rule makes unreachable is a fault.
fn check_feature_codes(
    context: &Context<'_>,
    config: &Config,
    claims: &[Claim],
    slots: &[SlotClaim],
) {
    let codes = &config.feature_codes.codes;
    let span = |feature: FeatureCode| context.span_of(&format!("feature_codes.{}", feature.name()));
    for (feature, code) in codes {
        if let Some((other, _)) = codes.iter().find(|(other, own)| *other < feature && *own == code)
        {
            let found = format!("{} has the code {code} of {}", feature.name(), other.name());
            context.fault(&span(*feature), found, "a code of its own");
        }
        let hides = |number: &str| {
            number == code || feature.takes_argument() && number.starts_with(code.as_str())
        };
        let slot_owner = slots.iter().find_map(|claim| {
            let hidden = claim.slots.numbers().find(|number| hides(number))?;
            Some((hidden, format!("a slot of park lot \"{}\"", claim.lot)))
        });
        let claim_owner = claims
            .iter()
            .find(|claim| hides(&claim.number))
            .map(|claim| (claim.number.clone(), claim.owner.clone()));
        if let Some((number, owner)) = claim_owner.or(slot_owner) {
            let found = format!("the code {code} hides the number {number} of {owner}");
            context.fault(&span(*feature), found, "a code that begins no number");
        }
        for argument in arguments(config, *feature) {
            let dialled = format!("{code}{argument}");
            if let Some((other, _)) = config.feature_codes.find(&dialled)
                && other != *feature
            {
                let found = format!(
                    "{} hides {dialled}, which {} needs for {argument}",
                    other.name(),
                    feature.name()
                );
                context.fault(&span(other), found, "a code that nothing else begins with");
            }
        }
    }
}

/// What is known to be dialled after a code.
fn arguments(config: &Config, feature: FeatureCode) -> Vec<&str> {
    match feature.argument() {
        Argument::None => Vec::new(),
        Argument::PickupGroupId => {
            config.pickup_groups.values().map(|group| group.id.as_str()).collect()
        }
        Argument::Agent => config.agents.keys().map(String::as_str).collect(),
        Argument::Number => config.lines.keys().map(String::as_str).collect(),
    }
}
