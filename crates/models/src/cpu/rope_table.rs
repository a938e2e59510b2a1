//! Cosines and sines by position, computed as far as sequences have come: a model that could go to a million positions
//! does not pay for them before somebody does.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::RopeAngles;

/// Fewest positions added at a time.
const GROWTH: usize = 512;

/// A table that grows; entries never change.
#[derive(Debug)]
pub struct RopeTable {
    angles: RopeAngles,
    columns: RwLock<Columns>,
}

/// `[positions, rotated / 2]` each.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) cosines: Vec<f32>,
    pub(super) sines: Vec<f32>,
}

impl RopeTable {
    pub(super) fn new(angles: RopeAngles) -> RopeTable {
        RopeTable { angles, columns: RwLock::default() }
    }

    pub(super) fn rotated(&self) -> usize {
        self.angles.rotated()
    }

    /// The table, with at least the first `num_positions` positions in it.
    pub(super) fn columns(&self, num_positions: usize) -> RwLockReadGuard<'_, Columns> {
        let half = self.rotated() / 2;
        let columns = self.columns.read().unwrap_or_else(PoisonError::into_inner);
        if columns.cosines.len() >= num_positions * half {
            return columns;
        }
        drop(columns);
        let mut columns = self.columns.write().unwrap_or_else(PoisonError::into_inner);
        let known = columns.cosines.len() / half;
        let wanted = num_positions.max(known + GROWTH).max(known + known / 2);
        columns.cosines.resize(wanted * half, 0.0);
        columns.sines.resize(wanted * half, 0.0);
        let Columns { cosines, sines } = &mut *columns;
        let rows = cosines.chunks_exact_mut(half).zip(sines.chunks_exact_mut(half));
        for (position, (cosines, sines)) in rows.enumerate().skip(known) {
            self.angles.write(position, cosines, sines);
        }
        drop(columns);
        self.columns.read().unwrap_or_else(PoisonError::into_inner)
    }
}
