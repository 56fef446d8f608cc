//! The functions of address translation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::json;
use tapi::translate::{Card, Location, Rules, Translation};

/// The office of the example configuration, a second location, and a card.
fn office() -> Translation {
    let home =
        Location { id: 5, name: "Home".to_owned(), ..Location::office(1, "425", "1", "011", "") };
    let card = Card {
        id: 3,
        name: "Card".to_owned(),
        number: "12345678".to_owned(),
        rules: Rules { long_distance: "800,TH,FG".to_owned(), ..Rules::default() },
        ..Card::default()
    };
    Translation::new(vec![Location::office(33, "1", "0", "00", "0"), home], vec![card]).unwrap()
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.server.set_translation(Some(office()));
    bench
}

#[test]
fn addresses_are_translated_for_the_current_location() {
    let mut bench = bench();
    let h_line = bench.owner(1, "201");
    let ask = |address: &str| json!({"deviceId": 0, "addressIn": address});
    let local = bench.ok(1, "lineTranslateAddress", ask("+33 (1) 42685300|5"));
    assert_eq!(
        local,
        json!({
            "dialableString": "T042685300|5",
            "displayableString": "T042685300",
            "currentCountry": 33,
            "destCountry": 33,
            "translateResults": ["LINETRANSLATERESULT_CANONICAL", "LINETRANSLATERESULT_LOCAL"],
        })
    );
    let inside = bench.ok(1, "lineTranslateAddress", ask("202"));
    assert_eq!((&inside["dialableString"], &inside["destCountry"]), (&json!("202"), &json!(0)));
    bench.ok(
        1,
        "lineSetStatusMessages",
        json!({"hLine": h_line, "lineStates": "LINEDEVSTATE_TRANSLATECHANGE"}),
    );
    assert_eq!(
        bench.ok(1, "tapiGetLocationInfo", json!({})),
        json!({"countryCode": "33", "cityCode": "1"})
    );
    bench.ok(1, "lineSetCurrentLocation", json!({"location": 5}));
    bench.ok(1, "lineSetCurrentLocation", json!({"location": 5}));
    assert_eq!(bench.trace(1), ["LINEDEVSTATE TRANSLATECHANGE"]);
    let abroad = bench.ok(1, "lineTranslateAddress", ask("+33 (1) 42685300"));
    assert_eq!(abroad["dialableString"], "T01133142685300");
    assert_eq!(bench.ok(1, "tapiGetLocationInfo", json!({}))["cityCode"], "425");
    let card = json!({"addressIn": "+1 (206) 622-1234", "card": 3,
        "translateOptions": ["LINETRANSLATEOPTION_CARDOVERRIDE"]});
    let by_card = bench.ok(1, "lineTranslateAddress", card);
    assert_eq!(by_card["dialableString"], "T800,T12345678,2066221234");
    assert_eq!(by_card["displayableString"], "T800,T[Card],206622-1234");
}

#[test]
fn translation_errors() {
    let mut bench = bench();
    bench.owner(1, "201");
    let number = "+1 (206) 622-1234";
    bench.check(
        1,
        "lineTranslateAddress",
        &[
            (json!({"deviceId": 9, "addressIn": number}), "LINEERR_BADDEVICEID"),
            (json!({"deviceId": 0}), "LINEERR_INVALPOINTER"),
            (json!({"addressIn": 5}), "Invalid params"),
            (json!({"addressIn": "+14258828080"}), "LINEERR_INVALADDRESS"),
            (json!({"addressIn": number, "translateOptions": 12}), "LINEERR_INVALPARAM"),
            (json!({"addressIn": number, "translateOptions": 64}), "LINEERR_INVALPARAM"),
            (json!({"addressIn": number, "translateOptions": 1, "card": 8}), "LINEERR_INVALCARD"),
        ],
    );
    bench.check(
        1,
        "lineSetCurrentLocation",
        &[(json!({"location": 1}), "LINEERR_INVALLOCATION"), (json!({}), "Invalid params")],
    );
    bench.check(1, "lineGetCountry", &[(json!({"countryId": 7}), "LINEERR_INVALCOUNTRYCODE")]);
}

#[test]
fn locations_and_cards_are_listed_without_card_numbers() {
    let mut bench = bench();
    bench.owner(1, "201");
    let caps = bench.ok(1, "lineGetTranslateCaps", json!({}));
    assert_eq!((&caps["numLocations"], &caps["numCards"]), (&json!(2), &json!(2)));
    assert_eq!(caps["currentLocationId"], 0);
    let first = &caps["locationList"][0];
    for (field, value) in [
        ("permanentLocationId", json!(0)),
        ("locationName", json!("Default")),
        ("countryCode", json!(33)),
        ("cityCode", json!("1")),
        ("localAccessCode", json!("0")),
        ("longDistanceAccessCode", json!("0")),
        ("tollPrefixList", json!("")),
        ("options", json!([])),
    ] {
        assert_eq!(first[field], value, "{field}");
    }
    assert_eq!(caps["cardList"][0]["cardName"], "None (Direct Dial)");
    assert_eq!(caps["cardList"][1]["cardNumberDigits"], 8);
    assert!(!caps.to_string().contains("12345678"));
    let dialog = bench.ok(1, "lineTranslateDialog", json!({"deviceId": 0, "addressIn": "202"}));
    assert_eq!(dialog["locationList"], caps["locationList"]);
    assert_eq!(dialog["translateOutput"]["dialableString"], "202");
}

#[test]
fn countries_are_linked() {
    let mut bench = bench();
    bench.owner(1, "201");
    let all = bench.ok(1, "lineGetCountry", json!({"countryId": 0}))["countryList"].clone();
    let all = all.as_array().unwrap();
    for (index, country) in all.iter().enumerate() {
        let next = all.get(index + 1).map_or(json!(0), |next| next["countryId"].clone());
        assert_eq!(country["nextCountryId"], next);
    }
    let one = bench.ok(1, "lineGetCountry", json!({"countryId": 49}));
    assert_eq!(one["numCountries"], 1);
    assert_eq!(one["countryList"][0]["internationalRule"], "00EFG");
}

#[test]
fn without_locations_nothing_is_translated() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    for method in [
        "lineTranslateAddress",
        "lineGetTranslateCaps",
        "lineSetCurrentLocation",
        "lineTranslateDialog",
        "lineGetCountry",
        "tapiGetLocationInfo",
    ] {
        let params = json!({"addressIn": "202", "location": 0});
        assert_eq!(bench.refused(1, method, params), "LINEERR_OPERATIONUNAVAIL", "{method}");
    }
}
