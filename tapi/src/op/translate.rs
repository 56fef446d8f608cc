//! Address translation: locations, cards, countries.

use serde_json::{Value, json};

use crate::constant::{CardOption, LineDevState, LineErr, Mask, TranslateOption};
use crate::message::LineDetail;
use crate::model::DeviceId;
use crate::server::{Fault, Server};
use crate::translate::{COUNTRIES, Card, Country, Location, NO_CARD, Translated, Translation};

use super::{Asked, Outcome};

/// lineGetCountry: all countries.
const ALL_COUNTRIES: u32 = 0;

impl Server {
    /// The locations and cards that translation works from; none where it is not offered.
    /// Applications are told by LINEDEVSTATE_TRANSLATECHANGE.
    pub fn set_translation(&mut self, translation: Option<Translation>) {
        if self.translation != translation {
            self.translation = translation;
            self.tell_translation();
        }
    }

    fn tell_translation(&mut self) {
        for device in (0u32..).take(self.lines.len()).map(DeviceId) {
            self.tell_line(device, LineDevState::TranslateChange, LineDetail::None, None);
        }
    }

    fn translation(&self) -> Result<&Translation, Fault> {
        self.translation.as_ref().ok_or_else(|| {
            let detail = "Addresses are not translated here.";
            Fault::line(LineErr::OperationUnavail, detail)
        })
    }
}

/// lineTranslateAddress.
pub(super) fn translate_address(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    server.translation()?;
    if asked.params.get("deviceId").is_some() {
        server.device(asked)?;
    }
    let Some(address) = asked.params.opt_text("addressIn", LineErr::InvalAddress)? else {
        let detail = "Parameter addressIn is needed.";
        return Err(Fault::line(LineErr::InvalPointer, detail));
    };
    let translated = translated(server, asked, address)?;
    Ok(Outcome::object(output(&translated)))
}

fn translated(server: &Server, asked: Asked<'_>, address: &str) -> Result<Translated, Fault> {
    let error = LineErr::InvalParam;
    let options = asked.params.opt_mask::<TranslateOption>("translateOptions", error)?;
    let card = asked.params.opt_number("card", LineErr::InvalCard)?.unwrap_or(NO_CARD);
    let result = server.translation()?.translate(address, card, options.unwrap_or(Mask::EMPTY));
    result.map_err(|error| {
        let detail = match error {
            LineErr::InvalCard => "There is no such card.",
            LineErr::InvalParam => "FORCELOCAL and FORCELD exclude each other.",
            _ => "The address begins like a canonical one and is none.",
        };
        Fault::line(error, detail)
    })
}

fn output(translated: &Translated) -> Value {
    json!({
        "dialableString": translated.dialable,
        "displayableString": translated.displayable,
        "currentCountry": translated.current_country,
        "destCountry": translated.dest_country,
        "translateResults": translated.results,
    })
}

/// lineGetTranslateCaps: LINETRANSLATECAPS.
pub(super) fn translate_caps(server: &mut Server, _: Asked<'_>) -> Result<Outcome, Fault> {
    Ok(Outcome::object(caps(server.translation()?)))
}

fn caps(translation: &Translation) -> Value {
    let locations: Vec<Value> = translation.locations().iter().map(location_entry).collect();
    let mut cards = vec![card_entry(&Card {
        name: "None (Direct Dial)".to_owned(),
        options: CardOption::Predefined.into(),
        ..Card::default()
    })];
    cards.extend(translation.cards().map(card_entry));
    let current = translation.current();
    json!({
        "numLocations": locations.len(),
        "locationList": locations,
        "currentLocationId": current.map_or(0, |location| location.id),
        "numCards": cards.len(),
        "cardList": cards,
        "currentPreferredCardId": current.map_or(NO_CARD, |location| location.preferred_card),
    })
}

fn location_entry(location: &Location) -> Value {
    json!({
        "permanentLocationId": location.id,
        "locationName": location.name,
        "countryCode": location.country_code,
        "countryId": location.country_id,
        "cityCode": location.area_code,
        "preferredCardId": location.preferred_card,
        "localAccessCode": location.local_access_code,
        "longDistanceAccessCode": location.long_distance_access_code,
        "tollPrefixList": location.toll_prefixes.join(","),
        "options": location.options,
        "cancelCallWaiting": location.cancel_call_waiting,
    })
}

/// LINECARDENTRY: the length of the card's number, never the number.
fn card_entry(card: &Card) -> Value {
    json!({
        "permanentCardId": card.id,
        "cardName": card.name,
        "cardNumberDigits": card.number.chars().count(),
        "sameAreaRule": card.rules.same_area,
        "longDistanceRule": card.rules.long_distance,
        "internationalRule": card.rules.international,
        "options": card.options,
    })
}

/// lineTranslateDialog: there is no dialog here, but what it would show, for an application to
/// show: LINETRANSLATECAPS, and the translation of the address that was passed.
pub(super) fn translate_dialog(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let mut result = caps(server.translation()?);
    if asked.params.get("deviceId").is_some() {
        server.device(asked)?;
    }
    if let Some(address) = asked.params.opt_text("addressIn", LineErr::InvalAddress)? {
        result["translateOutput"] = output(&translated(server, asked, address)?);
    }
    Ok(Outcome::object(result))
}

/// lineSetCurrentLocation.
pub(super) fn set_location(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    server.translation()?;
    let location = asked.params.number("location", LineErr::InvalLocation)?;
    let before = server.translation.clone();
    if let Some(translation) = &mut server.translation {
        translation
            .set_current(location)
            .map_err(|error| Fault::line(error, format!("There is no location {location}.")))?;
    }
    if server.translation != before {
        server.tell_translation();
    }
    Ok(Outcome::nothing())
}

/// tapiGetLocationInfo: country and area code of the current location.
pub(super) fn location_info(server: &mut Server, _: Asked<'_>) -> Result<Outcome, Fault> {
    /// Characters of either, the closing zero of the original interface aside.
    const MAX: usize = 7;
    let current = server.translation()?.current();
    let country = current.map_or_else(String::new, |l| l.country_code.to_string());
    let city = current.map_or_else(String::new, |l| l.area_code.chars().take(MAX).collect());
    Ok(Outcome::object(json!({ "countryCode": country, "cityCode": city })))
}

/// lineGetCountry: LINECOUNTRYLIST with one country, or all.
pub(super) fn country(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    server.translation()?;
    let error = LineErr::InvalCountryCode;
    let id = asked.params.opt_number("countryId", error)?.unwrap_or(ALL_COUNTRIES);
    let listed: Vec<Value> = COUNTRIES
        .iter()
        .enumerate()
        .filter(|(_, country)| id == ALL_COUNTRIES || country.id == id)
        .map(|(index, country)| country_entry(country, COUNTRIES.get(index + 1)))
        .collect();
    if listed.is_empty() {
        return Err(Fault::line(error, format!("There is no country {id} in the list.")));
    }
    Ok(Outcome::object(json!({ "numCountries": listed.len(), "countryList": listed })))
}

fn country_entry(country: &Country, next: Option<&Country>) -> Value {
    let (same_area, long_distance, international) = country.rules;
    json!({
        "countryId": country.id,
        "countryCode": country.code,
        "nextCountryId": next.map_or(0, |next| next.id),
        "countryName": country.name,
        "sameAreaRule": same_area,
        "longDistanceRule": long_distance,
        "internationalRule": international,
    })
}
