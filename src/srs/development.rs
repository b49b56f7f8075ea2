//! An SRS from a secret drawn on this machine: for development, never for proofs others rely on.

use super::{MAX_K, Srs, SrsError};
use ff::{Field, PrimeField};
use group::{Curve, Group, prime::PrimeCurveAffine};
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine, G2Affine};
use rand_core::{CryptoRng, RngCore};
use rayon::prelude::*;
use zeroize::{DefaultIsZeroes, Zeroizing};

/// Points a thread computes at a time: one inversion and one scratch buffer serve that many.
const CHUNK: usize = 1024;
/// 8-bit windows in a scalar.
const WINDOWS: usize = 32;
/// Nonzero digits of a window.
const DIGITS: usize = 255;

/// A scalar that can be wiped; the library's own type does not know how.
#[derive(Clone, Copy, Default)]
struct Secret(Fr);

impl DefaultIsZeroes for Secret {}

impl Srs {
    /// Makes an SRS for circuits of up to `2^k` rows from a secret `tau` drawn from `rng`, and marks it insecure: whoever
    /// ran this could have kept `tau`, and with `tau` one proves anything.
    ///
    /// `tau` and the scalars derived from it are wiped from the buffers they were kept in. Copies the compiler spilled to
    /// the stack are not, and the table look-ups take time that depends on `tau`: it is a secret in name only.
    ///
    /// Cost: `2^k + 2` powers and `2^(k+1) - 2` Lagrange points, 32 mixed additions each; k multiplications in G2.
    ///
    /// # Errors
    /// [`SrsError::Size`]; [`SrsError::DegenerateSecret`] if `rng` is broken.
    pub fn development(k: u32, mut rng: impl RngCore + CryptoRng) -> Result<Self, SrsError> {
        if !(1..=MAX_K).contains(&k) {
            return Err(SrsError::Size { k, max: MAX_K });
        }
        let tau = Zeroizing::new(Secret(Fr::random(&mut rng)));
        // tau = 0 has no powers; a 2^k-th root of unity leaves all Lagrange points of some domain at the identity but one.
        let degenerate = tau.0.pow_vartime([1u64 << k]) == Fr::ONE;
        if bool::from(tau.0.is_zero()) || degenerate {
            return Err(SrsError::DegenerateSecret);
        }
        let table = FixedBase::new(G1::generator());
        let g = table.points((1 << k) + 2, |start, out| powers(&tau, start, out));
        let lagrange =
            (1..=k).map(|k| table.points(1 << k, |start, out| lagrange_scalars(&tau, k, start, out))).collect();
        Ok(Self { insecure: true, origin: "development".into(), g, lagrange, tau_g2: squares_g2(&tau, k) })
    }
}

/// The generator of the `2^k`-th roots of unity that halo2's domains use.
pub(super) fn omega(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

/// `[tau^(2^j)]_2` for j < k.
fn squares_g2(tau: &Secret, k: u32) -> Vec<G2Affine> {
    let mut square = Zeroizing::new(*tau);
    (0..k)
        .map(|_| {
            let point = (G2Affine::generator() * square.0).to_affine();
            square.0 = square.0.square();
            point
        })
        .collect()
}

/// `tau^start, tau^(start+1), ...`
fn powers(tau: &Secret, start: u64, out: &mut [Secret]) {
    let mut power = Zeroizing::new(Secret(tau.0.pow_vartime([start])));
    for scalar in out {
        *scalar = *power;
        power.0 *= tau.0;
    }
}

/// `L_i(tau) = (tau^n - 1) w^i / (n (tau - w^i))` for i from `start`, with n = 2^k and w = [`omega`].
fn lagrange_scalars(tau: &Secret, k: u32, start: u64, out: &mut [Secret]) {
    let n = 1u64 << k;
    let (w, first) = (omega(k), omega(k).pow_vartime([start]));
    // One inversion for all: prefix products forward, then peel the inverses off backward.
    let mut product = Zeroizing::new(Secret(Fr::from(n)));
    let mut root = first;
    for scalar in out.iter_mut() {
        *scalar = *product;
        product.0 *= tau.0 - root;
        root *= w;
    }
    // No factor is zero: tau is no root of unity of this order.
    let mut inverse = Zeroizing::new(Secret(product.0.invert().unwrap_or(Fr::ZERO)));
    let mut root = first * w.pow_vartime([out.len() as u64]);
    // w has order n, so its inverse is its power n - 1.
    let w_inv = w.pow_vartime([n - 1]);
    let numerator = Zeroizing::new(Secret(tau.0.pow_vartime([n]) - Fr::ONE));
    let n_inv = Fr::TWO_INV.pow_vartime([u64::from(k)]);
    for scalar in out.iter_mut().rev() {
        root *= w_inv;
        let own = scalar.0 * inverse.0;
        inverse.0 *= tau.0 - root;
        scalar.0 = own * numerator.0 * root * n_inv;
    }
}

/// Multiples of one base, one row per 8-bit window: entry `WINDOW * 255 + d - 1` is `d 256^WINDOW` times the base.
struct FixedBase {
    table: Vec<G1Affine>,
}

impl FixedBase {
    fn new(base: G1) -> Self {
        let mut row_base = base;
        let mut table = Vec::with_capacity(WINDOWS * DIGITS);
        for _ in 0..WINDOWS {
            let mut multiple = row_base;
            for _ in 0..DIGITS {
                table.push(multiple);
                multiple += row_base;
            }
            row_base = multiple;
        }
        Self { table: normalise(&table) }
    }

    fn mul(&self, scalar: &Fr) -> G1 {
        let digits = Zeroizing::new(scalar.to_bytes());
        self.table.chunks_exact(DIGITS).zip(digits.iter()).fold(G1::identity(), |sum, (row, digit)| {
            match digit.checked_sub(1) {
                Some(entry) => sum + row[usize::from(entry)],
                None => sum,
            }
        })
    }

    /// `count` multiples of the base, by the scalars that `fill(start, chunk)` puts into each chunk.
    fn points(&self, count: usize, fill: impl Fn(u64, &mut [Secret]) + Sync) -> Vec<G1Affine> {
        let mut points = vec![G1Affine::identity(); count];
        points.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            let mut scalars = Zeroizing::new(vec![Secret::default(); out.len()]);
            fill((chunk * CHUNK) as u64, &mut scalars);
            let products: Vec<G1> = scalars.iter().map(|scalar| self.mul(&scalar.0)).collect();
            G1::batch_normalize(&products, out);
        });
        points
    }
}

pub(super) fn normalise(points: &[G1]) -> Vec<G1Affine> {
    let mut affine = vec![G1Affine::identity(); points.len()];
    G1::batch_normalize(points, &mut affine);
    affine
}
