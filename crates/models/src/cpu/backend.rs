//! [`Backend`] on the CPU kernels.

use std::ops::Range;
use std::sync::Arc;

use quire_kernels::{
    Activation as KernelActivation, Columns, ElementType, Epilogue, HeadLayout, Kernels, KernelsError, LayerNorm,
    Matmul, MatrixOrder, MatrixSource, PackedMatrix, PagedAttention, ProductWork, RmsNorm, Rope, ThreadPool,
    WeightFormat, WriteKv, join_columns,
};
use quire_weights::{StoredFormat, TensorView, WeightForm};

use super::CpuMatrix;
#[cfg(not(target_family = "wasm"))]
use super::KeptPanels;
use super::activations::{Activations, Shelf};
use super::rope_table::RopeTable;
#[cfg(not(target_family = "wasm"))]
use crate::importance::{ErrorWeights, InputRecorder};
use crate::kv_cache::element_type;
use crate::stored_values::widened;
use crate::{
    Activation, AttentionSpec, Backend, ForwardInput, KvCache, Linear, LogitsRule, MatrixPart, ModelError, Norm,
    NormSpan, Quantization, RopeAngles, StoredOrder,
};

/// The kernels of one instruction set on one thread pool. Activations are f32, weights f32 or bf16.
///
/// Results don't depend on the number of threads, on how sequences are batched or cut, or on the block size.
#[derive(Clone, Debug)]
pub struct CpuBackend {
    kernels: Arc<Kernels>,
    pool: Arc<ThreadPool>,
    weights: ElementType,
    quantization: Quantization,
    shelf: Shelf,
    #[cfg(not(target_family = "wasm"))]
    recorder: Option<Arc<InputRecorder>>,
    #[cfg(not(target_family = "wasm"))]
    error_weights: Option<Arc<ErrorWeights>>,
    #[cfg(not(target_family = "wasm"))]
    kept: Option<Arc<KeptPanels>>,
}

impl CpuBackend {
    /// A backend that packs weights as `weights`, f32 or bf16, but for those that are stored in blocks, which stay as they are.
    pub fn new(kernels: Arc<Kernels>, pool: Arc<ThreadPool>, weights: ElementType) -> CpuBackend {
        CpuBackend {
            kernels,
            pool,
            weights,
            quantization: Quantization::Stored,
            shelf: Shelf::default(),
            #[cfg(not(target_family = "wasm"))]
            recorder: None,
            #[cfg(not(target_family = "wasm"))]
            error_weights: None,
            #[cfg(not(target_family = "wasm"))]
            kept: None,
        }
    }

    /// The same backend with another rule for blocks.
    pub fn with_quantization(self, quantization: Quantization) -> CpuBackend {
        CpuBackend { quantization, ..self }
    }

    /// The same backend, which records the inputs of matrices that are loaded from now on.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn with_recorder(self, recorder: Arc<InputRecorder>) -> CpuBackend {
        CpuBackend { recorder: Some(recorder), ..self }
    }

    /// The same backend, which weighs errors by `error_weights` where it makes blocks.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_error_weights(self, error_weights: Option<Arc<ErrorWeights>>) -> CpuBackend {
        CpuBackend { error_weights, ..self }
    }

    /// The same backend, which takes matrices that `kept` has from there instead of packing them.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_kept_panels(self, kept: Option<Arc<KeptPanels>>) -> CpuBackend {
        CpuBackend { kept, ..self }
    }

    #[cfg(not(target_family = "wasm"))]
    fn packed(&self, parts: &[MatrixPart<'_>], sources: &[MatrixSource<'_>]) -> Result<PackedMatrix, KernelsError> {
        match &self.kept {
            Some(kept) => kept.matrix(&self.pool, parts, sources),
            None => PackedMatrix::pack(&self.pool, sources),
        }
    }

    #[cfg(target_family = "wasm")]
    fn packed(&self, _: &[MatrixPart<'_>], sources: &[MatrixSource<'_>]) -> Result<PackedMatrix, KernelsError> {
        PackedMatrix::pack(&self.pool, sources)
    }

    /// How much errors in each input's weights of a part count.
    #[cfg(not(target_family = "wasm"))]
    fn importance(&self, part: &MatrixPart<'_>) -> Result<Option<&[f32]>, ModelError> {
        let Some(weights) = &self.error_weights else { return Ok(None) };
        Ok(weights.columns(part.name, part.inputs)?)
    }

    #[cfg(target_family = "wasm")]
    fn importance(&self, _: &MatrixPart<'_>) -> Result<Option<&[f32]>, ModelError> {
        Ok(None)
    }

    /// What a part of a matrix is packed as.
    fn packed_format(&self, part: &MatrixPart<'_>) -> WeightFormat {
        match (part.view.format, self.quantization) {
            (StoredFormat::Blocks(_) | StoredFormat::Int8, Quantization::None) => WeightFormat::Elements(self.weights),
            (StoredFormat::Blocks(format), _) => WeightFormat::Blocks(format),
            (StoredFormat::Int8, _) if WeightFormat::Int8.can_pack(part.inputs) => WeightFormat::Int8,
            (StoredFormat::Int8 | StoredFormat::Elements(_), quantization) => {
                quantization.format_for(part.inputs).unwrap_or(WeightFormat::Elements(self.weights))
            }
        }
    }

    fn multiply(
        &self,
        x: &Activations,
        weights: &CpuMatrix,
        bias: Option<&[f32]>,
        out: &mut [f32],
        epilogue: Epilogue,
    ) -> Result<(), ModelError> {
        #[cfg(not(target_family = "wasm"))]
        if let Some(recorded) = &weights.recorded {
            recorded.add(x.values());
        }
        let weights = &weights.packed;
        let (num_rows, out_stride) = (x.rows(), weights.num_outputs());
        let product = Matmul { x: x.values(), num_rows, weights, bias, out, out_stride, epilogue };
        Ok(self.kernels.matmul(&self.pool, product)?)
    }
}

impl Backend for CpuBackend {
    type Matrix = CpuMatrix;
    type Vector = Vec<f32>;
    type Rope = RopeTable;
    type Tensor = Activations;
    type KvCache = KvCache;

    fn weight_form(&self) -> WeightForm {
        match self.quantization {
            Quantization::Stored | Quantization::Int8 | Quantization::Blocks(_) => WeightForm::Quantised,
            Quantization::None => WeightForm::Numbers,
        }
    }

    fn matrix(&self, parts: &[MatrixPart<'_>]) -> Result<CpuMatrix, ModelError> {
        let sources: Vec<MatrixSource<'_>> = parts
            .iter()
            .map(|part| {
                Ok(MatrixSource {
                    bytes: part.view.bytes,
                    stored: weight_format(part.view.format),
                    packed: self.packed_format(part),
                    order: match part.order {
                        StoredOrder::OutputMajor => MatrixOrder::OutputsFirst,
                        StoredOrder::InputMajor => MatrixOrder::InputsFirst,
                    },
                    num_outputs: part.outputs,
                    num_inputs: part.inputs,
                    importance: self.importance(part)?,
                })
            })
            .collect::<Result<_, ModelError>>()?;
        let packed = self.packed(parts, &sources)?;
        #[cfg(not(target_family = "wasm"))]
        let recorded = self
            .recorder
            .as_ref()
            .map(|recorder| recorder.matrix(parts.iter().map(|part| part.name), packed.num_inputs()));
        Ok(CpuMatrix {
            packed,
            #[cfg(not(target_family = "wasm"))]
            recorded,
        })
    }

    fn vector(&self, parts: &[TensorView<'_>]) -> Result<Vec<f32>, ModelError> {
        Ok(parts.iter().flat_map(widened).collect())
    }

    fn matrix_bytes(&self, matrix: &CpuMatrix) -> usize {
        matrix.packed.size_bytes()
    }

    fn work_per_row(&self, matrix: &CpuMatrix) -> Option<ProductWork> {
        Some(matrix.packed.work_per_row())
    }

    fn rope(&self, angles: RopeAngles) -> Result<RopeTable, ModelError> {
        Ok(RopeTable::new(angles))
    }

    fn embed(&self, table: &CpuMatrix, indices: &[i32], offset: i32) -> Result<Activations, ModelError> {
        let table = &table.packed;
        let mut out = self.shelf.take(indices.len(), table.num_inputs())?;
        if offset == 0 {
            self.kernels.embedding(&self.pool, table, indices, out.values_mut());
        } else {
            let moved: Vec<i32> = indices.iter().map(|index| index + offset).collect();
            self.kernels.embedding(&self.pool, table, &moved, out.values_mut());
        }
        Ok(out)
    }

    fn num_rows(&self, x: &Activations) -> usize {
        x.rows()
    }

    fn select_rows(&self, x: &Activations, indices: &[i32]) -> Result<Activations, ModelError> {
        let mut out = self.shelf.take(indices.len(), x.features())?;
        for (target, &index) in out.values_mut().chunks_exact_mut(x.features()).zip(indices) {
            target.copy_from_slice(&x.values()[index as usize * x.features()..][..x.features()]);
        }
        Ok(out)
    }

    fn columns(&self, parts: &[(&Activations, Range<usize>)]) -> Result<Activations, ModelError> {
        let num_rows = parts.first().map_or(0, |(x, _)| x.rows());
        let mut out = self.shelf.take(num_rows, parts.iter().map(|(_, columns)| columns.len()).sum())?;
        let parts: Vec<Columns<'_>> = parts
            .iter()
            .map(|(x, columns)| Columns { values: x.values(), row_stride: x.features(), columns: columns.clone() })
            .collect();
        join_columns(&self.pool, &parts, out.values_mut());
        Ok(out)
    }

    fn copy(&self, x: &Activations) -> Result<Activations, ModelError> {
        let mut out = self.shelf.take(x.rows(), x.features())?;
        out.values_mut().copy_from_slice(x.values());
        Ok(out)
    }

    fn linear(&self, x: &Activations, weight: &Linear<Self>) -> Result<Activations, ModelError> {
        let mut out = self.shelf.take(x.rows(), weight.weight.packed.num_outputs())?;
        self.multiply(x, &weight.weight, weight.bias.as_deref(), out.values_mut(), Epilogue::Store)?;
        Ok(out)
    }

    fn add_linear(&self, residual: &mut Activations, x: &Activations, weight: &Linear<Self>) -> Result<(), ModelError> {
        self.multiply(x, &weight.weight, weight.bias.as_deref(), residual.values_mut(), Epilogue::Add)
    }

    fn add(&self, x: &mut Activations, y: &Activations) -> Result<(), ModelError> {
        self.kernels.add(&self.pool, y.values(), x.values_mut());
        Ok(())
    }

    fn scale(&self, x: &mut Activations, factor: f32) -> Result<(), ModelError> {
        self.kernels.scale(&self.pool, factor, x.values_mut());
        Ok(())
    }

    fn add_rows(
        &self,
        x: &mut Activations,
        rows: &Activations,
        indices: &[i32],
        factors: &[f32],
    ) -> Result<(), ModelError> {
        let width = x.features();
        self.kernels.add_rows(rows.values(), indices, factors, width, x.values_mut());
        Ok(())
    }

    fn norm(&self, x: &Activations, norm: &Norm<Self>) -> Result<Activations, ModelError> {
        let mut normed = self.shelf.take(x.rows(), x.features())?;
        let (x, out) = (x.values(), normed.values_mut());
        match norm {
            Norm::Rms { weight, epsilon } => {
                self.kernels.rms_norm(&self.pool, RmsNorm { x, weight, epsilon: *epsilon, out });
            }
            Norm::Layer { weight, bias, epsilon } => {
                let bias = Some(bias.as_slice());
                self.kernels.layer_norm(&self.pool, LayerNorm { x, weight, bias, epsilon: *epsilon, out });
            }
        }
        Ok(normed)
    }

    fn activate(&self, x: &mut Activations, activation: Activation) -> Result<(), ModelError> {
        self.kernels.activate(&self.pool, kernel_activation(activation), x.values_mut());
        Ok(())
    }

    fn activate_mul(&self, gate_up: &Activations, activation: Activation) -> Result<Activations, ModelError> {
        let width = gate_up.features() / 2;
        let mut out = self.shelf.take(gate_up.rows(), width)?;
        let activation = kernel_activation(activation);
        self.kernels.activate_mul(&self.pool, activation, gate_up.values(), width, out.values_mut());
        Ok(out)
    }

    fn attention(
        &self,
        mut qkv: Activations,
        spec: &AttentionSpec<'_, Self>,
        input: &ForwardInput<'_>,
        cache: &KvCache,
    ) -> Result<Activations, ModelError> {
        let head_dim = spec.head_dim;
        let row_stride = qkv.features();
        let columns =
            |first: usize, num_heads: usize| HeadLayout { offset: first * head_dim, row_stride, num_heads, head_dim };
        let queries = columns(0, spec.num_heads);
        let keys = columns(spec.num_heads, spec.num_kv_heads);
        let values = columns(spec.num_heads + spec.num_kv_heads, spec.num_kv_heads);
        if let Some(norms) = spec.head_norms {
            for (layout, weight) in [(queries, &norms.query), (keys, &norms.key)] {
                let layout = match norms.span {
                    NormSpan::Head => layout,
                    NormSpan::AllHeads => {
                        HeadLayout { num_heads: 1, head_dim: layout.num_heads * layout.head_dim, ..layout }
                    }
                };
                self.kernels.rms_norm_heads(&self.pool, qkv.values_mut(), layout, weight, norms.epsilon);
            }
        }
        if let Some(table) = spec.rope {
            let furthest = input.positions.iter().copied().max().unwrap_or(0) as usize;
            let angles = table.columns(furthest + 1);
            for layout in [queries, keys] {
                let (cos, sin, rotary_dim) = (&angles.cosines, &angles.sines, table.rotated());
                let data = qkv.values_mut();
                self.kernels.rope(&self.pool, Rope { data, layout, positions: input.positions, cos, sin, rotary_dim });
            }
        }
        let layout = cache.layout();
        self.kernels.write_kv(
            &self.pool,
            WriteKv {
                keys: qkv.values(),
                key_layout: keys,
                values: qkv.values(),
                value_layout: values,
                slot_mapping: input.slot_mapping,
                layout,
                cache: &cache.buffer,
            },
        );
        let mut out = self.shelf.take(qkv.rows(), spec.num_heads * head_dim)?;
        self.kernels.paged_attention(
            &self.pool,
            PagedAttention {
                queries: qkv.values(),
                query_layout: queries,
                cache: &cache.buffer,
                layout,
                scale: spec.scale,
                soft_cap: spec.score_cap,
                causal: spec.causal,
                sliding_window: spec.sliding_window,
                query_start_loc: input.query_start_loc,
                seq_lens: input.seq_lens,
                block_tables: input.block_tables,
                block_table_stride: input.block_table_stride,
                out: out.values_mut(),
            },
        )?;
        Ok(out)
    }

    fn to_host(&self, x: &Activations, out: &mut [f32]) -> Result<(), ModelError> {
        out.copy_from_slice(x.values());
        Ok(())
    }

    fn logits(&self, x: &Activations, head: &CpuMatrix, out: &mut [f32]) -> Result<(), ModelError> {
        self.multiply(x, head, None, out, Epilogue::Store)
    }

    fn finish_logits(&self, rule: LogitsRule, logits: &mut [f32]) {
        let cap = rule.soft_cap.unwrap_or(1.0);
        if rule.factor / cap != 1.0 {
            self.kernels.scale(&self.pool, rule.factor / cap, logits);
        }
        if rule.soft_cap.is_some() {
            self.kernels.activate(&self.pool, KernelActivation::Tanh, logits);
            self.kernels.scale(&self.pool, cap, logits);
        }
    }
}

fn kernel_activation(activation: Activation) -> KernelActivation {
    match activation {
        Activation::Silu => KernelActivation::Silu,
        Activation::Gelu => KernelActivation::Gelu,
        Activation::GeluTanh => KernelActivation::GeluTanh,
        Activation::Relu => KernelActivation::Relu,
        Activation::Tanh => KernelActivation::Tanh,
    }
}

fn weight_format(format: StoredFormat) -> WeightFormat {
    match format {
        StoredFormat::Elements(dtype) => WeightFormat::Elements(element_type(dtype)),
        StoredFormat::Blocks(format) => WeightFormat::Blocks(format),
        StoredFormat::Int8 => WeightFormat::Int8,
    }
}
