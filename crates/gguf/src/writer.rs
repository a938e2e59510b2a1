//! Writes GGUF files, version 3: values and tensors in the order in which they were given.

use crate::header::DEFAULT_ALIGNMENT;
use crate::{MAGIC, MetadataValue, TensorType};

/// A file under construction, in memory.
#[derive(Clone, Debug, Default)]
pub struct GgufWriter {
    values: Vec<u8>,
    num_values: u64,
    tensors: Vec<u8>,
    num_tensors: u64,
    data: Vec<u8>,
}

impl GgufWriter {
    /// Adds a value. Whole numbers are written as `u32` where they fit, else as `i64`; floating-point ones as `f32` where
    /// that loses nothing; lists of them as `i32` and `f32`.
    pub fn value(&mut self, key: &str, value: &MetadataValue) -> &mut GgufWriter {
        put_text(&mut self.values, key);
        put_value(&mut self.values, value);
        self.num_values += 1;
        self
    }

    /// Adds a tensor of `shape`, outermost size first, whose bytes are in `format`.
    pub fn tensor(&mut self, name: &str, shape: &[usize], format: TensorType, bytes: &[u8]) -> &mut GgufWriter {
        put_text(&mut self.tensors, name);
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        for &size in shape.iter().rev() {
            self.tensors.extend((size as u64).to_le_bytes());
        }
        self.tensors.extend(format.ggml_type().to_le_bytes());
        self.tensors.extend((self.data.len() as u64).to_le_bytes());
        self.data.extend(bytes);
        pad(&mut self.data);
        self.num_tensors += 1;
        self
    }

    /// How many values there are, and their bytes.
    pub fn values(&self) -> (usize, &[u8]) {
        (self.num_values as usize, &self.values)
    }

    /// The bytes of the file.
    pub fn finish(&self) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend(self.num_tensors.to_le_bytes());
        file.extend(self.num_values.to_le_bytes());
        file.extend(&self.values);
        file.extend(&self.tensors);
        pad(&mut file);
        file.extend(&self.data);
        file
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(DEFAULT_ALIGNMENT as usize), 0);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn put_value(bytes: &mut Vec<u8>, value: &MetadataValue) {
    match value {
        MetadataValue::Integer(number) => match u32::try_from(*number) {
            Ok(number) => put(bytes, 4, &number.to_le_bytes()),
            Err(_) => put(bytes, 11, &(*number as i64).to_le_bytes()),
        },
        MetadataValue::Float(number) if f64::from(*number as f32) == *number => {
            put(bytes, 6, &(*number as f32).to_le_bytes());
        }
        MetadataValue::Float(number) => put(bytes, 12, &number.to_le_bytes()),
        MetadataValue::Bool(flag) => put(bytes, 7, &[u8::from(*flag)]),
        MetadataValue::Text(text) => {
            put(bytes, 8, &[]);
            put_text(bytes, text);
        }
        MetadataValue::Integers(list) => {
            put_list(bytes, 5, list.len());
            list.iter().for_each(|&number| bytes.extend((number as i32).to_le_bytes()));
        }
        MetadataValue::Floats(list) => {
            put_list(bytes, 6, list.len());
            list.iter().for_each(|&number| bytes.extend((number as f32).to_le_bytes()));
        }
        MetadataValue::Bools(list) => {
            put_list(bytes, 7, list.len());
            bytes.extend(list.iter().map(|&flag| u8::from(flag)));
        }
        MetadataValue::Texts(list) => {
            put_list(bytes, 8, list.len());
            list.iter().for_each(|text| put_text(bytes, text));
        }
    }
}

fn put(bytes: &mut Vec<u8>, number: u32, value: &[u8]) {
    bytes.extend(number.to_le_bytes());
    bytes.extend(value);
}

fn put_list(bytes: &mut Vec<u8>, number: u32, length: usize) {
    put(bytes, 9, &number.to_le_bytes());
    bytes.extend((length as u64).to_le_bytes());
}
