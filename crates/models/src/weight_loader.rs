//! From names in a checkpoint to weights on a backend, shapes checked against the configuration first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use quire_kernels::ProductWork;
use quire_weights::{Checkpoint, DType, ModelConfig, RopeConfig, RopeScaling, StoredFormat, StoredTensor, TensorView};

use crate::layers::HeadLayout;
use crate::stored_values::widened;
use crate::{Activation, Backend, Linear, MatrixPart, ModelError, Norm, RopeAngles, StoredOrder};

/// Looks up, checks and loads the weights of one model.
pub struct WeightLoader<'a, B: Backend> {
    pub(crate) backend: &'a B,
    pub(crate) config: &'a ModelConfig,
    tensors: &'a Checkpoint,
    progress: &'a dyn Fn(f64),
    stored_bytes: AtomicU64,
    loaded_bytes: AtomicU64,
    num_parameters: AtomicU64,
    /// Of a token, but for the output matrix.
    work: Mutex<ProductWork>,
}

impl<'a, B: Backend> WeightLoader<'a, B> {
    /// A loader that calls `progress` with the share of the checkpoint's bytes that are loaded.
    pub fn new(
        backend: &'a B,
        config: &'a ModelConfig,
        tensors: &'a Checkpoint,
        progress: &'a dyn Fn(f64),
    ) -> WeightLoader<'a, B> {
        WeightLoader {
            backend,
            config,
            tensors,
            progress,
            stored_bytes: AtomicU64::new(0),
            loaded_bytes: AtomicU64::new(0),
            num_parameters: AtomicU64::new(0),
            work: Mutex::default(),
        }
    }

    /// `prefix` with a dot if the checkpoint's names carry it, else nothing: models saved without their head lack it.
    pub(crate) fn base(&self, prefix: &str) -> String {
        let dotted = format!("{prefix}.");
        if self.tensors.names().any(|name| name.starts_with(&dotted)) { dotted } else { String::new() }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.tensors.contains(name)
    }

    pub(crate) fn same_bytes(&self, one: &str, other: &str) -> Result<bool, ModelError> {
        let (one, other) = (self.tensors.get(one)?, self.tensors.get(other)?);
        Ok(one.format == other.format && one.shape == other.shape && one.bytes() == other.bytes())
    }

    /// `prefix.weight` `[outputs, inputs]` and, with `bias`, `prefix.bias` `[outputs]`.
    pub(crate) fn linear(
        &self,
        prefix: &str,
        outputs: usize,
        inputs: usize,
        bias: bool,
    ) -> Result<Linear<B>, ModelError> {
        self.stacked(&[(prefix.to_string(), outputs)], inputs, bias)
    }

    /// Several linear maps of the same input as one, in the order given: (prefix, outputs) each.
    pub(crate) fn stacked(
        &self,
        parts: &[(String, usize)],
        inputs: usize,
        bias: bool,
    ) -> Result<Linear<B>, ModelError> {
        let names: Vec<String> = parts.iter().map(|(prefix, _)| format!("{prefix}.weight")).collect();
        let stored = names
            .iter()
            .zip(parts)
            .map(|(name, (_, outputs))| self.tensor(name, &[*outputs, inputs]))
            .collect::<Result<Vec<_>, ModelError>>()?;
        let weights: Vec<MatrixPart<'_>> = stored
            .iter()
            .zip(&names)
            .zip(parts)
            .map(|((tensor, name), (_, outputs))| MatrixPart {
                name,
                view: tensor.view(),
                order: StoredOrder::OutputMajor,
                outputs: *outputs,
                inputs,
            })
            .collect();
        let biases = match bias {
            false => None,
            true => Some(
                parts
                    .iter()
                    .map(|(prefix, outputs)| self.tensor(&format!("{prefix}.bias"), &[*outputs]))
                    .collect::<Result<Vec<_>, ModelError>>()?,
            ),
        };
        let bias = match biases {
            None => None,
            Some(biases) => Some(self.load_vector(&biases.iter().map(StoredTensor::view).collect::<Vec<_>>())?),
        };
        Ok(Linear { weight: self.load_matrix(&weights)?, bias })
    }

    /// The same for each of `num_experts`, where a part of all of them is one tensor `prefix.weight`
    /// `[experts, outputs, inputs]`.
    pub(crate) fn stacked_by_expert(
        &self,
        parts: &[(String, usize)],
        inputs: usize,
        num_experts: usize,
    ) -> Result<Vec<Linear<B>>, ModelError> {
        let stored = parts
            .iter()
            .map(|(prefix, outputs)| self.tensor(&format!("{prefix}.weight"), &[num_experts, *outputs, inputs]))
            .collect::<Result<Vec<_>, ModelError>>()?;
        let of_expert = |expert: usize| {
            let shapes: Vec<[usize; 2]> = parts.iter().map(|(_, outputs)| [*outputs, inputs]).collect();
            let names: Vec<String> = parts.iter().map(|(prefix, _)| name_of_expert(prefix, expert)).collect();
            let weights: Vec<MatrixPart<'_>> = stored
                .iter()
                .zip(&names)
                .zip(&shapes)
                .map(|((tensor, name), shape)| {
                    let size = tensor.bytes().len() / num_experts;
                    let bytes = &tensor.bytes()[expert * size..][..size];
                    let view = TensorView { format: tensor.format, shape, bytes };
                    MatrixPart { name, view, order: StoredOrder::OutputMajor, outputs: shape[0], inputs }
                })
                .collect();
            Ok(Linear { weight: self.load_matrix(&weights)?, bias: None })
        };
        (0..num_experts).map(of_expert).collect()
    }

    /// A fused projection whose outputs are stored head by head, each its query, key and value: as [`Backend::attention`]
    /// takes them, all queries, then all keys, then all values.
    pub(crate) fn qkv_by_head(
        &self,
        prefix: &str,
        heads: HeadLayout,
        inputs: usize,
        bias: bool,
    ) -> Result<Linear<B>, ModelError> {
        let (outputs, head_dim) = (3 * heads.num_heads * heads.head_dim, heads.head_dim);
        let name = format!("{prefix}.weight");
        let weight = self.tensor(&name, &[outputs, inputs])?;
        let shape = [head_dim, inputs];
        let parts: Vec<MatrixPart<'_>> = by_head(weight.view(), heads.num_heads, &shape)
            .map(|view| MatrixPart { name: &name, view, order: StoredOrder::OutputMajor, outputs: head_dim, inputs })
            .collect();
        let bias = match bias {
            false => None,
            true => {
                let bias = self.tensor(&format!("{prefix}.bias"), &[outputs])?;
                Some(self.load_vector(&by_head(bias.view(), heads.num_heads, &[head_dim]).collect::<Vec<_>>())?)
            }
        };
        Ok(Linear { weight: self.load_matrix(&parts)?, bias })
    }

    /// GPT-2's linear map: `prefix.weight` `[inputs, outputs]`, unless all matrices are stored outputs first, and
    /// `prefix.bias` `[outputs]`.
    pub(crate) fn conv1d(&self, prefix: &str, outputs: usize, inputs: usize) -> Result<Linear<B>, ModelError> {
        let name = format!("{prefix}.weight");
        let (order, shape) = match self.tensors.outputs_first(&name) {
            true => (StoredOrder::OutputMajor, [outputs, inputs]),
            false => (StoredOrder::InputMajor, [inputs, outputs]),
        };
        let stored = self.tensor(&name, &shape)?;
        let bias = self.tensor(&format!("{prefix}.bias"), &[outputs])?;
        let part = MatrixPart { name: &name, view: stored.view(), order, outputs, inputs };
        let weight = self.load_matrix(&[part])?;
        Ok(Linear { weight, bias: Some(self.load_vector(&[bias.view()])?) })
    }

    /// The tensor `name` as a matrix whose rows are looked up.
    pub(crate) fn embedding(&self, name: &str, [rows, width]: [usize; 2]) -> Result<B::Matrix, ModelError> {
        let stored = self.tensor(name, &[rows, width])?;
        let (view, order) = (stored.view(), StoredOrder::OutputMajor);
        let part = MatrixPart { name, view, order, outputs: rows, inputs: width };
        self.stored_matrix(&[part])
    }

    /// The vector `name`.
    pub(crate) fn vector(&self, name: &str, length: usize) -> Result<B::Vector, ModelError> {
        self.load_vector(&[self.tensor(name, &[length])?.view()])
    }

    /// The vector `name` in host memory, for what is not computed on the backend.
    pub(crate) fn host_vector(&self, name: &str, length: usize) -> Result<Vec<f32>, ModelError> {
        let stored = self.tensor(name, &[length])?;
        self.count(std::iter::once(stored.view()), length * size_of::<f32>());
        Ok(widened(&stored.view()))
    }

    /// A vector of equal numbers that no checkpoint stores.
    pub(crate) fn constant(&self, value: f32, length: usize) -> Result<B::Vector, ModelError> {
        let bytes = value.to_le_bytes().repeat(length);
        self.backend.vector(&[TensorView {
            format: StoredFormat::Elements(DType::F32),
            shape: &[length],
            bytes: &bytes,
        }])
    }

    /// The vector `name` plus one: gains that are stored as their distance from 1, unless the checkpoint has them whole.
    pub(crate) fn vector_plus_one(&self, name: &str, length: usize) -> Result<B::Vector, ModelError> {
        if self.tensors.gains_are_whole() {
            return self.vector(name, length);
        }
        let stored = self.tensor(name, &[length])?;
        let view = stored.view();
        let bytes: Vec<u8> = widened(&view).iter().flat_map(|value| (value + 1.0).to_le_bytes()).collect();
        let vector = self.backend.vector(&[TensorView {
            format: StoredFormat::Elements(DType::F32),
            shape: &[length],
            bytes: &bytes,
        }])?;
        self.count(std::iter::once(view), bytes.len());
        Ok(vector)
    }

    /// `prefix.weight` and `prefix.bias` as a layer norm.
    pub(crate) fn layer_norm(&self, prefix: &str) -> Result<Norm<B>, ModelError> {
        Ok(Norm::Layer {
            weight: self.vector(&format!("{prefix}.weight"), self.config.hidden_size)?,
            bias: self.vector(&format!("{prefix}.bias"), self.config.hidden_size)?,
            epsilon: self.config.norm_epsilon,
        })
    }

    /// The heads that the configuration describes.
    pub(crate) fn heads(&self) -> HeadLayout {
        HeadLayout {
            num_heads: self.config.num_attention_heads,
            num_kv_heads: self.config.num_key_value_heads,
            head_dim: self.config.head_dim,
        }
    }

    /// Checks that the configuration rotates whole heads.
    pub(crate) fn expect_whole_heads_rotated(&self) -> Result<(), ModelError> {
        let share = self.config.rope.as_ref().map(|rope| rope.partial_rotary_factor);
        if let Some(share) = share.filter(|&share| share != 1.0) {
            return Err(ModelError::UnsupportedConfig {
                field: "partial_rotary_factor",
                found: share.to_string(),
                expected: "this architecture rotates whole heads",
            });
        }
        Ok(())
    }

    /// The rotary angles that the configuration describes, over the first `partial_rotary_factor` of each head.
    pub(crate) fn partial_rope(&self) -> Result<Option<B::Rope>, ModelError> {
        let Some(rope) = &self.config.rope else { return Ok(None) };
        self.rope_of(RopeAngles::new(rope, self.rotated(rope)?, self.config.max_position_embeddings)).map(Some)
    }

    /// The backend's form of rotary angles.
    pub(crate) fn rope_of(&self, angles: RopeAngles) -> Result<B::Rope, ModelError> {
        self.backend.rope(angles)
    }

    /// How many elements of each head `rope` rotates: an even number above 0.
    pub(crate) fn rotated(&self, rope: &RopeConfig) -> Result<usize, ModelError> {
        let rotary_dim = self.config.rotary_dim;
        let rotated = (rotary_dim as f64 * rope.partial_rotary_factor) as usize;
        if rotated == 0 || !rotated.is_multiple_of(2) {
            return Err(ModelError::UnsupportedConfig {
                field: "head_dim",
                found: format!("{rotary_dim}, of which {rotated} are rotated"),
                expected: "rotary positions need an even number of elements of each head",
            });
        }
        if let RopeScaling::LongRope { short_factor, long_factor, .. } = &rope.scaling {
            for (field, factors) in [("short_factor", short_factor), ("long_factor", long_factor)] {
                if factors.len() != rotated / 2 {
                    let found = format!("{} numbers, with {rotated} rotated elements of each head", factors.len());
                    let expected = "one number for each pair of rotated elements is";
                    return Err(ModelError::UnsupportedConfig { field, found, expected });
                }
            }
        }
        Ok(rotated)
    }

    /// The activation that the configuration names.
    pub(crate) fn activation(&self) -> Result<Activation, ModelError> {
        Activation::from_name(&self.config.activation)
    }

    /// A tensor of the expected shape; a matrix of one row may be a vector. Each is asked for once.
    pub(crate) fn tensor(&self, name: &str, expected: &[usize]) -> Result<StoredTensor<'a>, ModelError> {
        let stored = self.tensors.take(name, self.backend.weight_form())?;
        if stored.shape == expected || matches!(expected, [1, columns] if stored.shape == [*columns]) {
            return Ok(stored);
        }
        Err(ModelError::WrongShape {
            tensor: name.to_string(),
            expected: expected.to_vec(),
            found: stored.shape.to_vec(),
        })
    }

    /// A matrix that every token is multiplied with.
    pub(crate) fn load_matrix(&self, parts: &[MatrixPart<'_>]) -> Result<B::Matrix, ModelError> {
        let matrix = self.stored_matrix(parts)?;
        self.count_work(&matrix);
        Ok(matrix)
    }

    pub(crate) fn count_work(&self, matrix: &B::Matrix) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        *work = work.and(self.backend.work_per_row(matrix).unwrap_or_default());
    }

    /// What `load` gives, of whose equal parts a token is multiplied with `used` of `all`.
    pub(crate) fn used_of<T>(
        &self,
        used: usize,
        all: usize,
        load: impl FnOnce() -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let before = self.work();
        let loaded = load()?;
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        *work = work.since(before, used as u64, all as u64);
        Ok(loaded)
    }

    /// What a token reads and computes in the matrices so far.
    pub(crate) fn work(&self) -> ProductWork {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored_matrix(&self, parts: &[MatrixPart<'_>]) -> Result<B::Matrix, ModelError> {
        let matrix = self.backend.matrix(parts)?;
        self.count(parts.iter().map(|part| part.view), self.backend.matrix_bytes(&matrix));
        Ok(matrix)
    }

    pub(crate) fn load_vector(&self, parts: &[TensorView<'_>]) -> Result<B::Vector, ModelError> {
        let vector = self.backend.vector(parts)?;
        let length: usize = parts.iter().map(|part| part.shape.iter().product::<usize>()).sum();
        self.count(parts.iter().copied(), length * size_of::<f32>());
        Ok(vector)
    }

    pub(crate) fn count<'v>(&self, views: impl Iterator<Item = TensorView<'v>>, loaded_bytes: usize) {
        let (mut stored_bytes, mut parameters) = (0, 0);
        for view in views {
            stored_bytes += view.bytes.len() as u64;
            parameters += view.num_values() as u64;
        }
        self.num_parameters.fetch_add(parameters, Ordering::Relaxed);
        self.loaded_bytes.fetch_add(loaded_bytes as u64, Ordering::Relaxed);
        let done = self.stored_bytes.fetch_add(stored_bytes, Ordering::Relaxed) + stored_bytes;
        let total = self.tensors.total_bytes().max(1);
        (self.progress)((done as f64 / total as f64).min(1.0));
    }

    /// Bytes on the device and numbers loaded so far.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.loaded_bytes.load(Ordering::Relaxed), self.num_parameters.load(Ordering::Relaxed))
    }
}

/// The name of an expert's matrix where each has a tensor: `experts.3.up_proj.weight` of `experts.up_proj`.
fn name_of_expert(prefix: &str, expert: usize) -> String {
    match prefix.rsplit_once('.') {
        Some((experts, matrix)) => format!("{experts}.{expert}.{matrix}.weight"),
        None => format!("{prefix}.{expert}.weight"),
    }
}

/// The rows of `view` `[heads, 3, head_dim, ...]` in the order `[3, heads, head_dim, ...]`, a view for each head.
fn by_head<'v>(view: TensorView<'v>, num_heads: usize, shape: &'v [usize]) -> impl Iterator<Item = TensorView<'v>> {
    let size = view.bytes.len() / (3 * num_heads);
    (0..3).flat_map(move |part| {
        (0..num_heads).map(move |head| {
            let bytes = &view.bytes[(3 * head + part) * size..][..size];
            TensorView { format: view.format, shape, bytes }
        })
    })
}
