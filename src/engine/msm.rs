//! Multi-scalar multiplication.

use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use halo2_proofs::halo2curves::msm::msm_best;

/// Bases prepared for many multiplications.
#[derive(Debug)]
pub struct Bases(Vec<G1Affine>);

impl Bases {
    /// Prepares `points`.
    #[must_use]
    pub fn new(points: Vec<G1Affine>) -> Self {
        Self(points)
    }

    /// `sum_i scalars[i] points[i]` for each column.
    #[must_use]
    pub fn msm_many(&self, columns: &[&[Fr]]) -> Vec<G1> {
        columns.iter().map(|scalars| msm_best(scalars, &self.0[..scalars.len()])).collect()
    }
}
