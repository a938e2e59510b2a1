//! What a product of one row reads and computes: what is compared with the machine's limits.

/// Bytes of weights that are read, and operations by the type that multiplies; a multiply-add is two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProductWork {
    /// Bytes of packed weights.
    pub weight_bytes: u64,
    /// Operations of single precision.
    pub f32_operations: u64,
    /// Operations of bf16, where the instruction set has them.
    pub bf16_operations: u64,
    /// Operations of bytes: blocks and int8.
    pub int8_operations: u64,
}

impl ProductWork {
    /// Both.
    pub fn and(self, other: ProductWork) -> ProductWork {
        self.with(other, |one, other| one + other)
    }

    /// This, and of what was added to `before` since only `used` of `all` equal parts.
    pub fn since(self, before: ProductWork, used: u64, all: u64) -> ProductWork {
        self.with(before, |now, before| before + (now - before) * used / all.max(1))
    }

    fn with(self, other: ProductWork, rule: impl Fn(u64, u64) -> u64) -> ProductWork {
        ProductWork {
            weight_bytes: rule(self.weight_bytes, other.weight_bytes),
            f32_operations: rule(self.f32_operations, other.f32_operations),
            bf16_operations: rule(self.bf16_operations, other.bf16_operations),
            int8_operations: rule(self.int8_operations, other.int8_operations),
        }
    }
}
