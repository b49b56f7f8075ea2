//! Whether points form an SRS at all: two random linear combinations.
//!
//! The coefficients come from a hash of the points that are checked (Fiat and Shamir), so that the checks need no
//! random source and give the same answer every time. They have 128 bits: points that are wrong pass with a
//! probability of 2^-128 for each attempt at forging them.

use super::SrsError;
use crate::artefact::{Writer, encode_g2};
use ff::PrimeField;
use group::{Curve, Group, prime::PrimeCurveAffine};
use halo2_proofs::{
    arithmetic::best_multiexp,
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine, G2Affine},
        pairing::{Engine, MillerLoopResult, MultiMillerLoop},
    },
    poly::EvaluationDomain,
};
use sha3::{Digest, Keccak256};

/// Checks that `g[i]` is `[tau^i]_1` for the tau of `s_g2`: `g[0]` is the generator, and
/// `e(sum r_i g[i+1], [1]_2) = e(sum r_i g[i], [tau]_2)`.
///
/// Cost: two multi-exponentiations of the size of `g`, a pairing of two factors.
pub(super) fn powers(g: &[G1Affine], s_g2: &G2Affine) -> Result<(), SrsError> {
    no_identity("power", g)?;
    if bool::from(s_g2.is_identity()) {
        return Err(SrsError::Identity { which: "[tau]_2".into() });
    }
    let Some((first, higher)) = g.split_first() else { return Err(SrsError::Generator) };
    if *first != G1Affine::generator() {
        return Err(SrsError::Generator);
    }
    let r = coefficients(b"powers", &[g], s_g2, higher.len());
    let left = best_multiexp(&r, higher).to_affine();
    let right = best_multiexp(&r, &g[..higher.len()]).to_affine();
    type Prepared = <Bn256 as MultiMillerLoop>::G2Prepared;
    let one: Prepared = (-G2Affine::generator()).into();
    let tau: Prepared = (*s_g2).into();
    let product = Bn256::multi_miller_loop(&[(&left, &one), (&right, &tau)]);
    let gt: <Bn256 as Engine>::Gt = product.final_exponentiation();
    if bool::from(gt.is_identity()) { Ok(()) } else { Err(SrsError::Powers { powers: g.len() }) }
}

/// Checks that `points` are the Lagrange points of the domain of 2^k elements: `sum rho_i points[i]` is the commitment
/// of the polynomial that takes the values rho on the domain.
///
/// Cost: two multi-exponentiations of 2^k points, an inverse FFT of 2^k scalars.
pub(super) fn lagrange(g: &[G1Affine], s_g2: &G2Affine, k: u32, points: &[G1Affine]) -> Result<(), SrsError> {
    let n = 1usize << k;
    if points.len() != n || g.len() < n {
        return Err(SrsError::Lagrange { k });
    }
    no_identity("Lagrange point", points)?;
    let rho = coefficients(b"lagrange", &[&g[..n], points], s_g2, n);
    let evaluated = best_multiexp(&rho, points);
    let domain = EvaluationDomain::<Fr>::new(1, k);
    let coefficients = domain.lagrange_to_coeff(domain.lagrange_from_vec(rho));
    let interpolated = best_multiexp(&coefficients, &g[..n]);
    if evaluated == interpolated { Ok(()) } else { Err(SrsError::Lagrange { k }) }
}

/// An honest secret gives no identity, and the affine formulas behind a multi-exponentiation need not expect one.
pub(super) fn no_identity(what: &str, points: &[G1Affine]) -> Result<(), SrsError> {
    match points.iter().position(|point| bool::from(point.is_identity())) {
        Some(index) => Err(SrsError::Identity { which: format!("{what} {index}") }),
        None => Ok(()),
    }
}

/// `count` scalars of 128 bits that depend on every point given.
fn coefficients(label: &[u8], points: &[&[G1Affine]], s_g2: &G2Affine, count: usize) -> Vec<Fr> {
    let mut hash = Keccak256::new().chain_update(b"inferproof/srs/check/1").chain_update(label);
    hash.update(encode_g2(s_g2));
    for part in points {
        let mut bytes = Writer::new();
        bytes.count(part.len()).g1_many(part);
        hash.update(bytes.into_bytes());
    }
    let seed = hash.finalize();
    let mut scalars = Vec::with_capacity(count);
    for block in 0..count.div_ceil(2) as u64 {
        let bytes = Keccak256::new().chain_update(seed).chain_update(block.to_le_bytes()).finalize();
        for half in bytes.as_chunks::<16>().0 {
            scalars.push(Fr::from_u128(u128::from_le_bytes(*half)));
        }
    }
    scalars.truncate(count);
    scalars
}
