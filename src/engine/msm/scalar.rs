//! What is in a column of scalars: zeros, small values of either sign, long runs, and the rest.

use ff::PrimeField as _;
use halo2_proofs::halo2curves::bn256::Fr;

/// The order `r` of the group.
const ORDER: [u64; 4] = [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];

/// `(r - 1) / 2`: a scalar above it is taken as negative.
const HALF_ORDER: [u64; 4] =
    [0xa1f0_fac9_f800_0000, 0x9419_f424_3cdc_b848, 0xdc28_22db_40c0_ac2e, 0x1832_2739_7098_d014];

/// From this many equal scalars in a row on, their points are summed first and the scalar is applied once.
const RUN: usize = 16;

/// An integer with its sign apart.
#[derive(Clone, Copy)]
pub(crate) struct Signed {
    pub(crate) magnitude: u128,
    pub(crate) negative: bool,
}

/// A run of equal scalars, not zero.
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) value: Value,
}

/// A scalar, as the sums use it.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// `|scalar| < 2^64`: applied to the point.
    Small { magnitude: u64, negative: bool },
    /// Otherwise: `scalar = .0 + .1 * Fr::ZETA` with both parts below `2^126`; the first is applied to the point,
    /// the second to its image under the endomorphism.
    Split(Signed, Signed),
}

/// Calls `single(row, value)` for the scalars that are not zero, and `run` for long runs of equal ones.
///
/// Cost: 20 to 60 ns a scalar, about 2 for a zero or a repeated one.
pub(crate) fn scan(scalars: &[Fr], mut single: impl FnMut(usize, Value), mut run: impl FnMut(Run)) {
    let mut start = 0;
    while start < scalars.len() {
        let scalar = &scalars[start];
        let end = start + scalars[start..].iter().take_while(|other| *other == scalar).count();
        if *scalar != Fr::zero() {
            let value = Value::from_scalar(scalar);
            if end - start >= RUN {
                run(Run { start, end, value });
            } else {
                (start..end).for_each(|row| single(row, value));
            }
        }
        start = end;
    }
}

impl Value {
    fn from_scalar(scalar: &Fr) -> Self {
        let limbs = limbs(scalar);
        let negative = less(&HALF_ORDER, &limbs);
        let absolute = if negative { subtract(&ORDER, &limbs) } else { limbs };
        if absolute[1..] == [0; 3] {
            return Self::Small { magnitude: absolute[0], negative };
        }
        let (first, second) = split(&limbs);
        Self::Split(first, second)
    }
}

/// The canonical value of a scalar, little-endian limbs.
fn limbs(scalar: &Fr) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(scalar.to_repr().as_ref().chunks_exact(8)) {
        *limb = bytes.iter().rev().fold(0, |acc, byte| acc << 8 | u64::from(*byte));
    }
    limbs
}

fn less(a: &[u64; 4], b: &[u64; 4]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn subtract(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let (mut out, mut borrow) = ([0; 4], false);
    for i in 0..4 {
        (out[i], borrow) = a[i].borrowing_sub(b[i], borrow);
    }
    out
}

// The lattice of all (u, v) with u + v ZETA = 0 mod r has the short basis (A, C), (D, -A), and A^2 + C D = r.
const A: u128 = 0x89d3_2568_94d2_13e3;
const C: u128 = 0x6f4d_8248_eeb8_59fd_0be4_e154_1221_250b;
const D: u128 = 0x6f4d_8248_eeb8_59fc_8211_bbeb_7d4f_1128;

/// `round(2^262 A / r)` and `round(2^262 C / r)`. Six bits more than 256 keep the parts of [`split`] below `2^126`.
const A_OVER_ORDER: [u64; 2] = [0x4748_cbb1_f82c_f5dc, 0xb6];
const C_OVER_ORDER: [u64; 3] = [0xe63f_40c0_3fd9_5945, 0x33bc_0529_dcf4_b494, 0x93];

/// Writes `k = u + v ZETA mod r` with `|u|, |v| < 2^126`, by subtracting from `(k, 0)` the lattice point near it.
///
/// The parts are computed mod `2^128`, which is enough since they fit.
fn split(k: &[u64; 4]) -> (Signed, Signed) {
    let first = multiply_round(k, &A_OVER_ORDER);
    let second = multiply_round(k, &C_OVER_ORDER);
    let low = u128::from(k[0]) | u128::from(k[1]) << 64;
    let u = low.wrapping_sub(first.wrapping_mul(A)).wrapping_sub(second.wrapping_mul(D));
    let v = second.wrapping_mul(A).wrapping_sub(first.wrapping_mul(C));
    (signed(u), signed(v))
}

fn signed(value: u128) -> Signed {
    let value = value as i128;
    Signed { magnitude: value.unsigned_abs(), negative: value < 0 }
}

/// `round(k g / 2^262)`, for a result below `2^128`.
fn multiply_round<const N: usize>(k: &[u64; 4], g: &[u64; N]) -> u128 {
    let mut product = [0u64; 8];
    for (i, &factor) in g.iter().enumerate() {
        let mut carry = 0;
        for (j, &limb) in k.iter().enumerate() {
            let t = u128::from(product[i + j]) + u128::from(limb) * u128::from(factor) + carry;
            product[i + j] = t as u64;
            carry = t >> 64;
        }
        product[i + 4] = carry as u64;
    }
    let (low, high) = (u128::from(product[4]) | u128::from(product[5]) << 64, u128::from(product[6]));
    // Half of 2^6 is added before the shift; the sum may pass 2^128.
    let (low, carry) = low.overflowing_add(32);
    low >> 6 | (high + u128::from(carry)) << 122
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::{Field as _, WithSmallOrderMulGroup as _};
    use rand_core::OsRng;

    fn to_scalar(part: &Signed) -> Fr {
        let value = Fr::from_u128(part.magnitude);
        if part.negative { -value } else { value }
    }

    #[test]
    fn every_value_is_its_scalar() {
        let powers = (0..254).map(|bit| Fr::from(2).pow([bit]));
        let near = powers.flat_map(|power| [power, -power, power + Fr::one(), power - Fr::one()]);
        let random = (0..20_000).map(|_| Fr::random(OsRng));
        for scalar in near.chain(random) {
            match Value::from_scalar(&scalar) {
                Value::Small { magnitude, negative } => {
                    let magnitude = u128::from(magnitude);
                    assert_eq!(to_scalar(&Signed { magnitude, negative }), scalar);
                }
                Value::Split(u, v) => {
                    assert!(u.magnitude < 1 << 126 && v.magnitude < 1 << 126);
                    assert_eq!(to_scalar(&u) + to_scalar(&v) * Fr::ZETA, scalar);
                }
            }
        }
    }

    #[test]
    fn runs_and_zeros_are_found() {
        let mut scalars = vec![Fr::zero(); 100];
        scalars[20..60].fill(Fr::from(7));
        scalars[70..73].fill(-Fr::from(9));
        let (mut rows, mut runs) = (Vec::new(), Vec::new());
        scan(&scalars, |row, _| rows.push(row), |run| runs.push((run.start, run.end)));
        assert_eq!(runs, [(20, 60)]);
        assert_eq!(rows, [70, 71, 72]);
    }
}
