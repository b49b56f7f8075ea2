//! The base field of BN254 as the bucket sums use it: Montgomery form, values in `[0, 2p)`.
//!
//! `halo2curves` reduces every product to `[0, p)`. The additions of a bucket sum need no unique form, so this
//! type leaves the last conditional subtraction away, which makes a product about a tenth cheaper.

use ff::Field as _;
use halo2_proofs::halo2curves::bn256::Fq;
use halo2_proofs::halo2curves::serde::SerdeObject;

/// The modulus `p`, little-endian limbs.
pub(crate) const P: [u64; 4] =
    [0x3c20_8c16_d87c_fd47, 0x9781_6a91_6871_ca8d, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];

/// `2p`.
pub(crate) const P2: [u64; 4] =
    [0x7841_182d_b0f9_fa8e, 0x2f02_d522_d0e3_951a, 0x70a0_8b6d_0302_b0bb, 0x60c8_9ce5_c263_4053];

/// `-p^-1 mod 2^64`.
pub(crate) const INV: u64 = 0x87d2_0782_e486_6389;

/// An element of the base field: `value * 2^256 mod p`, up to one more `p`.
///
/// No `PartialEq`: two representations of one element may differ.
#[derive(Clone, Copy)]
pub(crate) struct Fp(pub(crate) [u64; 4]);

impl Fp {
    /// Zero, in the one representation that [`Fp::is_literal_zero`] accepts.
    pub(crate) const ZERO: Self = Self([0; 4]);

    /// One, that is `2^256 mod p`.
    pub(crate) const ONE: Self =
        Self([0xd35d_438d_c58f_0d9d, 0x0a78_eb28_f5c7_0b3d, 0x666e_a36f_7879_462c, 0x0e0a_77c1_9a07_df2f]);

    /// Whether all limbs are zero. `p`, the other representation of zero, answers false.
    #[inline(always)]
    pub(crate) fn is_literal_zero(self) -> bool {
        self.0 == [0; 4]
    }

    /// Whether the element is zero.
    #[inline(always)]
    pub(crate) fn is_zero(self) -> bool {
        self.0 == [0; 4] || self.0 == P
    }

    /// Montgomery product, operand scanning. For factors below `2p` the result is below
    /// `4 p^2 / 2^256 + p < 2p`, and no intermediate value overflows four limbs since `p < 2^254`.
    #[inline(always)]
    pub(crate) fn mul(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        let mut t = [0u64; 4];
        for factor in b {
            let (low, mut carry) = mac(t[0], a[0], factor, 0);
            let k = low.wrapping_mul(INV);
            let (_, mut reduce) = mac(low, k, P[0], 0);
            for j in 1..4 {
                let sum;
                (sum, carry) = mac(t[j], a[j], factor, carry);
                (t[j - 1], reduce) = mac(sum, k, P[j], reduce);
            }
            t[3] = carry.wrapping_add(reduce);
        }
        Self(t)
    }

    /// `self * self`. A separate squaring was not faster than [`Fp::mul`].
    #[inline(always)]
    pub(crate) fn square(self) -> Self {
        self.mul(self)
    }

    /// Sum.
    #[inline(always)]
    pub(crate) fn add(self, other: Self) -> Self {
        let (sum, _) = add_limbs(self.0, other.0);
        let (reduced, borrow) = sub_limbs(sum, P2);
        Self(if borrow { sum } else { reduced })
    }

    /// Difference.
    #[inline(always)]
    pub(crate) fn sub(self, other: Self) -> Self {
        let (difference, borrow) = sub_limbs(self.0, other.0);
        let mask = (borrow as u64).wrapping_neg();
        Self(add_limbs(difference, P2.map(|limb| limb & mask)).0)
    }

    /// `2p - self` if `negate`, else `self`; must not be called on a literal zero.
    #[inline(always)]
    pub(crate) fn negate_if(self, negate: bool) -> Self {
        // No branch: signs are random, and a wrong guess costs as much as a product.
        let (negated, _) = sub_limbs(P2, self.0);
        let mask = u64::from(negate).wrapping_neg();
        let mut out = self.0;
        for (limb, other) in out.iter_mut().zip(negated) {
            *limb ^= (*limb ^ other) & mask;
        }
        Self(out)
    }

    /// The inverse, or zero for zero. Cost: about 1.6 us, a hundred products.
    pub(crate) fn invert(self) -> Self {
        Self::from_fq(&self.to_fq().invert().unwrap_or(Fq::ZERO))
    }

    /// From the public type. Same Montgomery form, so the limbs are copied.
    pub(crate) fn from_fq(value: &Fq) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(value.to_raw_bytes().chunks_exact(8)) {
            *limb = bytes.iter().rev().fold(0, |acc, byte| acc << 8 | u64::from(*byte));
        }
        Self(limbs)
    }

    /// To the public type, reduced below `p`.
    pub(crate) fn to_fq(self) -> Fq {
        let (reduced, borrow) = sub_limbs(self.0, P);
        let limbs = if borrow { self.0 } else { reduced };
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        Fq::from_raw_bytes_unchecked(&bytes)
    }
}

/// `a + b c + carry` as (low, high) limb.
#[inline(always)]
fn mac(a: u64, b: u64, c: u64, carry: u64) -> (u64, u64) {
    let t = u128::from(a) + u128::from(b) * u128::from(c) + u128::from(carry);
    (t as u64, (t >> 64) as u64)
}

#[inline(always)]
fn add_limbs(a: [u64; 4], b: [u64; 4]) -> ([u64; 4], bool) {
    let (mut out, mut carry) = ([0; 4], false);
    for i in 0..4 {
        (out[i], carry) = a[i].carrying_add(b[i], carry);
    }
    (out, carry)
}

#[inline(always)]
fn sub_limbs(a: [u64; 4], b: [u64; 4]) -> ([u64; 4], bool) {
    let (mut out, mut borrow) = ([0; 4], false);
    for i in 0..4 {
        (out[i], borrow) = a[i].borrowing_sub(b[i], borrow);
    }
    (out, borrow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    #[test]
    fn agrees_with_halo2curves() {
        let edge = [Fq::ZERO, Fq::ONE, -Fq::ONE, Fq::from(2), -Fq::from(2)];
        let random = (0..200).map(|_| Fq::random(OsRng));
        let values: Vec<Fq> = edge.into_iter().chain(random).collect();
        for a in &values {
            for b in &values {
                let (x, y) = (Fp::from_fq(a), Fp::from_fq(b));
                assert_eq!(x.mul(y).to_fq(), a * b);
                assert_eq!(x.add(y).to_fq(), a + b);
                assert_eq!(x.sub(y).to_fq(), a - b);
                assert_eq!(x.sub(y).is_zero(), a == b);
                // Once more on unreduced operands.
                let (s, d) = (x.add(y).add(y), x.sub(y).sub(y));
                assert_eq!(s.mul(d).to_fq(), (a + b + b) * (a - b - b));
                assert_eq!(s.sub(d).to_fq(), b + b + b + b);
                assert!(s.sub(s.add(d)).add(d).is_zero());
            }
            assert_eq!(Fp::from_fq(a).invert().to_fq(), a.invert().unwrap_or(Fq::ZERO));
        }
    }
}
