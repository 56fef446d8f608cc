//! Which configured features this release does not have yet, as one table to strike from.

use crate::model::Config;

/// A feature and whether a configuration asks for it.
type Feature = (&'static str, fn(&Config) -> bool);

/// A row goes when its feature comes.
const NOT_YET_AVAILABLE: [Feature; 0] = [];

impl Config {
    /// The features that this file configures and this release does not have, for the log of each start
    /// and for `strowger check`. Such a file is valid; what it asks for simply does not happen yet.
    pub fn not_yet_available(&self) -> Vec<&'static str> {
        let asked = NOT_YET_AVAILABLE.iter().filter(|(_, is_asked)| is_asked(self));
        asked.map(|(feature, _)| *feature).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    const PLAIN: &str = "domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n\
                         [completion]\nkeep_failed_call = \"5s\"\n";

    #[test]
    fn names_nothing_where_only_available_things_are_configured() {
        assert_eq!(parse(PLAIN, "x").unwrap().not_yet_available(), Vec::<&str>::new());
    }

    #[test]
    fn park_lots_pickup_shared_lines_and_queues_are_there() {
        let text = format!(
            "{PLAIN}[park.lots.main]\nnumber = \"700\"\nslots = \"701-720\"\n\
             [pickup_groups.sales]\nid = \"10\"\n\
             [shared_lines.250]\nmembers = [\"201\"]\n\
             [feature_codes]\npickup_group = \"*8\"\npickup_directed = \"**\"\n\
             pickup_held = \"*7\"\nagent_login = \"*45\"\n\
             [queues.q]\nnumber = \"600\"\ngroups = [\"a\"]\n[agent_groups.a]\n\
             [agents.jane]\npassword = \"1\"\ngroups = [\"a\"]\n"
        );
        assert_eq!(parse(&text, "x").unwrap().not_yet_available(), Vec::<&str>::new());
    }
}
