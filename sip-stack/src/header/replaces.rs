//! Headers that name a dialog: Replaces (RFC 3891), Join (RFC 3911), Target-Dialog (RFC 4538).

use std::fmt;

use super::params::Params;
use super::text::trim;
use crate::message::{ParseError, ParseErrorKind as Kind};

macro_rules! dialog_header {
    ($(#[$doc:meta])* $name:ident, $first:literal, $first_field:ident, $second:literal, $second_field:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name<'a> {
            /// The Call-ID of the dialog.
            pub call_id: &'a str,
            #[doc = concat!("The `", $first, "` parameter.")]
            pub $first_field: &'a str,
            #[doc = concat!("The `", $second, "` parameter.")]
            pub $second_field: &'a str,
            /// All parameters, the tags among them.
            pub params: Params<'a>,
        }

        impl<'a> $name<'a> {
            /// Reads the value: the Call-ID and exactly one of each tag.
            ///
            /// # Errors
            /// A value that does not fit the grammar.
            pub fn parse(value: &'a str) -> Result<$name<'a>, ParseError> {
                let end = value.find(';').ok_or(Kind::Parameter.at(value.len()))?;
                let (call_id, params) = value.split_at_checked(end).ok_or(Kind::Value.at(end))?;
                let call_id = trim(call_id);
                if call_id.is_empty() || call_id.contains([' ', '\t', ',']) {
                    return Err(Kind::Value.at(0));
                }
                let params = Params::parse(params)?;
                let $first_field = single(&params, $first)?;
                let $second_field = single(&params, $second)?;
                Ok($name { call_id, $first_field, $second_field, params })
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{};", $first, "={};", $second, "={}"), self.call_id, self.$first_field, self.$second_field)?;
                self.params
                    .iter()
                    .filter(|param| {
                        !param.name.eq_ignore_ascii_case($first)
                            && !param.name.eq_ignore_ascii_case($second)
                    })
                    .try_for_each(|param| write!(f, "{param}"))
            }
        }
    };
}

dialog_header! {
    /// The dialog that an INVITE takes the place of (RFC 3891 §6.1).
    Replaces, "to-tag", to_tag, "from-tag", from_tag
}

dialog_header! {
    /// The dialog that an INVITE joins (RFC 3911 §7.1).
    Join, "to-tag", to_tag, "from-tag", from_tag
}

dialog_header! {
    /// The dialog that shows the sender's right (RFC 4538 §7).
    TargetDialog, "local-tag", local_tag, "remote-tag", remote_tag
}

impl Replaces<'_> {
    /// Whether only an early dialog may be replaced.
    #[must_use]
    pub fn is_early_only(&self) -> bool {
        self.params.has("early-only")
    }
}

/// The value of a parameter that must be there exactly once.
fn single<'a>(params: &Params<'a>, name: &str) -> Result<&'a str, ParseError> {
    let mut values = params.iter().filter(|param| param.name.eq_ignore_ascii_case(name));
    match (values.next().and_then(|param| param.value), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(value),
        _ => Err(Kind::Parameter.at(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_replaces() {
        let replaces = Replaces::parse("98@h ;from-tag=f; to-tag=t;early-only;x=y").unwrap();
        assert_eq!((replaces.call_id, replaces.to_tag, replaces.from_tag), ("98@h", "t", "f"));
        assert!(replaces.is_early_only());
        assert_eq!(replaces.to_string(), "98@h;to-tag=t;from-tag=f;early-only;x=y");
    }

    #[test]
    fn both_tags_must_be_there_once() {
        for value in [
            "a",
            "a;to-tag=1",
            "a;to-tag=1;to-tag=1;from-tag=2",
            "a;to-tag;from-tag=2",
            ";to-tag=1;from-tag=2",
            "a;to-tag=1;from-tag=2,b;to-tag=1;from-tag=2 x",
        ] {
            assert!(Replaces::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_target_dialog_has_local_and_remote_tag() {
        let target = TargetDialog::parse("c;remote-tag=r;local-tag=l").unwrap();
        assert_eq!((target.local_tag, target.remote_tag), ("l", "r"));
        assert_eq!(target.to_string(), "c;local-tag=l;remote-tag=r");
    }
}
