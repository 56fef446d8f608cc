//! Number translation by `[location]`, asked for over `/tapi`, and what is dialled because of it, on
//! the real program with a carrier that is a plain socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use std::net::UdpSocket;

use serde_json::{Value, json};
use tests::program::{PATIENCE, Program, office};

/// The office, whose carrier is a socket that only listens.
fn office_with_carrier(edit: impl FnOnce(String) -> String) -> (Program, UdpSocket) {
    let carrier = UdpSocket::bind("127.0.0.1:0").unwrap();
    carrier.set_read_timeout(Some(PATIENCE)).unwrap();
    let peer = format!("sip:{}", carrier.local_addr().unwrap());
    let config = office(|text| edit(text).replace("sip:127.0.0.1:5090", &peer));
    (Program::with(config), carrier)
}

/// The user part of the next INVITE's Request-URI.
fn dialled(carrier: &UdpSocket) -> String {
    let mut buffer = [0; 65_536];
    loop {
        let length = carrier.recv(&mut buffer).expect("an INVITE to the carrier");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if let Some(rest) = text.strip_prefix("INVITE sip:") {
            return rest.split('@').next().unwrap().to_owned();
        }
    }
}

fn translated(program: &Program, address: &str) -> Value {
    let mut app = program.application("dialler");
    app.call("lineTranslateAddress", json!({"deviceId": 0, "addressIn": address})).unwrap()
}

#[test]
fn addresses_are_translated_as_the_location_says() {
    let (program, _carrier) = office_with_carrier(|text| text);
    for (address, dialable, displayable, country, results) in [
        ("+33 (1) 42685300", "T042685300", "T042685300", 33, vec!["CANONICAL", "LOCAL"]),
        ("+33 (4) 72000000", "T00472000000", "T00472000000", 33, vec!["CANONICAL", "LONGDISTANCE"]),
        (
            "+1 (425) 882-8080",
            "T00014258828080",
            "T0001425882-8080",
            1,
            vec!["CANONICAL", "INTERNATIONAL"],
        ),
        ("202", "202", "202", 0, vec![]),
    ] {
        let output = translated(&program, address);
        let results: Vec<String> =
            results.iter().map(|result| format!("LINETRANSLATERESULT_{result}")).collect();
        let mut named = output["translateResults"].as_array().unwrap().clone();
        let mut wanted = json!(results).as_array().unwrap().clone();
        named.sort_by_key(ToString::to_string);
        wanted.sort_by_key(ToString::to_string);
        assert_eq!(named, wanted, "{address}");
        assert_eq!(output["dialableString"], dialable);
        assert_eq!(output["displayableString"], displayable);
        assert_eq!(
            (&output["currentCountry"], &output["destCountry"]),
            (&json!(33), &json!(country))
        );
    }
}

#[test]
fn locations_cards_and_countries_can_be_listed() {
    let cards = "[location]\ncard = \"Gold\"\ndial_area_code = true\n\
                 [[location.cards]]\nname = \"Gold\"\nnumber = \"12345678\"\n\
                 long_distance = \"3333,TH,,0FG\"\n[unused]";
    let (program, _carrier) = office_with_carrier(|text| {
        let text = text.replace("[location] ", "[unused] ");
        let place = text.find("[unused]").unwrap();
        let end = place + text[place..].find('\n').unwrap();
        let keys_end = end + text[end..].find("[[routes]]").unwrap();
        let keys = text[end..keys_end].to_owned();
        let cards = cards.replace("[location]\n", &format!("[location]\n{keys}\n"));
        let cards = cards.trim_end_matches("[unused]").to_owned();
        format!("{}{cards}\n{}", &text[..place], &text[keys_end..])
    });
    let mut app = program.application("dialler");
    let caps = app.call("lineGetTranslateCaps", json!({})).unwrap();
    assert_eq!((&caps["numLocations"], &caps["numCards"]), (&json!(1), &json!(2)));
    let location = &caps["locationList"][0];
    assert_eq!((&location["countryCode"], &location["cityCode"]), (&json!(33), &json!("1")));
    assert_eq!(caps["currentPreferredCardId"], 1);
    assert_eq!(caps["cardList"][1]["cardNumberDigits"], 8);
    assert!(!caps.to_string().contains("12345678"), "the card's number is secret: {caps}");
    let here = app.call("tapiGetLocationInfo", json!({})).unwrap();
    assert_eq!((&here["countryCode"], &here["cityCode"]), (&json!("33"), &json!("1")));
    let far = translated(&program, "+33 (4) 72000000");
    assert_eq!(far["dialableString"], "T03333,T12345678,,0472000000");
    assert_eq!(far["displayableString"], "T03333,T[Gold],,0472000000");
    // Area-code rules are for direct dialling; the card has no rule of its own for the area.
    assert_eq!(translated(&program, "+33 (1) 42685300")["dialableString"], "T042685300");
    let france = app.call("lineGetCountry", json!({"countryId": 33})).unwrap();
    assert_eq!(france["countryList"][0]["countryCode"], 33);
    app.call("lineSetCurrentLocation", json!({"location": 0})).unwrap();
    for (method, params, error) in [
        ("lineSetCurrentLocation", json!({"location": 7}), "INVALLOCATION"),
        ("lineGetCountry", json!({"countryId": 9999}), "INVALCOUNTRYCODE"),
        ("lineTranslateAddress", json!({"deviceId": 99, "addressIn": "1"}), "BADDEVICEID"),
        ("lineTranslateAddress", json!({"addressIn": "+331"}), "INVALADDRESS"),
        ("lineTranslateAddress", json!({}), "INVALPOINTER"),
        (
            "lineTranslateAddress",
            json!({"addressIn": "+33 (1) 2", "translateOptions": 12}),
            "INVALPARAM",
        ),
        (
            "lineTranslateAddress",
            json!({"addressIn": "+33 (1) 2", "translateOptions": 1, "card": 9}),
            "INVALCARD",
        ),
    ] {
        assert_eq!(app.refusal(method, params), error, "{method}");
    }
}

#[test]
fn the_translated_and_the_international_number_are_the_same_to_the_carrier() {
    let (program, carrier) = office_with_carrier(|text| text);
    let _phone = program.live_phone("201");
    let mut app = program.application("dialler");
    let line = app.open("201");
    let canonical = "+1 (425) 882-8080";
    let dialable = translated(&program, canonical)["dialableString"].clone();
    for address in [dialable, json!(canonical), json!("+14258828080"), json!("00014258828080")] {
        let made = json!({"hLine": line, "destAddress": address, "wait": true});
        let call = app.call("lineMakeCall", made).unwrap()["hCall"].clone();
        assert_eq!(dialled(&carrier), "0014258828080", "{address}");
        app.call("lineDrop", json!({"hCall": call, "wait": true})).unwrap();
    }
}

#[test]
fn a_phone_dials_numbers_in_international_form_too() {
    let (program, carrier) = office_with_carrier(|text| text);
    let phone = program.live_phone("201");
    phone.call("+33472000000");
    assert_eq!(dialled(&carrier), "0472000000");
}

#[test]
fn without_a_location_nothing_is_translated() {
    let (program, _carrier) = office_with_carrier(|text| {
        let start = text.find("[location]").unwrap();
        let end = start + text[start..].find("[[routes]]").unwrap();
        format!("{}{}", &text[..start], &text[end..])
    });
    let mut app = program.application("dialler");
    for method in ["lineTranslateAddress", "lineGetTranslateCaps", "tapiGetLocationInfo"] {
        let error = app.refusal(method, json!({"addressIn": "+33 (1) 2"}));
        assert_eq!(error, "OPERATIONUNAVAIL", "{method}");
    }
}
