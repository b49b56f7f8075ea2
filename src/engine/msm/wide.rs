//! Eight field elements at a time, with the 52-bit multiply-and-add instructions of AVX-512 IFMA.
//!
//! An element is five vectors of 52-bit limbs. Products are Montgomery products for `2^260`, while points are stored
//! in the Montgomery form for `2^256` of [`super::field`]; [`super::affine`] accounts for the difference.

use super::field;
use crate::engine::ifma::{Ifma, MASK, Wide, broadcast, limbs52};
use core::arch::x86_64::__m512i;
use pulp::cast;

/// `p` in limbs of 52 bits.
const P: [u64; 5] = limbs52(field::P);

/// `-p^-1 mod 2^52`.
const INV: u64 = field::INV & MASK;

/// `2p`: makes differences positive.
const P2: [u64; 5] = [2 * P[0], 2 * P[1], 2 * P[2], 2 * P[3], 2 * P[4]];

/// Column `i` of limb `j`: limb `j` of what brings a value `v - 4p`, where `floor(v / 2^253) = i`, into `(0, 2p)`.
const REDUCE: [[u64; 8]; 5] = reduction_table();

/// For `i 2^253 <= v < (i + 1) 2^253` the difference `v - m(i) p` is between `0.3 p` and `1.7 p`, where `m(0) = -1` and
/// else `m(i) = floor(i 2^253 / p)`. The entry is `(4 - m(i)) p`, limb by limb.
const fn reduction_table() -> [[u64; 8]; 5] {
    // 4 - m(i), with p = 1.512 2^253.
    const MULTIPLE: [u64; 8] = [5, 4, 3, 3, 2, 1, 1, 0];
    let mut table = [[0; 8]; 5];
    let mut j = 0;
    while j < 5 {
        let mut i = 0;
        while i < 8 {
            table[j][i] = P[j] * MULTIPLE[i];
            i += 1;
        }
        j += 1;
    }
    table
}

/// Arithmetic with coordinates of points, on a processor that has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Coordinates(pub(crate) Ifma);

impl std::ops::Deref for Coordinates {
    type Target = Ifma;

    #[inline(always)]
    fn deref(&self) -> &Ifma {
        &self.0
    }
}

impl Coordinates {
    /// The same element in all lanes.
    #[inline(always)]
    pub(crate) fn splat(self, value: [u64; 4]) -> Wide {
        broadcast(limbs52(value))
    }

    /// `a - b` limb by limb, with limbs that may be negative.
    #[inline(always)]
    pub(crate) fn minus(self, mut a: Wide, b: Wide) -> Wide {
        for j in 0..5 {
            a[j] = self.avx512f._mm512_sub_epi64(a[j], b[j]);
        }
        a
    }

    /// `a - b + 2p`, for `a`, `b` below `2p` in clean limbs. For use as a factor, after [`Ifma::clear`] as any value.
    #[inline(always)]
    pub(crate) fn sub(self, a: Wide, b: Wide) -> Wide {
        self.carry(self.add(self.minus(a, b), broadcast(P2)))
    }

    /// `4 (a - b + 2p)`, like [`Ifma::sub`].
    #[inline(always)]
    pub(crate) fn sub_times_four(self, a: Wide, b: Wide) -> Wide {
        let mut d = self.add(self.minus(a, b), broadcast(P2));
        for limb in &mut d {
            *limb = self.avx512f._mm512_slli_epi64::<2>(*limb);
        }
        self.carry(d)
    }

    /// The element of `v`, a value in `(-4p, 1.2 p)` whose limbs may be negative, as one in `(0, 2p)` in clean limbs.
    #[inline(always)]
    pub(crate) fn reduce(self, mut v: Wide) -> Wide {
        let f = self.avx512f;
        // The limbs below are neglected, an error of 2^-40 of a step; the 4 keeps the index from becoming negative.
        let shifted = self.plus(v[4], cast([4 * P[4] + 4; 8]));
        let index = f._mm512_srli_epi64::<{ 253 - 208 }>(shifted);
        for j in 0..5 {
            v[j] = self.plus(v[j], f._mm512_permutexvar_epi64(index, cast(REDUCE[j])));
        }
        self.clear(self.carry(v))
    }

    /// `a b / 2^260 mod p`, below `a b / 2^260 + p`. For use as a factor, after [`Ifma::clear`] as any value.
    #[inline(always)]
    pub(crate) fn mul(self, a: Wide, b: Wide) -> Wide {
        let (f, m) = (self.avx512f, self.avx512ifma);
        let zero: __m512i = cast([0u64; 8]);
        let p = broadcast(P);
        let inv: __m512i = cast([INV; 8]);
        let mut t = [zero; 6];
        for factor in b {
            for j in 0..5 {
                t[j] = m._mm512_madd52lo_epu64(t[j], a[j], factor);
            }
            let k = m._mm512_madd52lo_epu64(zero, t[0], inv);
            for j in 0..5 {
                t[j + 1] = m._mm512_madd52hi_epu64(t[j + 1], a[j], factor);
            }
            for j in 0..5 {
                t[j] = m._mm512_madd52lo_epu64(t[j], k, p[j]);
            }
            for j in 0..5 {
                t[j + 1] = m._mm512_madd52hi_epu64(t[j + 1], k, p[j]);
            }
            t[1] = self.plus(t[1], f._mm512_srli_epi64::<52>(t[0]));
            t = [t[1], t[2], t[3], t[4], t[5], zero];
        }
        self.carry([t[0], t[1], t[2], t[3], t[4]])
    }

    /// The lanes in which `a` and `b` agree.
    #[inline(always)]
    pub(crate) fn equal(self, a: __m512i, b: u64) -> u8 {
        self.avx512f._mm512_cmpeq_epi64_mask(a, cast([b; 8]))
    }
}

/// 52-bit limbs to 64-bit limbs; limbs may be above 52 bits.
pub(crate) fn limbs64(mut v: [u64; 5]) -> [u64; 4] {
    for limb in &mut v[..4] {
        *limb &= MASK;
    }
    [v[0] | v[1] << 52, v[1] >> 12 | v[2] << 40, v[2] >> 24 | v[3] << 28, v[3] >> 36 | v[4] << 16]
}

#[cfg(test)]
mod tests {
    use super::super::field::Fp;
    use super::*;
    use ff::Field as _;
    use halo2_proofs::halo2curves::bn256::Fq;
    use rand_core::OsRng;

    fn wide(values: &[Fq; 8]) -> Wide {
        let limbs = values.map(|value| limbs52(Fp::from_fq(&value).0));
        core::array::from_fn(|j| cast(limbs.map(|limb| limb[j])))
    }

    fn narrow(value: Wide) -> [Fq; 8] {
        let limbs: [[u64; 8]; 5] = value.map(cast);
        core::array::from_fn(|lane| Fp(limbs64(limbs.map(|limb| limb[lane]))).to_fq())
    }

    #[test]
    fn agrees_with_halo2curves() {
        let Some(ifma) = Ifma::try_new().map(Coordinates) else { return };
        let edge = [Fq::ZERO, Fq::ONE, -Fq::ONE, Fq::from(2), -Fq::from(2)];
        // A product of Montgomery forms for 2^256 with reduction by 2^260 is short of a factor 16.
        let sixteenth = Fq::from(16).invert().unwrap();
        for i in 0..2000 {
            let pick = |k: usize| if (i + k).is_multiple_of(3) { edge[i * k % 5] } else { Fq::random(OsRng) };
            let (a, b): ([Fq; 8], [Fq; 8]) =
                (core::array::from_fn(|k| pick(k + 1)), core::array::from_fn(|k| pick(k + 5)));
            let (x, y) = (wide(&a), wide(&b));
            let expect = |f: fn(Fq, Fq) -> Fq| core::array::from_fn(|k| f(a[k], b[k]));
            assert_eq!(narrow(ifma.reduce(ifma.minus(x, y))), expect(|a, b| a - b));
            let product = ifma.mul(x, y);
            assert_eq!(narrow(ifma.reduce(ifma.clear(product))), expect(|a, b| a * b).map(|v| v * sixteenth));
            let product = ifma.mul(ifma.sub(x, y), ifma.sub_times_four(y, x));
            let square = expect(|a, b| (a - b).square()).map(|v| -v * Fq::from(4) * sixteenth);
            assert_eq!(narrow(ifma.reduce(ifma.clear(product))), square);
            assert_eq!(narrow(ifma.unpack(ifma.pack(x))), a);
        }
    }

    #[test]
    fn reduces_at_the_edges() {
        let Some(ifma) = Ifma::try_new().map(Coordinates) else { return };
        let (zero, one) = ([0; 4], [1, 0, 0, 0]);
        let twice = [field::P2[0] - 1, field::P2[1], field::P2[2], field::P2[3]];
        for (from, less, lesser) in [(zero, twice, twice), (zero, zero, zero), (one, zero, one), (one, twice, one)] {
            let v = ifma.minus(ifma.minus(ifma.splat(from), ifma.splat(less)), ifma.splat(lesser));
            let limbs: [[u64; 8]; 5] = ifma.reduce(v).map(cast);
            let got = Fp(limbs64(limbs.map(|limb| limb[0])));
            assert_eq!(got.to_fq(), Fp(from).to_fq() - Fp(less).to_fq() - Fp(lesser).to_fq());
            assert!(got.0.iter().rev().lt(field::P2.iter().rev()));
        }
    }
}
