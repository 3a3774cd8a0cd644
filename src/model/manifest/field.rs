//! A field of a manifest on its way to be read: it may hold anything, as people write manifests, too.

use serde_json::Value;
use std::fmt;

/// A field that does not hold what its schema has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// JSON pointer.
    pub at: String,
    /// With its article: `a list`.
    pub wanted: &'static str,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` must be {}", self.at, self.wanted)
    }
}

/// Null where nothing is.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    value: &'a Value,
    at: String,
}

impl<'a> Field<'a> {
    pub fn of(manifest: &'a Value) -> Self {
        Self { value: manifest, at: String::new() }
    }

    pub fn get(&self, key: &str) -> Result<Field<'a>, Misfit> {
        let at = format!("{}/{}", self.at, key.replace('~', "~0").replace('/', "~1"));
        match self.value {
            Value::Object(fields) => Ok(Field { value: fields.get(key).unwrap_or(&Value::Null), at }),
            Value::Null => Ok(Field { value: &Value::Null, at }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(self.must_be("a table")),
        }
    }

    pub fn must_be(&self, wanted: &'static str) -> Misfit {
        Misfit { at: self.at.clone(), wanted }
    }

    /// None where nothing is.
    pub fn optional<T>(&self, read: impl FnOnce(&Self) -> Result<T, Misfit>) -> Result<Option<T>, Misfit> {
        if self.value.is_null() { Ok(None) } else { read(self).map(Some) }
    }

    pub fn text(&self) -> Result<String, Misfit> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.must_be("a string"))
    }

    pub fn whole<T: TryFrom<u64>>(&self) -> Result<T, Misfit> {
        let number = self.value.as_u64().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| self.must_be("a whole number in its range"))
    }

    /// Empty where nothing is.
    pub fn list<T>(&self, read: impl Fn(&Self) -> Result<T, Misfit>) -> Result<Vec<T>, Misfit> {
        let elements = match self.value {
            Value::Null => &[],
            Value::Array(elements) => elements.as_slice(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                return Err(self.must_be("a list"));
            }
        };
        let field = |(place, value): (usize, &'a Value)| Field { value, at: format!("{}/{place}", self.at) };
        elements.iter().enumerate().map(|element| read(&field(element))).collect()
    }

    /// By key; empty where nothing is.
    pub fn table<T>(&self, read: impl Fn(&Self) -> Result<T, Misfit>) -> Result<Vec<(String, T)>, Misfit> {
        let keys = match self.value {
            Value::Null => vec![],
            Value::Object(fields) => fields.keys().collect(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(self.must_be("a table"));
            }
        };
        keys.into_iter().map(|key| Ok((key.clone(), read(&self.get(key)?)?))).collect()
    }
}
