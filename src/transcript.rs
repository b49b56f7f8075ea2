//! The Keccak-256 transcript: one format for Rust and for the EVM.
//!
//! Spec: `docs/spec/transcript.md`. A state of 32 bytes and the bytes absorbed since the last squeeze. A squeeze is
//! `state = keccak(state || absorbed)`; a further squeeze with nothing absorbed is `state = keccak(state || 0x01)`.
//! Points are absorbed as 64 bytes `x || y`, scalars as 32 bytes, big-endian; the challenge is the state
//! reduced mod `p` (greatest point mass `1.13/p`).

use crate::artefact::{decode_fr, decode_g1, encode_fr, encode_g1};
use ff::FromUniformBytes;
use group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptRead, TranscriptWrite};
use sha3::{Digest, Keccak256};
use std::io;

/// A challenge: 32 bytes, reduced mod `p`.
#[derive(Clone, Copy, Debug)]
pub struct KeccakChallenge([u8; 32]);

impl EncodedChallenge<G1Affine> for KeccakChallenge {
    type Input = [u8; 32];

    fn new(input: &[u8; 32]) -> Self {
        Self(*input)
    }

    fn get_scalar(&self) -> Fr {
        reduce(&self.0)
    }
}

/// A big-endian 256-bit integer mod `p`.
fn reduce(bytes: &[u8; 32]) -> Fr {
    let mut wide = [0u8; 64];
    for (target, byte) in wide.iter_mut().zip(bytes.iter().rev()) {
        *target = *byte;
    }
    Fr::from_uniform_bytes(&wide)
}

/// The hash state, common to prover and verifier. Records the challenges it gave.
#[derive(Clone)]
pub(crate) struct Sponge {
    state: [u8; 32],
    absorbed: Vec<u8>,
    squeezed: bool,
    challenges: Vec<Fr>,
}

impl Sponge {
    /// A transcript of one statement: everything that is public goes in first.
    pub(crate) fn new(statement: &[u8]) -> Self {
        Self { state: [0; 32], absorbed: statement.to_vec(), squeezed: false, challenges: vec![] }
    }

    fn point(&mut self, point: &G1Affine) -> io::Result<()> {
        if bool::from(point.is_identity()) {
            return Err(io::Error::other("the point at infinity is no commitment of a proof"));
        }
        self.absorbed.extend_from_slice(&encode_g1(point));
        Ok(())
    }

    fn scalar(&mut self, scalar: &Fr) {
        self.absorbed.extend_from_slice(&encode_fr(scalar));
    }

    fn squeeze(&mut self) -> KeccakChallenge {
        if self.squeezed && self.absorbed.is_empty() {
            self.absorbed.push(1);
        }
        let hash = Keccak256::new().chain_update(self.state).chain_update(&self.absorbed).finalize();
        self.state = hash.into();
        self.absorbed.clear();
        self.squeezed = true;
        let challenge = KeccakChallenge(self.state);
        self.challenges.push(challenge.get_scalar());
        challenge
    }
}

/// The prover's side: absorbs and appends to the proof.
pub(crate) struct ProverTranscript {
    sponge: Sponge,
    proof: Vec<u8>,
    points: Vec<G1Affine>,
}

impl ProverTranscript {
    pub(crate) fn new(statement: &[u8]) -> Self {
        Self { sponge: Sponge::new(statement), proof: vec![], points: vec![] }
    }

    /// The `index`-th point of the proof.
    pub(crate) fn point_written(&self, index: usize) -> Option<G1Affine> {
        self.points.get(index).copied()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.proof
    }
}

/// The verifier's side: reads from the proof and absorbs.
pub(crate) struct VerifierTranscript<'a> {
    sponge: Sponge,
    proof: &'a [u8],
    points: Vec<G1Affine>,
}

impl<'a> VerifierTranscript<'a> {
    pub(crate) fn new(statement: &[u8], proof: &'a [u8]) -> Self {
        Self { sponge: Sponge::new(statement), proof, points: vec![] }
    }

    /// Bytes of the proof not read yet.
    pub(crate) const fn remaining(&self) -> usize {
        self.proof.len()
    }

    /// The `index`-th point of the proof.
    pub(crate) fn point_read(&self, index: usize) -> Option<G1Affine> {
        self.points.get(index).copied()
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (head, rest) = self.proof.split_first_chunk::<N>().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.proof = rest;
        Ok(*head)
    }
}

/// The challenges a transcript gave, in order.
pub(crate) trait Recorded {
    fn challenge(&self, index: usize) -> Option<Fr>;
}

impl Recorded for ProverTranscript {
    fn challenge(&self, index: usize) -> Option<Fr> {
        self.sponge.challenges.get(index).copied()
    }
}

impl Recorded for VerifierTranscript<'_> {
    fn challenge(&self, index: usize) -> Option<Fr> {
        self.sponge.challenges.get(index).copied()
    }
}

macro_rules! common_transcript {
    ($($type:tt)*) => {
        impl Transcript<G1Affine, KeccakChallenge> for $($type)* {
            fn squeeze_challenge(&mut self) -> KeccakChallenge {
                self.sponge.squeeze()
            }

            fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
                self.sponge.point(&point)
            }

            fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
                self.sponge.scalar(&scalar);
                Ok(())
            }
        }
    };
}

common_transcript!(ProverTranscript);
common_transcript!(VerifierTranscript<'_>);

impl TranscriptWrite<G1Affine, KeccakChallenge> for ProverTranscript {
    fn write_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.common_point(point)?;
        self.proof.extend_from_slice(&encode_g1(&point));
        self.points.push(point);
        Ok(())
    }

    fn write_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.common_scalar(scalar)?;
        self.proof.extend_from_slice(&encode_fr(&scalar));
        Ok(())
    }
}

impl TranscriptRead<G1Affine, KeccakChallenge> for VerifierTranscript<'_> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
        let point = decode_g1(&self.take()?).map_err(io::Error::other)?;
        self.common_point(point)?;
        self.points.push(point);
        Ok(point)
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        let scalar = decode_fr(&self.take()?).map_err(io::Error::other)?;
        self.common_scalar(scalar)?;
        Ok(scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::PrimeField;

    #[test]
    fn squeezes_differ_and_follow_the_formula() {
        let mut sponge = Sponge::new(b"abc");
        let first: [u8; 32] = Keccak256::new().chain_update([0; 32]).chain_update(b"abc").finalize().into();
        assert_eq!(sponge.squeeze().0, first);
        let second: [u8; 32] = Keccak256::new().chain_update(first).chain_update([1]).finalize().into();
        assert_eq!(sponge.squeeze().0, second);
        sponge.scalar(&Fr::from(5));
        let mut scalar = [0; 32];
        scalar[31] = 5;
        let third: [u8; 32] = Keccak256::new().chain_update(second).chain_update(scalar).finalize().into();
        assert_eq!(sponge.squeeze().0, third);
    }

    #[test]
    fn challenges_are_reduced() {
        let modulus = hex::decode(&Fr::MODULUS[2..]).unwrap();
        let mut bytes: [u8; 32] = modulus.try_into().unwrap();
        bytes[31] += 3;
        assert_eq!(reduce(&bytes), Fr::from(3));
    }
}
