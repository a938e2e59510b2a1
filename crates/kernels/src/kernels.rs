//! The kernels of one instruction set, chosen once. The operations are methods in the files named after them.

use crate::{
    Isa, KernelsError, activation::ActivationKernels, arena::Arena, elementwise::ElementwiseKernels, norm::NormKernels,
    paged_attention::AttentionKernels, quantised::tables::ByteProducts, reduce::ReduceKernels, rope::rotate,
    tile::TileTable,
};

/// A table of functions for one instruction set, and the scratch memory that they share.
///
/// Results of one instruction set never depend on the number of rows, their neighbours or the number of threads.
/// Between instruction sets they differ by rounding.
#[derive(Debug)]
pub struct Kernels {
    isa: Isa,
    pub(crate) arena: Arena,
    pub(crate) f32_tiles: TileTable,
    pub(crate) bf16_tiles: TileTable,
    pub(crate) byte_products: ByteProducts,
    pub(crate) norm: NormKernels,
    pub(crate) elementwise: ElementwiseKernels,
    pub(crate) activation: ActivationKernels,
    pub(crate) reduce: ReduceKernels,
    pub(crate) rotate: crate::rope::RotateFn,
    pub(crate) attention: AttentionKernels,
}

impl Kernels {
    /// The kernels of an instruction set.
    ///
    /// # Errors
    /// [`KernelsError::UnsupportedIsa`] when this CPU or this build does not have it.
    pub fn new(isa: Isa) -> Result<Kernels, KernelsError> {
        if !isa.is_available() {
            return Err(KernelsError::UnsupportedIsa { isa });
        }
        Ok(Kernels {
            isa,
            arena: Arena::default(),
            f32_tiles: TileTable::f32(isa),
            bf16_tiles: TileTable::bf16(isa),
            byte_products: ByteProducts::best(isa),
            norm: NormKernels::new(isa),
            elementwise: ElementwiseKernels::new(isa),
            activation: ActivationKernels::new(isa),
            reduce: ReduceKernels::new(isa),
            rotate: rotate(isa),
            attention: AttentionKernels::new(isa),
        })
    }

    /// The same kernels with another of the ways that `isa` has to multiply bytes.
    #[cfg(test)]
    pub(crate) fn with_byte_products(self, byte_products: ByteProducts) -> Kernels {
        Kernels { byte_products, ..self }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }
}
