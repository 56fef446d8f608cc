//! The worked examples of the reference, row by row, and what holds for any text.

use proptest::prelude::*;

use super::*;
use crate::constant::Constant as _;

fn usa(id: u32) -> Location {
    Location {
        id,
        country_code: 1,
        country_id: 1,
        area_code: "425".to_owned(),
        rules: rules("G", "1FG", "011EFG"),
        has_toll_lists: true,
        ..Location::default()
    }
}

fn rules(same_area: &str, long_distance: &str, international: &str) -> Rules {
    Rules {
        same_area: same_area.to_owned(),
        long_distance: long_distance.to_owned(),
        international: international.to_owned(),
    }
}

fn area(area_code: &str, prefixes: &[&str], dial: &str) -> AreaRule {
    AreaRule {
        area_code: area_code.to_owned(),
        prefixes: prefixes.iter().map(|&prefix| prefix.to_owned()).collect(),
        dial: dial.to_owned(),
        includes_area: true,
    }
}

fn cards() -> Vec<Card> {
    let mci = Card {
        id: 1,
        name: "MCI Card".to_owned(),
        number: "12345678".to_owned(),
        rules: rules("", "18006747000,,,,,,TH,,FG", "18006747000,,,,,,TH,,011EFG"),
        options: Mask::EMPTY,
    };
    let bong = Card {
        id: 2,
        name: "Bong Card".to_owned(),
        number: "99887766".to_owned(),
        rules: rules("", "102880FG$TH", "1028801EFG$TH"),
        options: CardOption::Hidden.into(),
    };
    vec![mci, bong]
}

/// The locations of the examples, with their letters as identifiers.
fn location(letter: char) -> Location {
    let text = str::to_owned;
    let plain = usa(letter.into());
    match letter {
        'A' => Location { cancel_call_waiting: text("*70,"), ..plain },
        'B' => Location {
            local_access_code: text("9"),
            long_distance_access_code: text("8"),
            cancel_call_waiting: text("*70,"),
            ..plain
        },
        'C' => Location {
            options: LocationOption::PulseDial.into(),
            cancel_call_waiting: text("1170,"),
            ..plain
        },
        'D' => Location {
            local_access_code: text("9"),
            long_distance_access_code: text("9"),
            toll_prefixes: vec![text("886"), text("455")],
            ..plain
        },
        'E' => Location {
            area_rules: vec![
                area("425", &[], ""),
                area("206", &["622", "623"], ""),
                area("360", &[], "1"),
            ],
            ..plain
        },
        'F' => Location {
            local_access_code: text("9,"),
            long_distance_access_code: text("9,"),
            preferred_card: 1,
            ..plain
        },
        'G' => Location {
            rules: rules("G", "N1FG", "S011EFG"),
            long_distance_carrier: text("10288"),
            international_carrier: text("10288"),
            ..plain
        },
        'H' => Location { id: plain.id, ..Location::office(44, "20", "0", "00", "9") },
        'I' => Location { id: plain.id, ..Location::office(49, "89", "0", "00", "0") },
        'J' => Location { id: plain.id, ..Location::office(45, "", "", "00", "") },
        'K' => Location { id: plain.id, ..Location::office(33, "1", "0", "00", "0") },
        _ => Location {
            id: plain.id,
            area_rules: vec![area("1", &[], "0")],
            ..Location::office(33, "1", "0", "00", "0")
        },
    }
}

fn translation(letter: char) -> Translation {
    let mut translation =
        Translation::new("ABCDEFGHIJKM".chars().map(location).collect(), cards()).unwrap();
    translation.set_current(letter.into()).unwrap();
    translation
}

const CANCEL: u32 = TranslateOption::CancelCallWaiting as u32;
const LOCAL: u32 = TranslateOption::ForceLocal as u32;
const LONG: u32 = TranslateOption::ForceLd as u32;
const CARD: u32 = TranslateOption::CardOverride as u32;

/// Location, address in, options, dialable, displayable, current and destination country, results.
type Row = (char, &'static str, u32, &'static str, &'static str, (u32, u32), u32);

const EXAMPLES: &[Row] = &[
    ('A', "+1 (425) 882-8080", 0, "T8828080", "T882-8080", (1, 1), 0x029),
    ('A', "+1 (206) 622-1234", 0, "T12066221234", "T1206622-1234", (1, 1), 0x005),
    ('A', "+44 (20) 7946 0018", 0, "T011442079460018", "T01144207946 0018", (1, 44), 0x003),
    ('B', "+1 (425) 882-8080", 0, "T98828080", "T9882-8080", (1, 1), 0x029),
    ('B', "+1 (206) 622-1234", 0, "T812066221234", "T81206622-1234", (1, 1), 0x005),
    ('B', "+44 (20) 7946 0018", 0, "T8011442079460018", "T801144207946 0018", (1, 44), 0x003),
    ('C', "+1 (425) 882-8080", 0, "P8828080", "P882-8080", (1, 1), 0x029),
    ('C', "+44 (20) 7946 0018", 0, "P011442079460018", "P01144207946 0018", (1, 44), 0x003),
    ('A', "+1 (425) 882-8080", CANCEL, "T*70,8828080", "T*70,882-8080", (1, 1), 0x029),
    ('B', "+1 (206) 622-1234", CANCEL, "T*70,812066221234", "T*70,81206622-1234", (1, 1), 0x005),
    ('C', "+1 (425) 882-8080", CANCEL, "P1170,8828080", "P1170,882-8080", (1, 1), 0x029),
    ('J', "+45 33121212", CANCEL, "T33121212", "T33121212", (45, 45), 0x009),
    ('A', "+1 (425) 882-8080", LONG, "T14258828080", "T1425882-8080", (1, 1), 0x005),
    ('A', "+1 (206) 622-1234", LOCAL, "T6221234", "T622-1234", (1, 1), 0x009),
    ('A', "+44 (20) 7946 0018", LOCAL, "T011442079460018", "T01144207946 0018", (1, 44), 0x003),
    ('D', "+1 (425) 886-1000", 0, "T914258861000", "T91425886-1000", (1, 1), 0x019),
    ('D', "+1 (425) 882-8080", 0, "T98828080", "T9882-8080", (1, 1), 0x029),
    ('D', "+1 (425) 886-1000", LOCAL, "T98861000", "T9886-1000", (1, 1), 0x009),
    ('D', "+1 (206) 622-1234", 0, "T912066221234", "T91206622-1234", (1, 1), 0x005),
    ('H', "+44 (20) 7946 0018", 0, "T979460018", "T97946 0018", (44, 44), 0x009),
    ('E', "+1 (425) 882-8080", 0, "T4258828080", "T425882-8080", (1, 1), 0x029),
    ('E', "+1 (206) 622-1234", 0, "T2066221234", "T206622-1234", (1, 1), 0x005),
    ('E', "+1 (206) 345-6789", 0, "T12063456789", "T1206345-6789", (1, 1), 0x005),
    ('E', "+1 (360) 555-0100", 0, "T13605550100", "T1360555-0100", (1, 1), 0x005),
    ('E', "+1 (503) 555-0100", 0, "T15035550100", "T1503555-0100", (1, 1), 0x005),
    ('F', "+1 (425) 882-8080", 0, "T9,8828080", "T9,882-8080", (1, 1), 0x029),
    (
        'F',
        "+1 (206) 622-1234",
        0,
        "T9,18006747000,,,,,,T12345678,,2066221234",
        "T9,18006747000,,,,,,T[MCI Card],,206622-1234",
        (1, 1),
        0x005,
    ),
    (
        'F',
        "+44 (20) 7946 0018",
        0,
        "T9,18006747000,,,,,,T12345678,,011442079460018",
        "T9,18006747000,,,,,,T[MCI Card],,01144207946 0018",
        (1, 44),
        0x003,
    ),
    (
        'A',
        "+1 (206) 622-1234",
        CARD,
        "T1028802066221234$T99887766",
        "T102880206622-1234$T[Bong Card]",
        (1, 1),
        0x045,
    ),
    (
        'A',
        "+44 (20) 7946 0018",
        CARD,
        "T1028801442079460018$T99887766",
        "T102880144207946 0018$T[Bong Card]",
        (1, 44),
        0x043,
    ),
    ('G', "+1 (206) 622-1234", 0, "T1028812066221234", "T102881206622-1234", (1, 1), 0x005),
    (
        'G',
        "+44 (20) 7946 0018",
        0,
        "T10288011442079460018",
        "T1028801144207946 0018",
        (1, 44),
        0x003,
    ),
    ('G', "+1 (425) 882-8080", 0, "T8828080", "T882-8080", (1, 1), 0x029),
    ('H', "+44 (20) 7946 0018", 0, "T979460018", "T97946 0018", (44, 44), 0x009),
    ('H', "+44 (161) 496 0123", 0, "T901614960123", "T90161496 0123", (44, 44), 0x005),
    ('H', "+1 (425) 882-8080", 0, "T90014258828080", "T9001425882-8080", (44, 1), 0x003),
    ('I', "+49 (89) 1234567", 0, "T01234567", "T01234567", (49, 49), 0x009),
    ('I', "+49 (30) 1234567", 0, "T00301234567", "T00301234567", (49, 49), 0x005),
    ('I', "+43 (1) 5880", 0, "T0004315880", "T0004315880", (49, 43), 0x003),
    ('J', "+45 33121212", 0, "T33121212", "T33121212", (45, 45), 0x009),
    ('J', "+46 (8) 123456", 0, "T00468123456", "T00468123456", (45, 46), 0x003),
    ('K', "+33 (1) 42685300", 0, "T042685300", "T042685300", (33, 33), 0x009),
    ('K', "+33 (4) 72000000", 0, "T00472000000", "T00472000000", (33, 33), 0x005),
    ('K', "+1 (425) 882-8080", 0, "T00014258828080", "T0001425882-8080", (33, 1), 0x003),
    ('M', "+33 (1) 42685300", 0, "T00142685300", "T00142685300", (33, 33), 0x009),
    ('A', "5551234", 0, "5551234", "5551234", (1, 0), 0x000),
    ('A', "202", 0, "202", "202", (1, 0), 0x000),
    ('A', "9,555-1234", 0, "9,555-1234", "9,555-1234", (1, 0), 0x000),
    ('A', "+1 (425) 882-8080|12^Ann", 0, "T8828080|12^Ann", "T882-8080", (1, 1), 0x029),
    ('A', "+1 (425) 882-8080\r\n+1 (425) 882-8081", 0, "T8828080", "T882-8080", (1, 1), 0x029),
    ('A', "+1 882-8080", 0, "T18828080", "T1882-8080", (1, 1), 0x005),
    ('A', "+1 (425) 882-8080 W123?", 0, "T8828080W123?", "T882-8080 W123?", (1, 1), 0x329),
];

#[test]
fn the_worked_examples_come_out_as_in_the_reference() {
    for (letter, address, options, dialable, displayable, countries, results) in EXAMPLES {
        let found = translation(*letter).translate(address, 2, Mask::from_bits(*options));
        let expected = Translated {
            dialable: (*dialable).to_owned(),
            displayable: (*displayable).to_owned(),
            current_country: countries.0,
            dest_country: countries.1,
            results: Mask::from_bits(*results),
        };
        assert_eq!(found, Ok(expected), "{letter} {address} {options}");
    }
}

#[test]
fn what_is_nearly_canonical_is_no_address() {
    for address in ["+14258828080", "+1 (425)882-8080", "+ 1 (425) 882-8080"] {
        let found = translation('A').translate(address, 0, Mask::EMPTY);
        assert_eq!(found, Err(LineErr::InvalAddress), "{address}");
    }
}

#[test]
fn uris_pass_and_are_not_looked_into() {
    for address in ["sip:201@office.test", "ann@office.test", "tel:+1-425"] {
        let found = translation('A').translate(address, 0, Mask::EMPTY).unwrap();
        assert_eq!((found.dialable.as_str(), found.displayable.as_str()), (address, address));
        assert!(found.results.is_empty());
    }
}

#[test]
fn options_and_cards_are_checked() {
    let office = translation('A');
    let ask = |card, options| {
        office.translate("+1 (425) 882-8080", card, Mask::from_bits(options)).map(|_| ())
    };
    assert_eq!(ask(0, LOCAL | LONG), Err(LineErr::InvalParam));
    assert_eq!(ask(0, 0x10), Err(LineErr::InvalParam));
    assert_eq!(ask(9, CARD), Err(LineErr::InvalCard));
    assert_eq!(ask(9, 0), Ok(()), "without the option the card does not count");
    assert_eq!(ask(0, CARD), Ok(()));
}

#[test]
fn locations_are_chosen_by_their_identifiers() {
    let mut all = translation('A');
    assert_eq!(all.set_current(7), Err(LineErr::InvalLocation));
    assert_eq!(all.current().map(|location| location.id), Some('A'.into()));
    assert_eq!(all.cards().map(|card| card.id).collect::<Vec<_>>(), [1], "one is hidden");
    assert_eq!(Translation::new(Vec::new(), Vec::new()), Err(Fault::Locations));
    assert_eq!(Translation::new(vec![usa(1), usa(1)], Vec::new()), Err(Fault::Locations));
    let wrong = Location { rules: rules("G", "XFG", "00EFG"), ..usa(1) };
    let fault = Fault::UnknownLetter { rule: "XFG".to_owned(), letter: 'X' };
    assert_eq!(Translation::new(vec![wrong], Vec::new()), Err(fault));
}

fn any_address() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[+][0-9]{1,3} [(][0-9]{0,3}[)] [-0-9 .,#*!TPWw@$?:|^]{1,20}",
        "[+][0-9 ()|^-]{0,20}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_translated_or_refused(
        letter in prop::sample::select("ABCDEFGHIJKM".chars().collect::<Vec<_>>()),
        address in any_address(),
        options in 0u32..32,
    ) {
        let found = translation(letter).translate(&address, 2, Mask::from_bits(options));
        let Ok(found) = found else { return Ok(()) };
        if !address.starts_with('+') {
            prop_assert_eq!(&found.dialable, &address);
            return Ok(());
        }
        use TranslateResult as R;
        let distances = R::Local | R::LongDistance | R::International;
        prop_assert!(found.dialable.starts_with(['T', 'P']));
        prop_assert!(!found.displayable.contains("12345678") || address.contains("12345678"));
        prop_assert_eq!((found.results & distances).len(), 1);
        prop_assert!(!found.results.contains_all(R::InTollList | R::NotInTollList));
        let number = found.dialable.split(['|', '^']).next().unwrap_or_default();
        prop_assert!(number.chars().all(|c| "0123456789ABCD*#,!WPT@$?:;".contains(c)), "{}", number);
        prop_assert_eq!(found.current_country, location(letter).country_code);
    }
}

#[test]
fn each_country_has_its_own_key() {
    for (index, country) in COUNTRIES.iter().enumerate() {
        assert!(COUNTRIES.iter().skip(index + 1).all(|other| other.id != country.id));
        let rules = country.rules();
        for one in [&rules.same_area, &rules.long_distance, &rules.international] {
            assert_eq!(rule::check(one, "", ""), Ok(()), "{}", country.name);
        }
    }
    assert_eq!(TranslateResult::DialPrompt.value(), 0x200);
}
