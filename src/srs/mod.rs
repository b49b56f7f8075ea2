//! The structured reference string (SRS): powers of a secret `tau` in the exponent, from a ceremony or, for
//! development, from this machine.
//!
//! The points are those of the KZG commitment scheme (Kate, Zaverucha, Goldberg 2010) on BN254: `[tau^i]_1`, `[tau]_2`, and
//! the same powers in the Lagrange basis of every domain size up to the largest.

mod check;
mod development;
mod error;
mod file;
mod ptau;
mod verifier;

pub(crate) use check::pairing_is_one;
pub use error::{PtauError, SrsError};
pub use file::FORMAT;
pub use ptau::PtauOptions;
pub use verifier::{MAX_ORIGIN, SrsVerifier};

use halo2_proofs::{
    halo2curves::bn256::{Bn256, G1Affine, G2Affine},
    poly::kzg::commitment::ParamsKZG,
};
use rand_core::RngCore;
use std::{fmt, sync::OnceLock};

/// Largest k of an SRS: 2^24 rows, 3 GiB of points.
pub const MAX_K: u32 = 24;

/// An SRS for circuits of up to 2^k rows.
#[derive(Clone, PartialEq)]
pub struct Srs {
    insecure: bool,
    origin: String,
    /// `[tau^i]_1` for i < 2^k + 2.
    g: Vec<G1Affine>,
    /// Entry k' - 1 has the 2^k' points `[L_i(tau)]_1` of the domain of that size.
    lagrange: Vec<Vec<G1Affine>>,
    /// `[tau^(2^j)]_2` for j < k. Not empty, since k is at least 1.
    tau_g2: Vec<G2Affine>,
}

impl Srs {
    /// log2 of the rows of the largest circuit it serves.
    pub fn k(&self) -> u32 {
        self.lagrange.len() as u32
    }

    /// Whether the secret behind it may be known to someone; true for [`Srs::development`].
    pub fn insecure(&self) -> bool {
        self.insecure
    }

    /// Where it is from, for people to read: `"development"`, `"ptau"` or what the importer was told.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `[tau^i]_1` for i < 2^k + 2.
    pub fn g(&self) -> &[G1Affine] {
        &self.g
    }

    /// `[L_i(tau)]_1` for i < 2^k, the Lagrange basis of halo2's domain of that size.
    ///
    /// # Errors
    /// [`SrsError::TooSmall`], [`SrsError::Size`].
    pub fn lagrange(&self, k: u32) -> Result<&[G1Affine], SrsError> {
        match k.checked_sub(1).and_then(|i| self.lagrange.get(i as usize)) {
            Some(points) => Ok(points),
            None => Err(error_too_small(k, self.k(), &self.origin)),
        }
    }

    /// `[tau]_2`.
    pub fn s_g2(&self) -> G2Affine {
        self.tau_g2[0]
    }

    /// What names the secret behind the SRS: Keccak-256 of `"inferproof/srs/1"`, the generators of G1 and G2 and `[tau]_2`,
    /// as [`crate::artefact::encode_g1`] and [`crate::artefact::encode_g2`] give them.
    ///
    /// The same for every size of one ceremony. Does NOT cover the insecure flag or the origin.
    pub fn srs_id(&self) -> [u8; 32] {
        verifier::srs_id(&self.s_g2())
    }

    /// Checks that the points are an SRS: consecutive powers of the secret of `[tau]_2`, for each k' the Lagrange points
    /// that belong to them, and the verifier's part ([`SrsVerifier::check`]). What it can NOT see is whether
    /// anyone knows the secret.
    ///
    /// Cost: about four multi-exponentiations of 2^k points and two of 2^(k+1).
    ///
    /// # Errors
    /// [`SrsError::Identity`], [`SrsError::Generator`], [`SrsError::Powers`], [`SrsError::Lagrange`],
    /// [`SrsError::Span`].
    pub fn verify(&self) -> Result<(), SrsError> {
        let s_g2 = self.s_g2();
        check::powers(&self.g, &s_g2)?;
        for (k, points) in (1..).zip(&self.lagrange) {
            check::lagrange(&self.g, &s_g2, k, points)?;
        }
        self.verifier_part().check(self.k())
    }

    /// halo2's parameters for circuits of 2^k rows. Copies `2^(k+1)` points.
    ///
    /// # Errors
    /// [`SrsError::TooSmall`], [`SrsError::Size`].
    pub fn params(&self, k: u32) -> Result<ParamsKZG<Bn256>, SrsError> {
        let lagrange = self.lagrange(k)?.to_vec();
        let g = self.g[..lagrange.len()].to_vec();
        Ok(template().from_parts(k, g, Some(lagrange), G2Affine::generator(), self.s_g2()))
    }

    /// The part a verifier needs. Copies some points and checks nothing.
    pub fn verifier_part(&self) -> SrsVerifier {
        SrsVerifier {
            insecure: self.insecure,
            origin: self.origin.clone(),
            tau_g2: self.tau_g2.clone(),
            tau_g1: squares(&self.g, self.k()),
            rows: self.lagrange.iter().map(|points| verifier::verifier_points(points)).collect(),
        }
    }
}

impl fmt::Debug for Srs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        verifier::summary(f, "Srs", self.k(), self.insecure, &self.origin, &self.s_g2())
    }
}

/// `[tau^(2^j)]_1` for j <= k, out of at least 2^k + 1 powers.
fn squares(g: &[G1Affine], k: u32) -> Vec<G1Affine> {
    (0..=k).map(|j| g[1 << j]).collect()
}

fn error_too_small(requested: u32, k: u32, origin: &str) -> SrsError {
    if (1..=MAX_K).contains(&requested) {
        SrsError::TooSmall { requested, k, origin: origin.into() }
    } else {
        SrsError::Size { k: requested, max: MAX_K }
    }
}

/// halo2 builds parameters from parts only as a method of parameters that exist already, and uses nothing of those.
fn template() -> &'static ParamsKZG<Bn256> {
    static TEMPLATE: OnceLock<ParamsKZG<Bn256>> = OnceLock::new();
    TEMPLATE.get_or_init(|| ParamsKZG::setup(1, Constant))
}

/// The template's secret guards nothing, so it needs no randomness, which could fail.
struct Constant;

impl RngCore for Constant {
    fn next_u32(&mut self) -> u32 {
        7
    }

    fn next_u64(&mut self) -> u64 {
        7
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        dest.fill(7);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    /// Guards: squares in G2 that no reader would have let through.
    #[test]
    fn verify_sees_wrong_squares() {
        let good = Srs::development(4, OsRng).unwrap();
        good.verify().unwrap();
        for j in 1..4 {
            let mut bad = good.clone();
            bad.tau_g2[j] = good.tau_g2[j - 1];
            assert!(matches!(bad.verify(), Err(SrsError::Span)), "j = {j}");
        }
    }
}
