//! Rounds 1 and 2: the advice columns, and the machine's challenges between them. In a shape that sums rims there is one more round between.

use super::Proving;
use crate::commitment::Secret;
use crate::engine::Engine;
use crate::prove::ProveError;
use crate::prove::progress::Step;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_circuits::machine::{Challenges, UNUSABLE_ROWS};
use inferproof_circuits::secret::SecretColumn;
use rand_core::{CryptoRng, RngCore};

/// The last rows of `omega`; those of every other column are drawn.
pub(in crate::prove) type OmegaRows = [Secret; UNUSABLE_ROWS];

/// The statement is absorbed, nothing is committed.
pub(in crate::prove) struct Start<'a, E: Engine, R> {
    proving: Proving<'a, E, R>,
    instance: E::Vector,
}

/// Phase 0 is committed, and `R` is known.
pub(in crate::prove) struct Bound<'a, E: Engine, R> {
    proving: Proving<'a, E, R>,
    instance: E::Vector,
    columns: Vec<E::Vector>,
    channel: Fr,
}

/// All that the machine's challenges bind is committed, and they are known.
pub(in crate::prove) struct Challenged<'a, E: Engine, R> {
    proving: Proving<'a, E, R>,
    instance: E::Vector,
    columns: Vec<E::Vector>,
    challenges: Challenges<Fr>,
}

/// All advice columns are committed.
pub(super) struct Committed<'a, E: Engine, R> {
    pub(super) proving: Proving<'a, E, R>,
    pub(super) instance: E::Vector,
    pub(super) columns: Vec<E::Vector>,
    pub(super) challenges: Challenges<Fr>,
}

impl<'a, E: Engine, R: RngCore + CryptoRng> Start<'a, E, R> {
    /// Absorbs the backend's digest of the key and the instance words.
    pub(in crate::prove) fn new(
        mut proving: Proving<'a, E, R>,
        key_digest: Fr,
        instance: &[Fr],
    ) -> Result<Self, ProveError> {
        proving.absorb(key_digest)?;
        instance.iter().try_for_each(|word| proving.absorb(*word))?;
        let mut rows = vec![Fr::ZERO; proving.n];
        rows[..instance.len()].copy_from_slice(instance);
        let instance = proving.engine.column(proving.key, rows.into())?;
        Ok(Self { proving, instance })
    }

    /// Commits to phase 0 and draws `R`.
    pub(in crate::prove) fn phase_zero(mut self, columns: Vec<SecretColumn>) -> Result<Bound<'a, E, R>, ProveError> {
        self.proving.begin(Step::PhaseZero)?;
        let columns = commit(&mut self.proving, columns, None)?;
        let channel = self.proving.challenge();
        Ok(Bound { proving: self.proving, instance: self.instance, columns, channel })
    }
}

impl<'a, E: Engine, R: RngCore + CryptoRng> Bound<'a, E, R> {
    /// `R`.
    pub(in crate::prove) const fn channel(&self) -> Fr {
        self.channel
    }

    /// Commits to the rims that are sums with powers of `R`, where the shape has such, and draws the other challenges.
    pub(in crate::prove) fn rims(mut self, column: Option<SecretColumn>) -> Result<Challenged<'a, E, R>, ProveError> {
        let between = commit(&mut self.proving, column.into_iter().collect(), None)?;
        self.columns.extend(between);
        let Self { mut proving, instance, columns, channel } = self;
        let [position, alpha, beta] = [(); 3].map(|()| proving.challenge());
        let challenges = Challenges { channel, position, alpha, beta };
        Ok(Challenged { proving, instance, columns, challenges })
    }
}

impl<'a, E: Engine, R: RngCore + CryptoRng> Challenged<'a, E, R> {
    /// What phase 1 is computed from.
    pub(in crate::prove) const fn challenges(&self) -> &Challenges<Fr> {
        &self.challenges
    }

    /// Commits to phase 1, and goes through all other rounds.
    pub(in crate::prove) fn phase_one(
        mut self,
        columns: Vec<SecretColumn>,
        omega: &OmegaRows,
    ) -> Result<Proving<'a, E, R>, ProveError> {
        self.proving.begin(Step::PhaseOne)?;
        let phase1 = commit(&mut self.proving, columns, Some(omega))?;
        let Self { proving, instance, mut columns, challenges } = self;
        columns.extend(phase1);
        assert_eq!(columns.len(), proving.shape.advice());
        Committed { proving, instance, columns, challenges }.permute()?.divide()?.evaluate()?.open()
    }
}

/// Blinds the last rows of each column and commits to all of them. `omega`, where it is there, is the first column and has rows of its own.
fn commit<E: Engine, R: RngCore + CryptoRng>(
    proving: &mut Proving<'_, E, R>,
    columns: Vec<SecretColumn>,
    omega: Option<&OmegaRows>,
) -> Result<Vec<E::Vector>, ProveError> {
    let (engine, key, usable) = (proving.engine, proving.key, proving.n - UNUSABLE_ROWS);
    if columns.is_empty() {
        return Ok(vec![]);
    }
    let mut vectors = Vec::with_capacity(columns.len());
    for (index, mut column) in columns.into_iter().enumerate() {
        let tail = &mut column.0[usable..];
        match omega {
            Some(omega) if index == 0 => tail.iter_mut().zip(omega).for_each(|(cell, own)| *cell = own.0),
            _ => tail.iter_mut().for_each(|cell| *cell = proving.random()),
        }
        vectors.push(engine.column(key, column)?);
    }
    // halo2 draws a scalar a column that KZG has no use for. With as many drawn here, both provers commit to the same columns from one generator.
    for _ in &vectors {
        let _unused = proving.random();
    }
    let points = engine.commit_columns(key, &vectors.iter().collect::<Vec<_>>())?;
    proving.write_points(&points)?;
    Ok(vectors)
}
