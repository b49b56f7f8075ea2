//! Verification: a key, a verifier's part of an SRS, a proof with its statement. Nothing of the prover.
//!
//! Spec: `docs/spec/commitment.md#verification`.

use crate::commitment::{SpanProof, SpanStatement, WeightVisibility};
use crate::keys::{VerifyingKey, proof_tag};
use crate::proof::Proof;
use crate::srs::{SrsError, SrsVerifier};
use crate::transcript::{Recorded, VerifierTranscript};
use group::Group;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1};
use halo2_proofs::plonk::verify_proof;
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use inferproof_circuits::machine::OMEGA_INDEX;
use inferproof_circuits::packing::Packing;
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
    /// Bytes are left after the proof.
    #[error("{0} bytes follow the proof")]
    Trailing(usize),
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
/// for the statement's context. Callers compare model, input, output and context with what they expect.
///
/// Cost: about 45 scalar multiplications and one for each weight lane, one pairing check of two pairs.
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
    let mut instance = words("input", &key.io.input.packing, &statement.input)?;
    instance.extend(words("output", &key.io.output.packing, &statement.output)?);
    let mut transcript = VerifierTranscript::new(&statement.transcript_prefix(), bytes);
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        &params,
        &key.halo2_verifying(),
        SingleStrategy::new(&params),
        &[&[&instance]],
        &mut transcript,
    )
    .map_err(|_| VerifyError::Invalid("the circuit's equations"))?;
    weights(key, srs, &mut transcript)?;
    match transcript.remaining() {
        0 => Ok(()),
        left => Err(VerifyError::Trailing(left)),
    }
}

fn words(tensor: &'static str, packing: &Packing, bytes: &[u8]) -> Result<Vec<Fr>, VerifyError> {
    let error = || VerifyError::Tensor { tensor, expected: packing.byte_len(), got: bytes.len() };
    packing.decode(bytes).ok_or_else(error)?;
    packing.words_of(bytes).ok_or_else(error)
}

/// `omega` is `sum_j R^j w_j`: exactly for public weights, up to the two blinding rows for secret ones.
fn weights(key: &VerifyingKey, srs: &SrsVerifier, transcript: &mut VerifierTranscript<'_>) -> Result<(), VerifyError> {
    let invalid = || VerifyError::Invalid("the weights are not the registered ones");
    let channel = transcript.challenge(0).ok_or_else(invalid)?;
    let omega = transcript.point_read(OMEGA_INDEX).ok_or_else(invalid)?;
    let difference = G1::from(omega) - key.weights.fold(channel);
    let holds = match key.weights.visibility {
        WeightVisibility::Public => bool::from(difference.is_identity()),
        WeightVisibility::Secret => {
            let statement = SpanStatement { bases: srs.span(key.k)?, difference };
            SpanProof::verify(&statement, transcript).unwrap_or(false)
        }
    };
    if holds { Ok(()) } else { Err(invalid()) }
}
