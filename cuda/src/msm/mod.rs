//! Multi-scalar multiplication on BN254 G1, for many columns of scalars over the same bases: what launches `kernels/msm.cu`.
//!
//! What it costs for `n` bases with all multiples prepared. Windows have 13 bits at `n = 2^14`, where a full scalar makes 20 entries and a number of
//! 16 bits two, and 17 bits at `n = 2^20`, where they make 15 and one. Time is an estimate for an H200 at 60 G products a second: nothing was
//! measured.
//!
//! ```text
//! kernel           products                    2^20 of 16 bits  2^20 full        threads for 2^14 of 16 bits, 2^14 full, 2^20 full
//! msm_count        1 a scalar; atomics         0.04 ms          0.4 ms           2^14, 2^14, 2^20
//! msm_scan_*       none                        0.01             0.01             a block of 256 for 2048 buckets of all columns
//! msm_scatter      1 a scalar; atomics         0.04             0.5              2^14, 2^14, 2^20
//! msm_accumulate   10 an entry                 10 M    0.18     157 M   2.6      2^12, 40 * 2^10, 2^16 (in one wave, 240 entries each)
//! msm_fold         14 a partial sum over one   0.9 M   0.03     0.9 M   0.03     one a partial sum; log2 (entries of a bucket / length) rounds
//! msm_weigh        28 a bucket in use          1.8 M   0.05     1.8 M   0.05     a block of 128 for 256 buckets: eight additions in a row
//! msm_finish       28 a tile of buckets        0.05             0.05             9 blocks of 128 a column; as above
//! ```
//!
//! The last two rows are bound by the 4.5 us that an addition takes alone, so they cost no more for a batch of a dozen columns.
//!
//! Time depends on the scalars; nothing else leaks them. What was made of them on the device is wiped.

mod batch;
mod plan;
mod sums;

use crate::device::{Argument, Buffer, Device, DeviceError, Launch, on_one_device};
use batch::Piece;
use group::Group as _;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1, G1Affine};
pub use plan::Precomputed;
use plan::{MAX_POINTS, Plan};
use std::sync::Arc;

/// Threads of a block of the kernels that add points.
const BLOCK: u32 = 128;
/// Bases whose multiples are computed at a time: a wave of threads, and up to 1.5 KiB of scratch a base and 16 levels.
const SLICE: usize = 1 << 16;
/// The part of the free memory that prepared points may take, and scratch.
const SHARE: usize = 8;
/// Scratch memory of a batch, at most, unless [`Bases::with_scratch`] sets it: more would not be faster.
const SCRATCH: usize = 4 << 30;

/// Bases on a device, prepared for many sums.
pub struct Bases {
    plan: Plan,
    len: usize,
    /// Level by level, `len` points each.
    points: Buffer<G1Affine>,
    /// Bytes of scratch memory of a batch.
    scratch: usize,
}

impl std::fmt::Debug for Bases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bases({}, {:?})", self.len, self.plan)
    }
}

impl Bases {
    /// Prepares bases; any points of the curve are fine, the identity and repeated ones too. Without a plan takes the fastest whose points fit into
    /// an eighth of the free memory.
    ///
    /// Cost: 64 bytes a base and level; ten products a doubling, about 240 doublings and 400 products more a base: 50 ms for 2^20.
    ///
    /// Does NOT check that the points are on the curve.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], [`DeviceError::Failed`].
    ///
    /// # Panics
    /// If the plan has windows of other than 2 to 17 bits, or no level; if there are `2^31` points or more in all levels.
    pub fn new(device: &Arc<dyn Device>, points: &[G1Affine], plan: Option<Precomputed>) -> Result<Self, DeviceError> {
        let share = device.memory()?[0] / SHARE;
        let plan = plan.map_or_else(|| Plan::choose(points.len(), share), Plan::new);
        let total = points.len().checked_mul(plan.levels as usize).filter(|total| *total < MAX_POINTS);
        let total = total.unwrap_or_else(|| panic!("{} bases of {} levels", points.len(), plan.levels));
        let mut table = Buffer::new(device, total)?;
        table.write(0, points)?;
        let mut bases = Self { plan, len: points.len(), points: table, scratch: share.min(SCRATCH) };
        bases.prepare()?;
        Ok(bases)
    }

    /// Sets how many bytes of scratch memory [`Self::msm_many`] may take: it divides its work accordingly. At least it takes
    /// about 200 bytes a bucket of a column.
    #[must_use]
    pub const fn with_scratch(mut self, bytes: usize) -> Self {
        self.scratch = bytes;
        self
    }

    /// The number of bases.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bases.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What was computed beforehand.
    #[must_use]
    pub const fn precomputed(&self) -> Precomputed {
        Precomputed { window: self.plan.window, levels: self.plan.levels }
    }

    /// `sum_i columns[j][i] points[i]` over the first `columns[j].len()` bases, for every column `j`. The kernels are launched once for as many
    /// columns as scratch memory allows.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], [`DeviceError::Failed`].
    ///
    /// # Panics
    /// If a column has more scalars than there are bases, or is on another device.
    pub fn msm_many(&self, columns: &[&Buffer<Fr>]) -> Result<Vec<G1>, DeviceError> {
        for column in columns {
            assert!(column.len() <= self.len, "{} scalars for {} bases", column.len(), self.len);
        }
        on_one_device(self.device(), columns.iter().copied());
        let mut sums = vec![G1::identity(); columns.len()];
        for batch in batch::divide(&self.plan, columns, self.scratch) {
            for (Piece { column, .. }, sum) in batch.iter().zip(sums::of_pieces(self, columns, &batch)?) {
                sums[*column] += sum;
            }
        }
        Ok(sums)
    }

    const fn device(&self) -> &Arc<dyn Device> {
        self.points.device()
    }

    /// Computes all levels from the first.
    fn prepare(&mut self) -> Result<(), DeviceError> {
        let levels = self.plan.levels;
        if levels == 1 || self.len == 0 {
            return Ok(());
        }
        let most = self.len.min(SLICE);
        let room = Buffer::<Fq>::new(self.device(), (levels as usize - 1) * 3 * most)?;
        for first in (0..self.len).step_by(most) {
            let count = most.min(self.len - first);
            let arguments = [
                self.points.argument(),
                room.argument(),
                Argument::U64(self.len as u64),
                Argument::U64(first as u64),
                Argument::U32(count as u32),
                Argument::U32(levels),
                Argument::U32(self.plan.doublings()),
            ];
            // SAFETY: the table has `levels` times `len` points, as `new` made it, and `first + count` is at most `len`. There is room for three elements
            // of each level but the first and each of the `count` bases, which are at most `most`.
            unsafe { self.device().launch("msm_multiples", Launch::threads(count, BLOCK), &arguments) }?;
        }
        Ok(())
    }
}
