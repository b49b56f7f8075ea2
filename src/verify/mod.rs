//! Verification: a key, a verifier's part of an SRS, a proof with its statement. Nothing of the prover.
//!
//! Spec: `docs/spec/commitment.md#verification`.

use crate::artefact::{G1_BYTES, encode_g1};
use crate::commitment::{
    LinkProof, LinkStatement, SpanProof, SpanStatement, TensorCommitment, WeightVisibility, statement_point,
};
use crate::keys::{VerifyingKey, proof_tag};
use crate::proof::Proof;
use crate::srs::{SrsError, SrsVerifier};
use crate::statement::Statement;
use crate::transcript::{Recorded, VerifierTranscript};
use ff::Field;
use group::Group;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1, G1Affine};
use halo2_proofs::plonk::verify_proof;
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use inferproof_circuits::interface::{End, Visibility};
use inferproof_circuits::machine::proof_bytes;
use thiserror::Error;

/// Why a proof is not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The statement is about another model.
    #[error("the proof is for model {got}, the key is of model {expected}")]
    OtherModel {
        /// The key's.
        expected: String,
        /// The statement's.
        got: String,
    },
    /// The key belongs to another SRS.
    #[error("the key was made with SRS {expected}, this file is SRS {got}")]
    OtherSrs {
        /// The key's.
        expected: String,
        /// The file's.
        got: String,
    },
    /// The SRS.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The proof is for another verifier.
    #[error("the proof starts with {got}, this verifier's proofs start with {expected}")]
    OtherVerifier {
        /// This verifier's tag.
        expected: String,
        /// The proof's first bytes.
        got: String,
    },
    /// A tensor has the wrong number of bytes or an element outside its range.
    #[error("the {tensor} is no tensor of this model: expected {expected} bytes in range, got {got} bytes")]
    Tensor {
        /// Input or output.
        tensor: &'static str,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// A committed tensor that is no commitment.
    #[error("the {tensor} of this model is committed: expected the 64 bytes of a point, got {got} bytes that are none")]
    Commitment {
        /// Input or output.
        tensor: &'static str,
        /// Bytes found.
        got: usize,
    },
    /// A proof of another length than all proofs under this key.
    #[error(
        "a proof for this key has {expected} bytes, this one has {got}: it was cut short or added to, or is of another model"
    )]
    Length {
        /// Bytes of a proof.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// The proof does not prove the statement.
    #[error("the proof does not hold: {0}")]
    Invalid(&'static str),
}

impl VerifyError {
    /// Whether the inputs do not fit together, as opposed to a proof that does not hold.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        matches!(self, Self::OtherSrs { .. } | Self::Srs(_))
    }
}

/// Verifies `proof` against `key`.
///
/// It holds if the model named by `key.model_id()` maps the statement's input to its output, and the proof was made
/// for the statement's context. Of a committed tensor the statement has the commitment's point, of a private one nothing. Callers
/// compare model, input, output and context with what they expect, and of committed tensors the identifier, which says how
/// the integers are to be read ([`committed_tensor`]).
///
/// Cost: about 45 scalar multiplications and one for each weight lane, one pairing check of two pairs; of two with committed tensors.
///
/// # Errors
/// [`VerifyError`], which says what does not fit or does not hold.
pub fn verify(key: &VerifyingKey, srs: &SrsVerifier, proof: &Proof) -> Result<(), VerifyError> {
    // First, as it is cheap and bounds what the key can ask for.
    let params = srs.params(key.k)?;
    let statement = &proof.statement;
    let (expected, got) = (key.model_id(), statement.model_id);
    if expected != got {
        return Err(VerifyError::OtherModel { expected: hex::encode(expected), got: hex::encode(got) });
    }
    if srs.srs_id() != key.srs_id {
        return Err(VerifyError::OtherSrs { expected: hex::encode(key.srs_id), got: hex::encode(srs.srs_id()) });
    }
    let tag = proof_tag(key.shape);
    let Some(bytes) = proof.bytes.strip_prefix(&tag) else {
        let got = hex::encode(proof.bytes.get(..4).unwrap_or(&proof.bytes));
        return Err(VerifyError::OtherVerifier { expected: hex::encode(tag), got });
    };
    let io = &key.io;
    let secret = key.weights.visibility == WeightVisibility::Secret;
    let (expected, got) = (proof_bytes(key.shape, secret, io.interface), proof.bytes.len());
    if expected != got {
        return Err(VerifyError::Length { expected, got });
    }
    let (mut instance, mut tensors) = (vec![], vec![G1Affine::default(); io.interface.polynomials()]);
    for (end, name, bytes) in [(End::Input, "input", &statement.input), (End::Output, "output", &statement.output)] {
        match io.interface.of(end) {
            Visibility::Public => instance.extend(words(key, end, name, bytes)?),
            Visibility::Committed | Visibility::Given => {
                let error = VerifyError::Commitment { tensor: name, got: bytes.len() };
                tensors[io.interface.number(end)] = statement_point(bytes).ok_or(error)?;
            }
            Visibility::Private if bytes.is_empty() => {}
            Visibility::Private => {
                return Err(VerifyError::Tensor { tensor: name, expected: 0, got: bytes.len() });
            }
        }
    }
    let mut prefix = statement.transcript_prefix();
    let mut bytes = bytes;
    if io.interface.is_masked() {
        let (head, rest) = bytes.split_at_checked(G1_BYTES).unwrap_or((&[], bytes));
        let mask =
            statement_point(head).ok_or(VerifyError::Invalid("the mask of the committed tensors is no point"))?;
        prefix.extend(encode_g1(&mask));
        tensors[0] = mask;
        bytes = rest;
    }
    let mut transcript = VerifierTranscript::new(&prefix, bytes);
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        &params,
        &key.halo2_verifying(),
        SingleStrategy::new(&params),
        &[&[&instance]],
        &mut transcript,
    )
    .map_err(|_| VerifyError::Invalid("the circuit's equations"))?;
    let linked = if tensors.is_empty() { G1::identity() } else { link(key, srs, tensors, &mut transcript)? };
    weights(key, srs, linked, &mut transcript)?;
    match transcript.remaining() {
        0 => Ok(()),
        _ => Err(VerifyError::Invalid("bytes follow it")),
    }
}

/// The commitment that a statement has for its input or output, with the header that the model's key gives it; `None` if the
/// key's tensor is not committed or the statement's bytes are no commitment.
#[must_use]
pub fn committed_tensor(key: &VerifyingKey, statement: &Statement, end: End) -> Option<TensorCommitment> {
    let bytes = match end {
        End::Input => &statement.input,
        End::Output => &statement.output,
    };
    if !key.io.interface.of(end).is_committed() {
        return None;
    }
    TensorCommitment::new(key.srs_id, key.io.of(end).clone(), statement_point(bytes)?).ok()
}

fn words(key: &VerifyingKey, end: End, tensor: &'static str, bytes: &[u8]) -> Result<Vec<Fr>, VerifyError> {
    let packing = &key.io.of(end).packing;
    let error = || VerifyError::Tensor { tensor, expected: packing.byte_len(), got: bytes.len() };
    packing.decode(bytes).ok_or_else(error)?;
    packing.words_of(bytes).ok_or_else(error)
}

/// What the committed tensors add to the commitment of `omega`: `R^W nu [L_2]`, with `nu` their folded polynomial's value at `1/u`.
pub(crate) fn link(
    key: &VerifyingKey,
    srs: &SrsVerifier,
    points: Vec<G1Affine>,
    transcript: &mut VerifierTranscript<'_>,
) -> Result<G1, VerifyError> {
    let invalid = || VerifyError::Invalid("the committed tensors are not the circuit's");
    let [channel, position] = [0, 1].map(|index| transcript.challenge(index));
    let (channel, position) = channel.zip(position).ok_or_else(invalid)?;
    let statement = LinkStatement { points, channel, position };
    let value = LinkProof::verify(&statement, &srs.s_g2(), transcript).ok().flatten().ok_or_else(invalid)?;
    let place = channel.pow_vartime([key.lanes as u64]);
    Ok(srs.link(key.k)? * (place * value))
}

/// `omega` is `sum_j R^j w_j` and what the link adds: exactly for public weights, up to the two blinding rows for secret ones.
pub(crate) fn weights(
    key: &VerifyingKey,
    srs: &SrsVerifier,
    linked: G1,
    transcript: &mut VerifierTranscript<'_>,
) -> Result<(), VerifyError> {
    let invalid = || VerifyError::Invalid("the weights are not the registered ones");
    let channel = transcript.challenge(0).ok_or_else(invalid)?;
    let omega = transcript.point_read(key.shape.omega()).ok_or_else(invalid)?;
    let difference = G1::from(omega) - key.weights.fold(channel) - linked;
    let holds = match key.weights.visibility {
        WeightVisibility::Public => bool::from(difference.is_identity()),
        WeightVisibility::Secret => {
            let statement = SpanStatement { bases: srs.span(key.k)?, difference };
            SpanProof::verify(&statement, transcript).unwrap_or(false)
        }
    };
    if holds { Ok(()) } else { Err(invalid()) }
}
