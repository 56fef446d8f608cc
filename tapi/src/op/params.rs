//! Parameters of a function: their JSON types, and the names and numbers of constants.

use serde_json::{Map, Value};

use crate::constant::{Constant, LineErr, Mask, NotAConstant, read};
use crate::server::Fault;

/// Characters of a text parameter.
pub(crate) const MAX_TEXT: usize = 1024;

/// The parameters of one function call. A parameter that is null counts as left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params<'a>(&'a Map<String, Value>);

fn wrong_type(name: &str, expected: &str) -> Fault {
    Fault::Params(format!("Parameter {name} must be {expected}."))
}

fn missing(name: &str) -> Fault {
    Fault::Params(format!("Parameter {name} is missing."))
}

fn wrong_value(name: &str, error: LineErr) -> Fault {
    Fault::line(error, format!("Parameter {name} has no valid value."))
}

impl<'a> Params<'a> {
    pub(crate) fn new(members: &'a Map<String, Value>) -> Self {
        Self(members)
    }

    /// A parameter that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A number. One that is no unsigned 32-bit number is the given error: it has the right
    /// JSON type, but no handle or identifier can have the value.
    pub(crate) fn opt_number(&self, name: &str, error: LineErr) -> Result<Option<u32>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .map(Some)
                .ok_or_else(|| wrong_value(name, error)),
            Some(_) => Err(wrong_type(name, "a number")),
        }
    }

    /// A number that must be there.
    pub(crate) fn number(&self, name: &str, error: LineErr) -> Result<u32, Fault> {
        self.opt_number(name, error)?.ok_or_else(|| missing(name))
    }

    /// A text of bounded length.
    pub(crate) fn opt_text(&self, name: &str, error: LineErr) -> Result<Option<&'a str>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= MAX_TEXT => Ok(Some(text)),
            Some(Value::String(_)) => {
                Err(Fault::line(error, format!("Parameter {name} is too long.")))
            }
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    /// A truth value; left out means false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(wrong_type(name, "true or false")),
        }
    }

    /// Whether the caller waits for the final result.
    pub(crate) fn waits(&self) -> Result<bool, Fault> {
        self.flag("wait")
    }

    /// A set of constants. Bits and names that the family does not have are the given error.
    pub(crate) fn opt_mask<C: Constant>(
        &self,
        name: &str,
        error: LineErr,
    ) -> Result<Option<Mask<C>>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match Mask::read(value) {
            Ok(mask) if !mask.has_unknown_bits() => Ok(Some(mask)),
            Ok(_) | Err(NotAConstant::Value) => Err(wrong_value(name, error)),
            Err(NotAConstant::Type) => Err(wrong_type(name, "names of constants or a number")),
        }
    }

    /// A set that must be there.
    pub(crate) fn mask<C: Constant>(&self, name: &str, error: LineErr) -> Result<Mask<C>, Fault> {
        self.opt_mask(name, error)?.ok_or_else(|| missing(name))
    }

    /// One constant; an array with one name counts too, 0 is as good as left out.
    pub(crate) fn opt_constant<C: Constant>(
        &self,
        name: &str,
        error: LineErr,
    ) -> Result<Option<C>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.as_u64() == Some(0) {
            return Ok(None);
        }
        let one = match value {
            Value::Array(items) if items.len() == 1 => items.first().unwrap_or(value),
            Value::Array(items) if items.iter().all(|i| i.is_string() || i.is_number()) => {
                return Err(wrong_value(name, error));
            }
            other => other,
        };
        match read(one) {
            Ok(constant) => Ok(Some(constant)),
            Err(NotAConstant::Value) => Err(wrong_value(name, error)),
            Err(NotAConstant::Type) => Err(wrong_type(name, "the name of a constant or a number")),
        }
    }

    /// One constant that must be there.
    pub(crate) fn constant<C: Constant>(&self, name: &str, error: LineErr) -> Result<C, Fault> {
        match self.get(name) {
            None => Err(missing(name)),
            Some(_) => self.opt_constant(name, error)?.ok_or_else(|| wrong_value(name, error)),
        }
    }

    /// Whether a parameter is there and null.
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    /// An array.
    pub(crate) fn opt_list(&self, name: &str) -> Result<Option<&'a [Value]>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(wrong_type(name, "an array")),
        }
    }

    /// An object parameter.
    pub(crate) fn opt_object(&self, name: &str) -> Result<Option<Params<'a>>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Params(members))),
            Some(_) => Err(wrong_type(name, "an object")),
        }
    }

    /// An API version: the documented number, or text like "2.2". Says which it was.
    pub(crate) fn opt_version(&self, name: &str) -> Result<Option<(u32, bool)>, Fault> {
        let error = LineErr::IncompatibleApiVersion;
        match self.get(name) {
            Some(Value::String(text)) => {
                let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
                let version = major.parse::<u16>().ok().zip(minor.parse::<u16>().ok());
                let (major, minor) = version.ok_or_else(|| wrong_value(name, error))?;
                Ok(Some((u32::from(major) << 16 | u32::from(minor), true)))
            }
            _ => Ok(self.opt_number(name, error)?.map(|version| (version, false))),
        }
    }
}
