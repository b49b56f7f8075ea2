//! [`Arithmetic`] sixteen elements at a time.
//!
//! Values are in the Montgomery form for `2^260`, that of the products: 16 times the form of `halo2curves`.

use super::wide::{Factor, P, Packed, read, write};
use super::{Arithmetic, Kernel};
use crate::engine::ifma::{Ifma, Wide, limbs52};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use pulp::{NullaryFnOnce, cast};
use std::ops::{Add, Mul, Sub};

/// Twice eight elements: values in `(-42p, 42p)`, limbs not carried.
///
/// Twice, since products of two that do not depend on each other wait less, and share a call.
#[derive(Clone, Copy, Debug)]
pub struct Sixteen {
    ifma: Ifma,
    limbs: [Wide; 2],
}

/// See [`super::super::run`].
pub(in crate::engine) struct Vectorized<K> {
    pub(in crate::engine) ifma: Ifma,
    pub(in crate::engine) kernel: K,
}

impl<K: Kernel> NullaryFnOnce for Vectorized<K> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.kernel.run(self.ifma)
    }
}

/// A table for [`Ifma::offset`]: entry `i` times `p` is what a value is short of `from p`, if that plus it is between
/// `i` and `i + 1` times `2^bits`.
const fn offsets(from: u64, bits: u32) -> [[u64; 8]; 5] {
    let mut table = [[0; 8]; 5];
    let mut i = 0;
    while i < 8 {
        // floor(i 2^bits / p), on the upper 52 bits of each.
        let down = ((i as u128) << (bits - 208)) / (P[4] as u128 + 1);
        let mut j = 0;
        while j < 5 {
            // Limbs may be negative, in two's complement.
            table[j][i] = P[j].wrapping_mul(from.wrapping_sub(down as u64));
            j += 1;
        }
        i += 1;
    }
    table
}

/// Brings `(-42p, 42p)` into `(0, 13p)`: steps of `2^257 = 10.6p`.
const FACTORS: [[u64; 8]; 5] = offsets(43, 257);
/// Brings `[0, 16p)` into `[0, 4p)`: steps of `2^255 = 2.65p`.
const LOADED: [[u64; 8]; 5] = offsets(0, 255);

impl Ifma {
    /// Adds the multiple of `p` in the entry of `table` that the upper limb of `v` plus `shift` selects.
    #[inline(always)]
    fn offset<const BITS: u32>(self, mut v: Wide, shift: u64, table: &[[u64; 8]; 5]) -> Wide {
        let f = self.avx512f;
        let index = f._mm512_srli_epi64::<BITS>(f._mm512_add_epi64(v[4], cast([shift; 8])));
        for j in 0..5 {
            v[j] = f._mm512_add_epi64(v[j], f._mm512_permutexvar_epi64(index, cast(table[j])));
        }
        v
    }

    #[inline(always)]
    fn load_eight(self, elements: &[Fr]) -> Wide {
        let mut packed: Packed = [[0; 8]; 4];
        read(elements, &mut packed);
        self.offset::<{ 255 - 208 }>(self.load_shifted(&packed), 0, &LOADED)
    }

    /// `v` in `(0, 13p)`, not carried, for `v` in `(-42p, 42p)`.
    #[inline(always)]
    fn positive(self, v: Wide) -> Wide {
        // The limbs below the upper one are neglected, and may be negative: 2^20 is more than they carry.
        self.offset::<{ 257 - 208 }>(v, 42 * (P[4] + 1) + (1 << 20), &FACTORS)
    }

    /// As a factor: carried, in `(0, 13p)`.
    #[inline(always)]
    fn carried(self, v: [Wide; 2]) -> [Wide; 2] {
        [self.carry(self.positive(v[0])), self.carry(self.positive(v[1]))]
    }
}

impl Add for Sixteen {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let (ifma, [a, b], [c, d]) = (self.ifma, self.limbs, other.limbs);
        Self { ifma, limbs: [ifma.add(a, c), ifma.add(b, d)] }
    }
}

impl Sub for Sixteen {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let (ifma, [a, b], [c, d]) = (self.ifma, self.limbs, other.limbs);
        Self { ifma, limbs: [ifma.sub(a, c, 0), ifma.sub(b, d, 0)] }
    }
}

struct Product<'a>(&'a Sixteen, &'a Sixteen);

impl NullaryFnOnce for Product<'_> {
    type Output = Sixteen;

    #[inline(always)]
    fn call(self) -> Sixteen {
        let ifma = self.0.ifma;
        Sixteen { ifma, limbs: ifma.mul(ifma.carried(self.0.limbs), ifma.carried(self.1.limbs)) }
    }
}

/// A product as a call. Inlined, an expression of 80 products compiles for minutes, and does not fit into the caches.
#[inline(never)]
fn product(a: &Sixteen, b: &Sixteen) -> Sixteen {
    a.ifma.vectorize(Product(a, b))
}

struct Scaled<'a>(&'a Sixteen, &'a Factor);

impl NullaryFnOnce for Scaled<'_> {
    type Output = Sixteen;

    #[inline(always)]
    fn call(self) -> Sixteen {
        let ifma = self.0.ifma;
        Sixteen { ifma, limbs: ifma.scale(ifma.carried(self.0.limbs), [self.1; 2]) }
    }
}

/// A product by a constant as a call, like [`product`].
#[inline(never)]
fn scaled(a: &Sixteen, factor: &Factor) -> Sixteen {
    a.ifma.vectorize(Scaled(a, factor))
}

struct Loaded<'a>(Ifma, &'a [Fr]);

impl NullaryFnOnce for Loaded<'_> {
    type Output = Sixteen;

    #[inline(always)]
    fn call(self) -> Sixteen {
        let (ifma, elements) = (self.0, &self.1[..16]);
        Sixteen { ifma, limbs: [ifma.load_eight(&elements[..8]), ifma.load_eight(&elements[8..])] }
    }
}

/// Loads as a call, like [`product`].
#[inline(never)]
fn loaded(ifma: Ifma, elements: &[Fr]) -> Sixteen {
    ifma.vectorize(Loaded(ifma, elements))
}

impl Mul for Sixteen {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        product(&self, &other)
    }
}

impl Arithmetic for Ifma {
    const LANES: usize = 16;
    type Value = Sixteen;
    type Factor = Factor;

    #[inline(always)]
    fn load(self, elements: &[Fr]) -> Sixteen {
        loaded(self, elements)
    }

    #[inline(always)]
    fn store(self, value: Sixteen, elements: &mut [Fr]) {
        for i in 0..2 {
            let packed = Ifma::store(self, self.divide(self.positive(value.limbs[i]), 4));
            write(&packed, &mut elements[8 * i..][..8]);
        }
    }

    #[inline(always)]
    fn splat(self, element: Fr) -> Sixteen {
        let limbs = limbs52((element * Fr::from(2).pow_vartime([260])).into());
        let [a, b, c, d, e] = limbs;
        Sixteen { ifma: self, limbs: [[cast([a; 8]), cast([b; 8]), cast([c; 8]), cast([d; 8]), cast([e; 8])]; 2] }
    }

    #[inline(always)]
    fn factor(self, element: Fr) -> Factor {
        super::wide::factor(element)
    }

    #[inline(always)]
    fn scale(self, value: Sixteen, factor: &Factor) -> Sixteen {
        scaled(&value, factor)
    }

    #[inline(always)]
    fn reduce(self, value: Sixteen) -> Sixteen {
        Sixteen { ifma: self, limbs: [self.positive(value.limbs[0]), self.positive(value.limbs[1])] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{One, run};
    use super::*;
    use rand_core::OsRng;

    /// What is done with sixteen elements each of `a` and `b`.
    struct All<'a>(&'a [Fr; 16], &'a [Fr; 16]);

    impl Kernel for All<'_> {
        type Output = Vec<[Fr; 16]>;

        #[inline(always)]
        fn run<A: Arithmetic>(self, s: A) -> Vec<[Fr; 16]> {
            let mut out = vec![[Fr::ZERO; 16]; 9];
            let (one, factor) = (s.splat(Fr::ONE), s.factor(-Fr::from(3)));
            for lane in (0..16).step_by(A::LANES) {
                let (a, b) = (s.load(&self.0[lane..]), s.load(&self.1[lane..]));
                s.store(a, &mut out[0][lane..]);
                s.store(a + b, &mut out[1][lane..]);
                s.store(a - b, &mut out[2][lane..]);
                s.store(a * b, &mut out[3][lane..]);
                s.store(s.scale(a, &factor), &mut out[4][lane..]);
                s.store((a - b - b + one) * (b - a - a - a), &mut out[5][lane..]);
                // To the ends of the range.
                let (mut low, mut high) = (s.splat(Fr::ZERO), s.splat(Fr::ZERO));
                for _ in 0..10 {
                    (low, high) = (low - a, high + b);
                }
                s.store(low, &mut out[6][lane..]);
                s.store(high * low, &mut out[7][lane..]);
                s.store(s.scale(s.reduce(high), &factor) - s.reduce(low), &mut out[8][lane..]);
            }
            out
        }
    }

    #[test]
    fn the_same_as_one_by_one() {
        // The least and the largest limbs too.
        let form = Fr::from(2).pow_vartime([256]).invert().unwrap();
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, form, -form, Fr::from(2), -Fr::from(2)];
        for i in 0..2000 {
            let pick = |k: usize| if (i + k).is_multiple_of(3) { edges[i * k % 7] } else { Fr::random(OsRng) };
            let (a, b) = (std::array::from_fn(|k| pick(k + 1)), std::array::from_fn(|k| pick(k + 5)));
            let (wide, narrow) = (run(All(&a, &b)), All(&a, &b).run(One));
            for (operation, pair) in wide.iter().zip(&narrow).enumerate() {
                assert_eq!(pair.0, pair.1, "operation {operation}");
            }
        }
    }
}
