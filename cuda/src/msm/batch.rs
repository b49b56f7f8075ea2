//! Columns in batches whose scratch memory is bounded.

use super::plan::Plan;
use crate::device::Buffer;
use halo2_proofs::halo2curves::bn256::Fr;

/// Segments of entries, if they are not shorter than [`MIN_LENGTH`]: a thread each. An H200 has 132 multiprocessors of 512 such threads, so all
/// run at once, and end at once. A device of fewer works on them in turn.
const SEGMENTS: usize = 1 << 16;
/// Entries of a segment, at least. The addition of the partial sums of a bucket costs half as much again as that of an entry.
const MIN_LENGTH: usize = 8;

/// Entries and buckets of a batch: positions have 32 bits.
pub(super) const MAX_POSITIONS: usize = 1 << 31;

/// Consecutive rows of a column, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) column: usize,
    pub(super) start: usize,
    pub(super) rows: usize,
}

/// How long segments of `entries` entries are.
pub(super) fn segment_length(entries: usize) -> usize {
    entries.div_ceil(SEGMENTS).max(MIN_LENGTH)
}

/// `count` or up to a quarter more, one of few sizes. What follows from scalars differs from call to call; a device finds memory of few sizes again.
pub(super) fn roomy(count: usize) -> usize {
    count.next_multiple_of((count.next_power_of_two() / 8).max(1))
}

/// Bytes on the device, at most, for pieces of so many rows in all.
fn scratch(plan: &Plan, rows: usize, pieces: usize) -> usize {
    let entries = rows * plan.windows as usize;
    let sets = pieces * plan.groups as usize;
    let buckets = sets << plan.log_buckets();
    let partials = roomy(entries.div_ceil(segment_length(entries)) + buckets.min(entries));
    let [low, high] = plan.log_tiles();
    let sums = sets * (((low as usize + 1) << high) * 128 + plan.window as usize * 96);
    roomy(entries) * 8 + partials * (128 + 4) + buckets * (4 + 8) + sums
}

/// Cuts the columns into pieces and puts them together into batches that need at most `budget` bytes.
///
/// A piece that is cut has as many entries as buckets at least, even if that is more than the budget: with fewer, the buckets would take the time.
pub(super) fn divide(plan: &Plan, columns: &[&Buffer<Fr>], budget: usize) -> Vec<Vec<Piece>> {
    let fits = |rows: usize, pieces: usize| {
        let buckets = (pieces * plan.groups as usize) << plan.log_buckets();
        let entries = rows.saturating_mul(plan.windows as usize);
        entries.max(buckets) < MAX_POSITIONS && scratch(plan, rows, pieces) <= budget
    };
    let least = ((plan.groups as usize) << plan.log_buckets()).div_ceil(plan.windows as usize);
    let (mut batches, mut batch, mut filled) = (Vec::new(), Vec::new(), 0);
    for (column, scalars) in columns.iter().enumerate() {
        let mut start = 0;
        while start < scalars.len() {
            let left = scalars.len() - start;
            // A column is cut only where it does not fit into a batch of its own.
            if !batch.is_empty() && !fits(filled + left, batch.len() + 1) {
                batches.push(std::mem::take(&mut batch));
                filled = 0;
            }
            let fitting = if fits(filled + left, batch.len() + 1) { left } else { most(left, |rows| fits(rows, 1)) };
            let rows = fitting.max(least).min(left);
            batch.push(Piece { column, start, rows });
            (start, filled) = (start + rows, filled + rows);
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// The most of `1..=limit` that fits, or 1. What is more than one that does not fit does not either.
fn most(limit: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (1, limit);
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low
}
