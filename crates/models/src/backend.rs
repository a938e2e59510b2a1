//! The seam between architectures and devices: the dozen operations that a transformer is made of. A backend owns its
//! memory and fuses what it likes; it must not know architectures.

use std::ops::Range;

use quire_kernels::ProductWork;
use quire_weights::{TensorView, WeightForm};

use crate::{Activation, ForwardInput, HeadNorms, Linear, LogitsRule, ModelError, Norm, RopeAngles};

/// How a checkpoint orders a weight matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredOrder {
    /// `[outputs, inputs]`, as torch's `Linear` and embeddings.
    OutputMajor,
    /// `[inputs, outputs]`, as GPT-2's `Conv1D`.
    InputMajor,
}

/// One stored matrix of those stacked into a weight; its shape has been checked.
#[derive(Clone, Copy, Debug)]
pub struct MatrixPart<'a> {
    /// What the checkpoint calls it; of a tensor of all experts as if each had one of its own.
    pub name: &'a str,
    /// Bytes and format.
    pub view: TensorView<'a>,
    /// Order of the two dimensions.
    pub order: StoredOrder,
    /// Output features.
    pub outputs: usize,
    /// Input features.
    pub inputs: usize,
}

/// One layer's attention, but for the data.
#[derive(Clone, Copy)]
pub struct AttentionSpec<'a, B: Backend> {
    /// Query heads.
    pub num_heads: usize,
    /// Key and value heads; divides `num_heads`.
    pub num_kv_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
    /// What dot products are multiplied by.
    pub scale: f32,
    /// Scores become `cap * tanh(score / cap)` before the softmax.
    pub score_cap: Option<f32>,
    /// True: a token sees itself and what is before it. False: its whole sequence, which the step then has to bring.
    pub causal: bool,
    /// How many positions back a token sees, itself included; `None` = all.
    pub sliding_window: Option<usize>,
    /// RMS norms of queries and keys before rotation.
    pub head_norms: Option<&'a HeadNorms<B>>,
    /// Rotation of queries and keys.
    pub rope: Option<&'a B::Rope>,
}

/// A device that models run on. Tensors are `[tokens, features]` activations in f32 precision or better.
pub trait Backend: Send + Sync + Sized {
    /// A weight matrix `[outputs, inputs]`, in the backend's own layout.
    type Matrix: Send + Sync;
    /// A vector of weights.
    type Vector: Send + Sync;
    /// Rotary angles in the backend's own layout.
    type Rope: Send + Sync;
    /// Activations, `[tokens, features]`.
    type Tensor;
    /// Keys and values of one layer.
    type KvCache;

    /// The form in which it wants weights that a checkpoint has in several tensors.
    fn weight_form(&self) -> WeightForm {
        WeightForm::Numbers
    }
    /// Loads a matrix from parts stacked along the output features (fused projections).
    fn matrix(&self, parts: &[MatrixPart<'_>]) -> Result<Self::Matrix, ModelError>;
    /// Loads a vector from parts laid end to end.
    fn vector(&self, parts: &[TensorView<'_>]) -> Result<Self::Vector, ModelError>;
    /// Bytes that a loaded matrix takes on the device.
    fn matrix_bytes(&self, matrix: &Self::Matrix) -> usize;
    /// What one row times a loaded matrix reads and computes; `None` of a backend whose products are not this crate's kernels.
    fn work_per_row(&self, _matrix: &Self::Matrix) -> Option<ProductWork> {
        None
    }
    /// Prepares rotary angles.
    fn rope(&self, angles: RopeAngles) -> Result<Self::Rope, ModelError>;

    /// Rows of `table` by index; `offset` is added to each. `[tokens, inputs]`
    fn embed(&self, table: &Self::Matrix, indices: &[i32], offset: i32) -> Result<Self::Tensor, ModelError>;
    /// Number of rows of `x`.
    fn num_rows(&self, x: &Self::Tensor) -> usize;
    /// Rows of `x` by index. `[indices, features]`
    fn select_rows(&self, x: &Self::Tensor, indices: &[i32]) -> Result<Self::Tensor, ModelError>;
    /// Ranges of columns of tensors that have equally many rows, side by side. `[tokens, columns of all]`
    fn columns(&self, parts: &[(&Self::Tensor, Range<usize>)]) -> Result<Self::Tensor, ModelError>;
    /// Another tensor with the same numbers.
    fn copy(&self, x: &Self::Tensor) -> Result<Self::Tensor, ModelError>;
    /// `x W^T + b`. `[tokens, outputs]`
    fn linear(&self, x: &Self::Tensor, weight: &Linear<Self>) -> Result<Self::Tensor, ModelError>;
    /// `residual + x W^T + b`, in place of `residual`.
    fn add_linear(
        &self,
        residual: &mut Self::Tensor,
        x: &Self::Tensor,
        weight: &Linear<Self>,
    ) -> Result<(), ModelError>;
    /// `x + y`, in place of `x`.
    fn add(&self, x: &mut Self::Tensor, y: &Self::Tensor) -> Result<(), ModelError>;
    /// `x * factor`, in place.
    fn scale(&self, x: &mut Self::Tensor, factor: f32) -> Result<(), ModelError>;
    /// `x[indices[i]] += factors[i] * rows[i]` for each row, in order, in place of `x`.
    fn add_rows(
        &self,
        x: &mut Self::Tensor,
        rows: &Self::Tensor,
        indices: &[i32],
        factors: &[f32],
    ) -> Result<(), ModelError>;
    /// The norm of each row.
    fn norm(&self, x: &Self::Tensor, norm: &Norm<Self>) -> Result<Self::Tensor, ModelError>;
    /// The activation of each element, in place.
    fn activate(&self, x: &mut Self::Tensor, activation: Activation) -> Result<(), ModelError>;
    /// `activation(left half) * right half` of each row. `[tokens, features / 2]`
    fn activate_mul(&self, gate_up: &Self::Tensor, activation: Activation) -> Result<Self::Tensor, ModelError>;
    /// Normalises and rotates, writes all keys and values to the cache, then attends.
    ///
    /// `qkv` is `[tokens, (num_heads + 2 num_kv_heads) * head_dim]`, queries, keys, values; the result
    /// `[tokens, num_heads * head_dim]`. A row may read what another row of the same step wrote.
    fn attention(
        &self,
        qkv: Self::Tensor,
        spec: &AttentionSpec<'_, Self>,
        input: &ForwardInput<'_>,
        cache: &Self::KvCache,
    ) -> Result<Self::Tensor, ModelError>;
    /// All numbers of `x` into host memory, row-major; `out` is as long.
    fn to_host(&self, x: &Self::Tensor, out: &mut [f32]) -> Result<(), ModelError>;
    /// `x W^T` into `out`, `[tokens, outputs]`, in host memory.
    fn logits(&self, x: &Self::Tensor, head: &Self::Matrix, out: &mut [f32]) -> Result<(), ModelError>;
    /// What a model does to its logits, in host memory, in place.
    fn finish_logits(&self, rule: LogitsRule, logits: &mut [f32]);
}
