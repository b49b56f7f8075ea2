//! The link proof: the tensors of a circuit are those behind commitments.
//!
//! Spec: `docs/spec/commitment.md#the-link-proof`. The circuit evaluates the folded polynomial of mask and tensors at `1/u`; here the
//! folded commitment is opened there. What the circuit came to is a cell of `omega`, which the weights' equation shows.

use super::nonce::hedged;
use super::{Secret, commit_polynomial};
use crate::srs::pairing_is_one;
use crate::transcript::{ProverTranscript, VerifierTranscript};
use ff::Field;
use group::{Curve, Group};
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine, G2Affine};
use halo2_proofs::transcript::{TranscriptRead, TranscriptWrite};
use inferproof_circuits::witness::Link;
use rand_core::{CryptoRng, RngCore};
use std::io;
use zeroize::Zeroizing;

/// What hides the evaluation in a proof without a fresh commitment to its output: a polynomial `m_0 X + m_1 X^2` of uniform
/// coefficients, committed to before any challenge.
pub(crate) struct Mask {
    pub(crate) cells: Zeroizing<[Secret; 2]>,
    pub(crate) point: G1Affine,
}

impl Mask {
    /// A fresh mask for tensors with these coefficients: drawn, and hashed with what it hides and with the statement.
    pub(crate) fn fresh<'a>(
        powers: &[G1Affine],
        statement: &[u8],
        secrets: impl IntoIterator<Item = &'a Secret>,
        rng: impl RngCore + CryptoRng,
    ) -> Option<Self> {
        let cells = hedged(b"inferproof/mask/1", statement, secrets, rng);
        let point = commit_polynomial(powers, cells.as_slice())?;
        Some(Self { cells, point })
    }
}

/// Points and challenges a link proof speaks of.
#[derive(Clone, Debug)]
pub(crate) struct LinkStatement {
    /// Commitments to the polynomials of the link, in the order of their numbers.
    pub(crate) points: Vec<G1Affine>,
    /// `R`.
    pub(crate) channel: Fr,
    /// `u`.
    pub(crate) position: Fr,
}

impl LinkStatement {
    /// `sum_t R^t T_t`.
    fn folded(&self) -> G1 {
        self.points.iter().rev().fold(G1::identity(), |sum, point| sum * self.channel + point)
    }
}

/// An opening of the folded commitment at `1/u`: a scalar `nu`, and the point `Q = [(p(X) - nu) / (u X - 1)]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkProof;

impl LinkProof {
    /// Appends `nu` and `Q`, and returns `nu`. `None` for a challenge `u` of 0.
    ///
    /// Cost: one MSM of as many terms as the longest tensor has elements.
    pub(crate) fn prove(
        powers: &[G1Affine],
        link: &Link,
        [channel, position]: [Fr; 2],
        transcript: &mut ProverTranscript,
    ) -> io::Result<Option<Fr>> {
        let Some(point) = Option::<Fr>::from(position.invert()) else { return Ok(None) };
        let folded = link.fold(channel);
        // Synthetic division by `X - 1/u`: the remainder is the value, the constant coefficient being 0.
        let mut quotient = Zeroizing::new(vec![Secret::default(); folded.len()]);
        let mut carry = Fr::ZERO;
        for (target, coefficient) in quotient.iter_mut().zip(folded.iter()).rev() {
            carry = carry * point + coefficient.0;
            target.0 = carry * point;
        }
        let value = carry * point;
        transcript.write_scalar(value)?;
        // Coefficients from the constant one on: one power less than `commit_polynomial` starts from.
        let constant = G1::from(powers[0]) * quotient[0].0;
        let rest = commit_polynomial(powers, &quotient[1..]).ok_or_else(|| io::Error::other("the SRS is too small"))?;
        transcript.write_point((constant + rest).to_affine())?;
        Ok(Some(value))
    }

    /// Reads `nu` and `Q`, and returns `nu` if the opening holds: `e(u Q, [tau]_2) = e(sum_t R^t T_t - nu [1]_1 + Q, [1]_2)`.
    ///
    /// Cost: a pairing check of two pairs.
    pub(crate) fn verify(
        statement: &LinkStatement,
        s_g2: &G2Affine,
        transcript: &mut VerifierTranscript<'_>,
    ) -> io::Result<Option<Fr>> {
        let value = transcript.read_scalar()?;
        let quotient = transcript.read_point()?;
        let right = statement.folded() - G1::generator() * value + quotient;
        let left = -(quotient * statement.position);
        let points = [left.to_affine(), right.to_affine()];
        let holds = pairing_is_one(&points, &[*s_g2, G2Affine::generator()]);
        Ok(holds.then_some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srs::Srs;
    use crate::transcript::Recorded;
    use inferproof_circuits::witness::tensor_polynomial;
    use rand_core::OsRng;

    struct Made {
        srs: Srs,
        statement: LinkStatement,
        link: Link,
    }

    /// A link of tensors; one without elements is a mask.
    fn made(tensors: &[&[i64]]) -> Made {
        let srs = Srs::development(4, OsRng).unwrap();
        let secret = || Secret(Fr::random(OsRng));
        let polynomials: Vec<_> =
            tensors.iter().map(|values| tensor_polynomial(&[secret(), secret()], values)).collect();
        let points = polynomials.iter().map(|p| commit_polynomial(srs.g(), p).unwrap()).collect();
        let [channel, position] = [(); 2].map(|()| Fr::random(OsRng));
        let statement = LinkStatement { points, channel, position };
        Made { srs, statement, link: Link::new(polynomials) }
    }

    fn prove(made: &Made) -> (Fr, Vec<u8>) {
        let mut transcript = ProverTranscript::new(b"here");
        let challenges = [made.statement.channel, made.statement.position];
        let value = LinkProof::prove(made.srs.g(), &made.link, challenges, &mut transcript).unwrap().unwrap();
        assert!(transcript.challenge(0).is_none(), "it squeezes nothing");
        (value, transcript.finish())
    }

    fn verify(made: &Made, statement: &LinkStatement, proof: &[u8]) -> Option<Fr> {
        let mut transcript = VerifierTranscript::new(b"here", proof);
        LinkProof::verify(statement, &made.srs.s_g2(), &mut transcript).ok().flatten()
    }

    #[test]
    fn it_opens_what_the_circuit_evaluates() {
        let cases: [&[&[i64]]; 4] = [&[&[3, -1, 2]], &[&[], &[5]], &[&[5], &[1, 2, 3, 4, 5]], &[&[], &[0, 0], &[7]]];
        for tensors in cases {
            let made = made(tensors);
            let (value, proof) = prove(&made);
            let Made { statement, link, .. } = &made;
            assert_eq!(Some(value), link.evaluate(statement.channel, statement.position));
            assert_eq!(verify(&made, statement, &proof), Some(value));
        }
    }

    #[test]
    fn it_holds_only_as_made() {
        let made = made(&[&[], &[3, -1], &[2, 9]]);
        let (_, proof) = prove(&made);
        let honest = made.statement.clone();
        let other = G1::random(OsRng).to_affine();
        let mut statements = vec![
            LinkStatement { channel: honest.channel + Fr::ONE, ..honest.clone() },
            LinkStatement { position: honest.position + Fr::ONE, ..honest.clone() },
        ];
        for index in 0..3 {
            let mut points = honest.points.clone();
            points[index] = other;
            statements.push(LinkStatement { points: points.clone(), ..honest.clone() });
            points.remove(index);
            statements.push(LinkStatement { points, ..honest.clone() });
            let mut points = honest.points.clone();
            points.swap(index, (index + 1) % 3);
            statements.push(LinkStatement { points, ..honest.clone() });
        }
        for statement in &statements {
            assert_eq!(verify(&made, statement, &proof), None);
        }
        for at in 0..proof.len() {
            let mut bad = proof.clone();
            bad[at] ^= 1;
            assert_eq!(verify(&made, &honest, &bad), None, "byte {at}");
        }
        assert_eq!(verify(&made, &honest, &proof[..95]), None);
    }

    /// The same generator state twice: the masks of two statements, or of two tensors, still differ.
    #[test]
    fn a_failing_generator_repeats_no_mask() {
        struct Stuck;
        impl RngCore for Stuck {
            fn next_u32(&mut self) -> u32 {
                1
            }
            fn next_u64(&mut self) -> u64 {
                1
            }
            fn fill_bytes(&mut self, dest: &mut [u8]) {
                dest.fill(1);
            }
            fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
                dest.fill(1);
                Ok(())
            }
        }
        impl CryptoRng for Stuck {}
        let srs = Srs::development(4, OsRng).unwrap();
        let mask = |statement: &[u8], cell: u64| {
            Mask::fresh(srs.g(), statement, &[Secret(Fr::from(cell))], Stuck).unwrap().point
        };
        assert_eq!(mask(b"a", 1), mask(b"a", 1));
        assert_ne!(mask(b"a", 1), mask(b"b", 1));
        assert_ne!(mask(b"a", 1), mask(b"a", 2));
    }
}
