//! `quantization_config` of `config.json`: by which method a checkpoint was quantised. What is not known is refused, as its
//! tensors would mean something else.

use serde_json::Value;

use crate::{ConfigDocument, WeightsError};

const FIELD: &str = "quantization_config";
/// Inputs of the widest real matrix; keeps hostile group sizes small.
const MAX_GROUP: usize = 1 << 22;

/// How a checkpoint's matrices are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QuantisationScheme {
    /// GPTQ: words of `bits`-bit levels along the inputs.
    Gptq {
        /// 4 or 8.
        bits: u32,
        /// Inputs that share a scale; `None` = all.
        group_size: Option<usize>,
        /// What is added to stored zeros: 1, and 0 in the second version.
        zero_offset: u32,
        /// Whether inputs are grouped by an order of their own.
        act_order: bool,
    },
    /// AWQ: words of eight 4-bit levels along the outputs.
    Awq {
        /// Inputs that share a scale; `None` = all.
        group_size: Option<usize>,
    },
    /// compressed-tensors: levels of whole bytes, or in words along the inputs.
    CompressedTensors {
        /// Bits of levels in words, as the groups of layers have them.
        packed_bits: Vec<u32>,
        /// What shares a scale, as the groups of layers have it.
        grids: StatedGrids,
        /// Whether all groups mean activations to be rounded to bytes while the model runs, with a scale for each token.
        rounds_tokens: bool,
    },
    /// 8-bit floats.
    Float8 {
        /// Outputs and inputs that share a scale; `None` = all, or those of an output.
        block: Option<[usize; 2]>,
    },
}

/// What shares a scale, of all groups of layers; which of it a matrix has, the shape of its scales says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatedGrids {
    /// Inputs of an output.
    pub(crate) group_sizes: Vec<usize>,
    /// Outputs and inputs.
    pub(crate) blocks: Vec<[usize; 2]>,
}

impl QuantisationScheme {
    /// The scheme of the checkpoint that `config` describes; `None` where its weights are plain numbers.
    ///
    /// # Errors
    /// [`WeightsError::UnsupportedQuantisation`]: a method, a version or a number of bits that weights can't be read from;
    /// [`WeightsError::InvalidField`]: a value that makes no sense.
    pub(crate) fn read(config: &ConfigDocument) -> Result<Option<QuantisationScheme>, WeightsError> {
        let text = config.overlaid("text_config")?;
        let (name, found) = match text.object(FIELD)? {
            Some(found) => (FIELD, found),
            None => match text.object("compression_config")? {
                Some(found) => ("compression_config", found),
                None => return Ok(None),
            },
        };
        read(&found).map(Some).map_err(|error| within(name, error))
    }
}

/// Checks that weights can be read that were quantised as `config` says, before there are any.
///
/// # Errors
/// [`WeightsError::UnsupportedQuantisation`] and [`WeightsError::InvalidField`], which name the field and what it is.
pub fn check_quantisation(config: &ConfigDocument) -> Result<(), WeightsError> {
    QuantisationScheme::read(config).map(drop)
}

/// The error with the field's place in the file.
fn within(parent: &str, mut error: WeightsError) -> WeightsError {
    if let WeightsError::InvalidField { field, .. } | WeightsError::UnsupportedQuantisation { field, .. } = &mut error {
        *field = format!("{parent}.{field}");
    }
    error
}

fn unsupported(fields: &ConfigDocument, field: &str, found: &str, expected: &'static str) -> WeightsError {
    let (path, field, found) = (fields.path().to_path_buf(), field.to_string(), found.to_string());
    WeightsError::UnsupportedQuantisation { path, field, found, expected }
}

fn read(fields: &ConfigDocument) -> Result<QuantisationScheme, WeightsError> {
    match fields.text("quant_method")? {
        Some("gptq") => gptq(fields),
        Some("awq") => awq(fields),
        Some("compressed-tensors") => compressed_tensors(fields),
        Some("fp8" | "fbgemm_fp8") => float8(fields),
        other => {
            let expected = "gptq, awq, compressed-tensors, fp8 and fbgemm_fp8";
            // It had no name for itself at first.
            let is_bitsandbytes = fields.get("load_in_4bit").or(fields.get("load_in_8bit")).is_some();
            let unnamed = if is_bitsandbytes { "bitsandbytes" } else { "absent" };
            Err(unsupported(fields, "quant_method", other.unwrap_or(unnamed), expected))
        }
    }
}

fn gptq(fields: &ConfigDocument) -> Result<QuantisationScheme, WeightsError> {
    let zero_offset = match fields.text("checkpoint_format")? {
        None | Some("gptq") => 1,
        Some("gptq_v2") => 0,
        Some(other) => return Err(unsupported(fields, "checkpoint_format", other, "gptq and gptq_v2")),
    };
    if let Some(words) = fields.text("pack_dtype")?.filter(|&words| words != "int32") {
        return Err(unsupported(fields, "pack_dtype", words, "int32 alone"));
    }
    if fields.flag("is_marlin_format", false)? {
        return Err(unsupported(fields, "is_marlin_format", "true", "other layouts"));
    }
    if let Some(rules) = fields.object("dynamic")?
        && let Some(rule) = rules.names().find(|rule| !rule.starts_with("-:"))
    {
        return Err(unsupported(fields, "dynamic", rule, "rules that leave layers out, `-:...`"));
    }
    let bits = fields.count("bits")?;
    let bits = bits.filter(|bits| [4, 8].contains(bits)).ok_or_else(|| wrong_bits(fields, "bits", bits, "4 and 8"))?;
    let act_order = fields.flag("desc_act", false)?;
    Ok(QuantisationScheme::Gptq {
        bits: bits as u32,
        group_size: group_size(fields, "group_size")?,
        zero_offset,
        act_order,
    })
}

fn awq(fields: &ConfigDocument) -> Result<QuantisationScheme, WeightsError> {
    let bits_field = if fields.get("w_bit").is_some() { "w_bit" } else { "bits" };
    let bits = fields.count(bits_field)?;
    if bits != Some(4) {
        return Err(wrong_bits(fields, bits_field, bits, "4 alone"));
    }
    // The second by its name in GPTQModel.
    for field in ["version", "checkpoint_format"] {
        if let Some(layout) = fields.text(field)?.filter(|layout| !layout.eq_ignore_ascii_case("gemm")) {
            return Err(unsupported(fields, field, layout, "gemm alone"));
        }
    }
    let group_field = if fields.get("q_group_size").is_some() { "q_group_size" } else { "group_size" };
    Ok(QuantisationScheme::Awq { group_size: group_size(fields, group_field)? })
}

fn compressed_tensors(fields: &ConfigDocument) -> Result<QuantisationScheme, WeightsError> {
    check_format(fields)?;
    if let Some(rotations) = fields.object("transform_config")?.filter(|rotations| !rotations.is_empty()) {
        let has_groups = rotations.object("config_groups")?.is_none_or(|groups| !groups.is_empty());
        if has_groups {
            return Err(unsupported(fields, "transform_config", "an object", "weights without transforms"));
        }
    }
    if let Some(sparsity) = fields.object("sparsity_config")? {
        let format = sparsity.text("format")?.unwrap_or("dense");
        if format != "dense" {
            return Err(unsupported(fields, "sparsity_config.format", format, "dense weights"));
        }
    }
    let (mut packed_bits, mut grids, mut rounds_tokens) = (Vec::new(), StatedGrids::default(), Vec::new());
    let groups = fields.object("config_groups")?;
    for name in groups.iter().flat_map(ConfigDocument::names) {
        let group = groups.as_ref().map(|groups| groups.object(name)).transpose()?.flatten();
        let Some(group) = group else { continue };
        let place = format!("config_groups.{name}");
        check_format(&group).map_err(|error| within(&place, error))?;
        let Some(weights) = group.object("weights").map_err(|error| within(&place, error))? else { continue };
        let bits = weight_bits(&weights).map_err(|error| within(&format!("{place}.weights"), error))?;
        if !packed_bits.contains(&bits) {
            packed_bits.push(bits);
        }
        read_grid(&weights, &mut grids).map_err(|error| within(&format!("{place}.weights"), error))?;
        rounds_tokens.push(is_byte_for_each_token(&group).map_err(|error| within(&place, error))?);
    }
    let rounds_tokens = !rounds_tokens.is_empty() && rounds_tokens.into_iter().all(|rounds| rounds);
    Ok(QuantisationScheme::CompressedTensors { packed_bits, grids, rounds_tokens })
}

/// Adds what the weights of a group of layers share scales by.
fn read_grid(weights: &ConfigDocument, grids: &mut StatedGrids) -> Result<(), WeightsError> {
    if weights.get("group_size").is_some() {
        grids.group_sizes.extend(group_size(weights, "group_size")?);
    }
    grids.blocks.extend(block_size(weights, "block_structure")?);
    Ok(())
}

/// Whether activations are whole numbers of 8 bits around 0, whose scale is that of their token.
fn is_byte_for_each_token(group: &ConfigDocument) -> Result<bool, WeightsError> {
    let Some(inputs) = group.object("input_activations")? else { return Ok(false) };
    // What is not stated is what compressed-tensors takes for it.
    let is_byte = inputs.count("num_bits")?.unwrap_or(8) == 8 && inputs.text("type")?.unwrap_or("int") == "int";
    let is_dynamic = inputs.get("dynamic").and_then(Value::as_bool) == Some(true);
    let is_of_token = inputs.text("strategy")? == Some("token");
    Ok(is_byte && is_dynamic && is_of_token && inputs.flag("symmetric", true)?)
}

fn check_format(fields: &ConfigDocument) -> Result<(), WeightsError> {
    let known = ["dense", "pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "mixed-precision"];
    match fields.text("format")? {
        Some(format) if !known.contains(&format) => {
            let expected = "pack-quantized, int-quantized, float-quantized, naive-quantized, mixed-precision and dense";
            Err(unsupported(fields, "format", format, expected))
        }
        _ => Ok(()),
    }
}

fn weight_bits(weights: &ConfigDocument) -> Result<u32, WeightsError> {
    let bits = weights.count("num_bits")?.unwrap_or(8);
    match (weights.text("type")?.unwrap_or("int"), bits) {
        ("int", 4 | 8) | ("float", 8) => Ok(bits as u32),
        ("int", _) => Err(wrong_bits(weights, "num_bits", Some(bits), "4 and 8")),
        ("float", _) => Err(wrong_bits(weights, "num_bits", Some(bits), "8 alone")),
        (other, _) => Err(unsupported(weights, "type", other, "int and float")),
    }
}

fn float8(fields: &ConfigDocument) -> Result<QuantisationScheme, WeightsError> {
    if let Some(format) = fields.text("fmt")?.filter(|&format| format != "e4m3") {
        return Err(unsupported(fields, "fmt", format, "e4m3 alone"));
    }
    Ok(QuantisationScheme::Float8 { block: block_size(fields, "weight_block_size")? })
}

/// Outputs and inputs that share a scale.
fn block_size(fields: &ConfigDocument, field: &str) -> Result<Option<[usize; 2]>, WeightsError> {
    let Some(value) = fields.get(field) else { return Ok(None) };
    let sizes: Vec<Option<u64>> = match value {
        // As the first releases of compressed-tensors wrote it.
        Value::String(text) => text.split('x').map(|size| size.parse().ok()).collect(),
        _ => value.as_array().into_iter().flatten().map(Value::as_u64).collect(),
    };
    let is_size = |size: u64| size >= 1 && size <= MAX_GROUP as u64;
    match sizes[..] {
        [Some(outputs), Some(inputs)] if is_size(outputs) && is_size(inputs) => {
            Ok(Some([outputs as usize, inputs as usize]))
        }
        _ => Err(fields.invalid(field, value, "a list of two sizes above 0")),
    }
}

/// Inputs that share a scale; `None` for -1, which is all of them.
fn group_size(fields: &ConfigDocument, field: &str) -> Result<Option<usize>, WeightsError> {
    match fields.get(field) {
        Some(value) if value.as_i64() == Some(-1) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(size) if size >= 1 && size <= MAX_GROUP as u64 => Ok(Some(size as usize)),
            _ => Err(fields.invalid(field, value, "-1, or a number above 0 and within what real models have")),
        },
        None => Err(fields.invalid_text(field, "absent".to_string(), "-1, or a number above 0")),
    }
}

fn wrong_bits(fields: &ConfigDocument, field: &str, bits: Option<usize>, expected: &'static str) -> WeightsError {
    unsupported(fields, field, &bits.map_or("absent".to_string(), |bits| bits.to_string()), expected)
}
