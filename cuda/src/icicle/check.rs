//! Results that are known: a library of another version, or with another root of unity, is found out before it computes anything else.

use super::{Direction, Icicle, IcicleError, IciclePoints};
use ff::{Field, PrimeField};
use group::Curve;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use std::sync::Arc;

/// Transforms are checked with this many elements, a power of two.
pub(super) const TRANSFORM_K: u32 = 7;
/// Scalars of a sum that is checked.
const SCALARS: usize = 1 << 9;

/// Two sums together: points with known logarithms, the identity and opposite ones among them, times small, large and negative scalars, and all times 1.
pub(super) fn sums(icicle: &Arc<Icicle>) -> Result<(), IcicleError> {
    let logarithms: Vec<Fr> =
        (0..SCALARS as u64).map(|i| if i % 5 == 4 { -Fr::from(i - 1) } else { i.into() }).collect();
    let scalar = |i: usize| [Fr::from(i as u64), -Fr::ONE, Fr::ROOT_OF_UNITY.pow_vartime([i as u64]), Fr::ZERO][i % 4];
    let scalars: Vec<Fr> = (0..SCALARS).map(scalar).collect();
    let ones = vec![Fr::ONE; SCALARS];
    let points: Vec<G1> = logarithms.iter().map(|logarithm| G1::generator() * logarithm).collect();
    let mut affine = vec![G1Affine::default(); SCALARS];
    G1::batch_normalize(&points, &mut affine);
    let expected = [&scalars, &ones].map(|scalars| {
        let logarithm: Fr = scalars.iter().zip(&logarithms).map(|(scalar, logarithm)| scalar * logarithm).sum();
        G1::generator() * logarithm
    });
    let sums = IciclePoints::new(icicle, &affine)?.sums(&[&scalars, &ones])?;
    if sums == expected { Ok(()) } else { Err(IcicleError::Differs { what: "a sum of points" }) }
}

/// A polynomial on the domain and on a coset, by the definition and by ICICLE with the domain that it has.
pub(super) fn transforms(icicle: &Icicle) -> Result<(), IcicleError> {
    let n = 1 << TRANSFORM_K;
    let omega = (TRANSFORM_K..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    let coefficients: Vec<Fr> = (0..n).map(|i| Fr::DELTA.pow_vartime([i]) + Fr::from(i)).collect();
    let at = |x: Fr| coefficients.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
    let on_coset = |shift: Fr| (0..n).map(|i| at(shift * omega.pow_vartime([i]))).collect::<Vec<Fr>>();
    let shift = Fr::MULTIPLICATIVE_GENERATOR;
    let steps = [
        ("a transform", Direction::Inverse, Fr::ONE, on_coset(Fr::ONE), coefficients.clone()),
        ("a transform on a coset", Direction::Forward, shift, coefficients.clone(), on_coset(shift)),
    ];
    for (what, direction, shift, from, expected) in steps {
        let mut to = vec![Fr::ZERO; from.len()];
        icicle.ntt(direction, shift, &from, &mut to)?;
        if to != expected {
            return Err(IcicleError::Differs { what });
        }
    }
    Ok(())
}
