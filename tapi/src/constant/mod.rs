//! Names and values of the LINE*_ constants: one table per family.
//!
//! A family is an enum whose variants carry the documented values. On the wire a constant is its
//! full name (`LINECALLSTATE_CONNECTED`); numbers are accepted too. Bit sets of a family are
//! [`Mask`]s and travel as arrays of names.

mod agent;
mod call_state;
mod error;
mod feature;
mod mask;
mod media;
mod service;
mod setup;
mod status;
mod translate;

pub use agent::{
    AgentFeature, AgentSessionState, AgentSessionStatusChange, AgentState, AgentStateEx,
    AgentStatusChange, AgentStatusExChange, GroupStatusChange, ProxyMessage, ProxyRequest,
    ProxyStatusChange, QueueStatusChange,
};
pub use call_state::{
    BusyMode, CallState, ConnectedMode, DialToneMode, DisconnectMode, OfferingMode, SpecialInfo,
};
pub use error::LineErr;
pub use feature::{AddrCapFlag, AddrFeature, CallFeature, CallFeature2, LineFeature};
pub use mask::Mask;
pub use media::{
    CallTreatment, DigitMode, GatherTerm, GenerateTerm, StringFormat, TermDev, TermMode, ToneMode,
};
pub use service::{
    CallComplCond, CallComplMode, ForwardMode, ParkMode, RemoveFromConf, TransferMode,
};
pub use setup::{
    AddressMode, AddressSharing, AnswerMode, BearerMode, CallOrigin, CallParamFlag, CallPartyId,
    CallPrivilege, CallReason, CallSelect, DevCapFlag, MediaMode, OpenOption,
};
pub use status::{AddressState, CallInfoState, LineDevState, LineDevStatusFlag};
pub use translate::{CardOption, LocationOption, TranslateOption, TranslateResult};

use serde_json::Value;

/// One family of constants.
pub trait Constant: Copy + Eq + std::fmt::Debug + 'static {
    /// Every member, in the order of the reference.
    const ALL: &'static [Self];
    /// The prefix that all names of the family share, `LINECALLSTATE_`.
    const PREFIX: &'static str;

    /// The full name, `LINECALLSTATE_CONNECTED`.
    fn name(self) -> &'static str;

    /// The documented value.
    fn value(self) -> u32;

    /// The member with this value.
    fn from_value(value: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|member| member.value() == value)
    }

    /// The member with this full name.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|member| member.name() == name)
    }
}

/// Why a JSON value is not a constant (or a set of constants) of a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAConstant {
    /// Neither a name nor a number: the wrong JSON type.
    Type,
    /// A name or number that the family does not have.
    Value,
}

/// Reads one member from a name or a number.
pub fn read<C: Constant>(value: &Value) -> Result<C, NotAConstant> {
    match value {
        Value::String(name) => C::from_name(name).ok_or(NotAConstant::Value),
        Value::Number(number) => {
            let bits = number.as_u64().and_then(|n| u32::try_from(n).ok());
            bits.and_then(C::from_value).ok_or(NotAConstant::Value)
        }
        _ => Err(NotAConstant::Type),
    }
}

/// Declares a family: Rust name, prefix, and one row per constant.
macro_rules! constants {
    ($(#[$doc:meta])* $family:ident, $prefix:literal {
        $($variant:ident = $value:literal, $suffix:literal;)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u32)]
        pub enum $family {
            $(#[doc = concat!("`", $prefix, $suffix, "` = `", stringify!($value), "`")]
            $variant = $value,)+
        }

        impl $crate::constant::Constant for $family {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            const PREFIX: &'static str = $prefix;

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($prefix, $suffix),)+
                }
            }

            fn value(self) -> u32 {
                self as u32
            }
        }

        impl serde::Serialize for $family {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str($crate::constant::Constant::name(*self))
            }
        }

        impl<'de> serde::Deserialize<'de> for $family {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = <serde_json::Value as serde::Deserialize>::deserialize(from)?;
                $crate::constant::read(&value).map_err(|_| {
                    serde::de::Error::custom(concat!("not a ", $prefix, " constant"))
                })
            }
        }

        impl std::ops::BitOr for $family {
            type Output = $crate::constant::Mask<Self>;

            fn bitor(self, other: Self) -> Self::Output {
                $crate::constant::Mask::from(self) | other
            }
        }
    };
}
pub(crate) use constants;

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct<C: Constant>() {
        for (i, a) in C::ALL.iter().enumerate() {
            assert!(a.name().starts_with(C::PREFIX), "{a:?}");
            assert_eq!(C::from_name(a.name()), Some(*a));
            assert_eq!(C::from_value(a.value()), Some(*a));
            assert!(C::ALL[i + 1..].iter().all(|b| b.value() != a.value() && b.name() != a.name()));
        }
    }

    #[test]
    fn every_constant_is_found_by_its_name_and_by_its_value() {
        distinct::<CallState>();
        distinct::<DisconnectMode>();
        distinct::<CallFeature>();
        distinct::<AddrCapFlag>();
        distinct::<CallInfoState>();
        distinct::<LineDevState>();
        distinct::<LineErr>();
        distinct::<MediaMode>();
        distinct::<ForwardMode>();
        distinct::<AgentSessionState>();
        distinct::<AgentStateEx>();
        distinct::<AgentState>();
        distinct::<AgentStatusChange>();
        distinct::<QueueStatusChange>();
        distinct::<AgentFeature>();
        distinct::<ProxyMessage>();
        distinct::<ProxyRequest>();
        distinct::<ProxyStatusChange>();
    }

    #[test]
    fn values_are_those_of_the_reference() {
        for (value, expected) in [
            (CallState::OnHoldPendTransfer.value(), 0x2000),
            (CallState::Unknown.value(), 0x8000),
            (DisconnectMode::Cancelled.value(), 0x80000),
            (CallFeature::SetCallData.value(), 0x8000_0000),
            (CallOrigin::Inbound.value(), 0x80),
            (MediaMode::InteractiveVoice.value(), 4),
            (OpenOption::SingleAddress.value(), 0x8000_0000),
            (CallInfoState::CallData.value(), 0x4000_0000),
            (LineDevState::Removed.value(), 0x0100_0000),
            (AddrCapFlag::NoPstnAddressTranslation.value(), 0x8000_0000),
            (AgentState::Ready.value(), 4),
            (AgentStateEx::Ready.value(), 2),
            (AgentSessionState::Released.value(), 0x20),
            (QueueStatusChange::UpdateInfo.value(), 1),
            (AgentStatusExChange::UpdateInfo.value(), 4),
            (ProxyRequest::SetAgentStateEx.value(), 0x14),
            (ProxyMessage::GroupStatus.value(), 30),
        ] {
            assert_eq!(value, expected);
        }
        assert_eq!(LineErr::InvalCallState.code(), -2_147_483_620);
        assert_eq!(LineErr::ALL.len(), 95);
        assert_eq!(LineErr::ServiceNotRunning.value(), 0x8000_0061);
    }

    #[test]
    fn a_constant_reads_from_its_name_or_number_and_writes_its_name() {
        let json = serde_json::to_string(&CallState::OnHold).unwrap();
        assert_eq!(json, "\"LINECALLSTATE_ONHOLD\"");
        assert_eq!(serde_json::from_str::<CallState>(&json).unwrap(), CallState::OnHold);
        assert_eq!(serde_json::from_str::<CallState>("1024").unwrap(), CallState::OnHold);
        assert!(serde_json::from_str::<CallState>("3").is_err());
        assert!(serde_json::from_str::<CallState>("\"LINECALLSTATE_\"").is_err());
        assert!(serde_json::from_str::<CallState>("{}").is_err());
    }
}
