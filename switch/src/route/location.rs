//! `[location]` as TAPI translates from it, and its reverse: how a number in international form is
//! dialled here. Both must agree, so that lineMakeCall calls the same with and without translation
//! before. Source: tapi-translation §5.1, §5.4, §8.

use std::borrow::Cow;

use config::{CallingCard, Config, Location};
use tapi::translate::{AreaRule, Card, Location as Place, NO_CARD, Rules, Translation};

/// What lineTranslateAddress works from; none without `[location]`.
pub(crate) fn translation(config: &Config) -> Option<Translation> {
    let location = config.location.as_ref()?;
    let cards = (NO_CARD + 1..).zip(&location.cards).map(card).collect();
    let made = Translation::new(vec![place(location)], cards);
    made.map_err(|error| tracing::error!(%error, "addresses are not translated")).ok()
}

fn place(location: &Location) -> Place {
    let mut place = Place::office(
        u32::from(location.country_code),
        &location.area_code,
        &location.long_distance_prefix,
        &location.international_prefix,
        &location.outside_line_prefix,
    );
    if location.dial_area_code {
        place.area_rules.push(AreaRule {
            area_code: location.area_code.clone(),
            prefixes: Vec::new(),
            dial: location.long_distance_prefix.clone(),
            includes_area: true,
        });
    }
    let preferred =
        location.cards.iter().position(|card| Some(&card.name) == location.card.as_ref());
    place.preferred_card = preferred.and_then(|at| u32::try_from(at + 1).ok()).unwrap_or(NO_CARD);
    place.cancel_call_waiting.clone_from(&location.cancel_call_waiting);
    place
}

fn card((id, card): (u32, &CallingCard)) -> Card {
    Card {
        id,
        name: card.name.clone(),
        number: card.number.expose().to_owned(),
        rules: Rules {
            same_area: card.same_area.clone(),
            long_distance: card.long_distance.clone(),
            international: card.international.clone(),
        },
        ..Card::default()
    }
}

/// A number in international form (`+33…`) as it is dialled from here; any other number, and one
/// that a route takes as it is, unchanged.
pub fn dialable<'a>(config: &Config, dialled: &'a str) -> Cow<'a, str> {
    let (Some(digits), Some(location)) = (dialled.strip_prefix('+'), &config.location) else {
        return Cow::Borrowed(dialled);
    };
    if config.route(dialled).is_some() {
        return Cow::Borrowed(dialled);
    }
    let outside = &location.outside_line_prefix;
    let Some(national) = digits.strip_prefix(&location.country_code.to_string()) else {
        return Cow::Owned(format!("{outside}{}{digits}", location.international_prefix));
    };
    let of_area = Some(location.area_code.as_str())
        .filter(|area| !area.is_empty() && !location.dial_area_code)
        .and_then(|area| national.strip_prefix(area));
    Cow::Owned(match of_area {
        Some(number) => format!("{outside}{number}"),
        None => format!("{outside}{}{national}", location.long_distance_prefix),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(location: &str) -> Config {
        let text =
            format!("domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n[location]\n{location}");
        config::parse(&text, "x").unwrap()
    }

    /// `(location, canonical address, what is dialled)`.
    const DIALLED: [(&str, &str, &str); 11] = [
        (PARIS, "+33 (1) 42685300", "042685300"),
        (PARIS, "+33 (4) 72000000", "00472000000"),
        (PARIS, "+1 (425) 882-8080", "00014258828080"),
        (CLOSED, "+33 (1) 42685300", "00142685300"),
        (CLOSED, "+33 (4) 72000000", "00472000000"),
        (MUNICH, "+49 (89) 1234567", "01234567"),
        (MUNICH, "+49 (30) 1234567", "00301234567"),
        (MUNICH, "+43 (1) 5880", "0004315880"),
        (COPENHAGEN, "+45 33121212", "33121212"),
        (COPENHAGEN, "+46 (8) 123456", "00468123456"),
        (HOME, "+1 (206) 622-1234", "12066221234"),
    ];
    const PARIS: &str = "country_code = 33\narea_code = \"1\"\nlong_distance_prefix = \"0\"\n\
                         international_prefix = \"00\"\noutside_line_prefix = \"0\"\n";
    const CLOSED: &str = "country_code = 33\narea_code = \"1\"\nlong_distance_prefix = \"0\"\n\
                          international_prefix = \"00\"\noutside_line_prefix = \"0\"\n\
                          dial_area_code = true\n";
    const MUNICH: &str = "country_code = 49\narea_code = \"89\"\nlong_distance_prefix = \"0\"\n\
                          international_prefix = \"00\"\noutside_line_prefix = \"0\"\n";
    const COPENHAGEN: &str = "country_code = 45\ninternational_prefix = \"00\"\n";
    const HOME: &str = "country_code = 1\narea_code = \"425\"\nlong_distance_prefix = \"1\"\n\
                        international_prefix = \"011\"\n";

    #[test]
    fn what_is_translated_and_what_is_dialled_in_international_form_come_out_the_same() {
        for (location, address, dialled) in DIALLED {
            let config = at(location);
            let translated = translation(&config).unwrap();
            let translated = translated.translate(address, NO_CARD, tapi::Mask::EMPTY).unwrap();
            assert_eq!(translated.dialable, format!("T{dialled}"), "{address}");
            let e164: String =
                address.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
            assert_eq!(dialable(&config, &e164), dialled, "{address}");
        }
    }

    #[test]
    fn every_other_number_stays_as_it_is() {
        let config = at(PARIS);
        for number in ["201", "00142685300", "*8", "", "3+3"] {
            assert_eq!(dialable(&config, number), number);
        }
        let nowhere = "domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n";
        assert_eq!(dialable(&config::parse(nowhere, "x").unwrap(), "+33142685300"), "+33142685300");
    }

    #[test]
    fn a_card_is_dialled_by_its_rules_and_never_shown() {
        let cards = "card = \"Gold\"\n[[location.cards]]\nname = \"Gold\"\nnumber = \"12345678\"\n\
                     long_distance = \"18006747000,,TH,,FG\"\n";
        let config = at(&format!("{HOME}{cards}"));
        let translation = translation(&config).unwrap();
        let called =
            translation.translate("+1 (206) 622-1234", NO_CARD, tapi::Mask::EMPTY).unwrap();
        assert_eq!(called.dialable, "T18006747000,,T12345678,,2066221234");
        assert_eq!(called.displayable, "T18006747000,,T[Gold],,206622-1234");
    }
}
