//! Which operations can be asked for: LINECALLFEATURE, LINEADDRFEATURE and LINEFEATURE.

mod address;
mod call;

pub use address::{
    AddressSituation, address_features, line_features, offered_address_features,
    offered_line_features,
};
pub use call::{
    CallSituation, Surroundings, call_features, call_features2, check, check_completion,
    check_room, offered_call_features, offered_call_features2,
};
