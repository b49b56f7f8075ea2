//! Sums of points and transforms, where most of the time of a proof goes: what another library may do in the place of the code here.

use super::msm::Bases;
use super::{Domain, EngineError};
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof_circuits::secret::SecretColumn;
use rayon::prelude::*;

/// Sums of points and transforms for a [`CpuEngine`](super::CpuEngine). Every library gives the same results.
pub trait Library: Send + Sync {
    /// Points, prepared for many sums.
    type Points: Send + Sync;

    /// Prepares points; any are fine, the identity and repeated ones too.
    ///
    /// # Errors
    /// All methods: [`EngineError`], of libraries that can fail.
    fn prepare(&self, points: &[G1Affine]) -> Result<Self::Points, EngineError>;

    /// `sum_i c_i P_i` for each column, over its length: there are at least as many points.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    fn sums(&self, points: &Self::Points, columns: &[&SecretColumn]) -> Result<Vec<G1>, EngineError>;

    /// Coefficients from the values on a domain, in place; columns have `n` elements.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    fn interpolate(&self, domain: &Domain, columns: &mut [&mut Vec<Fr>]) -> Result<(), EngineError>;

    /// The values of each polynomial, of `n` coefficients, at `shift omega^i`.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    fn evaluate_on_coset(
        &self,
        domain: &Domain,
        polynomials: &[&SecretColumn],
        shift: Fr,
        values: &mut [SecretColumn],
    ) -> Result<(), EngineError>;
}

/// The code here, with the threads of rayon's pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processor;

impl Library for Processor {
    type Points = Bases;

    fn prepare(&self, points: &[G1Affine]) -> Result<Bases, EngineError> {
        Ok(Bases::new(points))
    }

    fn sums(&self, points: &Bases, columns: &[&SecretColumn]) -> Result<Vec<G1>, EngineError> {
        let columns: Vec<&[Fr]> = columns.iter().map(|column| &column[..]).collect();
        Ok(points.msm_many(&columns))
    }

    fn interpolate(&self, domain: &Domain, columns: &mut [&mut Vec<Fr>]) -> Result<(), EngineError> {
        columns.par_iter_mut().for_each(|column| domain.interpolate(column));
        Ok(())
    }

    fn evaluate_on_coset(
        &self,
        domain: &Domain,
        polynomials: &[&SecretColumn],
        shift: Fr,
        values: &mut [SecretColumn],
    ) -> Result<(), EngineError> {
        let coset = domain.coset(shift);
        let pairs = polynomials.par_iter().zip(values);
        pairs.for_each(|(polynomial, values)| domain.evaluate_on_coset(polynomial, &coset, &mut values.0));
        Ok(())
    }
}
