//! Round 6: all values are opened at once (SHPLONK: Boneh, Drake, Fisch, Gabizon 2020, as halo2 has it).
//!
//! Two sets of points: `{x}` and `{x, omega x}`. With `N_s` the sum of a set's polynomials less what interpolates their values, by powers of `y`, the first point of
//! the proof commits to `H = N_0 / Z_0 + v N_1 / Z_1`, the second to `(N_0(X) + w N_1(X) - (u - x) H(X)) / (X - u)` with `w = v / (u - g x)` and the interpolants' values at
//! `u`: halo2's formula, divided by the first set's `Z_(T\s)(u) = u - g x`.

use super::Proving;
use super::evaluations::Evaluated;
use crate::engine::{Engine, EngineError};
use crate::prove::ProveError;
use crate::prove::progress::Step;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_circuits::machine::Queries;
use rand_core::{CryptoRng, RngCore};

/// `sum factor p + linear X + top X^n`. Constants are left out, and so are the interpolants: a division drops what remains.
struct Sum<'v, V> {
    terms: Vec<(Fr, &'v V)>,
    linear: Fr,
    top: Fr,
}

/// Powers of a challenge, one after the other.
struct Powers {
    base: Fr,
    next: Fr,
}

impl Powers {
    const fn new(base: Fr) -> Self {
        Self { base, next: Fr::ONE }
    }

    fn take(&mut self) -> Fr {
        let power = self.next;
        self.next *= self.base;
        power
    }
}

impl<'a, E: Engine, R: RngCore + CryptoRng> Evaluated<'a, E, R> {
    pub(super) fn open(mut self) -> Result<Proving<'a, E, R>, ProveError> {
        self.proving.begin(Step::Openings)?;
        let [y, v] = [(); 2].map(|()| self.proving.challenge());
        let (engine, key) = (self.proving.engine, self.proving.key);
        let [x, next] = [self.x, self.x * self.proving.omega];
        let sum = |sum: &Sum<'_, E::Vector>| engine.combine(key, &sum.terms, sum.linear, sum.top);
        let here = engine.divide(key, &sum(&self.opened_here(y))?, x)?;
        let half = engine.divide(key, &sum(&self.opened_on_both(y))?, x)?;
        let both = engine.divide(key, &half, next)?;
        let combine = |terms: [(Fr, &E::Vector); 3]| engine.combine(key, &terms, Fr::ZERO, Fr::ZERO);
        let quotient = combine([(Fr::ONE, &here), (v, &both), (Fr::ZERO, &half)])?;
        let points = engine.commit(key, &[&quotient])?;
        self.proving.write_points(&points)?;

        // With q = N_1 / ((X - x)(X - g x)) and w = v / (u - g x), the second polynomial is N_0 / (X - x) + w (X + u - x - g x) q; and (X - g x) q is at hand.
        let u = self.proving.challenge();
        let inverse: Option<Fr> = (u - next).invert().into();
        let weight = v * inverse.ok_or(EngineError::Pole)?;
        let last = combine([(Fr::ONE, &here), (weight, &half), (weight * (u - x), &both)])?;
        let points = engine.commit(key, &[&last])?;
        self.proving.write_points(&points)?;
        Ok(self.proving)
    }

    /// What is opened at `x` alone, by powers of `y`.
    fn opened_here(&self, y: Fr) -> Sum<'_, E::Vector> {
        let (engine, key, mut powers) = (self.proving.engine, self.proving.key, Powers::new(y));
        let [advice, fixed] = self.columns(false);
        let polynomials = advice.into_iter().chain(fixed).chain(engine.permutation(key));
        let mut terms: Vec<_> = polynomials.map(|polynomial| (powers.take(), polynomial)).collect();
        // The quotient, put together: sum x^(n i) piece_i + (X^n - x^n) sum x^(n i) b_i.
        let (mut place, xn, mut top) = (powers.take(), self.x.pow_vartime([self.proving.n as u64]), Fr::ZERO);
        for (piece, blind) in self.pieces.iter().zip(self.blinds.iter()) {
            terms.push((place, piece));
            top += place * blind;
            place *= xn;
        }
        Sum { terms, linear: powers.take() * self.random[1], top }
    }

    /// What is opened at `x` and `omega x`, by powers of `y`.
    fn opened_on_both(&self, y: Fr) -> Sum<'_, E::Vector> {
        let mut powers = Powers::new(y);
        let [advice, fixed] = self.columns(true);
        let polynomials = advice.into_iter().chain([&self.witness.product]).chain(fixed);
        let terms = polynomials.map(|polynomial| (powers.take(), polynomial)).collect();
        Sum { terms, linear: Fr::ZERO, top: Fr::ZERO }
    }

    /// The advice and fixed columns that are opened on the next row too, or those that are not, in the order in which they are first opened.
    fn columns(&self, on_both: bool) -> [Vec<&E::Vector>; 2] {
        let fixed = self.proving.engine.fixed(self.proving.key);
        let chosen = |queries: &[(usize, bool)]| -> Vec<usize> {
            let is_next = |column| queries.contains(&(column, true));
            queries
                .iter()
                .filter(|(column, next)| !next && is_next(*column) == on_both)
                .map(|(column, _)| *column)
                .collect()
        };
        let Queries { advice: advice_queries, fixed: fixed_queries } = self.proving.queries;
        let advice = chosen(advice_queries).into_iter().map(|column| &self.witness.advice[column]);
        [advice.collect(), chosen(fixed_queries).into_iter().map(|column| fixed[column]).collect()]
    }
}
