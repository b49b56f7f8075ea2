//! The span proof: two commitments differ by known multiples of two fixed points.

use super::Secret;
use super::nonce::hedged;
use crate::artefact::encode_g1;
use crate::transcript::{KeccakChallenge, ProverTranscript, VerifierTranscript};
use group::Curve;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use halo2_proofs::transcript::{Transcript, TranscriptRead, TranscriptWrite};
use inferproof_circuits::machine::BLINDING_ROWS;
use rand_core::{CryptoRng, RngCore};
use std::io;

/// Points and difference a span proof speaks of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanStatement {
    /// `[L_(n-2)(tau)]_1`, `[L_(n-1)(tau)]_1`: constants of the SRS and `k`, never model data.
    pub(crate) bases: [G1Affine; BLINDING_ROWS],
    /// `C_omega - sum_j R^j C_j`.
    pub(crate) difference: G1,
}

/// Schnorr proof of knowledge of `delta` with `difference = sum_i delta_i bases_i`.
///
/// Made after the last opening point, on the same transcript, so its challenge depends on the whole proof.
/// Proof: one point, two scalars. Source: Okamoto 1992; conditions in the spec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanProof;

impl SpanProof {
    /// Appends the proof. The nonces are fresh randomness hashed with the secret, so that a failing
    /// generator alone does not give `delta` away.
    pub(crate) fn prove(
        statement: &SpanStatement,
        delta: &[Secret; BLINDING_ROWS],
        rng: impl RngCore + CryptoRng,
        transcript: &mut ProverTranscript,
    ) -> io::Result<()> {
        let public = encode_g1(&statement.difference.to_affine());
        let nonces = hedged::<BLINDING_ROWS>(b"inferproof/span-nonce/2", &public, delta, rng);
        let commitment = G1::from(statement.bases[0]) * nonces[0].0 + statement.bases[1] * nonces[1].0;
        transcript.write_point(commitment.to_affine())?;
        let challenge = scalar(transcript);
        for (nonce, delta) in nonces.iter().zip(delta) {
            transcript.write_scalar(nonce.0 + challenge * delta.0)?;
        }
        Ok(())
    }

    /// Reads the proof and says whether it holds.
    pub(crate) fn verify(statement: &SpanStatement, transcript: &mut VerifierTranscript<'_>) -> io::Result<bool> {
        let commitment = transcript.read_point()?;
        let challenge = scalar(transcript);
        let responses = [transcript.read_scalar()?, transcript.read_scalar()?];
        let left = statement.bases[0] * responses[0] + statement.bases[1] * responses[1];
        Ok(left == statement.difference * challenge + commitment)
    }
}

fn scalar<T: Transcript<G1Affine, KeccakChallenge>>(transcript: &mut T) -> Fr {
    *transcript.squeeze_challenge_scalar::<()>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::Field;
    use group::Group;
    use rand_core::OsRng;

    fn statement(delta: &[Secret; 2]) -> SpanStatement {
        let bases = [0, 1].map(|_| G1::random(OsRng).to_affine());
        SpanStatement { bases, difference: bases[0] * delta[0].0 + bases[1] * delta[1].0 }
    }

    fn verify(statement: &SpanStatement, prefix: &[u8], proof: &[u8]) -> bool {
        SpanProof::verify(statement, &mut VerifierTranscript::new(prefix, proof)).unwrap_or(false)
    }

    #[test]
    fn holds_only_as_made() {
        let delta = [Secret(Fr::random(OsRng)), Secret(Fr::random(OsRng))];
        let honest = statement(&delta);
        let mut transcript = ProverTranscript::new(b"here");
        SpanProof::prove(&honest, &delta, OsRng, &mut transcript).unwrap();
        let proof = transcript.finish();
        assert!(verify(&honest, b"here", &proof));
        assert!(!verify(&honest, b"there", &proof), "another transcript");
        assert!(!verify(&statement(&delta), b"here", &proof), "other points");
        let swapped = SpanStatement { bases: [honest.bases[1], honest.bases[0]], ..honest };
        assert!(!verify(&swapped, b"here", &proof));
        let shifted = SpanStatement { difference: honest.difference + honest.bases[0], ..honest };
        assert!(!verify(&shifted, b"here", &proof));
        for byte in 0..proof.len() {
            let mut bad = proof.clone();
            bad[byte] ^= 1;
            assert!(!verify(&honest, b"here", &bad), "byte {byte}");
        }
        assert!(!verify(&honest, b"here", &proof[..proof.len() - 1]));
    }

    #[test]
    fn a_difference_outside_the_span_has_no_proof() {
        let delta = [Secret(Fr::random(OsRng)), Secret(Fr::random(OsRng))];
        let mut forged = statement(&delta);
        forged.difference += G1::generator();
        let mut transcript = ProverTranscript::new(b"");
        SpanProof::prove(&forged, &delta, OsRng, &mut transcript).unwrap();
        assert!(!verify(&forged, b"", &transcript.finish()));
    }
}
