//! A program with its polynomials, and proofs of it under any registered weights.

use super::rng::OmegaTail;
use super::{Claim, Linked, ProveError};
use crate::artefact::encode_g1;
use crate::commitment::{LinkProof, Opening, Secret, SpanProof, SpanStatement, WeightVisibility};
use crate::keys::{VerifyingKey, proof_tag};
use crate::proof::Proof;
use crate::srs::{Srs, SrsVerifier};
use crate::transcript::{ProverTranscript, Recorded};
use ff::Field;
use group::Group;
use halo2_proofs::halo2curves::bn256::{Bn256, G1, G1Affine};
use halo2_proofs::plonk::{self, create_proof, keygen_pk};
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use inferproof_circuits::machine::{MachineCircuit, OMEGA_INDEX};
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
pub(super) struct Backend {
    pub(super) program: Program,
    pub(super) params: ParamsKZG<Bn256>,
    pub(super) srs: SrsVerifier,
    halo2: plonk::ProvingKey<G1Affine>,
}

impl Backend {
    /// Cost: the transforms of eleven columns.
    ///
    /// # Errors
    /// An SRS that is too small, or a `key` of another program.
    pub(super) fn new(program: Program, key: &VerifyingKey, srs: &Srs) -> Result<Self, ProveError> {
        let params = srs.params(program.k)?;
        let circuit = MachineCircuit::new(&program, None);
        let halo2 = keygen_pk(&params, key.halo2_proving(), &circuit).map_err(backend)?;
        Ok(Self { program, params, srs: srs.verifier_part(), halo2 })
    }

    /// The proof in which `omega` has these two blinding cells.
    pub(super) fn blinded(
        &self,
        registered: Registered<'_>,
        circuit: MachineCircuit<'_>,
        claim: &Claim,
        tail: &[Secret; 2],
        mut rng: impl RngCore + CryptoRng,
    ) -> Result<Proof, ProveError> {
        let mut bytes = proof_tag(registered.key.shape).to_vec();
        let mut prefix = claim.statement.transcript_prefix();
        if let Some(mask) = claim.linked.as_ref().and_then(|linked| linked.mask) {
            let mask = encode_g1(&mask);
            prefix.extend(mask);
            bytes.extend(mask);
        }
        let mut transcript = ProverTranscript::new(&prefix);
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
            &self.params,
            &self.halo2,
            &[circuit],
            &[&[&claim.instance]],
            OmegaTail::new(&mut rng, tail),
            &mut transcript,
        )
        .map_err(backend)?;
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
        let value = LinkProof::prove(self.params.get_g(), &linked.link, [channel, position], transcript);
        let value = value.map_err(|e| ProveError::Backend(e.to_string()))?.ok_or_else(incomplete)?;
        let place = channel.pow_vartime([self.program.layout.lanes as u64]);
        Ok(self.srs.link(self.program.k)? * (place * value))
    }

    fn append_span_proof(
        &self,
        registered: Registered<'_>,
        transcript: &mut ProverTranscript,
        link: G1,
        tail: &[Secret; 2],
        rng: impl RngCore + CryptoRng,
    ) -> Result<(), ProveError> {
        let channel = transcript.challenge(0).ok_or_else(incomplete)?;
        let omega = transcript.point_written(OMEGA_INDEX).ok_or_else(incomplete)?;
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

fn backend(error: plonk::Error) -> ProveError {
    ProveError::Backend(error.to_string())
}
