//! ITAddressTranslation: dialling rules, locations and calling cards.

use std::sync::Arc;

use serde_json::{Value, json};

use super::core::Purpose;
use super::error::{TapiError, TapiErrorCode};
use super::map::{mask, number};
use super::socket::Shared;
use crate::constant::{CardOption, LocationOption, Mask, TranslateOption, TranslateResult};

/// ITAddressTranslation.
#[derive(Clone)]
pub struct AddressTranslation {
    shared: Arc<Shared>,
    device: Option<u32>,
}

impl std::fmt::Debug for AddressTranslation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressTranslation").field("device", &self.device).finish_non_exhaustive()
    }
}

/// ITAddressTranslationInfo: what a translation found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressTranslationInfo {
    /// get_DialableString
    pub dialable_string: String,
    /// get_DisplayableString
    pub displayable_string: String,
    /// get_CurrentCountryCode
    pub current_country_code: u32,
    /// get_DestinationCountryCode
    pub destination_country_code: u32,
    /// get_TranslationResults
    pub translation_results: Mask<TranslateResult>,
}

/// ITLocationInfo: where calls are dialled from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocationInfo {
    /// get_PermanentLocationID
    pub permanent_location_id: u32,
    /// get_LocationName
    pub location_name: String,
    /// get_CountryCode
    pub country_code: u32,
    /// get_CountryID
    pub country_id: u32,
    /// get_CityCode
    pub city_code: String,
    /// get_Options
    pub options: Mask<LocationOption>,
    /// get_PreferredCardID
    pub preferred_card_id: u32,
    /// get_LocalAccessCode
    pub local_access_code: String,
    /// get_LongDistanceAccessCode
    pub long_distance_access_code: String,
    /// get_TollPrefixList
    pub toll_prefix_list: String,
    /// get_CancelCallWaitingCode
    pub cancel_call_waiting_code: String,
}

/// ITCallingCard. The number of a card never leaves the switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallingCard {
    /// get_PermanentCardID
    pub permanent_card_id: u32,
    /// get_NumberOfDigits
    pub number_of_digits: u32,
    /// get_Options
    pub options: Mask<CardOption>,
    /// get_CardName
    pub card_name: String,
    /// get_SameAreaDialingRule
    pub same_area_dialing_rule: String,
    /// get_LongDistanceDialingRule
    pub long_distance_dialing_rule: String,
    /// get_InternationalDialingRule
    pub international_dialing_rule: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl AddressTranslation {
    pub(crate) fn new(shared: &Arc<Shared>, device: Option<u32>) -> Self {
        Self { shared: Arc::clone(shared), device }
    }

    /// ITAddressTranslation::TranslateAddress (lineTranslateAddress): what is to be dialled for a
    /// canonical address. `card` is only looked at with LINETRANSLATEOPTION_CARDOVERRIDE.
    ///
    /// Errors: TAPI_E_INVALADDRESS, TAPI_E_INVALCARD; TAPI_E_NOTSUPPORTED where the switch has no
    /// location.
    pub async fn translate_address(
        &self,
        address: &str,
        card: u32,
        options: Mask<TranslateOption>,
    ) -> Result<AddressTranslationInfo, TapiError> {
        let mut params = json!({ "addressIn": address, "translateOptions": options });
        if let Some(device) = self.device {
            params["deviceId"] = device.into();
        }
        if options.contains(TranslateOption::CardOverride) {
            params["card"] = card.into();
        }
        let found = self.shared.call("lineTranslateAddress", params, Purpose::Plain).await?;
        Ok(AddressTranslationInfo {
            dialable_string: text(&found["dialableString"]),
            displayable_string: text(&found["displayableString"]),
            current_country_code: number(&found["currentCountry"]).unwrap_or(0),
            destination_country_code: number(&found["destCountry"]).unwrap_or(0),
            translation_results: mask(&found["translateResults"]),
        })
    }

    async fn caps(&self) -> Result<Value, TapiError> {
        self.shared.call("lineGetTranslateCaps", json!({}), Purpose::Plain).await
    }

    /// ITAddressTranslation::get_Locations
    pub async fn locations(&self) -> Result<Vec<LocationInfo>, TapiError> {
        let caps = self.caps().await?;
        Ok(caps["locationList"].as_array().into_iter().flatten().map(location).collect())
    }

    /// The location that calls are dialled from now.
    ///
    /// Errors: TAPI_E_NOITEMS where there is none.
    pub async fn current_location(&self) -> Result<LocationInfo, TapiError> {
        let caps = self.caps().await?;
        let current = &caps["currentLocationId"];
        let mut list = caps["locationList"].as_array().into_iter().flatten();
        let found = list.find(|entry| entry["permanentLocationId"] == *current);
        let none = || TapiError::new(TapiErrorCode::NoItems, "There is no location.");
        found.map(location).ok_or_else(none)
    }

    /// lineSetCurrentLocation, which TAPI 3 leaves to the control panel.
    ///
    /// Errors: TAPI_E_INVALLOCATION.
    pub async fn put_current_location(&self, location: &LocationInfo) -> Result<(), TapiError> {
        let params = json!({ "location": location.permanent_location_id });
        self.shared.call("lineSetCurrentLocation", params, Purpose::Plain).await.map(|_| ())
    }

    /// ITAddressTranslation::get_CallingCards
    pub async fn calling_cards(&self) -> Result<Vec<CallingCard>, TapiError> {
        let caps = self.caps().await?;
        Ok(caps["cardList"].as_array().into_iter().flatten().map(card).collect())
    }
}

fn location(entry: &Value) -> LocationInfo {
    let number = |name: &str| number(&entry[name]).unwrap_or(0);
    LocationInfo {
        permanent_location_id: number("permanentLocationId"),
        location_name: text(&entry["locationName"]),
        country_code: number("countryCode"),
        country_id: number("countryId"),
        city_code: text(&entry["cityCode"]),
        options: mask(&entry["options"]),
        preferred_card_id: number("preferredCardId"),
        local_access_code: text(&entry["localAccessCode"]),
        long_distance_access_code: text(&entry["longDistanceAccessCode"]),
        toll_prefix_list: text(&entry["tollPrefixList"]),
        cancel_call_waiting_code: text(&entry["cancelCallWaiting"]),
    }
}

fn card(entry: &Value) -> CallingCard {
    CallingCard {
        permanent_card_id: number(&entry["permanentCardId"]).unwrap_or(0),
        number_of_digits: number(&entry["cardNumberDigits"]).unwrap_or(0),
        options: mask(&entry["options"]),
        card_name: text(&entry["cardName"]),
        same_area_dialing_rule: text(&entry["sameAreaRule"]),
        long_distance_dialing_rule: text(&entry["longDistanceRule"]),
        international_dialing_rule: text(&entry["internationalRule"]),
    }
}
