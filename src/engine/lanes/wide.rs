//! Eight scalars at a time, with the 52-bit multiply-and-add instructions of AVX-512 IFMA.
//!
//! An element is five vectors of 52-bit limbs, a value below `2^260 = 84.6 p`. Limbs may be above 52 bits or negative
//! until [`Ifma::carry`]; sums are not reduced at all. What bounds the values is said where they are used.

#![expect(
    clippy::needless_range_loop,
    reason = "iterators are functions of their own, compiled without the instructions"
)]

use super::limbs;
use crate::engine::ifma::{Ifma, MASK, Wide, broadcast, limbs52};
use core::arch::x86_64::__m512i;
use halo2_proofs::halo2curves::bn256::Fr;
use pulp::cast;
use std::hint::black_box;

/// `p` in limbs of 52 bits.
pub(in crate::engine) const P: [u64; 5] = limbs52(limbs::P);

/// `-p^-1 mod 2^52`.
const INV: u64 = limbs::INV & MASK;

/// `2^-52 mod p`, less than `p / 8`.
const SHIFT: [u64; 5] =
    [0x8_2e64_4ee4_c3d2, 0xf_9389_3c98_b1de, 0xd_46fe_04d0_a4c7, 0x8_f0aa_d55e_2a1f, 0x5ed_0447_de83];

/// Eight elements as they lie in memory, limb by limb, in the order [`SLOTS`].
pub(in crate::engine) type Packed = [[u64; 8]; 4];

/// A factor `w` prepared for [`Ifma::scale`]: `[i]` is `w 2^(52 (i + 1)) mod p`.
pub(in crate::engine) type Factor = [[u64; 5]; 5];

/// Where in a [`Packed`] element `i` is: the order that the shuffles of [`Ifma::load`] put right.
pub(in crate::engine) const SLOTS: [usize; 8] = [0, 2, 1, 3, 4, 6, 5, 7];

/// `count p`, limb by limb.
const fn multiple(count: u64) -> [u64; 5] {
    [count * P[0], count * P[1], count * P[2], count * P[3], count * P[4]]
}

/// Lays out eight elements as [`Ifma::load`] takes them. Cost: inlined before it, none.
#[inline(always)]
pub(in crate::engine) fn read(elements: &[Fr], packed: &mut Packed) {
    for lane in 0..8 {
        let slot = SLOTS[lane];
        packed[slot / 2][slot % 2 * 4..][..4].copy_from_slice(&limbs::limbs_of(&elements[lane]));
    }
}

/// Element `lane` of what [`Ifma::store`] gives.
#[inline(always)]
pub(in crate::engine) fn element(packed: &Packed, lane: usize) -> Fr {
    let (slot, mut limbs) = (SLOTS[lane], [0; 4]);
    limbs.copy_from_slice(&packed[slot / 2][slot % 2 * 4..][..4]);
    limbs::from_limbs(limbs)
}

/// All eight elements of what [`Ifma::store`] gives.
#[inline(always)]
pub(in crate::engine) fn write(packed: &Packed, elements: &mut [Fr]) {
    for lane in 0..8 {
        elements[lane] = element(packed, lane);
    }
}

/// Prepares a factor. Cost: five multiplications.
pub(in crate::engine) fn factor(value: Fr) -> Factor {
    let form = Fr::from(1 << 52);
    let mut shifted = value;
    [(); 5].map(|()| {
        shifted *= form;
        limbs52(shifted.into())
    })
}

impl Ifma {
    /// From elements in memory. Cost: eight shuffles, nine other instructions.
    #[inline(always)]
    pub(in crate::engine) fn load(self, packed: &Packed) -> Wide {
        self.unpack(self.by_limb(packed))
    }

    /// Sixteen times elements in memory: the Montgomery form for `2^260` of what is there in that for `2^256`.
    #[inline(always)]
    pub(in crate::engine) fn load_shifted(self, packed: &Packed) -> Wide {
        let (f, v) = (self.avx512f, self.by_limb(packed));
        [
            f._mm512_and_si512(f._mm512_slli_epi64::<4>(v[0]), cast([MASK; 8])),
            self.join::<48, 16>(v[0], v[1]),
            self.join::<36, 28>(v[1], v[2]),
            self.join::<24, 40>(v[2], v[3]),
            f._mm512_srli_epi64::<12>(v[3]),
        ]
    }

    /// Element by element to limb by limb.
    #[inline(always)]
    fn by_limb(self, packed: &Packed) -> [__m512i; 4] {
        let f = self.avx512f;
        let [a, b, c, d] = [cast(packed[0]), cast(packed[1]), cast(packed[2]), cast(packed[3])];
        let (ab02, ab13) = (f._mm512_unpacklo_epi64(a, b), f._mm512_unpackhi_epi64(a, b));
        let (cd02, cd13) = (f._mm512_unpacklo_epi64(c, d), f._mm512_unpackhi_epi64(c, d));
        [
            f._mm512_shuffle_i64x2::<0x88>(ab02, cd02),
            f._mm512_shuffle_i64x2::<0x88>(ab13, cd13),
            f._mm512_shuffle_i64x2::<0xdd>(ab02, cd02),
            f._mm512_shuffle_i64x2::<0xdd>(ab13, cd13),
        ]
    }

    /// To elements in memory; limbs must be of 52 bits and the value below `2^256`.
    #[inline(always)]
    pub(in crate::engine) fn store(self, v: Wide) -> Packed {
        let f = self.avx512f;
        let [v0, v1, v2, v3] = self.pack(v);
        let (even01, even23) = (f._mm512_unpacklo_epi64(v0, v1), f._mm512_unpacklo_epi64(v2, v3));
        let (odd01, odd23) = (f._mm512_unpackhi_epi64(v0, v1), f._mm512_unpackhi_epi64(v2, v3));
        let low = cast([0u64, 1, 8, 9, 2, 3, 10, 11]);
        let high = cast([4u64, 5, 12, 13, 6, 7, 14, 15]);
        [
            cast(f._mm512_permutex2var_epi64(even01, low, even23)),
            cast(f._mm512_permutex2var_epi64(odd01, low, odd23)),
            cast(f._mm512_permutex2var_epi64(even01, high, even23)),
            cast(f._mm512_permutex2var_epi64(odd01, high, odd23)),
        ]
    }

    /// `a + count p - b`, limb by limb.
    #[inline(always)]
    pub(in crate::engine) fn sub(self, mut a: Wide, b: Wide, count: u64) -> Wide {
        let offset = broadcast(multiple(count));
        for j in 0..5 {
            a[j] = self.avx512f._mm512_sub_epi64(self.plus(a[j], offset[j]), b[j]);
        }
        a
    }

    /// `t + v k mod 2^52`, `t` of six limbs.
    #[inline(always)]
    fn accumulate(self, mut t: [__m512i; 6], v: Wide, k: __m512i) -> [__m512i; 6] {
        let m = self.avx512ifma;
        for j in 0..5 {
            t[j] = m._mm512_madd52lo_epu64(t[j], v[j], k);
        }
        for j in 0..5 {
            t[j + 1] = m._mm512_madd52hi_epu64(t[j + 1], v[j], k);
        }
        t
    }

    /// `(t + k p) / 2^52` for the `k` below `2^52` that makes it whole.
    #[inline(always)]
    fn shift(self, t: [__m512i; 6]) -> Wide {
        let zero = cast([0u64; 8]);
        let k = self.avx512ifma._mm512_madd52lo_epu64(zero, t[0], cast([INV; 8]));
        let mut t = self.accumulate(t, broadcast(P), k);
        t[1] = self.plus(t[1], self.avx512f._mm512_srli_epi64::<52>(t[0]));
        [t[1], t[2], t[3], t[4], t[5]]
    }

    /// Two products `y w mod p`, below `6p`, of carried factors below `2^260`.
    ///
    /// Every limb of `y` has its own multiple of `w`, so that the sum is one limb too long rather than five.
    /// Cost: 61 multiply-and-adds each, where [`Ifma::mul`] takes 105. Two, so that they wait less.
    #[inline(always)]
    pub(in crate::engine) fn scale(self, y: [Wide; 2], w: [&Factor; 2]) -> [Wide; 2] {
        let zero: __m512i = cast([0u64; 8]);
        let (mut s, mut t) = ([zero; 6], [zero; 6]);
        for i in 0..5 {
            s = self.accumulate(s, broadcast(w[0][i]), y[0][i]);
            t = self.accumulate(t, broadcast(w[1][i]), y[1][i]);
        }
        [self.shift(s), self.shift(t)]
    }

    /// `t / 2^52 mod p` up to a multiple of `p`, below `t / 2^52 + 2^52 p / 8`.
    ///
    /// Shorter and sooner done than [`Ifma::shift`], since no factor is to be found, but one limb too long.
    #[inline(always)]
    fn fold(self, t: [__m512i; 6]) -> [__m512i; 6] {
        let first = self.plus(t[1], self.avx512f._mm512_srli_epi64::<52>(t[0]));
        self.accumulate([first, t[2], t[3], t[4], t[5], cast([0u64; 8])], broadcast(SHIFT), t[0])
    }

    /// Two products `a b / 2^260 mod p`, below `a b / 2^260 + 1.13 p`, of carried factors below `2^260`. Not carried.
    #[inline(always)]
    pub(in crate::engine) fn mul(self, a: [Wide; 2], b: [Wide; 2]) -> [Wide; 2] {
        let zero: __m512i = cast([0u64; 8]);
        let (mut s, mut t) = ([zero; 6], [zero; 6]);
        // Unrolled, the compiler would do the sums one by one, every step waiting for the last.
        let rows = black_box(4);
        for (x, y) in b[0][..rows].iter().zip(&b[1][..rows]) {
            s = self.fold(self.accumulate(s, a[0], *x));
            t = self.fold(self.accumulate(t, a[1], *y));
        }
        s = self.accumulate(s, a[0], b[0][4]);
        t = self.accumulate(t, a[1], b[1][4]);
        [self.shift(s), self.shift(t)]
    }

    /// `v / 2^bits mod p` in `[0, p)`, in limbs of 52 bits, for `v` below `2^260`, not carried, and below
    /// `2^bits p`; `bits <= 52`.
    #[inline(always)]
    pub(in crate::engine) fn divide(self, v: Wide, bits: u32) -> Wide {
        let (f, zero) = (self.avx512f, cast([0u64; 8]));
        let k = self.avx512ifma._mm512_madd52lo_epu64(zero, v[0], cast([INV; 8]));
        let k = f._mm512_and_si512(k, cast([(1u64 << bits) - 1; 8]));
        let mut t = self.accumulate([v[0], v[1], v[2], v[3], v[4], zero], broadcast(P), k);
        for j in 0..5 {
            t[j + 1] = self.plus(t[j + 1], f._mm512_srai_epi64::<52>(t[j]));
            t[j] = f._mm512_and_si512(t[j], cast([MASK; 8]));
        }
        let (right, left) = (cast([u64::from(bits); 8]), cast([u64::from(52 - bits); 8]));
        let mut v = [zero; 5];
        for j in 0..5 {
            let (low, high) = (f._mm512_srlv_epi64(t[j], right), f._mm512_sllv_epi64(t[j + 1], left));
            v[j] = f._mm512_ternarylogic_epi64::<0xa8>(low, high, cast([MASK; 8]));
        }
        self.subtract_once(v)
    }

    /// `v` in `[0, p)`, in limbs of 52 bits, for `v` below `2p`.
    #[inline(always)]
    pub(in crate::engine) fn reduce(self, v: Wide) -> Wide {
        self.subtract_once(self.clear(self.carry(v)))
    }

    /// `v` or `v - p`, for `v` below `2p` in limbs of 52 bits.
    #[inline(always)]
    fn subtract_once(self, v: Wide) -> Wide {
        let f = self.avx512f;
        let mut d = v;
        let p = broadcast(P);
        for j in 0..5 {
            d[j] = f._mm512_sub_epi64(v[j], p[j]);
        }
        let d = self.carry(d);
        let enough = f._mm512_cmpge_epi64_mask(d[4], cast([0u64; 8]));
        let mut out = v;
        for j in 0..5 {
            out[j] = f._mm512_mask_and_epi64(v[j], enough, d[j], cast([MASK; 8]));
        }
        out
    }
}
