//! Ranges of tensors over the samples.
//!
//! Everything here is independent of the order of the samples and of the number of threads.

use super::samples::Samples;
use crate::graph::{Graph, GraphError};
use rayon::prelude::*;

/// Low bits of an `f32` that a histogram bin ignores: a bin is 1/256 of its octave.
const BIN_SHIFT: u32 = 15;
/// Bins for every non-negative `f32`.
const BINS: usize = 1 << (31 - BIN_SHIFT);
/// Low bits of an `f64` cleared by [`round_up`], which leaves 12 significant ones.
const ROUNDED_BITS: u32 = 41;

/// What one tensor does over all samples.
#[derive(Clone)]
pub(super) struct Extent {
    pub min: f32,
    pub max: f32,
    /// Elements by magnitude; empty if no percentile is wanted.
    histogram: Vec<u64>,
}

impl Extent {
    fn new(with_histogram: bool) -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY, histogram: vec![0; if with_histogram { BINS } else { 0 }] }
    }

    fn add(&mut self, value: f32) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if let Some(count) = self.histogram.get_mut((value.abs().to_bits() >> BIN_SHIFT) as usize) {
            *count += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.histogram.iter_mut().zip(&other.histogram).for_each(|(a, b)| *a += b);
    }

    /// Greatest magnitude, rounded up to 12 significant bits.
    pub fn magnitude(&self) -> f64 {
        round_up(f64::from(self.min.abs().max(self.max.abs())))
    }

    /// A magnitude that at least `percent` of all elements do not exceed, at most 1/256 above the least such and
    /// rounded up like [`Self::magnitude`], which it never exceeds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let total: u64 = self.histogram.iter().sum();
        let needed = total as f64 * percent / 100.0;
        let mut seen = 0;
        for (bin, count) in self.histogram.iter().enumerate() {
            seen += count;
            if seen as f64 >= needed {
                let edge = f32::from_bits(((bin + 1) << BIN_SHIFT) as u32);
                return round_up(f64::from(edge)).min(self.magnitude());
            }
        }
        self.magnitude()
    }
}

/// The least number with 12 significant bits that is not below `value`, which is 0 or came from an `f32`.
///
/// Float kernels differ in their last bits between machines; the ranges measured through them then mostly do not.
fn round_up(value: f64) -> f64 {
    let bits = value.to_bits();
    let low = (1 << ROUNDED_BITS) - 1;
    f64::from_bits((bits + low) & !low)
}

/// Runs the graph on every sample and returns the extent of every node's tensor.
///
/// Cost: one float inference a sample, on all cores.
pub(super) fn calibrate(graph: &Graph, samples: &Samples, with_histogram: bool) -> Result<Vec<Extent>, GraphError> {
    let empty = || vec![Extent::new(with_histogram); graph.nodes.len()];
    let add = |mut extents: Vec<Extent>, input| {
        for (extent, values) in extents.iter_mut().zip(graph.run_f32(input)?) {
            values.iter().for_each(|&value| extent.add(value));
        }
        Ok(extents)
    };
    let merge = |mut left: Vec<Extent>, right: Vec<Extent>| {
        left.iter_mut().zip(&right).for_each(|(a, b)| a.merge(b));
        Ok(left)
    };
    samples.inputs().par_iter().try_fold(empty, add).try_reduce(empty, merge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(values: impl IntoIterator<Item = f32>) -> Extent {
        let mut extent = Extent::new(true);
        values.into_iter().for_each(|value| extent.add(value));
        extent
    }

    #[test]
    fn rounding_up_keeps_twelve_bits() {
        for value in [0.0, 1.0, 4095.0, 0.5, 3.0 * 2f64.powi(-140)] {
            assert_eq!(round_up(value), value);
        }
        assert_eq!(round_up(4097.0), 4098.0);
        assert_eq!(round_up(8191.5), 8192.0);
        assert_eq!(round_up(f64::from(f32::MAX)), 2f64.powi(128));
    }

    #[test]
    fn percentiles_cover_what_they_promise_and_little_more() {
        let extent = extent((1..=1000).map(|v| v as f32 * if v % 2 == 0 { 1.0 } else { -1.0 }));
        assert_eq!(extent.magnitude(), 1000.0);
        assert_eq!(extent.percentile(100.0), 1000.0);
        for percent in [60.0, 90.0, 99.0, 99.9] {
            let (got, least) = (extent.percentile(percent), percent * 10.0);
            assert!(got >= least && got <= least * (1.0 + 1.0 / 128.0), "{percent}: {got}");
        }
    }

    #[test]
    fn merging_is_adding() {
        let (mut left, right) = (extent([1.0, -3.0]), extent([2.0]));
        left.merge(&right);
        let both = extent([2.0, 1.0, -3.0]);
        assert_eq!((left.min, left.max), (both.min, both.max));
        assert_eq!(left.histogram, both.histogram);
    }
}
