//! ITAddressCapabilities: what an address can do.

use serde_json::Value;

use super::constant::{AddressCapability, AddressCapabilityString, AddressType};
use super::map::value_of;
use super::table::AddressKey;
use crate::constant::Constant as _;

/// ITAddressCapabilities: LINEDEVCAPS and LINEADDRESSCAPS of an address, as they were when asked.
#[derive(Clone, PartialEq, Debug)]
pub struct AddressCapabilities {
    key: AddressKey,
    device: Value,
    address: Value,
}

/// Where a capability is found.
enum Source {
    Device(&'static str),
    Address(&'static str),
    DialParams(&'static str),
    Fixed(u32),
}

impl AddressCapabilities {
    pub(crate) fn new(key: AddressKey, device: Value, address: Value) -> Self {
        Self { key, device, address }
    }

    /// ITAddressCapabilities::get_AddressCapability: a number, or the bits of a set.
    pub fn address_capability(&self, capability: AddressCapability) -> u32 {
        match self.source(capability) {
            Source::Device(field) => value_of(&self.device[field]),
            Source::Address(field) => value_of(&self.address[field]),
            Source::DialParams(field) => value_of(&self.device[field]["digitDuration"]),
            Source::Fixed(value) => value,
        }
    }

    fn source(&self, capability: AddressCapability) -> Source {
        use AddressCapability as C;
        use Source::{Address, Device, DialParams, Fixed};
        match capability {
            C::AddressTypes => Fixed(AddressType::PhoneNumber.value()),
            C::BearerModes => Device("bearerModes"),
            C::MaxActiveCalls => Address("maxNumActiveCalls"),
            C::MaxOnHoldCalls => Address("maxNumOnHoldCalls"),
            C::MaxOnHoldPendingCalls => Address("maxNumOnHoldPendingCalls"),
            C::MaxNumConference => Address("maxNumConference"),
            C::MaxNumTransConf => Address("maxNumTransConf"),
            C::MonitorDigitSupport => Device("monitorDigitModes"),
            C::GenerateDigitSupport => Device("generateDigitModes"),
            C::GenerateToneModes => Device("generateToneModes"),
            C::GenerateToneMaxNumFreq => Device("generateToneMaxNumFreq"),
            C::MonitorToneMaxNumFreq => Device("monitorToneMaxNumFreq"),
            C::MonitorToneMaxNumEntries => Device("monitorToneMaxNumEntries"),
            C::DevCapFlags => Device("devCapFlags"),
            C::AnswerModes => Device("answerMode"),
            C::LineFeatures => Device("lineFeatures"),
            C::SettableDevStatus => Device("settableDevStatus"),
            C::ParkSupport => Address("parkModes"),
            C::CallerIdSupport => Address("callerIdFlags"),
            C::CalledIdSupport => Address("calledIdFlags"),
            C::ConnectedIdSupport => Address("connectedIdFlags"),
            C::RedirectionIdSupport => Address("redirectionIdFlags"),
            C::RedirectingIdSupport => Address("redirectingIdFlags"),
            C::AddressCapFlags => Address("addrCapFlags"),
            C::CallFeatures1 => Address("callFeatures"),
            C::CallFeatures2 => Address("callFeatures2"),
            C::RemoveFromConfCaps => Address("removeFromConfCaps"),
            C::RemoveFromConfState => Address("removeFromConfState"),
            C::TransferModes => Address("transferModes"),
            C::AddressFeatures => Address("addressFeatures"),
            C::PredictiveAutoTransferStates => Address("predictiveAutoTransferStates"),
            C::MaxCallDataSize => Address("maxCallDataSize"),
            C::LineId => Fixed(self.key.device),
            C::AddressId => Fixed(self.key.address),
            C::ForwardModes => Address("forwardModes"),
            C::MaxForwardEntries => Address("maxForwardEntries"),
            C::MaxSpecificEntries => Address("maxSpecificEntries"),
            C::MinFwdNumRings => Address("minFwdNumRings"),
            C::MaxFwdNumRings => Address("maxFwdNumRings"),
            C::MaxCallCompletions => Address("maxCallCompletions"),
            C::CallCompletionConditions => Address("callCompletionConds"),
            C::CallCompletionModes => Address("callCompletionModes"),
            C::PermanentDeviceId => Device("permanentLineId"),
            C::GatherDigitsMinTimeout => Device("gatherDigitsMinTimeout"),
            C::GatherDigitsMaxTimeout => Device("gatherDigitsMaxTimeout"),
            C::GenerateDigitMinDuration => DialParams("minDialParams"),
            C::GenerateDigitMaxDuration => DialParams("maxDialParams"),
            C::GenerateDigitDefaultDuration => DialParams("defaultDialParams"),
        }
    }

    /// ITAddressCapabilities::get_AddressCapabilityString; empty for what the switch does not have.
    pub fn address_capability_string(&self, capability: AddressCapabilityString) -> String {
        use AddressCapabilityString as S;
        let value = match capability {
            S::Protocol => return "SIP".to_owned(),
            S::PermanentDeviceGuid => return String::new(),
            S::AddressDeviceSpecific => &self.address["devSpecific"],
            S::LineDeviceSpecific => &self.device["devSpecific"],
            S::ProviderSpecific => &self.device["providerInfo"],
            S::SwitchSpecific => &self.device["switchInfo"],
        };
        match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    /// ITAddressCapabilities::get_CallTreatments: the names of what a waiting party can hear.
    pub fn call_treatments(&self) -> Vec<String> {
        let list = self.address["callTreatmentList"].as_array();
        let names = list.into_iter().flatten().filter_map(|e| e["callTreatmentName"].as_str());
        names.map(str::to_owned).collect()
    }

    /// ITAddressCapabilities::get_CompletionMessages
    pub fn completion_messages(&self) -> Vec<String> {
        texts(&self.address["completionMsgText"])
    }

    /// ITAddressCapabilities::get_DeviceClasses
    pub fn device_classes(&self) -> Vec<String> {
        texts(&self.address["deviceClasses"])
    }
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_sets_and_texts_are_read_from_where_the_reference_says() {
        let key = AddressKey { device: 7, address: 1 };
        let device = json!({"bearerModes": ["LINEBEARERMODE_VOICE", "LINEBEARERMODE_SPEECH"],
            "minDialParams": {"digitDuration": 40}, "providerInfo": "P", "permanentLineId": 99});
        let address = json!({"parkModes": ["LINEPARKMODE_DIRECTED"], "maxNumActiveCalls": 4,
            "removeFromConfCaps": "LINEREMOVEFROMCONF_ANY",
            "callTreatmentList": [{"callTreatmentName": "Music"}], "deviceClasses": ["tapi/line"]});
        let caps = AddressCapabilities::new(key, device, address);
        use AddressCapability as C;
        for (capability, value) in [
            (C::AddressTypes, 1),
            (C::BearerModes, 3),
            (C::ParkSupport, 1),
            (C::MaxActiveCalls, 4),
            (C::RemoveFromConfCaps, 3),
            (C::LineId, 7),
            (C::AddressId, 1),
            (C::PermanentDeviceId, 99),
            (C::GenerateDigitMinDuration, 40),
            (C::MaxCallCompletions, 0),
        ] {
            assert_eq!(caps.address_capability(capability), value, "{capability:?}");
        }
        assert_eq!(caps.address_capability_string(AddressCapabilityString::ProviderSpecific), "P");
        assert_eq!(caps.call_treatments(), ["Music"]);
        assert_eq!(caps.device_classes(), ["tapi/line"]);
    }
}
