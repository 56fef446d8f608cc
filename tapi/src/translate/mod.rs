//! Address translation: canonical addresses to dialable and displayable strings, by location and
//! calling card. Pure; nothing here dials.

mod canonical;
mod country;
mod rule;
#[cfg(test)]
mod tests;

pub use country::{COUNTRIES, Country, country_of_code};

use crate::constant::{
    CardOption, LineErr, LocationOption, Mask, TranslateOption, TranslateResult,
};
use canonical::Canonical;
use rule::Parts;

/// Direct dialling, the card that is always there.
pub const NO_CARD: u32 = 0;

/// Why a location or card cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A rule has a letter without a meaning.
    #[error("the dialling rule {rule:?} has the letter {letter:?}, which means nothing")]
    UnknownLetter {
        /// The rule.
        rule: String,
        /// The letter.
        letter: char,
    },
    /// A rule needs a carrier code, and the location has none.
    #[error("the dialling rule {rule:?} needs a carrier code")]
    NoCarrier {
        /// The rule.
        rule: String,
    },
    /// There is no location, or two have one identifier.
    #[error("each location has its own identifier, and there is at least one")]
    Locations,
}

/// Dialling rules; an empty one is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// Within the area.
    pub same_area: String,
    /// To other areas of the country.
    pub long_distance: String,
    /// To other countries.
    pub international: String,
}

/// How numbers of one area are dialled from a location, where its rules do not say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AreaRule {
    /// The area code.
    pub area_code: String,
    /// The prefixes it is for; empty for all.
    pub prefixes: Vec<String>,
    /// What is dialled first.
    pub dial: String,
    /// Whether the area code is dialled.
    pub includes_area: bool,
}

/// A place to dial from, LINELOCATIONENTRY.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Location {
    /// Its permanent identifier.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The code of its country.
    pub country_code: u32,
    /// The key of its country.
    pub country_id: u32,
    /// Its area code; may be empty.
    pub area_code: String,
    /// Dialled before calls inside the local area.
    pub local_access_code: String,
    /// Dialled before calls outside of it.
    pub long_distance_access_code: String,
    /// Rules of its country.
    pub rules: Rules,
    /// Whether its country has toll lists.
    pub has_toll_lists: bool,
    /// Prefixes of its own area that are dialled as long distance.
    pub toll_prefixes: Vec<String>,
    /// What is dialled differently.
    pub area_rules: Vec<AreaRule>,
    /// PULSEDIAL or nothing.
    pub options: Mask<LocationOption>,
    /// Dialled to cancel call waiting.
    pub cancel_call_waiting: String,
    /// The card used unless another is asked for.
    pub preferred_card: u32,
    /// Code of the long-distance carrier.
    pub long_distance_carrier: String,
    /// Code of the international carrier.
    pub international_carrier: String,
}

impl Location {
    /// The one location of an office, from its prefixes.
    pub fn office(
        country_code: u32,
        area_code: &str,
        long_distance_prefix: &str,
        international_prefix: &str,
        outside_line_prefix: &str,
    ) -> Self {
        let country = country_of_code(country_code);
        Self {
            id: 0,
            name: "Default".to_owned(),
            country_code,
            country_id: country.map_or(country_code, |country| country.id),
            area_code: area_code.to_owned(),
            local_access_code: outside_line_prefix.to_owned(),
            long_distance_access_code: outside_line_prefix.to_owned(),
            rules: Rules {
                same_area: "G".to_owned(),
                long_distance: format!("{long_distance_prefix}FG"),
                international: format!("{international_prefix}EFG"),
            },
            has_toll_lists: country.is_some_and(|country| country.has_toll_lists),
            ..Self::default()
        }
    }
}

/// A calling card, LINECARDENTRY.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Card {
    /// Its permanent identifier, not [`NO_CARD`].
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its number, which is dialled and never shown.
    pub number: String,
    /// Its rules; where one is empty the location's holds.
    pub rules: Rules,
    /// PREDEFINED, HIDDEN.
    pub options: Mask<CardOption>,
}

/// The locations and cards of the system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Translation {
    locations: Vec<Location>,
    cards: Vec<Card>,
    current: u32,
}

/// LINETRANSLATEOUTPUT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Translated {
    /// For lineMakeCall and the like. May hold a card number: never to be shown or logged.
    pub dialable: String,
    /// For screens and logs.
    pub displayable: String,
    /// Country code of the current location.
    pub current_country: u32,
    /// Country code of the destination; 0 if the input was not canonical.
    pub dest_country: u32,
    /// What was found.
    pub results: Mask<TranslateResult>,
}

/// How far a number is away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Local,
    LongDistance,
    International,
}

impl Translation {
    /// Locations, of which the first is current, and cards beside direct dialling.
    pub fn new(locations: Vec<Location>, cards: Vec<Card>) -> Result<Self, Fault> {
        let current = locations.first().map(|location| location.id).ok_or(Fault::Locations)?;
        for (index, location) in locations.iter().enumerate() {
            if locations.iter().skip(index + 1).any(|other| other.id == location.id) {
                return Err(Fault::Locations);
            }
            let of_cards = cards.iter().map(|card| &card.rules);
            for rules in of_cards.chain([&location.rules]) {
                for one in [&rules.same_area, &rules.long_distance, &rules.international] {
                    rule::check(
                        one,
                        &location.long_distance_carrier,
                        &location.international_carrier,
                    )?;
                }
            }
        }
        Ok(Self { locations, cards, current })
    }

    /// The locations.
    pub fn locations(&self) -> &[Location] {
        &self.locations
    }

    /// The cards that are not hidden, direct dialling aside.
    pub fn cards(&self) -> impl Iterator<Item = &Card> {
        self.cards.iter().filter(|card| !card.options.contains(CardOption::Hidden))
    }

    /// The location that is dialled from.
    pub fn current(&self) -> Option<&Location> {
        self.locations.iter().find(|location| location.id == self.current)
    }

    /// Changes the location that is dialled from.
    ///
    /// Errors: InvalLocation.
    pub fn set_current(&mut self, id: u32) -> Result<(), LineErr> {
        if self.locations.iter().any(|location| location.id == id) {
            self.current = id;
            Ok(())
        } else {
            Err(LineErr::InvalLocation)
        }
    }

    /// Translates an address; `card` counts with CARDOVERRIDE only.
    ///
    /// Source: TAPI lineTranslateAddress.
    /// Errors: InvalParam, InvalCard, InvalAddress.
    pub fn translate(
        &self,
        address: &str,
        card: u32,
        options: Mask<TranslateOption>,
    ) -> Result<Translated, LineErr> {
        let location = self.current().ok_or(LineErr::IniFileCorrupt)?;
        let both = TranslateOption::ForceLocal | TranslateOption::ForceLd;
        if options.has_unknown_bits() || options.contains_all(both) {
            return Err(LineErr::InvalParam);
        }
        let card = if options.contains(TranslateOption::CardOverride) {
            self.card(card).ok_or(LineErr::InvalCard)?
        } else {
            self.card(location.preferred_card).unwrap_or(None)
        };
        if !address.starts_with('+') {
            return Ok(unchanged(address, location));
        }
        let canonical = canonical::parse(address).ok_or(LineErr::InvalAddress)?;
        Ok(translate(&canonical, location, card, options))
    }

    /// A card; `Some(None)` is direct dialling.
    fn card(&self, id: u32) -> Option<Option<&Card>> {
        if id == NO_CARD {
            return Some(None);
        }
        self.cards.iter().find(|card| card.id == id).map(Some)
    }
}

/// What is not canonical passes as it is.
fn unchanged(address: &str, location: &Location) -> Translated {
    let is_number = !canonical::is_no_number(address);
    let number = canonical::without_subaddress(address);
    Translated {
        dialable: address.to_owned(),
        displayable: if is_number { number } else { address }.to_owned(),
        current_country: location.country_code,
        dest_country: 0,
        results: if is_number { modifiers(number) } else { Mask::EMPTY },
    }
}

fn translate(
    canonical: &Canonical<'_>,
    location: &Location,
    card: Option<&Card>,
    options: Mask<TranslateOption>,
) -> Translated {
    let digits = canonical::digits(canonical.subscriber);
    let (class, mut results) = classify(canonical, &digits, location, options);
    let rule = dialed_by(canonical, &digits, location, card, options, class);
    let mut start = String::new();
    start.push(if location.options.contains(LocationOption::PulseDial) { 'P' } else { 'T' });
    if options.contains(TranslateOption::CancelCallWaiting) {
        start.push_str(&location.cancel_call_waiting);
    }
    start.push_str(rule.access_code);
    let name = card.map_or_else(String::new, |card| format!("[{}]", card.name));
    let parts = |subscriber, card| Parts {
        country: canonical.country,
        area: canonical.area,
        subscriber,
        card,
        long_distance_carrier: &location.long_distance_carrier,
        international_carrier: &location.international_carrier,
    };
    let number = card.map_or("", |card| &card.number);
    let dialed = format!("{start}{}", rule::expand(&rule.text, &parts(&digits, number)));
    let shown = rule::expand(&rule.text, &parts(canonical.subscriber, &name));
    results |= modifiers(&dialed);
    Translated {
        displayable: format!("{start}{shown}"),
        dialable: format!("{dialed}{}", canonical.rest),
        current_country: location.country_code,
        dest_country: canonical.country.parse().unwrap_or(0),
        results,
    }
}

/// How far the number is away as it is dialled, and what of that is a result.
fn classify(
    canonical: &Canonical<'_>,
    digits: &str,
    location: &Location,
    options: Mask<TranslateOption>,
) -> (Class, Mask<TranslateResult>) {
    use TranslateResult as R;
    let found = R::Canonical;
    if canonical.country.parse() != Ok(location.country_code) {
        return (Class::International, found | R::International);
    }
    if options.contains(TranslateOption::ForceLocal) {
        return (Class::Local, found | R::Local);
    }
    if options.contains(TranslateOption::ForceLd) || canonical.area != location.area_code {
        return (Class::LongDistance, found | R::LongDistance);
    }
    let is_toll = location.toll_prefixes.iter().any(|prefix| digits.starts_with(prefix.as_str()));
    match (location.has_toll_lists, is_toll) {
        (true, true) => (Class::LongDistance, found | R::Local | R::InTollList),
        (true, false) => (Class::Local, found | R::Local | R::NotInTollList),
        (false, _) => (Class::Local, found | R::Local),
    }
}

/// A rule that was chosen, and what is dialled before it.
struct Chosen<'a> {
    text: String,
    access_code: &'a str,
}

fn dialed_by<'a>(
    canonical: &Canonical<'_>,
    digits: &str,
    location: &'a Location,
    card: Option<&Card>,
    options: Mask<TranslateOption>,
    class: Class,
) -> Chosen<'a> {
    let of = |rules: &Rules| match class {
        Class::Local => rules.same_area.clone(),
        Class::LongDistance => rules.long_distance.clone(),
        Class::International => rules.international.clone(),
    };
    let access_code = match class {
        Class::Local => location.local_access_code.as_str(),
        _ => location.long_distance_access_code.as_str(),
    };
    if let Some(text) = card.map(|card| of(&card.rules)).filter(|text| !text.is_empty()) {
        return Chosen { text, access_code };
    }
    let is_forced =
        options.contains(TranslateOption::ForceLocal) || options.contains(TranslateOption::ForceLd);
    if card.is_none()
        && !is_forced
        && class != Class::International
        && let Some(area) = area_rule(canonical, digits, location)
    {
        let area_code = if area.includes_area { "F" } else { "" };
        let access_code = if area.dial.is_empty() {
            location.local_access_code.as_str()
        } else {
            location.long_distance_access_code.as_str()
        };
        return Chosen { text: format!("{}{area_code}G", area.dial), access_code };
    }
    Chosen { text: of(&location.rules), access_code }
}

fn area_rule<'a>(
    canonical: &Canonical<'_>,
    digits: &str,
    location: &'a Location,
) -> Option<&'a AreaRule> {
    location.area_rules.iter().find(|rule| {
        let mut prefixes = rule.prefixes.iter();
        rule.area_code == canonical.area
            && (rule.prefixes.is_empty() || prefixes.any(|p| digits.starts_with(p.as_str())))
    })
}

/// The modifiers in a dialable number.
fn modifiers(number: &str) -> Mask<TranslateResult> {
    use TranslateResult as R;
    let found = number.chars().filter_map(|c| match c {
        '$' => Some(R::DialBilling),
        '@' => Some(R::DialQuiet),
        'W' | 'w' => Some(R::DialDialTone),
        '?' => Some(R::DialPrompt),
        ':' => Some(R::VoiceDetect),
        _ => None,
    });
    found.collect()
}
