//! The subgroup of `n = 2^k` elements, and transforms over it and its cosets.

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;

/// halo2's domain of `2^k` rows: the powers of one root of unity, in order.
#[derive(Clone, Debug)]
pub struct Domain {
    k: u32,
    omega: Fr,
    n_inverse: Fr,
    /// `[m + j]` holds the `j`-th power of the root of order `2 m`, for `m = 1, 2, 4, .. n/2` and `j < m`.
    twiddles: Vec<Fr>,
}

/// The primitive root of unity of order `2^k`.
fn root(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

/// `1, base, base^2, ..`
pub(super) fn powers(base: Fr, count: usize) -> Vec<Fr> {
    let mut powers = Vec::with_capacity(count);
    let mut power = Fr::ONE;
    for _ in 0..count {
        powers.push(power);
        power *= base;
    }
    powers
}

impl Domain {
    /// The domain of `2^k` rows, `k >= 1`.
    ///
    /// Cost: `n/2` multiplications.
    ///
    /// # Panics
    /// For `k` above 24: cosets of the domain need roots of higher order.
    #[must_use]
    pub fn new(k: u32) -> Self {
        assert!((1..=24).contains(&k), "a domain of 2^1 to 2^24 rows");
        let (n, omega) = (1usize << k, root(k));
        let mut twiddles = vec![Fr::ONE; n];
        twiddles[n / 2..].copy_from_slice(&powers(omega, n / 2));
        // The root of order 2m is the square of that of order 4m: entry m + j is entry 2m + 2j.
        for entry in (1..n / 2).rev() {
            twiddles[entry] = twiddles[2 * entry];
        }
        let n_inverse = Fr::from(n as u64).invert().expect("a power of two");
        Self { k, omega, n_inverse, twiddles }
    }

    /// The generator of the domain of `2^k` rows: row `i` is at its `i`-th power.
    #[must_use]
    pub fn generator(k: u32) -> Fr {
        root(k)
    }

    /// Number of rows.
    #[must_use]
    pub const fn n(&self) -> usize {
        1 << self.k
    }

    /// See [`Self::generator`].
    #[must_use]
    pub const fn omega(&self) -> Fr {
        self.omega
    }

    /// Values from coefficients, in place: `a[i]` becomes `sum_j a[j] omega^(i j)`.
    ///
    /// Cost: `n k / 2` multiplications less those by 1; Cooley and Tukey 1965, decimation in time.
    pub fn evaluate(&self, a: &mut [Fr]) {
        let n = self.n();
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

    /// Coefficients from values, in place.
    pub fn interpolate(&self, a: &mut [Fr]) {
        self.evaluate(a);
        a[1..].reverse();
        a.iter_mut().for_each(|value| *value *= self.n_inverse);
    }

    /// Values on the coset whose `i`-th power of the shift is `shifts[i]`.
    #[must_use]
    pub(super) fn evaluate_on_coset(&self, coefficients: &[Fr], shifts: &[Fr]) -> Vec<Fr> {
        let mut values: Vec<Fr> = coefficients.iter().zip(shifts).map(|(c, s)| c * s).collect();
        self.evaluate(&mut values);
        values
    }

    /// Shifts of the cosets that make up one coset of the domain of `count n` elements, which shares no element with this domain.
    #[must_use]
    pub(super) fn cosets(&self, count: usize) -> Vec<Fr> {
        let step = root(self.k + count.ilog2());
        powers(step, count).into_iter().map(|power| power * Fr::MULTIPLICATIVE_GENERATOR).collect()
    }
}
