//! Eight integers of 260 bits at a time, with the 52-bit multiply-and-add instructions of AVX-512 IFMA: what scalars and coordinates have in common.
//!
//! An integer is five vectors of 52-bit limbs. Limbs may be above 52 bits, or negative, where a function says so.

#![expect(
    clippy::needless_range_loop,
    reason = "iterators are functions of their own, compiled without the instructions"
)]

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
// iterator adapters, which are functions of their own.

pub(crate) const MASK: u64 = (1 << 52) - 1;

/// Eight integers.
pub(crate) type Wide = [__m512i; 5];

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

/// One vector a limb, the same in all lanes.
#[inline(always)]
pub(crate) fn broadcast(limbs: [u64; 5]) -> Wide {
    [cast([limbs[0]; 8]), cast([limbs[1]; 8]), cast([limbs[2]; 8]), cast([limbs[3]; 8]), cast([limbs[4]; 8])]
}

impl Ifma {
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
    pub(crate) fn join<const RIGHT: u32, const LEFT: u32>(self, a: __m512i, b: __m512i) -> __m512i {
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
    pub(crate) fn carry(self, mut v: Wide) -> Wide {
        for j in 0..4 {
            v[j + 1] = self.plus(v[j + 1], self.avx512f._mm512_srai_epi64::<52>(v[j]));
        }
        v
    }

    /// `a + b`.
    #[inline(always)]
    pub(crate) fn plus(self, a: __m512i, b: __m512i) -> __m512i {
        self.avx512f._mm512_add_epi64(a, b)
    }

    /// `a + b`, limb by limb.
    #[inline(always)]
    pub(crate) fn add(self, mut a: Wide, b: Wide) -> Wide {
        for j in 0..5 {
            a[j] = self.plus(a[j], b[j]);
        }
        a
    }

    /// Clears what is above 52 bits.
    #[inline(always)]
    pub(crate) fn clear(self, mut v: Wide) -> Wide {
        for j in 0..5 {
            v[j] = self.avx512f._mm512_and_si512(v[j], cast([MASK; 8]));
        }
        v
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposes() {
        let Some(ifma) = Ifma::try_new() else { return };
        let rows: [__m512i; 8] =
            core::array::from_fn(|i| cast(core::array::from_fn::<u64, 8, _>(|j| (8 * i + j) as u64)));
        let columns: [[u64; 8]; 8] = ifma.transpose(rows).map(cast);
        assert!((0..8).all(|i| (0..8).all(|j| columns[i][j] == (8 * j + i) as u64)));
    }
}
