//! A program with its polynomials, and proofs of it under any registered weights.

use super::progress::Observer;
use super::rounds::{Proving, Start};
use super::{Claim, Linked, ProveError};
use crate::artefact::encode_g1;
use crate::commitment::{LinkProof, Opening, Secret, SpanProof, SpanStatement, WeightVisibility};
use crate::engine::{CircuitData, CpuEngine, Domain, Engine, EngineError, SrsPoints};
use crate::keys::{VerifyingKey, proof_tag};
use crate::proof::Proof;
use crate::srs::{Srs, SrsVerifier};
use crate::transcript::{ProverTranscript, Recorded};
use ff::Field;
use group::Group;
use halo2_proofs::halo2curves::bn256::{G1, G1Affine};
use inferproof_circuits::machine::{
    BLINDING_ROWS, MachineCircuit, Queries, UNUSABLE_ROWS, copy_permutation, fixed_columns,
};
use inferproof_circuits::program::Program;
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// Weights that are registered under a program's key, and what blinds them.
#[derive(Clone, Copy)]
pub(super) struct Registered<'a> {
    pub(super) key: &'a VerifyingKey,
    pub(super) opening: &'a Opening,
}

/// What all proofs of one program share.
pub(super) struct Backend<E: Engine = CpuEngine> {
    pub(super) program: Program,
    pub(super) srs: SrsVerifier,
    /// `[tau^i]_1` for `i <= 2^k`.
    pub(super) powers: Vec<G1Affine>,
    queries: Queries,
    engine: E,
    key: E::Key,
}

impl<E: Engine> Backend<E> {
    /// The backend of the program of `2^k` rows that `compile` makes, while the engine prepares points.
    ///
    /// Cost: the transforms of the fixed and copy columns, twelve or fourteen by shape.
    ///
    /// # Errors
    /// Those of `compile`, an SRS that is too small, or an engine that fails.
    pub(super) fn new(
        engine: E,
        k: u32,
        srs: &Srs,
        compile: impl FnOnce() -> Result<Program, ProveError> + Send,
    ) -> Result<Self, ProveError> {
        let lagrange = srs.lagrange(k)?;
        let powers = srs.g()[..=lagrange.len()].to_vec();
        let points = SrsPoints { lagrange, powers: &powers };
        let columns = |program: Program| {
            let (fixed, permutation) = rayon::join(|| fixed_columns(&program), || copy_permutation(&program));
            let shape = program.layout.shape;
            (program, CircuitData { shape, k, fixed, permutation })
        };
        let (bases, compiled) = rayon::join(|| engine.bases(points), || compile().map(columns));
        let ((program, circuit), bases) = (compiled?, bases?);
        assert_eq!(program.k, k, "the program that was asked for");
        let key = engine.load(bases.into(), circuit)?;
        let queries = Queries::new(program.layout.shape);
        Ok(Self { program, srs: srs.verifier_part(), powers, queries, engine, key })
    }

    /// The proof in which `omega` has these two blinding cells.
    pub(super) fn blinded(
        &self,
        registered: Registered<'_>,
        circuit: MachineCircuit<'_>,
        claim: &Claim,
        tail: &[Secret; 2],
        mut rng: impl RngCore + CryptoRng,
        observer: Observer<'_>,
    ) -> Result<Proof, ProveError> {
        let mut bytes = proof_tag(registered.key.shape).to_vec();
        let mut prefix = claim.statement.transcript_prefix();
        if let Some(mask) = claim.linked.as_ref().and_then(|linked| linked.mask) {
            let mask = encode_g1(&mask);
            prefix.extend(mask);
            bytes.extend(mask);
        }
        let n = 1 << self.program.k;
        let proving = Proving {
            engine: &self.engine,
            key: &self.key,
            shape: self.program.layout.shape,
            n,
            omega: Domain::generator(self.program.k),
            first_powers: [self.powers[0], self.powers[1]],
            top_power: self.powers[n],
            queries: &self.queries,
            observer,
            transcript: ProverTranscript::new(&prefix),
            rng: &mut rng,
        };
        let bound = Start::new(proving, registered.key.halo2_digest(), &claim.instance)?
            .phase_zero(circuit.phase_zero_columns())?;
        let rims = circuit.rim_column(bound.channel());
        let challenged = bound.rims(rims)?;
        let phase1 = circuit.phase_one_columns(challenged.challenges()).ok_or(EngineError::Pole)?;
        let mut omega = Zeroizing::new([Secret::default(); UNUSABLE_ROWS]);
        omega[UNUSABLE_ROWS - BLINDING_ROWS..].copy_from_slice(tail);
        let Proving { mut transcript, .. } = challenged.phase_one(phase1, &omega)?;
        let link = self.append_link_proof(&mut transcript, claim.linked.as_ref())?;
        if registered.key.weights.visibility == WeightVisibility::Secret {
            self.append_span_proof(registered, &mut transcript, link, tail, &mut rng)?;
        }
        bytes.extend(transcript.finish());
        Ok(Proof { statement: claim.statement.clone(), bytes })
    }

    /// The point that committed tensors add to the commitment of `omega`.
    fn append_link_proof(&self, transcript: &mut ProverTranscript, linked: Option<&Linked>) -> Result<G1, ProveError> {
        let Some(linked) = linked else { return Ok(G1::identity()) };
        let [channel, position] = [0, 1].map(|index| transcript.challenge(index));
        let (channel, position) = channel.zip(position).ok_or_else(incomplete)?;
        let value = LinkProof::prove(&self.powers, &linked.link, [channel, position], transcript);
        let value = value.map_err(|e| ProveError::Backend(e.to_string()))?.ok_or_else(incomplete)?;
        let place = channel.pow_vartime([self.program.layout.lanes as u64]);
        Ok(self.srs.link(self.program.k)? * (place * value))
    }

    pub(super) fn append_span_proof(
        &self,
        registered: Registered<'_>,
        transcript: &mut ProverTranscript,
        link: G1,
        tail: &[Secret; 2],
        rng: impl RngCore + CryptoRng,
    ) -> Result<(), ProveError> {
        let channel = transcript.challenge(0).ok_or_else(incomplete)?;
        let omega = transcript.point_written(self.program.layout.shape.omega()).ok_or_else(incomplete)?;
        let blinding = registered.opening.fold(channel);
        let delta = Zeroizing::new([0, 1].map(|i| Secret(tail[i].0 - blinding[i].0)));
        let statement = SpanStatement {
            bases: self.srs.span(self.program.k)?,
            difference: G1::from(omega) - registered.key.weights.fold(channel) - link,
        };
        SpanProof::prove(&statement, &delta, rng, transcript).map_err(|e| ProveError::Backend(e.to_string()))
    }
}

fn incomplete() -> ProveError {
    ProveError::Backend("the transcript is incomplete".into())
}
