//! Transforms one element at a time, for every processor and every size: decimation in time, in place (Cooley and Tukey 1965).

use crate::engine::lanes::powers;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// The powers of a coset's shift.
#[derive(Clone, Debug)]
pub(super) struct Tables(Vec<Fr>);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct ScalarTransform {
    k: u32,
    n_inverse: Fr,
    /// `[m + j]` holds the `j`-th power of the root of order `2 m`, for `m = 1, 2, 4, .. n/2` and `j < m`.
    twiddles: Vec<Fr>,
}

impl ScalarTransform {
    /// Cost: `n/2` multiplications.
    pub(super) fn new(k: u32, omega: Fr) -> Self {
        let n = 1usize << k;
        let mut twiddles = vec![Fr::ONE; n];
        twiddles[n / 2..].copy_from_slice(&powers(omega, n / 2));
        // The root of order 2m is the square of that of order 4m: entry m + j is entry 2m + 2j.
        for entry in (1..n / 2).rev() {
            twiddles[entry] = twiddles[2 * entry];
        }
        let n_inverse = Fr::from(n as u64).invert().expect("a power of two");
        Self { k, n_inverse, twiddles }
    }

    /// The tables for the coset of `shift`. Cost: `n` multiplications.
    pub(super) fn coset(&self, shift: Fr) -> Tables {
        Tables(powers(shift, 1 << self.k))
    }

    /// `a[i]` becomes `sum_j a[j] omega^(i j)`. Cost: `n k / 2` multiplications less those by 1.
    pub(super) fn evaluate(&self, a: &mut [Fr]) {
        let n = 1usize << self.k;
        assert_eq!(a.len(), n, "a polynomial of the domain's size");
        let shift = usize::BITS - self.k;
        for i in 0..n {
            let j = i.reverse_bits() >> shift;
            if i < j {
                a.swap(i, j);
            }
        }
        for pair in a.chunks_exact_mut(2) {
            (pair[0], pair[1]) = (pair[0] + pair[1], pair[0] - pair[1]);
        }
        let mut m = 2;
        while m < n {
            let twiddles = &self.twiddles[m..2 * m];
            for block in a.chunks_exact_mut(2 * m) {
                let (low, high) = block.split_at_mut(m);
                for ((x, y), twiddle) in low.iter_mut().zip(high).zip(twiddles) {
                    let t = *y * twiddle;
                    *y = *x - t;
                    *x += t;
                }
            }
            m *= 2;
        }
    }

    /// The inverse of [`Self::evaluate`].
    pub(super) fn interpolate(&self, a: &mut [Fr]) {
        self.evaluate(a);
        a[1..].reverse();
        a.iter_mut().for_each(|value| *value *= self.n_inverse);
    }

    /// Values at `shift omega^i`.
    pub(super) fn evaluate_on_coset(&self, coefficients: &[Fr], coset: &Tables, values: &mut [Fr]) {
        assert_eq!(coefficients.len(), values.len(), "a polynomial of the domain's size");
        for ((value, c), power) in values.iter_mut().zip(coefficients).zip(&coset.0) {
            *value = c * power;
        }
        self.evaluate(values);
    }
}
