//! The rounds of halo2's protocol. Each consumes the one before: what a challenge depends on is absorbed before the challenge exists.
//!
//! Spec: `docs/spec/prover.md`, which says round by round what is absorbed and where this prover differs from halo2's own.

mod advice;
mod evaluations;
mod opening;
mod permutation;
mod vanishing;

pub(super) use advice::Start;

use super::ProveError;
use super::progress::{Observer, Step, begin};
use crate::engine::Engine;
use crate::transcript::ProverTranscript;
use ff::Field;
use group::Curve;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptWrite};
use inferproof_circuits::machine::{Queries, Shape};
use rand_core::{CryptoRng, RngCore};

/// A proof in the making: what every round needs.
pub(super) struct Proving<'a, E: Engine, R> {
    pub(super) engine: &'a E,
    pub(super) key: &'a E::Key,
    pub(super) shape: Shape,
    /// `n = 2^k` rows.
    pub(super) n: usize,
    /// Generator of the domain.
    pub(super) omega: Fr,
    /// `[1]_1` and `[tau]_1`.
    pub(super) first_powers: [G1Affine; 2],
    /// `[tau^n]_1`.
    pub(super) top_power: G1Affine,
    /// What is opened of the columns.
    pub(super) queries: &'a Queries,
    pub(super) observer: Observer<'a>,
    pub(super) transcript: ProverTranscript,
    pub(super) rng: R,
}

impl<E: Engine, R: RngCore + CryptoRng> Proving<'_, E, R> {
    fn begin(&self, step: Step) -> Result<(), ProveError> {
        begin(self.observer, step)
    }

    fn challenge(&mut self) -> Fr {
        self.transcript.squeeze_challenge().get_scalar()
    }

    fn random(&mut self) -> Fr {
        Fr::random(&mut self.rng)
    }

    fn write_points(&mut self, points: &[G1]) -> Result<(), ProveError> {
        let mut affine = vec![G1Affine::default(); points.len()];
        G1::batch_normalize(points, &mut affine);
        affine.into_iter().try_for_each(|point| self.transcript.write_point(point)).map_err(refused)
    }

    fn write_scalars(&mut self, scalars: &[Fr]) -> Result<(), ProveError> {
        scalars.iter().try_for_each(|scalar| self.transcript.write_scalar(*scalar)).map_err(refused)
    }

    fn absorb(&mut self, scalar: Fr) -> Result<(), ProveError> {
        self.transcript.common_scalar(scalar).map_err(refused)
    }
}

fn refused(error: std::io::Error) -> ProveError {
    ProveError::Backend(error.to_string())
}
