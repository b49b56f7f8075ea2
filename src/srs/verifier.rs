//! The part of an SRS that checking a proof needs.

use super::{MAX_K, SrsError, check, error_too_small, template};
use crate::artefact::{FieldError, Reader, Writer, encode_g1, encode_g2};
use halo2_proofs::{
    halo2curves::bn256::{Bn256, G1Affine, G2Affine},
    poly::kzg::commitment::ParamsKZG,
};
use inferproof_circuits::machine::LINK_ROW;
use sha3::{Digest, Keccak256};
use std::fmt;

/// Longest [`super::Srs::origin`], in bytes.
pub const MAX_ORIGIN: usize = 200;

/// What a verifier needs of an SRS: `[tau]_2`, and for each k' in `1..=k` the Lagrange points of three rows. A few kilobytes.
///
/// The Lagrange points are not covered by [`Self::srs_id`], so it also has `[tau^(2^j)]_1` and `[tau^(2^j)]_2`, by
/// which [`Self::check`] ties them to `[tau]_2`. Decoding runs that check.
#[derive(Clone, PartialEq)]
pub struct SrsVerifier {
    pub(super) insecure: bool,
    pub(super) origin: String,
    /// `[tau^(2^j)]_2` for j < k. Not empty, since k is at least 1.
    pub(super) tau_g2: Vec<G2Affine>,
    /// `[tau^(2^j)]_1` for j <= k.
    pub(super) tau_g1: Vec<G1Affine>,
    /// Entry k' - 1 is for k': the rows of [`verifier_rows`].
    pub(super) rows: Vec<[G1Affine; VERIFIER_ROWS]>,
}

impl SrsVerifier {
    /// That of the secret 1, for what does not depend on the points: all are generators, the spans of no domain. Nothing is sound with it.
    #[cfg(feature = "evm")]
    pub(crate) fn of_one(k: u32) -> Self {
        let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
        let k = k as usize;
        let origin = "the secret is 1".into();
        Self {
            insecure: true,
            origin,
            tau_g2: vec![g2; k],
            tau_g1: vec![g1; k + 1],
            rows: vec![[g1; VERIFIER_ROWS]; k],
        }
    }

    /// The part for circuits of at most 2^k rows, `1 <= k <= self.k()`.
    pub(super) fn truncated(mut self, k: u32) -> Self {
        let k = k as usize;
        self.tau_g2.truncate(k);
        self.tau_g1.truncate(k + 1);
        self.rows.truncate(k);
        self
    }

    /// log2 of the rows of the largest circuit it serves.
    pub fn k(&self) -> u32 {
        self.rows.len() as u32
    }

    /// Whether the secret behind it may be known to someone. [`Self::srs_id`] does not cover this flag.
    pub fn insecure(&self) -> bool {
        self.insecure
    }

    /// Where the SRS is from, for people to read.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `[tau]_2`.
    pub fn s_g2(&self) -> G2Affine {
        self.tau_g2[0]
    }

    /// The identifier of the SRS, see [`super::Srs::srs_id`].
    pub fn srs_id(&self) -> [u8; 32] {
        srs_id(&self.s_g2())
    }

    /// `[L_(n-2)(tau)]_1` and `[L_(n-1)(tau)]_1` for the domain of n = 2^k elements.
    ///
    /// # Errors
    /// [`SrsError::TooSmall`], [`SrsError::Size`].
    pub fn span(&self, k: u32) -> Result<[G1Affine; 2], SrsError> {
        let [first, second, _] = self.rows(k)?;
        Ok([first, second])
    }

    /// `[L_2(tau)]_1`, the Lagrange point of the link row ([`LINK_ROW`]), for the domain of 2^k elements.
    ///
    /// # Errors
    /// [`SrsError::TooSmall`], [`SrsError::Size`].
    pub fn link(&self, k: u32) -> Result<G1Affine, SrsError> {
        let [_, _, link] = self.rows(k)?;
        Ok(link)
    }

    fn rows(&self, k: u32) -> Result<[G1Affine; VERIFIER_ROWS], SrsError> {
        match k.checked_sub(1).and_then(|i| self.rows.get(i as usize)) {
            Some(points) => Ok(*points),
            None => Err(error_too_small(k, self.k(), &self.origin)),
        }
    }

    /// Checks by pairings that the points for circuits of up to 2^k rows belong to `[tau]_2`: for j <= k that the
    /// points called `[tau^(2^j)]` are, and for each k' <= k that [`Self::span`] and [`Self::link`] give the Lagrange points of their rows, by
    /// `L_i(tau) (tau - w^i) = (tau^n - 1) w^i / n`.
    ///
    /// Decoding has done it already for every k'.
    ///
    /// Cost: k + 2 Miller loops and one final exponentiation, about 10 ms for k = 17.
    ///
    /// # Errors
    /// [`SrsError::Span`], [`SrsError::Identity`]; [`SrsError::TooSmall`], [`SrsError::Size`].
    pub fn check(&self, k: u32) -> Result<(), SrsError> {
        self.rows(k)?;
        let k = k as usize;
        check::squares(&self.tau_g1[..=k], &self.tau_g2[..k], &self.rows[..k])
    }

    /// Parameters for `verify_proof` on circuits of 2^k rows. They hold the generator and no other point of G1: proving
    /// or committing with them panics inside halo2.
    ///
    /// # Errors
    /// [`SrsError::TooSmall`], [`SrsError::Size`].
    pub fn params(&self, k: u32) -> Result<ParamsKZG<Bn256>, SrsError> {
        self.rows(k)?;
        let g = vec![G1Affine::generator()];
        Ok(template().from_parts(k, g, Some(Vec::new()), G2Affine::generator(), self.s_g2()))
    }

    /// Appends it to a payload: k `u32`, the insecure flag, the origin, `[tau^(2^j)]_2` for j < k, `[tau^(2^j)]_1` for
    /// j <= k, the Lagrange points in the order of k'.
    ///
    /// # Errors
    /// [`SrsError::Origin`].
    pub fn encode(&self, out: &mut Writer) -> Result<(), SrsError> {
        check_origin(&self.origin)?;
        out.u32(self.k()).bool(self.insecure).string(&self.origin);
        for point in &self.tau_g2 {
            out.g2(point);
        }
        out.g1_many(&self.tau_g1).g1_many(self.rows.as_flattened());
        Ok(())
    }

    /// Inverse of [`Self::encode`], with [`Self::check`]: what it returns has the points of the secret that
    /// [`Self::srs_id`] names.
    ///
    /// Cost: that of the check, and a subgroup check for each point of G2.
    ///
    /// # Errors
    /// [`SrsError::Artefact`] around a [`FieldError`], [`SrsError::Size`], [`SrsError::Origin`],
    /// [`SrsError::Identity`], [`SrsError::Span`].
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, SrsError> {
        let k = input.u32("k of the SRS")?;
        if !(1..=MAX_K).contains(&k) {
            return Err(SrsError::Size { k, max: MAX_K });
        }
        let insecure = input.bool("insecure flag of the SRS")?;
        let origin = input.string("origin of the SRS")?;
        check_origin(origin)?;
        let tau_g2 = (0..k).map(|_| input.g2("square of tau in G2")).collect::<Result<Vec<_>, FieldError>>()?;
        let tau_g1 = input.g1_many("square of tau in G1", k as usize + 1)?;
        let rows = input.g1_many("Lagrange point of a verifier", VERIFIER_ROWS * k as usize)?.as_chunks().0.to_vec();
        let part = Self { insecure, origin: origin.into(), tau_g2, tau_g1, rows };
        part.check(k)?;
        Ok(part)
    }
}

/// Rows whose Lagrange points a verifier needs.
pub(super) const VERIFIER_ROWS: usize = 3;

/// Which rows of `n = 2^k` those are: the last two, which blind, and the link row. In a domain too small for the last it wraps around, as its root of unity does.
pub(super) const fn verifier_rows(k: u32) -> [usize; VERIFIER_ROWS] {
    let n = 1 << k;
    [n - 2, n - 1, LINK_ROW % n]
}

/// Of all Lagrange points of a domain those of a verifier's rows.
pub(super) fn verifier_points(points: &[G1Affine]) -> [G1Affine; VERIFIER_ROWS] {
    verifier_rows(points.len().ilog2()).map(|row| points[row])
}

impl fmt::Debug for SrsVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        summary(f, "SrsVerifier", self.k(), self.insecure, &self.origin, &self.s_g2())
    }
}

/// What people see of an SRS; the flag is part of it wherever it is shown.
pub(super) fn summary(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    k: u32,
    insecure: bool,
    origin: &str,
    s_g2: &G2Affine,
) -> fmt::Result {
    let id = srs_id(s_g2);
    let warning = if insecure { ", INSECURE" } else { "" };
    write!(f, "{name}(k = {k}, origin = {origin:?}, id = {}{warning})", hex::encode(&id[..8]))
}

/// Keccak-256 of `"inferproof/srs/1"`, the two generators and `[tau]_2`.
pub(super) fn srs_id(s_g2: &G2Affine) -> [u8; 32] {
    Keccak256::new()
        .chain_update(b"inferproof/srs/1")
        .chain_update(encode_g1(&G1Affine::generator()))
        .chain_update(encode_g2(&G2Affine::generator()))
        .chain_update(encode_g2(s_g2))
        .finalize()
        .into()
}

/// The origin is printed to terminals, so it may not steer them.
pub(super) fn check_origin(origin: &str) -> Result<(), SrsError> {
    if origin.len() > MAX_ORIGIN || origin.chars().any(char::is_control) {
        return Err(SrsError::Origin { len: origin.len(), max: MAX_ORIGIN });
    }
    Ok(())
}
