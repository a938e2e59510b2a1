//! A checkpoint in Hugging Face's layout as what is written into a GGUF file: which tensors there are, and how each comes about.

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use quire_gguf::{
    Architecture, ElementType, GgufWriter, Metadata, MetadataValue, QuantiseSource, RowOrder, TensorInfo, TensorType,
    is_quantisable, read_metadata,
};
use quire_weights::{DType, FileSystem, ModelConfig, ModelDirectory, StoredFormat};

use super::error::{ExportError, no_form};
use super::metadata::{Converted, convert};
use super::read_back::check_same;
use crate::{ModelError, read_config};

/// Buffers and other parts that no decoder of texts computes with.
const LEFT_OUT: [&str; 8] = [
    "rotary_emb.inv_freq",
    ".attn.bias",
    ".attn.masked_bias",
    ".attention.bias",
    ".attention.masked_bias",
    "vision_tower.",
    "vision_model.",
    "multi_modal_projector.",
];

/// A checkpoint whose tensors can be written.
pub struct CheckpointSource {
    directory: ModelDirectory,
    writer: GgufWriter,
    tensors: Vec<Planned>,
    /// The vocabulary's size and the tokens that the configuration names.
    pub(super) config: ModelConfig,
}

/// A tensor of the new file.
struct Planned {
    info: TensorInfo,
    made: Made,
}

/// Where its bytes come from.
enum Made {
    /// Numbers that no checkpoint stores.
    Of(Vec<f32>),
    /// The checkpoint's tensors of these names, one after another.
    Stored { names: Vec<String>, change: Change },
}

/// What becomes of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// Rows become columns.
    Transposed,
    /// The two halves of each head alternate.
    Rows {
        num_heads: usize,
    },
    /// Query, key and value of each head: to all queries, all keys, all values.
    Parts {
        num_heads: usize,
    },
    /// Gains that are stored as their distance from 1.
    PlusOne,
    /// Of each head's rows the first `first`, as columns: from an unrotated query to the latent vector.
    KeyMaps {
        num_heads: usize,
        first: usize,
    },
    /// Of each head's rows those behind the first `first`: from the latent vector to values.
    ValueMaps {
        num_heads: usize,
        first: usize,
    },
}

impl CheckpointSource {
    /// Opens the folder at `path`. What is converted is read back, and has to be the same model.
    ///
    /// # Errors
    /// The checkpoint can't be read, or something of it has no form in the format.
    pub fn open(path: &Path) -> Result<CheckpointSource, ExportError> {
        let directory = ModelDirectory::open(&FileSystem, path)?;
        if directory.tensors.is_quantised() {
            return Err(no_form("weights that are quantised already in another way"));
        }
        let config = read_config(&directory.config)?;
        let architecture = Architecture::of_class(&config.architecture)
            .ok_or_else(|| no_form(&format!("models of the class {}", config.architecture)))?;
        let Converted { mut writer, factors } = convert(architecture, &config)?;
        if let Some(name) = path.file_name() {
            writer.value("general.name", &MetadataValue::Text(name.to_string_lossy().into_owned()));
        }
        writer.value("general.type", &MetadataValue::Text("model".into()));
        let metadata = parsed(&writer)?;
        let mut tensors = planned(&directory, &config, architecture, &metadata)?;
        let shape_of = |name: &str| {
            tensors.iter().find(|planned| planned.info.name == name).map(|planned| planned.info.shape.clone())
        };
        check_same(&config, architecture, &metadata, &shape_of, &factors, path)?;
        for (name, factors) in factors {
            tensors.push(Planned { info: info(name, vec![factors.len()], F32), made: Made::Of(factors) });
        }
        Ok(CheckpointSource { directory, writer, tensors, config })
    }

    /// The files beside the weights.
    pub(super) fn directory(&self) -> &ModelDirectory {
        &self.directory
    }

    /// What is said beside sizes.
    pub(super) fn writer(&mut self) -> &mut GgufWriter {
        &mut self.writer
    }
}

impl QuantiseSource for CheckpointSource {
    type Error = ExportError;

    fn values(&self) -> Result<(usize, Vec<u8>), ExportError> {
        let (count, values) = self.writer.values();
        Ok((count, values.to_vec()))
    }

    fn tensors(&self) -> Vec<TensorInfo> {
        self.tensors.iter().map(|planned| planned.info.clone()).collect()
    }

    fn read(&mut self, index: usize) -> Result<Vec<u8>, ExportError> {
        let Planned { info, made } = &self.tensors[index];
        let (names, change) = match made {
            Made::Of(numbers) => return Ok(numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
            Made::Stored { names, change } => (names, *change),
        };
        let mut bytes = Vec::new();
        for name in names {
            let stored = self.directory.tensors.get(name)?;
            let (element, size) = element_of(stored.format).ok_or_else(|| no_form(&format!("blocks in {name}")))?;
            let changed = match change {
                Change::Transposed => transposed(stored.bytes(), stored.shape, size),
                Change::Rows { num_heads } => halves_alternating(stored.bytes(), stored.shape[0], num_heads),
                Change::Parts { num_heads } => parts_in_turn(stored.bytes(), num_heads),
                Change::KeyMaps { num_heads, first } => {
                    let row_bytes = stored.bytes().len() / stored.shape[0];
                    let of_heads = stored.bytes().chunks_exact(stored.bytes().len() / num_heads);
                    let shape = [first, stored.shape[1]];
                    of_heads.flat_map(|rows| transposed(&rows[..first * row_bytes], &shape, size)).collect()
                }
                Change::ValueMaps { num_heads, first } => {
                    let row_bytes = stored.bytes().len() / stored.shape[0];
                    let of_heads = stored.bytes().chunks_exact(stored.bytes().len() / num_heads);
                    of_heads.flat_map(|rows| &rows[first * row_bytes..]).copied().collect()
                }
                Change::None | Change::PlusOne => stored.bytes().to_vec(),
            };
            match info.format == F32 && element != ElementType::F32 || change == Change::PlusOne {
                false => bytes.extend(changed),
                true => {
                    let more = if change == Change::PlusOne { 1.0 } else { 0.0 };
                    bytes.extend(widened(element, &changed).iter().flat_map(|value| (value + more).to_le_bytes()));
                }
            }
        }
        Ok(bytes)
    }
}

const F32: TensorType = TensorType::Elements(ElementType::F32);

fn info(name: &str, shape: Vec<usize>, format: TensorType) -> TensorInfo {
    TensorInfo { name: name.to_string(), shape, format, bytes: 0..0 }
}

/// The values as a reader has them.
fn parsed(writer: &GgufWriter) -> Result<Metadata, ExportError> {
    match read_metadata(&writer.finish()) {
        Ok(Some(metadata)) => Ok(metadata),
        Ok(None) => Err(no_form("its metadata")),
        Err(problem) => Err(no_form(&problem.to_string())),
    }
}

fn planned(
    directory: &ModelDirectory,
    config: &ModelConfig,
    architecture: Architecture,
    metadata: &Metadata,
) -> Result<Vec<Planned>, ExportError> {
    let ggml_name = |name: &str| architecture.ggml_name(name);
    let is_embedding = |name: &str| ggml_name(name).is_some_and(|(name, _)| name == "token_embd.weight");
    let has_embedding = directory.tensors.names().any(is_embedding);
    let mut tensors = Vec::new();
    let mut experts: BTreeMap<String, BTreeMap<usize, String>> = BTreeMap::new();
    for name in directory.tensors.names() {
        let Some((mut ggml, expert)) = ggml_name(name) else {
            if LEFT_OUT.iter().any(|part| name.contains(part)) {
                continue;
            }
            return Err(no_form(&format!("the tensor {name} of {}", config.architecture)));
        };
        if let Some(expert) = expert {
            experts.entry(ggml).or_default().insert(expert, name.to_string());
            continue;
        }
        // Tied: some checkpoints store the output matrix alone or twice, files have the embedding.
        if ggml == "output.weight" && config.tie_word_embeddings {
            if has_embedding {
                continue;
            }
            ggml = "token_embd.weight".to_string();
        }
        let stored = directory.tensors.get(name)?;
        if let Some(layer) = ggml.strip_suffix("attn_kv_b.weight") {
            for (half, shape, change) in halves_of_latent_map(config, name, stored.shape)? {
                let ggml = format!("{layer}{half}.weight");
                let format = stored_type(&ggml, &shape, stored.format);
                let made = Made::Stored { names: vec![name.to_string()], change };
                tensors.push(Planned { info: info(&ggml, shape, format), made });
            }
            continue;
        }
        let mut shape = stored.shape.to_vec();
        let change = change_of(architecture, &ggml, &shape, metadata)?;
        if change == Change::Transposed {
            shape.reverse();
        }
        // The gate of the expert that every token passes is a vector.
        if ggml.ends_with("ffn_gate_inp_shexp.weight") && shape.len() == 2 {
            shape.remove(0);
        }
        let format = stored_type(&ggml, &shape, stored.format);
        let made = Made::Stored { names: vec![name.to_string()], change };
        tensors.push(Planned { info: info(&ggml, shape, format), made });
    }
    for (ggml, names) in experts {
        if names.keys().copied().ne(0..names.len()) {
            return Err(no_form(&format!("{ggml} where an expert is missing")));
        }
        let names: Vec<String> = names.into_values().collect();
        let first = directory.tensors.get(&names[0])?;
        let (shape, format) = (first.shape.to_vec(), first.format);
        for name in &names {
            let other = directory.tensors.get(name)?;
            if other.shape != shape || other.format != format {
                return Err(no_form(&format!("{ggml} of experts that differ in size or format")));
            }
        }
        let shape = [vec![names.len()], shape].concat();
        let format = stored_type(&ggml, &shape, format);
        tensors.push(Planned { info: info(&ggml, shape, format), made: Made::Stored { names, change: Change::None } });
    }
    Ok(tensors)
}

/// Vectors, norms and the like are float32 in files, whatever they are in checkpoints.
fn stored_type(ggml: &str, shape: &[usize], format: StoredFormat) -> TensorType {
    match element_of(format) {
        Some((element, _)) if is_quantisable(ggml, shape) => TensorType::Elements(element),
        _ => F32,
    }
}

fn element_of(format: StoredFormat) -> Option<(ElementType, usize)> {
    match format {
        StoredFormat::Elements(DType::F32) => Some((ElementType::F32, 4)),
        StoredFormat::Elements(DType::F16) => Some((ElementType::F16, 2)),
        StoredFormat::Elements(DType::Bf16) => Some((ElementType::Bf16, 2)),
        StoredFormat::Blocks(_) | StoredFormat::Int8 => None,
    }
}

/// A tensor that is a half of another: its name, its shape, and how it is made.
type Half = (&'static str, Vec<usize>, Change);

/// The map from the latent vector to the keys and values of all heads, as the two tensors that files have of it.
fn halves_of_latent_map(config: &ModelConfig, name: &str, shape: &[usize]) -> Result<[Half; 2], ExportError> {
    let size = |field: &'static str| {
        let missing = || no_form(&format!("`{field}` where `config.json` does not"));
        config.document.count(field)?.ok_or_else(missing)
    };
    let (num_heads, first, behind) = (config.num_attention_heads, size("qk_nope_head_dim")?, size("v_head_dim")?);
    let rank = config.head_dim - config.rotary_dim;
    let expected = vec![num_heads.saturating_mul(first.saturating_add(behind)), rank];
    if shape != expected {
        let (tensor, found) = (name.to_string(), shape.to_vec());
        return Err(ModelError::WrongShape { tensor, expected, found }.into());
    }
    Ok([
        ("attn_k_b", vec![num_heads, rank, first], Change::KeyMaps { num_heads, first }),
        ("attn_v_b", vec![num_heads, behind, rank], Change::ValueMaps { num_heads, first }),
    ])
}

fn change_of(
    architecture: Architecture,
    ggml: &str,
    shape: &[usize],
    metadata: &Metadata,
) -> Result<Change, ExportError> {
    let is_gemma = matches!(architecture, Architecture::Gemma | Architecture::Gemma2 | Architecture::Gemma3);
    if is_gemma && ggml.ends_with("norm.weight") {
        return Ok(Change::PlusOne);
    }
    if architecture == Architecture::Gpt2 && shape.len() == 2 && ggml.starts_with("blk.") {
        return Ok(Change::Transposed);
    }
    let named = architecture.tensor_name(ggml, metadata).map_err(|problem| no_form(&problem.to_string()))?;
    match named.rows {
        RowOrder::Same => Ok(Change::None),
        RowOrder::PartsInTurn { num_heads } => Ok(Change::Parts { num_heads }),
        RowOrder::HalvesAlternate { num_heads } => {
            let rows = shape.first().copied().unwrap_or_default();
            if num_heads == 0 || !rows.is_multiple_of(2 * num_heads) {
                return Err(no_form(&format!("{ggml} with {rows} rows for {num_heads} heads")));
            }
            Ok(Change::Rows { num_heads })
        }
    }
}

fn transposed(bytes: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let (rows, columns) = (shape[0], shape[1]);
    let mut out = vec![0; bytes.len()];
    for row in 0..rows {
        for column in 0..columns {
            out[(column * rows + row) * size..][..size]
                .copy_from_slice(&bytes[(row * columns + column) * size..][..size]);
        }
    }
    out
}

fn halves_alternating(bytes: &[u8], rows: usize, num_heads: usize) -> Vec<u8> {
    let (half, row_bytes) = (rows / num_heads / 2, bytes.len() / rows);
    let mut out = Vec::with_capacity(bytes.len());
    for to in 0..rows {
        let (head, within) = (to / (2 * half), to % (2 * half));
        let from = head * 2 * half + within % 2 * half + within / 2;
        out.extend_from_slice(&bytes[from * row_bytes..][..row_bytes]);
    }
    out
}

fn parts_in_turn(bytes: &[u8], num_heads: usize) -> Vec<u8> {
    let part_bytes = bytes.len() / (3 * num_heads);
    let part = |part: usize, head: usize| &bytes[(3 * head + part) * part_bytes..][..part_bytes];
    (0..3).flat_map(|index| (0..num_heads).flat_map(move |head| part(index, head))).copied().collect()
}

fn widened(element: ElementType, bytes: &[u8]) -> Vec<f32> {
    let halves = bytes.as_chunks::<2>().0.iter();
    match element {
        ElementType::F32 => bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        ElementType::F16 => halves.map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        ElementType::Bf16 => halves.map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
    }
}
