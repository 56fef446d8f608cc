//! Countries and how numbers are dialled there without a card.

use super::Rules;

/// LINECOUNTRYENTRY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Country {
    /// The key of lineGetCountry.
    pub id: u32,
    /// What is dialled.
    pub code: u32,
    /// The English name.
    pub name: &'static str,
    /// The rules, with the usual prefixes: same area, long distance, international.
    pub rules: (&'static str, &'static str, &'static str),
    /// Whether toll lists are known there.
    pub has_toll_lists: bool,
}

/// The countries that are known here, in the order of lineGetCountry's list.
pub const COUNTRIES: &[Country] = &[
    country(1, 1, "United States of America", ("G", "1FG", "011EFG"), true),
    country(33, 33, "France", ("G", "0FG", "00EFG"), false),
    country(44, 44, "United Kingdom", ("G", "0FG", "00EFG"), false),
    country(45, 45, "Denmark", ("G", "FG", "00EFG"), false),
    country(49, 49, "Germany", ("G", "0FG", "00EFG"), false),
];

const fn country(
    id: u32,
    code: u32,
    name: &'static str,
    rules: (&'static str, &'static str, &'static str),
    has_toll_lists: bool,
) -> Country {
    Country { id, code, name, rules, has_toll_lists }
}

impl Country {
    /// The rules as those of a location.
    pub fn rules(&self) -> Rules {
        let (same_area, long_distance, international) = self.rules;
        Rules {
            same_area: same_area.to_owned(),
            long_distance: long_distance.to_owned(),
            international: international.to_owned(),
        }
    }
}

/// The country of a code, the first where several share it.
pub fn country_of_code(code: u32) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.code == code)
}
