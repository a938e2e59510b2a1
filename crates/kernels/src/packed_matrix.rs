//! Weights laid out for the kernels: panels of sixteen outputs, so that one vector load feeds sixteen results and every
//! number of rows, from one to hundreds, reads the same bytes in the same order.
//!
//! What a panel looks like inside is told by `element_panels.rs`, `quantised/regions.rs` and `int8/panels.rs`. Outputs are padded to 16.

use crate::{
    AlignedBuffer, ElementType, KernelsError, MatrixSource, PanelMemory, ProductWork, ThreadPool, WeightFormat,
    disjoint::Disjoint,
    element_panels, int8,
    lanes::LANES,
    quantised::{self, form::BlockForm},
};

/// Outputs of one panel.
pub const PANEL_OUTPUTS: usize = LANES;

/// Another number whenever the same sources give other panels, so that panels which were kept are not taken for today's.
pub const PANEL_VERSION: u32 = 1;

/// A weight matrix [outputs, inputs] in panels of sixteen outputs.
#[derive(Debug)]
pub struct PackedMatrix {
    num_outputs: usize,
    num_inputs: usize,
    segments: Vec<Segment>,
}

/// Outputs that follow each other and are packed alike.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first_output: usize,
    pub(crate) num_outputs: usize,
    pub(crate) form: PanelForm,
    /// Bytes from one panel to the next.
    pub(crate) panel_bytes: usize,
    data: PanelMemory,
}

/// A segment before its panels are there.
struct SegmentShape {
    first_output: usize,
    num_outputs: usize,
    form: PanelForm,
    panel_bytes: usize,
    len_bytes: usize,
}

/// What a panel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PanelForm {
    Elements(ElementType),
    Blocks(BlockForm),
    Int8,
}

impl PackedMatrix {
    /// Packs one matrix, or several stacked along their outputs (fused q, k and v; gate and up), each as it says. Those that
    /// follow each other and are packed alike share panels.
    ///
    /// Panics on a source whose [`packed`](MatrixSource::packed) is neither its own blocks nor
    /// [possible](WeightFormat::can_pack).
    ///
    /// # Errors
    /// [`KernelsError::SourceLength`], [`KernelsError::SourceBlocks`] or [`KernelsError::SourceFeatures`] for sources whose
    /// sizes do not fit, [`KernelsError::OutOfMemory`] or [`KernelsError::SizeOverflow`] when there is no room.
    pub fn pack(pool: &ThreadPool, sources: &[MatrixSource<'_>]) -> Result<PackedMatrix, KernelsError> {
        let mut segments = Vec::new();
        for (alike, shape) in shapes(sources)? {
            let data = pack_panels(pool, alike, &shape)?;
            segments.push(Segment::new(shape, data));
        }
        Ok(PackedMatrix::new(segments, sources))
    }

    /// The matrix that [`pack`](PackedMatrix::pack) would make of `sources`, over [panels](PackedMatrix::panels) that it made before.
    /// `None` when there are not as many, or not as many bytes. Which numbers they hold is the caller's word.
    ///
    /// Panics as [`pack`](PackedMatrix::pack).
    ///
    /// # Errors
    /// Those of [`pack`](PackedMatrix::pack) about sizes.
    pub fn of_panels(
        sources: &[MatrixSource<'_>],
        panels: &[PanelMemory],
    ) -> Result<Option<PackedMatrix>, KernelsError> {
        let shapes = shapes(sources)?;
        let fits = |((_, shape), panels): (&(_, SegmentShape), &PanelMemory)| shape.len_bytes == panels.bytes().len();
        if shapes.len() != panels.len() || !shapes.iter().zip(panels).all(fits) {
            return Ok(None);
        }
        let segments = shapes.into_iter().zip(panels).map(|((_, shape), data)| Segment::new(shape, data.clone()));
        Ok(Some(PackedMatrix::new(segments.collect(), sources)))
    }

    fn new(segments: Vec<Segment>, sources: &[MatrixSource<'_>]) -> PackedMatrix {
        PackedMatrix {
            num_outputs: segments.iter().map(|segment| segment.num_outputs).sum(),
            num_inputs: sources.first().map_or(0, |source| source.num_inputs),
            segments,
        }
    }

    /// The memory of its panels, one for each run of outputs that are packed alike.
    pub fn panels(&self) -> impl Iterator<Item = &PanelMemory> {
        self.segments.iter().map(|segment| &segment.data)
    }

    /// Output features (n).
    pub fn num_outputs(&self) -> usize {
        self.num_outputs
    }

    /// Input features (k).
    pub fn num_inputs(&self) -> usize {
        self.num_inputs
    }

    /// Memory that a matrix [outputs, inputs] takes whose weights are packed as `packed`; `None` when it cannot be counted.
    pub fn bytes_of(packed: WeightFormat, num_outputs: usize, num_inputs: usize) -> Option<usize> {
        PanelForm::of(packed).panel_bytes(num_inputs)?.checked_mul(num_outputs.div_ceil(LANES))
    }

    /// Memory taken, padding included.
    pub fn size_bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes().len()).sum()
    }

    /// What one row times this matrix reads and computes.
    pub fn work_per_row(&self) -> ProductWork {
        self.segments.iter().fold(ProductWork::default(), |sum, segment| {
            let operations = 2 * segment.num_outputs as u64 * self.num_inputs as u64;
            let read = ProductWork { weight_bytes: segment.bytes().len() as u64, ..ProductWork::default() };
            sum.and(match segment.form {
                PanelForm::Elements(ElementType::Bf16) => ProductWork { bf16_operations: operations, ..read },
                PanelForm::Elements(ElementType::F32 | ElementType::F16) => {
                    ProductWork { f32_operations: operations, ..read }
                }
                PanelForm::Blocks(_) | PanelForm::Int8 => ProductWork { int8_operations: operations, ..read },
            })
        })
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Gathers the weights of one output, [inputs]: a row of a (tied) embedding table.
    ///
    /// Panics on an index past the outputs or an `out` of another length.
    pub fn row(&self, index: usize, out: &mut [f32]) {
        assert!(index < self.num_outputs, "row {index} of {}; this is a bug", self.num_outputs);
        assert_eq!(out.len(), self.num_inputs, "row: out is not [inputs]; this is a bug");
        let ends_behind = |segment: &&Segment| index < segment.first_output + segment.num_outputs;
        let segment =
            self.segments.iter().find(ends_behind).expect("segments have all outputs; otherwise this is a bug");
        let output = index - segment.first_output;
        let panel = &segment.bytes()[output / LANES * segment.panel_bytes..][..segment.panel_bytes];
        match segment.form {
            PanelForm::Elements(dtype) => element_panels::gather(panel, dtype, output % LANES, out),
            PanelForm::Blocks(form) => quantised::panels::gather(panel, form, output % LANES, out),
            PanelForm::Int8 => int8::panels::gather(panel, output % LANES, out),
        }
    }
}

impl PanelForm {
    fn of(format: WeightFormat) -> PanelForm {
        match format {
            WeightFormat::Elements(dtype) => PanelForm::Elements(dtype),
            WeightFormat::Blocks(format) => PanelForm::Blocks(BlockForm::of(format)),
            WeightFormat::Int8 => PanelForm::Int8,
        }
    }

    /// Bytes of a panel; `None` when they cannot be counted.
    fn panel_bytes(self, num_inputs: usize) -> Option<usize> {
        match self {
            PanelForm::Elements(dtype) => element_panels::panel_bytes(dtype, num_inputs),
            PanelForm::Blocks(form) => quantised::panels::panel_bytes(form, num_inputs),
            PanelForm::Int8 => int8::panels::panel_bytes(num_inputs),
        }
    }
}

impl Segment {
    fn new(
        SegmentShape { first_output, num_outputs, form, panel_bytes, .. }: SegmentShape,
        data: PanelMemory,
    ) -> Segment {
        Segment { first_output, num_outputs, form, panel_bytes, data }
    }

    /// The panels.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.data.bytes()
    }
}

/// The segments of stacked sources, with the sources of each.
fn shapes<'a, 's>(
    sources: &'a [MatrixSource<'s>],
) -> Result<Vec<(&'a [MatrixSource<'s>], SegmentShape)>, KernelsError> {
    let num_inputs = sources.first().map_or(0, |source| source.num_inputs);
    for source in sources {
        source.validate(num_inputs)?;
    }
    let mut first_output = 0;
    let alike =
        |one: &MatrixSource<'_>, other: &MatrixSource<'_>| PanelForm::of(one.packed) == PanelForm::of(other.packed);
    let shape = |alike: &'a [MatrixSource<'s>]| {
        let form = PanelForm::of(alike[0].packed);
        let num_outputs = alike.iter().fold(0_usize, |outputs, source| outputs.saturating_add(source.num_outputs));
        let overflow = || KernelsError::SizeOverflow {
            count: num_outputs.saturating_mul(num_inputs),
            element_bytes: size_of::<f32>(),
        };
        let panel_bytes = form.panel_bytes(num_inputs).ok_or_else(overflow)?;
        let len_bytes = num_outputs.div_ceil(LANES).checked_mul(panel_bytes).ok_or_else(overflow)?;
        let shape = SegmentShape { first_output, num_outputs, form, panel_bytes, len_bytes };
        first_output = first_output.saturating_add(num_outputs);
        Ok((alike, shape))
    };
    sources.chunk_by(alike).map(shape).collect()
}

/// The panels of `sources`, which are packed alike.
fn pack_panels(
    pool: &ThreadPool,
    sources: &[MatrixSource<'_>],
    &SegmentShape { num_outputs, form, panel_bytes, len_bytes, .. }: &SegmentShape,
) -> Result<PanelMemory, KernelsError> {
    let mut data = AlignedBuffer::zeroed(len_bytes)?;
    let shared = Disjoint::new(data.bytes_mut());
    pool.run(num_outputs.div_ceil(LANES), 4, &|panels| {
        for panel in panels {
            // SAFETY: panels are disjoint, and the pool hands each out once.
            let target = unsafe { shared.range(panel * panel_bytes..(panel + 1) * panel_bytes) };
            match form {
                PanelForm::Elements(dtype) => element_panels::pack_panel(sources, panel, dtype, target),
                PanelForm::Blocks(form) => quantised::panels::pack_panel(sources, panel, form, target),
                PanelForm::Int8 => int8::panels::pack_panel(sources, panel, target),
            }
        }
    });
    Ok(PanelMemory::of(data))
}

#[cfg(test)]
mod tests;
