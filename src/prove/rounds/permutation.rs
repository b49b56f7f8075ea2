//! Round 3: the running product of the copy argument, and the random polynomial.

use super::Proving;
use super::advice::Committed;
use crate::engine::{Engine, QuotientChallenges, Witness};
use crate::prove::ProveError;
use crate::prove::progress::Step;
use halo2_proofs::halo2curves::bn256::G1;
use inferproof_circuits::machine::UNUSABLE_ROWS;
use inferproof_circuits::secret::SecretColumn;
use rand_core::{CryptoRng, RngCore};

/// The product and the random polynomial are committed, and all challenges of the quotient are known.
pub(super) struct Permuted<'a, E: Engine, R> {
    pub(super) proving: Proving<'a, E, R>,
    pub(super) witness: Witness<E::Vector>,
    /// The random polynomial `a + b X`.
    pub(super) random: SecretColumn,
    pub(super) challenges: QuotientChallenges,
}

impl<'a, E: Engine, R: RngCore + CryptoRng> Committed<'a, E, R> {
    pub(super) fn permute(self) -> Result<Permuted<'a, E, R>, ProveError> {
        self.proving.begin(Step::Copies)?;
        let Self { mut proving, instance, columns, challenges: machine } = self;
        let (engine, key) = (proving.engine, proving.key);
        // `theta` is for lookup arguments of halo2, of which there is none; the verifier draws it all the same.
        let [_theta, beta, gamma] = [(); 3].map(|()| proving.challenge());
        let tail = SecretColumn((1..UNUSABLE_ROWS).map(|_| proving.random()).collect());
        let copied = proving.shape.copied().map(|column| &columns[column]);
        let product = engine.copy_product(key, copied, beta, gamma, &tail)?;
        let point = engine.commit_columns(key, &[&product])?;
        proving.write_points(&point)?;
        let random = SecretColumn(vec![proving.random(), proving.random()]);
        let [one, tau] = proving.first_powers;
        proving.write_points(&[G1::from(one) * random[0] + G1::from(tau) * random[1]])?;
        let y = proving.challenge();

        let mut all = columns;
        all.extend([instance, product]);
        let mut advice = engine.interpolate(key, all)?;
        let product = advice.pop().expect("the product");
        let instance = advice.pop().expect("the instance");
        let witness = Witness { advice, instance, product };
        Ok(Permuted { proving, witness, random, challenges: QuotientChallenges { machine, beta, gamma, y } })
    }
}
