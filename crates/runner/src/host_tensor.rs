//! Strided tensors in host memory: what the candle framework adapter hands to the neutral worker. Allocates, narrows, views
//! and copies; computes nothing.

use quire_kernels::SharedBuffer;

use crate::{HostDType, RunnerError};

/// A tensor in memory that other tensors, and the model, may look at too.
#[derive(Clone, Debug)]
pub struct HostTensor {
    shape: Vec<usize>,
    /// Elements from one index of a dimension to the next.
    strides: Vec<usize>,
    /// First element.
    offset: usize,
    dtype: HostDType,
    storage: SharedBuffer,
}

impl HostTensor {
    /// Zeros, row-major.
    ///
    /// # Errors
    /// [`RunnerError::TensorTooLarge`] or [`RunnerError::Kernels`] when the memory can't be had.
    pub fn zeros(shape: &[usize], dtype: HostDType) -> Result<HostTensor, RunnerError> {
        let too_large = || RunnerError::TensorTooLarge { shape: shape.to_vec() };
        let elements =
            shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size)).ok_or_else(too_large)?;
        let bytes = elements.checked_mul(dtype.size_bytes()).ok_or_else(too_large)?;
        let storage = SharedBuffer::zeroed(bytes)?;
        Ok(HostTensor { shape: shape.to_vec(), strides: row_major(shape), offset: 0, dtype, storage })
    }

    /// A tensor whose contents are unspecified. The system hands out zeroed pages anyway, so that is what they are.
    ///
    /// # Errors
    /// As [`HostTensor::zeros`].
    pub fn empty(shape: &[usize], dtype: HostDType) -> Result<HostTensor, RunnerError> {
        HostTensor::zeros(shape, dtype)
    }

    /// The numbers converted to `dtype`, `[numbers]`.
    ///
    /// # Errors
    /// As [`HostTensor::zeros`].
    pub fn from_numbers(numbers: &[f64], dtype: HostDType) -> Result<HostTensor, RunnerError> {
        let mut bytes = Vec::with_capacity(numbers.len() * dtype.size_bytes());
        numbers.iter().for_each(|&number| dtype.append(number, &mut bytes));
        let tensor = HostTensor::zeros(&[numbers.len()], dtype)?;
        tensor.copy_from_host(&bytes)?;
        Ok(tensor)
    }

    /// The sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements from one index of each dimension to the next.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// Index of the first element in the storage.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The type of an element.
    pub fn dtype(&self) -> HostDType {
        self.dtype
    }

    /// The memory, shared with every tensor narrowed or viewed from this one.
    pub fn storage(&self) -> &SharedBuffer {
        &self.storage
    }

    /// Number of elements.
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of all elements, without what lies between them.
    pub fn size_bytes(&self) -> usize {
        self.num_elements() * self.dtype.size_bytes()
    }

    /// The indices `start..start + length` of dimension `dim`. Shares the memory, copies nothing.
    ///
    /// # Errors
    /// [`RunnerError::NarrowOutOfRange`].
    pub fn narrow(&self, dim: usize, start: usize, length: usize) -> Result<HostTensor, RunnerError> {
        let fits = self.shape.get(dim).is_some_and(|&size| start.checked_add(length).is_some_and(|end| end <= size));
        if !fits {
            return Err(RunnerError::NarrowOutOfRange { shape: self.shape.clone(), dim, start, length });
        }
        let mut narrowed = self.clone();
        narrowed.shape[dim] = length;
        narrowed.offset += start * self.strides[dim];
        Ok(narrowed)
    }

    /// The same elements in another shape. Shares the memory.
    ///
    /// # Errors
    /// [`RunnerError::NotViewable`] where that would take a copy, or the number of elements differs.
    pub fn view(&self, shape: &[usize]) -> Result<HostTensor, RunnerError> {
        let strides = self.strides_of_view(shape).ok_or_else(|| RunnerError::NotViewable {
            from: self.shape.clone(),
            strides: self.strides.clone(),
            to: shape.to_vec(),
        })?;
        Ok(HostTensor { shape: shape.to_vec(), strides, ..self.clone() })
    }

    /// Splits the dimensions into groups of equal size from the back: within a group of old dimensions the elements must lie
    /// evenly, so that the new dimensions of the group have strides.
    fn strides_of_view(&self, shape: &[usize]) -> Option<Vec<usize>> {
        let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))?;
        if elements != self.num_elements() {
            return None;
        }
        if elements == 0 {
            return Some(row_major(shape));
        }
        let mut strides = vec![1; shape.len()];
        let mut new = shape.len();
        let mut old = self.shape.len();
        while old > 0 {
            old -= 1;
            let stride = self.strides[old];
            let mut size = self.shape[old];
            // Old dimensions that follow each other without a gap are one.
            while old > 0 && (self.shape[old - 1] == 1 || self.strides[old - 1] == size * stride) {
                old -= 1;
                size *= self.shape[old];
            }
            let mut filled = 1;
            while new > 0 && (filled < size || shape[new - 1] == 1) {
                new -= 1;
                strides[new] = filled * stride;
                filled *= shape[new];
            }
            if filled != size {
                return None;
            }
        }
        Some(strides)
    }

    /// Overwrites all elements with `source`, row-major, little-endian.
    ///
    /// # Errors
    /// [`RunnerError::WrongLength`].
    pub fn copy_from_host(&self, source: &[u8]) -> Result<(), RunnerError> {
        self.check_length(source.len())?;
        let mut memory = self.storage.write();
        let bytes = memory.bytes_mut();
        self.for_runs(|at, from, length| bytes[at..at + length].copy_from_slice(&source[from..from + length]));
        Ok(())
    }

    /// Copies all elements to `target`, row-major, little-endian.
    ///
    /// # Errors
    /// [`RunnerError::WrongLength`].
    pub fn copy_to_host(&self, target: &mut [u8]) -> Result<(), RunnerError> {
        self.check_length(target.len())?;
        let memory = self.storage.read();
        let bytes = memory.bytes();
        self.for_runs(|at, to, length| target[to..to + length].copy_from_slice(&bytes[at..at + length]));
        Ok(())
    }

    /// Copies blocks within the tensor: `pairs` are from, to, from, to, in this order one after another. Blocks are slices of
    /// the first dimension, or of the second where the first is the pair of keys and values (5 dimensions, the first 2).
    ///
    /// # Errors
    /// [`RunnerError::BadBlockCopy`], before anything is copied.
    pub fn copy_blocks(&self, pairs: &[i32]) -> Result<(), RunnerError> {
        let dim = usize::from(self.shape.len() == 5 && self.shape[0] == 2);
        let num_blocks = self.shape.get(dim).copied().unwrap_or(0);
        let bad = |given: i64| RunnerError::BadBlockCopy { given, num_blocks };
        if !pairs.len().is_multiple_of(2) {
            return Err(bad(i64::from(pairs[pairs.len() - 1])));
        }
        if let Some(&outside) = pairs.iter().find(|&&block| usize::try_from(block).map_or(true, |id| id >= num_blocks))
        {
            return Err(bad(i64::from(outside)));
        }
        if pairs.is_empty() {
            return Ok(());
        }
        let mut copied = vec![0; self.narrow(dim, 0, 1)?.size_bytes()];
        for pair in pairs.chunks_exact(2) {
            self.narrow(dim, pair[0] as usize, 1)?.copy_to_host(&mut copied)?;
            self.narrow(dim, pair[1] as usize, 1)?.copy_from_host(&copied)?;
        }
        Ok(())
    }

    fn check_length(&self, given: usize) -> Result<(), RunnerError> {
        let expected = self.size_bytes();
        if given == expected { Ok(()) } else { Err(RunnerError::WrongLength { expected, given }) }
    }

    /// Calls `run` with (byte in storage, byte in row-major order, bytes) for each stretch of elements without a gap.
    fn for_runs(&self, mut run: impl FnMut(usize, usize, usize)) {
        if self.num_elements() == 0 {
            return;
        }
        let width = self.dtype.size_bytes();
        // Trailing dimensions without gaps are one stretch.
        let mut outer = self.shape.len();
        let mut stretch = 1;
        while outer > 0 && (self.shape[outer - 1] == 1 || self.strides[outer - 1] == stretch) {
            outer -= 1;
            stretch *= self.shape[outer];
        }
        let mut index = vec![0; outer];
        let mut host = 0;
        loop {
            let element: usize = index.iter().zip(&self.strides).map(|(index, stride)| index * stride).sum();
            run((self.offset + element) * width, host, stretch * width);
            host += stretch * width;
            let Some(dim) = (0..outer).rev().find(|&dim| index[dim] + 1 < self.shape[dim]) else { return };
            index[dim] += 1;
            index[dim + 1..].fill(0);
        }
    }
}

/// Strides of a tensor without gaps.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for dim in (1..shape.len()).rev() {
        strides[dim - 1] = strides[dim] * shape[dim].max(1);
    }
    strides
}
