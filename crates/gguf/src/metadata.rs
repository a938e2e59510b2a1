//! The typed values in front of the tensors, by their keys.

use std::collections::BTreeMap;

use crate::byte_reader::{ByteReader, Stop};
use crate::{GgufProblem, MAGIC};

/// Real files have some forty.
const MAX_VALUES: u64 = 1 << 16;
/// Real files have some hundred thousand merges.
const MAX_LIST_LENGTH: u64 = 1 << 23;
/// Room that a list is given before its first value is read.
const FIRST_CAPACITY: usize = 1 << 12;
/// Real files have some thousand.
const MAX_TENSORS: u64 = 1 << 16;
/// Largest count, size or id: it has to fit an `i32` on the device.
const MAX_COUNT: i128 = i32::MAX as i128;

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// A whole number of any width.
    Integer(i128),
    /// A floating-point number of any width.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list of whole numbers.
    Integers(Vec<i64>),
    /// A list of floating-point numbers.
    Floats(Vec<f64>),
    /// A list of truth values.
    Bools(Vec<bool>),
    /// A list of texts.
    Texts(Vec<String>),
}

/// All values of a file.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    values: BTreeMap<String, MetadataValue>,
}

/// What stands in front of the metadata.
pub(crate) struct Prologue {
    pub(crate) version: u32,
    pub(crate) num_tensors: usize,
    pub(crate) num_values: usize,
}

/// The metadata of a file that begins with `start`; `None` if more of the file is needed.
///
/// # Errors
/// The file is not GGUF, or breaks a rule of the format.
pub fn read_metadata(start: &[u8]) -> Result<Option<Metadata>, GgufProblem> {
    let mut reader = ByteReader::new(start);
    let read = prologue(&mut reader).and_then(|prologue| Metadata::read(&mut reader, &prologue));
    match read {
        Ok(metadata) => Ok(Some(metadata)),
        Err(Stop::More(_)) => Ok(None),
        Err(Stop::Problem(problem)) => Err(problem),
    }
}

pub(crate) fn prologue(reader: &mut ByteReader<'_>) -> Result<Prologue, Stop> {
    if reader.array::<4>()? != MAGIC {
        return Err(GgufProblem::Magic.into());
    }
    let version = reader.u32()?;
    match version {
        2 | 3 => {}
        swapped if matches!(swapped.swap_bytes(), 1..=3) => return Err(GgufProblem::BigEndian.into()),
        version => return Err(GgufProblem::Version { version }.into()),
    }
    let num_tensors = reader.count("the number of tensors", MAX_TENSORS)?;
    let num_values = reader.count("the number of keys", MAX_VALUES)?;
    Ok(Prologue { version, num_tensors, num_values })
}

impl Metadata {
    pub(crate) fn read(reader: &mut ByteReader<'_>, prologue: &Prologue) -> Result<Metadata, Stop> {
        reader.part = "its metadata";
        let mut values = BTreeMap::new();
        for _ in 0..prologue.num_values {
            let key = reader.name("a key")?;
            let number = reader.u32()?;
            let value = read_value(reader, &key, number)?;
            if values.insert(key.clone(), value).is_some() {
                return Err(GgufProblem::Duplicate { what: "key", name: key }.into());
            }
        }
        Ok(Metadata { values })
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&MetadataValue> {
        self.values.get(key)
    }

    /// All keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// A text.
    ///
    /// # Errors
    /// The value is something else.
    pub fn text(&self, key: &str) -> Result<Option<&str>, GgufProblem> {
        match self.get(key) {
            None => Ok(None),
            Some(MetadataValue::Text(text)) => Ok(Some(text)),
            Some(other) => Err(other.invalid(key, "a text")),
        }
    }

    /// A whole number from 0 to 2^31 - 1; of a list, the number that all of it is.
    ///
    /// # Errors
    /// The value is something else.
    pub fn count(&self, key: &str) -> Result<Option<usize>, GgufProblem> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = match value {
            MetadataValue::Integer(number) => Some(*number),
            MetadataValue::Integers(list) => match list.as_slice() {
                [first, rest @ ..] if rest.iter().all(|number| number == first) => Some(i128::from(*first)),
                _ => return Err(value.invalid(key, "the same number for every layer")),
            },
            _ => None,
        };
        match number {
            Some(number) if (0..=MAX_COUNT).contains(&number) => Ok(Some(number as usize)),
            _ => Err(value.invalid(key, "a whole number from 0 to 2147483647")),
        }
    }

    /// A finite number.
    ///
    /// # Errors
    /// The value is something else.
    pub fn number(&self, key: &str) -> Result<Option<f64>, GgufProblem> {
        match self.get(key) {
            None => Ok(None),
            Some(MetadataValue::Float(number)) if number.is_finite() => Ok(Some(*number)),
            Some(MetadataValue::Integer(number)) => Ok(Some(*number as f64)),
            Some(other) => Err(other.invalid(key, "a finite number")),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// The value is something else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, GgufProblem> {
        match self.get(key) {
            None => Ok(None),
            Some(MetadataValue::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(other.invalid(key, "true or false")),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// The value is something else.
    pub fn texts(&self, key: &str) -> Result<Option<&[String]>, GgufProblem> {
        match self.get(key) {
            None => Ok(None),
            Some(MetadataValue::Texts(list)) => Ok(Some(list)),
            Some(other) => Err(other.invalid(key, "a list of texts")),
        }
    }

    /// A list of whole numbers.
    ///
    /// # Errors
    /// The value is something else.
    pub fn integers(&self, key: &str) -> Result<Option<&[i64]>, GgufProblem> {
        match self.get(key) {
            None => Ok(None),
            Some(MetadataValue::Integers(list)) => Ok(Some(list)),
            Some(other) => Err(other.invalid(key, "a list of whole numbers")),
        }
    }

    /// A list of numbers.
    ///
    /// # Errors
    /// The value is something else.
    pub fn floats(&self, key: &str) -> Result<Option<&[f64]>, GgufProblem> {
        match self.get(key) {
            None => Ok(None),
            Some(MetadataValue::Floats(list)) => Ok(Some(list)),
            Some(other) => Err(other.invalid(key, "a list of numbers")),
        }
    }
}

impl MetadataValue {
    /// The error for a value that its key can't have.
    pub(crate) fn invalid(&self, key: &str, expected: &'static str) -> GgufProblem {
        GgufProblem::InvalidValue { key: key.to_string(), found: self.describe(), expected }
    }

    /// The value as a message shows it.
    fn describe(&self) -> String {
        const SHOWN: usize = 60;
        match self {
            MetadataValue::Integer(number) => number.to_string(),
            MetadataValue::Float(number) => number.to_string(),
            MetadataValue::Bool(flag) => flag.to_string(),
            MetadataValue::Text(text) if text.chars().count() > SHOWN => {
                format!("`{}...`", text.chars().take(SHOWN).collect::<String>())
            }
            MetadataValue::Text(text) => format!("`{text}`"),
            MetadataValue::Integers(list) => format!("a list of {} whole numbers", list.len()),
            MetadataValue::Floats(list) => format!("a list of {} numbers", list.len()),
            MetadataValue::Bools(list) => format!("a list of {} truth values", list.len()),
            MetadataValue::Texts(list) => format!("a list of {} texts", list.len()),
        }
    }
}

/// The format's numbers of types.
mod types {
    pub(super) const BOOL: u32 = 7;
    pub(super) const TEXT: u32 = 8;
    pub(super) const LIST: u32 = 9;
}

pub(crate) fn read_value(reader: &mut ByteReader<'_>, key: &str, number: u32) -> Result<MetadataValue, Stop> {
    match number {
        types::BOOL => read_bool(reader, key).map(MetadataValue::Bool),
        types::TEXT => reader.text(key).map(MetadataValue::Text),
        types::LIST => read_list(reader, key),
        _ => match read_number(reader, number)? {
            Some(Number::Whole(value)) => Ok(MetadataValue::Integer(value)),
            Some(Number::Float(value)) => Ok(MetadataValue::Float(value)),
            None => Err(GgufProblem::ValueType { key: key.to_string(), number }.into()),
        },
    }
}

fn read_list(reader: &mut ByteReader<'_>, key: &str) -> Result<MetadataValue, Stop> {
    let number = reader.u32()?;
    let count = reader.count("the length of a list", MAX_LIST_LENGTH)?;
    // What a hostile file claims takes no memory before its bytes are there.
    let capacity = count.min(FIRST_CAPACITY);
    match number {
        types::BOOL => {
            let mut list = Vec::with_capacity(capacity);
            for _ in 0..count {
                list.push(read_bool(reader, key)?);
            }
            Ok(MetadataValue::Bools(list))
        }
        types::TEXT => {
            let mut list = Vec::with_capacity(capacity);
            for _ in 0..count {
                list.push(reader.text(key)?);
            }
            Ok(MetadataValue::Texts(list))
        }
        6 | 12 => {
            let mut list = Vec::with_capacity(capacity);
            for _ in 0..count {
                if let Some(Number::Float(value)) = read_number(reader, number)? {
                    list.push(value);
                }
            }
            Ok(MetadataValue::Floats(list))
        }
        0..=5 | 10 | 11 => {
            let mut list = Vec::with_capacity(capacity);
            for _ in 0..count {
                if let Some(Number::Whole(value)) = read_number(reader, number)? {
                    let fits = i64::try_from(value);
                    list.push(
                        fits.map_err(|_| MetadataValue::Integer(value).invalid(key, "numbers of 63 bits at most"))?,
                    );
                }
            }
            Ok(MetadataValue::Integers(list))
        }
        _ => Err(GgufProblem::ValueType { key: key.to_string(), number }.into()),
    }
}

fn read_bool(reader: &mut ByteReader<'_>, key: &str) -> Result<bool, Stop> {
    match reader.array()? {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => Err(MetadataValue::Integer(i128::from(other)).invalid(key, "a byte 0 or 1").into()),
    }
}

enum Number {
    Whole(i128),
    Float(f64),
}

/// `None` for a type that is no number's.
fn read_number(reader: &mut ByteReader<'_>, number: u32) -> Result<Option<Number>, Stop> {
    Ok(Some(match number {
        0 => Number::Whole(u8::from_le_bytes(reader.array()?).into()),
        1 => Number::Whole(i8::from_le_bytes(reader.array()?).into()),
        2 => Number::Whole(u16::from_le_bytes(reader.array()?).into()),
        3 => Number::Whole(i16::from_le_bytes(reader.array()?).into()),
        4 => Number::Whole(u32::from_le_bytes(reader.array()?).into()),
        5 => Number::Whole(i32::from_le_bytes(reader.array()?).into()),
        6 => Number::Float(f32::from_le_bytes(reader.array()?).into()),
        10 => Number::Whole(u64::from_le_bytes(reader.array()?).into()),
        11 => Number::Whole(i64::from_le_bytes(reader.array()?).into()),
        12 => Number::Float(f64::from_le_bytes(reader.array()?)),
        _ => return Ok(None),
    }))
}
