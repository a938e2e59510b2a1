//! [`Backend`] on candle tensors.

use std::ops::Range;

use candle_core::{D, DType, Device, Tensor};
use quire_weights::TensorView;

use super::attention::attend;
use super::cache::write_rows;
use crate::stored_values::widened;
use crate::{
    Activation, AttentionSpec, Backend, ForwardInput, KvCache, Linear, LogitsRule, MatrixPart, ModelError, Norm,
    NormSpan, RopeAngles, StoredOrder,
};

/// candle on the CPU in f32, whatever the checkpoint is stored in.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceBackend;

impl Backend for ReferenceBackend {
    type Matrix = Tensor;
    type Vector = Tensor;
    type Rope = RopeAngles;
    type Tensor = Tensor;
    type KvCache = KvCache;

    fn matrix(&self, parts: &[MatrixPart<'_>]) -> Result<Tensor, ModelError> {
        let parts = parts
            .iter()
            .map(|part| {
                let values = widened(&part.view);
                Ok(match part.order {
                    StoredOrder::OutputMajor => Tensor::from_vec(values, (part.outputs, part.inputs), &Device::Cpu)?,
                    StoredOrder::InputMajor => {
                        Tensor::from_vec(values, (part.inputs, part.outputs), &Device::Cpu)?.t()?.contiguous()?
                    }
                })
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        Ok(Tensor::cat(&parts, 0)?) // [outputs of all parts, inputs]
    }

    fn vector(&self, parts: &[TensorView<'_>]) -> Result<Tensor, ModelError> {
        let values: Vec<f32> = parts.iter().flat_map(widened).collect();
        let length = values.len();
        Ok(Tensor::from_vec(values, length, &Device::Cpu)?)
    }

    fn matrix_bytes(&self, matrix: &Tensor) -> usize {
        matrix.elem_count() * size_of::<f32>()
    }

    fn rope(&self, angles: RopeAngles) -> Result<RopeAngles, ModelError> {
        Ok(angles)
    }

    fn embed(&self, table: &Tensor, indices: &[i32], offset: i32) -> Result<Tensor, ModelError> {
        let rows: Vec<u32> = indices.iter().map(|&index| (index + offset) as u32).collect();
        let length = rows.len();
        Ok(table.index_select(&Tensor::from_vec(rows, length, &Device::Cpu)?, 0)?) // [tokens, inputs]
    }

    fn num_rows(&self, x: &Tensor) -> usize {
        x.dim(0).unwrap_or(0)
    }

    fn select_rows(&self, x: &Tensor, indices: &[i32]) -> Result<Tensor, ModelError> {
        self.embed(x, indices, 0)
    }

    fn columns(&self, parts: &[(&Tensor, Range<usize>)]) -> Result<Tensor, ModelError> {
        let narrowed = parts.iter().map(|(x, columns)| x.narrow(1, columns.start, columns.len()));
        Ok(Tensor::cat(&narrowed.collect::<Result<Vec<_>, _>>()?, 1)?.contiguous()?)
    }

    fn copy(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(x.clone())
    }

    fn linear(&self, x: &Tensor, weight: &Linear<Self>) -> Result<Tensor, ModelError> {
        let product = x.matmul(&weight.weight.t()?)?; // [tokens, outputs]
        match &weight.bias {
            Some(bias) => Ok(product.broadcast_add(bias)?),
            None => Ok(product),
        }
    }

    fn add_linear(&self, residual: &mut Tensor, x: &Tensor, weight: &Linear<Self>) -> Result<(), ModelError> {
        *residual = residual.add(&self.linear(x, weight)?)?;
        Ok(())
    }

    fn add(&self, x: &mut Tensor, y: &Tensor) -> Result<(), ModelError> {
        *x = x.add(y)?;
        Ok(())
    }

    fn scale(&self, x: &mut Tensor, factor: f32) -> Result<(), ModelError> {
        *x = (&*x * f64::from(factor))?;
        Ok(())
    }

    fn add_rows(&self, x: &mut Tensor, rows: &Tensor, indices: &[i32], factors: &[f32]) -> Result<(), ModelError> {
        let factors = Tensor::from_slice(factors, (factors.len(), 1), &Device::Cpu)?;
        let indices: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        let length = indices.len();
        let indices = Tensor::from_vec(indices, length, &Device::Cpu)?;
        *x = x.index_add(&indices, &rows.broadcast_mul(&factors)?, 0)?;
        Ok(())
    }

    fn norm(&self, x: &Tensor, norm: &Norm<Self>) -> Result<Tensor, ModelError> {
        match norm {
            Norm::Rms { weight, epsilon } => rms_norm(x, weight, *epsilon),
            Norm::Layer { weight, bias, epsilon } => {
                let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
                let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
                let deviation = (variance + f64::from(*epsilon))?.sqrt()?;
                Ok(centred.broadcast_div(&deviation)?.broadcast_mul(weight)?.broadcast_add(bias)?)
            }
        }
    }

    fn activate(&self, x: &mut Tensor, activation: Activation) -> Result<(), ModelError> {
        *x = activated(x, activation)?;
        Ok(())
    }

    fn activate_mul(&self, gate_up: &Tensor, activation: Activation) -> Result<Tensor, ModelError> {
        let halves = gate_up.chunk(2, D::Minus1)?;
        Ok(activated(&halves[0], activation)?.mul(&halves[1])?)
    }

    fn attention(
        &self,
        qkv: Tensor,
        spec: &AttentionSpec<'_, Self>,
        input: &ForwardInput<'_>,
        cache: &KvCache,
    ) -> Result<Tensor, ModelError> {
        let tokens = input.num_tokens();
        let heads = |first: usize, count: usize| -> Result<Tensor, ModelError> {
            let columns = qkv.narrow(1, first * spec.head_dim, count * spec.head_dim)?;
            Ok(columns.contiguous()?.reshape((tokens, count, spec.head_dim))?)
        };
        let mut queries = heads(0, spec.num_heads)?; // [tokens, heads, head_dim]
        let mut keys = heads(spec.num_heads, spec.num_kv_heads)?; // [tokens, kv_heads, head_dim]
        let values = heads(spec.num_heads + spec.num_kv_heads, spec.num_kv_heads)?;
        if let Some(norms) = spec.head_norms {
            for (x, weight) in [(&mut queries, &norms.query), (&mut keys, &norms.key)] {
                let shape = x.dims3()?;
                let spanned = match norms.span {
                    NormSpan::Head => x.clone(),
                    NormSpan::AllHeads => x.reshape((tokens, shape.1 * shape.2))?,
                };
                *x = rms_norm(&spanned, weight, norms.epsilon)?.reshape(shape)?;
            }
        }
        if let Some(angles) = spec.rope {
            queries = rotate(&queries, angles, input.positions)?;
            keys = rotate(&keys, angles, input.positions)?;
        }
        write_rows(cache, input.slot_mapping, &keys, &values)?;
        attend(&queries, spec, input, cache)
    }

    fn to_host(&self, x: &Tensor, out: &mut [f32]) -> Result<(), ModelError> {
        out.copy_from_slice(&x.flatten_all()?.to_vec1::<f32>()?);
        Ok(())
    }

    fn logits(&self, x: &Tensor, head: &Tensor, out: &mut [f32]) -> Result<(), ModelError> {
        let logits = x.matmul(&head.t()?)?.flatten_all()?.to_vec1::<f32>()?;
        out.copy_from_slice(&logits);
        Ok(())
    }

    fn finish_logits(&self, rule: LogitsRule, logits: &mut [f32]) {
        for logit in logits {
            let scaled = *logit * rule.factor;
            *logit = rule.soft_cap.map_or(scaled, |cap| cap * (scaled / cap).tanh());
        }
    }
}

fn activated(x: &Tensor, activation: Activation) -> Result<Tensor, ModelError> {
    Ok(match activation {
        Activation::Silu => x.silu()?,
        Activation::Gelu => x.gelu_erf()?,
        Activation::GeluTanh => x.gelu()?,
        Activation::Relu => x.relu()?,
        Activation::Tanh => x.tanh()?,
    })
}

/// RMS norm over the last dimension.
fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor, ModelError> {
    let mean_square = x.sqr()?.mean_keepdim(D::Minus1)?;
    Ok(x.broadcast_div(&(mean_square + f64::from(epsilon))?.sqrt()?)?.broadcast_mul(weight)?)
}

/// Rotates pairs (i, i + rotated / 2) of each head of `x` `[tokens, heads, head_dim]` by the angles of `positions`.
fn rotate(x: &Tensor, angles: &RopeAngles, positions: &[i32]) -> Result<Tensor, ModelError> {
    let (tokens, _, head_dim) = x.dims3()?;
    let half = angles.rotated() / 2;
    let mut cosines = vec![0.0; tokens * half];
    let mut sines = vec![0.0; tokens * half];
    for (token, &position) in positions.iter().enumerate() {
        let columns = token * half..(token + 1) * half;
        angles.write(position as usize, &mut cosines[columns.clone()], &mut sines[columns]);
    }
    let cosines = Tensor::from_vec(cosines, (tokens, 1, half), &Device::Cpu)?;
    let sines = Tensor::from_vec(sines, (tokens, 1, half), &Device::Cpu)?;
    let (left, right) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let turned_left = left.broadcast_mul(&cosines)?.sub(&right.broadcast_mul(&sines)?)?;
    let turned_right = right.broadcast_mul(&cosines)?.add(&left.broadcast_mul(&sines)?)?;
    let rest = x.narrow(2, 2 * half, head_dim - 2 * half)?;
    debug_assert_eq!(x.dtype(), DType::F32);
    Ok(Tensor::cat(&[turned_left, turned_right, rest], 2)?) // [tokens, heads, head_dim]
}
