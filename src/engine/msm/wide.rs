//! Eight field elements at a time, with the 52-bit multiply-and-add instructions of AVX-512 IFMA.
//!
//! An element is five vectors of 52-bit limbs. Products are Montgomery products for `2^260`, while points are stored
//! in the Montgomery form for `2^256` of [`super::field`]; [`super::affine`] accounts for the difference.

use super::field;
use core::arch::x86_64::__m512i;
use pulp::cast;

pulp::simd_type! {
    /// Proof that the processor has the instructions.
    pub(crate) struct Ifma {
        pub(crate) avx512f: "avx512f",
        pub(crate) avx512ifma: "avx512ifma",
    }
}

// Instructions are inlined only where the compiler knows that the processor has them: loops rather than closures and
// iterators, which are functions of their own.

const MASK: u64 = (1 << 52) - 1;

/// `p` in limbs of 52 bits.
const P: [u64; 5] = limbs52(field::P);

/// `-p^-1 mod 2^52`.
const INV: u64 = field::INV & MASK;

/// `2p`: makes differences positive.
const P2: [u64; 5] = [2 * P[0], 2 * P[1], 2 * P[2], 2 * P[3], 2 * P[4]];

/// Column `i` of limb `j`: limb `j` of what brings a value `v - 4p`, where `floor(v / 2^253) = i`, into `(0, 2p)`.
const REDUCE: [[u64; 8]; 5] = reduction_table();

/// 64-bit limbs to 52-bit limbs.
pub(crate) const fn limbs52(v: [u64; 4]) -> [u64; 5] {
    [
        v[0] & MASK,
        (v[0] >> 52 | v[1] << 12) & MASK,
        (v[1] >> 40 | v[2] << 24) & MASK,
        (v[2] >> 28 | v[3] << 36) & MASK,
        v[3] >> 16,
    ]
}

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

/// One vector a limb, the same in all lanes.
#[inline(always)]
fn broadcast(limbs: [u64; 5]) -> Wide {
    [cast([limbs[0]; 8]), cast([limbs[1]; 8]), cast([limbs[2]; 8]), cast([limbs[3]; 8]), cast([limbs[4]; 8])]
}

/// Eight elements. Limbs may be above 52 bits, or negative, where a function says so.
pub(crate) type Wide = [__m512i; 5];

impl Ifma {
    /// The same element in all lanes.
    #[inline(always)]
    pub(crate) fn splat(self, value: [u64; 4]) -> Wide {
        broadcast(limbs52(value))
    }

    /// From four vectors of 64-bit limbs.
    #[inline(always)]
    pub(crate) fn unpack(self, v: [__m512i; 4]) -> Wide {
        let f = self.avx512f;
        [
            f._mm512_and_si512(v[0], cast([MASK; 8])),
            self.join::<52, 12>(v[0], v[1]),
            self.join::<40, 24>(v[1], v[2]),
            self.join::<28, 36>(v[2], v[3]),
            f._mm512_srli_epi64::<16>(v[3]),
        ]
    }

    /// 52 bits of `a >> RIGHT | b << LEFT`.
    #[inline(always)]
    fn join<const RIGHT: u32, const LEFT: u32>(self, a: __m512i, b: __m512i) -> __m512i {
        let f = self.avx512f;
        let (a, b) = (f._mm512_srli_epi64::<RIGHT>(a), f._mm512_slli_epi64::<LEFT>(b));
        // (a | b) & mask
        f._mm512_ternarylogic_epi64::<0xa8>(a, b, cast([MASK; 8]))
    }

    /// To four vectors of 64-bit limbs; the limbs must be of 52 bits.
    #[inline(always)]
    pub(crate) fn pack(self, v: Wide) -> [__m512i; 4] {
        let f = self.avx512f;
        [
            f._mm512_or_si512(v[0], f._mm512_slli_epi64::<52>(v[1])),
            f._mm512_or_si512(f._mm512_srli_epi64::<12>(v[1]), f._mm512_slli_epi64::<40>(v[2])),
            f._mm512_or_si512(f._mm512_srli_epi64::<24>(v[2]), f._mm512_slli_epi64::<28>(v[3])),
            f._mm512_or_si512(f._mm512_srli_epi64::<36>(v[3]), f._mm512_slli_epi64::<16>(v[4])),
        ]
    }

    /// Moves what is above 52 bits, or the sign, to the next limb. Leaves it in place too: products ignore it.
    #[inline(always)]
    fn carry(self, mut v: Wide) -> Wide {
        for j in 0..4 {
            v[j + 1] = self.add(v[j + 1], self.avx512f._mm512_srai_epi64::<52>(v[j]));
        }
        v
    }

    /// Clears what is above 52 bits.
    #[inline(always)]
    pub(crate) fn clear(self, mut v: Wide) -> Wide {
        for limb in &mut v {
            *limb = self.avx512f._mm512_and_si512(*limb, cast([MASK; 8]));
        }
        v
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        self.avx512f._mm512_add_epi64(a, b)
    }

    /// `a + b` limb by limb.
    #[inline(always)]
    fn plus(self, mut a: Wide, b: Wide) -> Wide {
        for j in 0..5 {
            a[j] = self.add(a[j], b[j]);
        }
        a
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
        self.carry(self.plus(self.minus(a, b), broadcast(P2)))
    }

    /// `4 (a - b + 2p)`, like [`Ifma::sub`].
    #[inline(always)]
    pub(crate) fn sub_times_four(self, a: Wide, b: Wide) -> Wide {
        let mut d = self.plus(self.minus(a, b), broadcast(P2));
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
        let shifted = self.add(v[4], cast([4 * P[4] + 4; 8]));
        let index = f._mm512_srli_epi64::<{ 253 - 208 }>(shifted);
        for j in 0..5 {
            v[j] = self.add(v[j], f._mm512_permutexvar_epi64(index, cast(REDUCE[j])));
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
            t[1] = self.add(t[1], f._mm512_srli_epi64::<52>(t[0]));
            t = [t[1], t[2], t[3], t[4], t[5], zero];
        }
        self.carry([t[0], t[1], t[2], t[3], t[4]])
    }

    /// Rows to columns of an 8 by 8 matrix.
    #[inline(always)]
    pub(crate) fn transpose(self, r: [__m512i; 8]) -> [__m512i; 8] {
        // Pairs of rows: columns 0 2 4 6 and 1 3 5 7.
        let f = self.avx512f;
        let mut even = [r[0]; 4];
        let mut odd = even;
        for i in 0..4 {
            even[i] = f._mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
            odd[i] = f._mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]);
        }
        let [c0, c2, c4, c6] = self.transpose_pairs(even);
        let [c1, c3, c5, c7] = self.transpose_pairs(odd);
        [c0, c1, c2, c3, c4, c5, c6, c7]
    }

    /// Transposes a 4 by 4 matrix of pairs.
    #[inline(always)]
    fn transpose_pairs(self, r: [__m512i; 4]) -> [__m512i; 4] {
        let f = self.avx512f;
        let a = f._mm512_shuffle_i64x2::<0x88>(r[0], r[1]);
        let b = f._mm512_shuffle_i64x2::<0xdd>(r[0], r[1]);
        let c = f._mm512_shuffle_i64x2::<0x88>(r[2], r[3]);
        let d = f._mm512_shuffle_i64x2::<0xdd>(r[2], r[3]);
        [
            f._mm512_shuffle_i64x2::<0x88>(a, c),
            f._mm512_shuffle_i64x2::<0x88>(b, d),
            f._mm512_shuffle_i64x2::<0xdd>(a, c),
            f._mm512_shuffle_i64x2::<0xdd>(b, d),
        ]
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
        let Some(ifma) = Ifma::try_new() else { return };
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
    fn transposes() {
        let Some(ifma) = Ifma::try_new() else { return };
        let rows: [__m512i; 8] =
            core::array::from_fn(|i| cast(core::array::from_fn::<u64, 8, _>(|j| (8 * i + j) as u64)));
        let columns: [[u64; 8]; 8] = ifma.transpose(rows).map(cast);
        assert!((0..8).all(|i| (0..8).all(|j| columns[i][j] == (8 * j + i) as u64)));
    }

    #[test]
    fn reduces_at_the_edges() {
        let Some(ifma) = Ifma::try_new() else { return };
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
