//! What costs time in a proof: multi-scalar multiplications, transforms, the quotient, openings.
//!
//! An engine computes and decides nothing: it never sees the transcript, draws no randomness, and every engine gives the same results, so that a proof
//! has the same bytes on each. Rounds and their order: [`crate::prove`]; argument: `docs/spec/prover.md`.

mod cpu;
#[cfg(any(test, feature = "cuda"))]
mod cuda;
#[cfg(all(unix, any(test, feature = "icicle")))]
mod icicle;
#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
mod ifma;
mod lanes;
mod library;
mod msm;
mod quotient;
mod reference;
mod transform;

#[cfg(test)]
mod tests;

pub use cpu::{CpuEngine, key_commitments};
#[cfg(any(test, feature = "cuda"))]
pub use cuda::CudaEngine;
#[cfg(test)]
pub(crate) use cuda::devices;
#[cfg(all(unix, any(test, feature = "icicle")))]
pub use icicle::{Icicle, IcicleCode, IcicleEngine, IcicleError};
pub use library::{Library, Processor};
pub use msm::Bases;
pub use quotient::QuotientChallenges;
pub use reference::ReferenceEngine;
pub use transform::Domain;

use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof_circuits::machine::DEGREE;
pub use inferproof_circuits::machine::{COPY_COLUMNS, Shape};
use inferproof_circuits::secret::SecretColumn;
use std::sync::Arc;
use thiserror::Error;

/// Pieces of the quotient, and cosets that it is evaluated on.
pub const PIECES: usize = DEGREE - 1;

/// An engine that cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A challenge is where something would be divided by 0. Happens once in `2^230` proofs.
    #[error("a challenge hit a pole; prove again")]
    Pole,
    /// The device that it runs on has too little memory.
    #[error(
        "the engine needs {needed} bytes more than its device has; use one with more, or the processor (`--engine cpu`)"
    )]
    OutOfMemory {
        /// Bytes that were asked for last.
        needed: usize,
    },
    /// The processor or device that it runs on. What it has computed is not to be used.
    #[error("the engine failed: {0}")]
    Failed(String),
}

/// The points of an SRS that proofs of `n = 2^k` rows are committed with.
#[derive(Clone, Copy, Debug)]
pub struct SrsPoints<'a> {
    /// `[L_i(tau)]_1` for `i < n`.
    pub lagrange: &'a [G1Affine],
    /// `[tau^i]_1` for `i <= n`.
    pub powers: &'a [G1Affine],
}

/// What all proofs of one program share.
#[derive(Debug)]
pub struct CircuitData {
    /// Of the machine: which columns there are, and which constraints.
    pub shape: Shape,
    /// `n = 2^k` rows.
    pub k: u32,
    /// The fixed columns; rows that are not there are 0.
    pub fixed: Vec<Vec<Fr>>,
    /// The permutation of the `3 n` cells under the copy argument, see [`inferproof_circuits::machine::copy_permutation`].
    pub permutation: Vec<u32>,
}

/// The polynomials of a proof, by their coefficients.
#[derive(Debug)]
pub struct Witness<V> {
    /// The advice columns.
    pub advice: Vec<V>,
    /// The instance column.
    pub instance: V,
    /// The product of the copy argument.
    pub product: V,
}

/// Computes what a proof is made of. A [`Self::Vector`] is a column of `n` rows or the coefficients of a polynomial of degree at most `n`, where the engine keeps it: `n` of
/// them, or `n - 1` of a quotient ([`Self::divide`]), or `n + 1` ([`Self::combine`]).
pub trait Engine: Send + Sync {
    /// Points, prepared.
    type Bases: Send + Sync;
    /// What stays from proof to proof.
    type Key: Send + Sync;
    /// A column or a polynomial.
    type Vector: Send + Sync;

    /// Prepares points. Programs of one size can share them.
    ///
    /// # Errors
    /// All methods: [`EngineError`], of engines that can fail.
    fn bases(&self, points: SrsPoints<'_>) -> Result<Self::Bases, EngineError>;

    /// Interpolates the fixed columns and the permutation.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn load(&self, bases: Arc<Self::Bases>, circuit: CircuitData) -> Result<Self::Key, EngineError>;

    /// The polynomials of the fixed columns.
    fn fixed<'a>(&self, key: &'a Self::Key) -> Vec<&'a Self::Vector>;

    /// The polynomials of the permutation.
    fn permutation<'a>(&self, key: &'a Self::Key) -> [&'a Self::Vector; COPY_COLUMNS];

    /// Takes a column of `n` rows.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn column(&self, key: &Self::Key, rows: SecretColumn) -> Result<Self::Vector, EngineError>;

    /// `sum_i c_i [L_i]` for each column.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn commit_columns(&self, key: &Self::Key, columns: &[&Self::Vector]) -> Result<Vec<G1>, EngineError>;

    /// `sum_i p_i [tau^i]` for each polynomial.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn commit(&self, key: &Self::Key, polynomials: &[&Self::Vector]) -> Result<Vec<G1>, EngineError>;

    /// The coefficients of each column's polynomial.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn interpolate(&self, key: &Self::Key, columns: Vec<Self::Vector>) -> Result<Vec<Self::Vector>, EngineError>;

    /// The running product of the copy argument over `y, z, P`, 1 on row 0; its last rows are `tail`.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn copy_product(
        &self,
        key: &Self::Key,
        columns: [&Self::Vector; COPY_COLUMNS],
        beta: Fr,
        gamma: Fr,
        tail: &[Fr],
    ) -> Result<Self::Vector, EngineError>;

    /// The quotient of all constraints by `X^n - 1`, in pieces of degree below `n`.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn quotient(
        &self,
        key: &Self::Key,
        witness: &Witness<Self::Vector>,
        challenges: &QuotientChallenges,
    ) -> Result<[Self::Vector; PIECES], EngineError>;

    /// The value of each polynomial at its point.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn evaluate(&self, key: &Self::Key, queries: &[(&Self::Vector, Fr)]) -> Result<Vec<Fr>, EngineError>;

    /// `sum_i factor_i p_i + linear X + top X^n`.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn combine(
        &self,
        key: &Self::Key,
        terms: &[(Fr, &Self::Vector)],
        linear: Fr,
        top: Fr,
    ) -> Result<Self::Vector, EngineError>;

    /// The quotient of a polynomial by `X - root`; what remains is dropped.
    ///
    /// # Errors
    /// As [`Self::bases`].
    fn divide(&self, key: &Self::Key, polynomial: &Self::Vector, root: Fr) -> Result<Self::Vector, EngineError>;
}
