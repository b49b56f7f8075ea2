//! Rounds 1 and 2: the advice columns, and the machine's challenges between them.

use super::Proving;
use crate::commitment::Secret;
use crate::engine::{ADVICE, Engine};
use crate::prove::ProveError;
use crate::prove::progress::Step;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_circuits::machine::{Challenges, PhaseOneColumns, PhaseZeroColumns, UNUSABLE_ROWS};
use inferproof_circuits::secret::SecretColumn;
use rand_core::{CryptoRng, RngCore};

/// The last rows of `omega`; those of every other column are drawn.
pub(in crate::prove) type OmegaRows = [Secret; UNUSABLE_ROWS];

/// The statement is absorbed, nothing is committed.
pub(in crate::prove) struct Start<'a, E: Engine, R> {
    proving: Proving<'a, E, R>,
    instance: E::Vector,
}

/// Phase 0 is committed, and the machine's challenges are known.
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

    /// Commits to phase 0 and draws the challenges.
    pub(in crate::prove) fn phase_zero(
        mut self,
        columns: PhaseZeroColumns,
    ) -> Result<Challenged<'a, E, R>, ProveError> {
        self.proving.begin(Step::PhaseZero)?;
        let columns = commit(&mut self.proving, columns.into(), None)?;
        let [channel, position, alpha, beta] = [(); 4].map(|()| self.proving.challenge());
        let challenges = Challenges { channel, position, alpha, beta };
        Ok(Challenged { proving: self.proving, instance: self.instance, columns, challenges })
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
        columns: PhaseOneColumns,
        omega: &OmegaRows,
    ) -> Result<Proving<'a, E, R>, ProveError> {
        self.proving.begin(Step::PhaseOne)?;
        let phase1 = commit(&mut self.proving, columns.into(), Some(omega))?;
        let Self { proving, instance, mut columns, challenges } = self;
        columns.extend(phase1);
        assert_eq!(columns.len(), ADVICE);
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
