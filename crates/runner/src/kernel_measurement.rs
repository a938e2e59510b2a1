//! What this machine can do at its best, and how near the kernels come with weights of some formats. Reads the clock; loads no
//! model.

use quire_blocks::BlockFormat;
use quire_kernels::probes::{MachineLimits, ProductShares, product_shares, stream_memory};
use quire_kernels::{ElementType, Isa, Kernels, ThreadPool, WeightFormat};

use crate::RunnerError;

/// Limits of an instruction set on some threads, and shares of them.
#[derive(Clone, Debug)]
pub struct KernelMeasurement {
    /// The instruction set.
    pub isa: Isa,
    /// What the machine can do.
    pub limits: MachineLimits,
    /// By the names of formats that were asked for and that weights can have.
    pub formats: Vec<(String, ProductShares)>,
}

/// Measures for about a second, and a second for each of `formats`: `float32`, `bfloat16`, `int8`, or a format of blocks. Names
/// of others are passed over.
///
/// # Errors
/// The instruction set is not there, or memory gave out: probes take half a gigabyte.
pub fn measure_kernels(isa: Option<Isa>, threads: usize, formats: &[String]) -> Result<KernelMeasurement, RunnerError> {
    let isa = isa.unwrap_or_else(Isa::detect);
    let (kernels, pool) = (Kernels::new(isa)?, ThreadPool::new(threads)?);
    let memory = stream_memory()?;
    let limits = MachineLimits::measure(isa, &pool, &memory)?;
    let known = formats.iter().filter_map(|name| Some((name, format_of(name)?)));
    let shares =
        known.map(|(name, format)| Ok((name.clone(), product_shares(&kernels, &pool, &memory, &limits, format)?)));
    Ok(KernelMeasurement { isa, limits, formats: shares.collect::<Result<_, RunnerError>>()? })
}

/// The format of this name, as checkpoints and files spell it.
fn format_of(name: &str) -> Option<WeightFormat> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "float32" | "f32" => Some(WeightFormat::Elements(ElementType::F32)),
        "float16" | "f16" => Some(WeightFormat::Elements(ElementType::F16)),
        "bfloat16" | "bf16" => Some(WeightFormat::Elements(ElementType::Bf16)),
        "int8" => Some(WeightFormat::Int8),
        _ => BlockFormat::from_name(name).map(WeightFormat::Blocks),
    }
}

#[cfg(test)]
mod tests {
    use super::{WeightFormat, format_of};

    #[test]
    fn names_are_those_of_checkpoints_and_files() {
        for name in ["float32", "F16", "bfloat16", "BF16", "int8", "Q4_K", "iq4_xs"] {
            assert!(format_of(name).is_some(), "{name}");
        }
        assert_eq!(format_of("int8"), Some(WeightFormat::Int8));
        assert_eq!(format_of("IQ2_XXS"), None);
    }
}
