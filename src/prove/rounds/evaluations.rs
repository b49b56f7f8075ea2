//! Round 5: the values at `x`, and on the next row.

use super::Proving;
use super::vanishing::Divided;
use crate::engine::{Engine, PIECES, Witness};
use crate::prove::ProveError;
use crate::prove::progress::Step;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_circuits::machine::Queries;
use inferproof_circuits::secret::SecretColumn;
use rand_core::{CryptoRng, RngCore};

/// All values are in the proof.
pub(super) struct Evaluated<'a, E: Engine, R> {
    pub(super) proving: Proving<'a, E, R>,
    pub(super) witness: Witness<E::Vector>,
    pub(super) random: SecretColumn,
    pub(super) pieces: [E::Vector; PIECES],
    pub(super) blinds: SecretColumn,
    pub(super) x: Fr,
}

impl<'a, E: Engine, R: RngCore + CryptoRng> Divided<'a, E, R> {
    pub(super) fn evaluate(self) -> Result<Evaluated<'a, E, R>, ProveError> {
        self.proving.begin(Step::Values)?;
        let Self { mut proving, witness, random, pieces, blinds } = self;
        let x = proving.challenge();
        let scalars = evaluations(&proving, &witness, &random, x)?;
        proving.write_scalars(&scalars)?;
        Ok(Evaluated { proving, witness, random, pieces, blinds, x })
    }
}

/// In the order of halo2's verifier: each column's queries in the order in which the gates first made them.
fn evaluations<E: Engine, R>(
    proving: &Proving<'_, E, R>,
    witness: &Witness<E::Vector>,
    random: &[Fr],
    x: Fr,
) -> Result<Vec<Fr>, ProveError> {
    let (engine, key, next) = (proving.engine, proving.key, x * proving.omega);
    let point = |is_next: bool| if is_next { next } else { x };
    let fixed = engine.fixed(key);
    let Queries { advice: advice_queries, fixed: fixed_queries } = proving.queries;
    let advice = advice_queries.iter().map(|(column, is_next)| (&witness.advice[*column], point(*is_next)));
    let fixed = fixed_queries.iter().map(|(column, is_next)| (fixed[*column], point(*is_next)));
    let mut queries: Vec<(&E::Vector, Fr)> = advice.chain(fixed).collect();
    let before_random = queries.len();
    queries.extend(engine.permutation(key).map(|polynomial| (polynomial, x)));
    queries.extend([(&witness.product, x), (&witness.product, next)]);
    let mut values = engine.evaluate(key, &queries)?;
    values.insert(before_random, random[0] + random[1] * x);
    Ok(values)
}
