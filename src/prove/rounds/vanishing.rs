//! Round 4: the quotient by `X^n - 1`, in blinded pieces.

use super::Proving;
use super::permutation::Permuted;
use crate::engine::{Engine, PIECES, Witness};
use crate::prove::ProveError;
use crate::prove::progress::Step;
use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fr, G1};
use inferproof_circuits::secret::SecretColumn;
use rand_core::{CryptoRng, RngCore};

/// The quotient is committed.
pub(super) struct Divided<'a, E: Engine, R> {
    pub(super) proving: Proving<'a, E, R>,
    pub(super) witness: Witness<E::Vector>,
    pub(super) random: SecretColumn,
    pub(super) pieces: [E::Vector; PIECES],
    /// `b_i`: piece `i` is committed to with `b_i X^n` more and `b_(i-1)` less. `b_(PIECES-1) = 0`.
    pub(super) blinds: SecretColumn,
}

impl<'a, E: Engine, R: RngCore + CryptoRng> Permuted<'a, E, R> {
    pub(super) fn divide(self) -> Result<Divided<'a, E, R>, ProveError> {
        self.proving.begin(Step::Quotient)?;
        let Self { mut proving, witness, random, challenges } = self;
        let pieces = proving.engine.quotient(proving.key, &witness, &challenges)?;
        let mut blinds = SecretColumn(vec![Fr::ZERO; PIECES]);
        blinds.0[..PIECES - 1].iter_mut().for_each(|blind| *blind = proving.random());
        let mut points = proving.engine.commit(proving.key, &pieces.each_ref())?;
        let (one, top) = (G1::from(proving.first_powers[0]), G1::from(proving.top_power));
        let mut before = Fr::ZERO;
        for (point, blind) in points.iter_mut().zip(blinds.iter()) {
            *point += top * blind - one * before;
            before = *blind;
        }
        proving.write_points(&points)?;
        Ok(Divided { proving, witness, random, pieces, blinds })
    }
}
