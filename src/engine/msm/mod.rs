//! Multi-scalar multiplication on BN254 G1, for many columns of scalars over the same bases.
//!
//! ```text
//! sum_i s_i P_i = sum_w 2^(c w) sum_d d (sum of the P_i whose scalar has digit d in window w)
//! ```
//!
//! This is Pippenger's method with signed digits. Every inner sum is affine, and all additions that do not depend
//! on each other share one inversion, so that an addition costs six products in the field (`affine`). Full-size
//! scalars are halved by the endomorphism of the curve, small ones are grouped apart (`scalar`, `plan`).
//!
//! On processors with AVX-512 IFMA eight additions run at a time, three times as fast (`wide_adder`; the feature
//! `ifma`, on by default, chooses when the program runs).
//!
//! Time depends on the scalars; nothing else leaks them.

mod affine;
mod buckets;
mod field;
mod groups;
mod plan;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
mod wide;
#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
mod wide_adder;

use affine::Point;
use ff::WithSmallOrderMulGroup as _;
use field::Fp;
use group::Group as _;
use groups::{Column, Group, Work};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1, G1Affine};
use rayon::prelude::*;

/// Scalars that are worked on at a time: bounds the memory of a call, up to 100 bytes for each that is not zero.
const MAX_SCALARS: usize = 1 << 20;

/// Bases prepared for many sums: the points and their images under the endomorphism, 128 bytes a base.
pub struct Bases {
    /// The points, then their images.
    points: Vec<Point>,
}

impl std::fmt::Debug for Bases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bases({})", self.len())
    }
}

impl Bases {
    /// Prepares bases; any points are fine, the identity and repeated ones too. Cost: one product a point.
    ///
    /// Does NOT check that the points are on the curve.
    ///
    /// # Panics
    /// If there are `2^29` points or more: positions have 32 bits.
    pub fn new(points: &[G1Affine]) -> Self {
        assert!(points.len() < 1 << 29, "{} bases, at most 2^29 are possible", points.len());
        let zeta = Fp::from_fq(&Fq::ZETA);
        let mut prepared: Vec<Point> = Vec::with_capacity(2 * points.len());
        prepared.par_extend(points.par_iter().map(Point::from_affine));
        prepared.par_extend(points.par_iter().map(|point| Point::from_affine(point).endomorphism(zeta)));
        Self { points: prepared }
    }

    /// The number of bases.
    pub fn len(&self) -> usize {
        self.points.len() / 2
    }

    /// Whether there are no bases.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// `sum_i scalars[i] points[i]` over the first `scalars.len()` bases.
    ///
    /// # Panics
    /// If there are more scalars than bases.
    pub fn msm(&self, scalars: &[Fr]) -> G1 {
        self.msm_many(&[scalars])[0]
    }

    /// The sum of [`Bases::msm`] for every column. The same work as one call each, better spread over threads: pieces
    /// of it are windows of columns.
    ///
    /// # Panics
    /// If a column has more scalars than there are bases.
    pub fn msm_many(&self, columns: &[&[Fr]]) -> Vec<G1> {
        for column in columns {
            assert!(column.len() <= self.len(), "{} scalars for {} bases", column.len(), self.len());
        }
        let mut sums = Vec::with_capacity(columns.len());
        let mut rest = columns;
        while !rest.is_empty() {
            let mut scalars = 0;
            let taken = rest.iter().take_while(|column| {
                let fits = scalars == 0 || scalars + column.len() <= MAX_SCALARS;
                scalars += column.len();
                fits
            });
            let (now, later) = rest.split_at(taken.count());
            sums.extend(self.sum_columns(now));
            rest = later;
        }
        sums
    }

    /// [`Bases::msm_many`] for as many columns as memory allows.
    fn sum_columns(&self, columns: &[&[Fr]]) -> Vec<G1> {
        let points = &self.points;
        let mut columns: Vec<Column> = columns.par_iter().map(|scalars| Column::read(points, scalars)).collect();
        let groups: Vec<Group<'_>> =
            columns.par_iter_mut().enumerate().flat_map_iter(|(i, column)| column.take_groups(i, points)).collect();

        let parts: Vec<_> = Work::divide(&groups).par_iter().flat_map_iter(Work::sum).collect();
        drop(groups);
        let mut weighted = vec![Vec::new(); columns.len()];
        for part in parts {
            weighted[part.column].push((part.bit, part.point));
        }
        weighted.into_par_iter().map(sum_powers).collect()
    }
}

/// `sum 2^bit point`, by doubling from the highest bit down.
fn sum_powers(mut weighted: Vec<(u32, Point)>) -> G1 {
    weighted.sort_by_key(|(bit, _)| std::cmp::Reverse(*bit));
    let mut sum = G1::identity();
    let mut at = weighted.first().map_or(0, |(bit, _)| *bit);
    for (bit, point) in weighted {
        for _ in bit..at {
            sum = sum.double();
        }
        at = bit;
        sum += point.to_affine();
    }
    for _ in 0..at {
        sum = sum.double();
    }
    sum
}
