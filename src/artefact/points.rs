//! Canonical bytes of scalars and points of BN254, in the order the EVM's precompiles use (EIP-196, EIP-197).

use group::cofactor::CofactorGroup;
use halo2_proofs::halo2curves::{
    CurveAffine,
    bn256::{Fq, Fq2, Fr, G1Affine, G2, G2Affine},
};
use thiserror::Error;

/// Bytes of an encoded scalar.
pub const FR_BYTES: usize = 32;
/// Bytes of an encoded point of G1.
pub const G1_BYTES: usize = 64;
/// Bytes of an encoded point of G2.
pub const G2_BYTES: usize = 128;

/// Why bytes are not the encoding of a scalar or a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// A number is not below the modulus, so it has a second spelling.
    #[error("the {0} is not below the modulus")]
    NotCanonical(&'static str),
    /// The coordinates do not satisfy the curve equation.
    #[error("the point is not on the curve")]
    NotOnCurve,
    /// On the twist, outside the group of prime order.
    #[error("the point is on the curve but outside the subgroup of prime order")]
    NotInSubgroup,
    /// The identity, where it has no business.
    #[error("the point is the identity, which is not allowed here")]
    Identity,
}

/// 32 bytes, big-endian, below the group order.
pub fn encode_fr(scalar: &Fr) -> [u8; FR_BYTES] {
    let mut bytes = scalar.to_bytes();
    bytes.reverse();
    bytes
}

/// Inverse of [`encode_fr`].
///
/// # Errors
/// [`EncodingError::NotCanonical`].
pub fn decode_fr(bytes: &[u8; FR_BYTES]) -> Result<Fr, EncodingError> {
    let mut little = *bytes;
    little.reverse();
    Option::from(Fr::from_bytes(&little)).ok_or(EncodingError::NotCanonical("scalar"))
}

/// `x || y`, 32 bytes big-endian each; the identity is 64 zero bytes.
pub fn encode_g1(point: &G1Affine) -> [u8; G1_BYTES] {
    // The library's affine identity is (0, 0) already, so it needs no case of its own; likewise in G2.
    let mut bytes = [0; G1_BYTES];
    put_fq(&mut bytes[..32], &point.x);
    put_fq(&mut bytes[32..], &point.y);
    bytes
}

/// Inverse of [`encode_g1`]. G1 has cofactor 1, so the curve equation is the whole check. About 0.3 microseconds.
///
/// # Errors
/// [`EncodingError::NotCanonical`], [`EncodingError::NotOnCurve`].
pub fn decode_g1(bytes: &[u8; G1_BYTES]) -> Result<G1Affine, EncodingError> {
    let x = take_fq(&bytes[..32], "x coordinate")?;
    let y = take_fq(&bytes[32..], "y coordinate")?;
    // (0, 0) passes as the identity.
    Option::from(G1Affine::from_xy(x, y)).ok_or(EncodingError::NotOnCurve)
}

/// `x.c1 || x.c0 || y.c1 || y.c0`, 32 bytes big-endian each; the identity is 128 zero bytes.
pub fn encode_g2(point: &G2Affine) -> [u8; G2_BYTES] {
    let mut bytes = [0; G2_BYTES];
    put_fq(&mut bytes[..32], &point.x.c1);
    put_fq(&mut bytes[32..64], &point.x.c0);
    put_fq(&mut bytes[64..96], &point.y.c1);
    put_fq(&mut bytes[96..], &point.y.c0);
    bytes
}

/// Inverse of [`encode_g2`], with the subgroup check (a multiplication by the group order, below a millisecond).
///
/// # Errors
/// [`EncodingError::NotCanonical`], [`EncodingError::NotOnCurve`], [`EncodingError::NotInSubgroup`].
pub fn decode_g2(bytes: &[u8; G2_BYTES]) -> Result<G2Affine, EncodingError> {
    let c1 = take_fq(&bytes[..32], "x coordinate")?;
    let c0 = take_fq(&bytes[32..64], "x coordinate")?;
    let x = Fq2 { c0, c1 };
    let c1 = take_fq(&bytes[64..96], "y coordinate")?;
    let c0 = take_fq(&bytes[96..], "y coordinate")?;
    checked_g2(x, Fq2 { c0, c1 })
}

/// The point with these coordinates, after the curve and subgroup checks.
pub(crate) fn checked_g2(x: Fq2, y: Fq2) -> Result<G2Affine, EncodingError> {
    let point: Option<G2Affine> = G2Affine::from_xy(x, y).into();
    let point = point.ok_or(EncodingError::NotOnCurve)?;
    if bool::from(G2::from(point).is_torsion_free()) { Ok(point) } else { Err(EncodingError::NotInSubgroup) }
}

fn put_fq(out: &mut [u8], value: &Fq) {
    for (to, from) in out.iter_mut().zip(value.to_bytes().iter().rev()) {
        *to = *from;
    }
}

/// `bytes` has 32 bytes; the zip makes a shorter slice harmless.
fn take_fq(bytes: &[u8], what: &'static str) -> Result<Fq, EncodingError> {
    let mut little = [0; 32];
    for (to, from) in little.iter_mut().zip(bytes.iter().rev()) {
        *to = *from;
    }
    Option::from(Fq::from_bytes(&little)).ok_or(EncodingError::NotCanonical(what))
}
