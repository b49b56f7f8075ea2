//! The subgroup of `n = 2^k` elements, and transforms over it and its cosets.

#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
mod passes;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
mod wide;

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use scalar::ScalarTransform;
#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
use wide::WideTransform;

/// halo2's domain of `2^k` rows: the powers of one root of unity, in order.
#[derive(Clone, Debug)]
pub struct Domain {
    k: u32,
    omega: Fr,
    transform: Transform,
}

/// How transforms are done. All ways give the same elements.
#[derive(Clone, Debug)]
enum Transform {
    Scalar(ScalarTransform),
    /// On processors with AVX-512 IFMA.
    #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
    Wide(WideTransform),
}

/// A coset of a [`Domain`], prepared for [`Domain::evaluate_on_coset`]: 40 bytes an element.
#[derive(Clone, Debug)]
pub struct Coset(Tables);

#[derive(Clone, Debug)]
enum Tables {
    Scalar(scalar::Tables),
    #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
    Wide(wide::Tables),
}

/// The primitive root of unity of order `2^k`.
fn root(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

impl Transform {
    /// The fastest that there is here.
    fn new(k: u32, omega: Fr) -> Self {
        #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
        if let Some(wide) = WideTransform::new(k, omega) {
            return Self::Wide(wide);
        }
        Self::Scalar(ScalarTransform::new(k, omega))
    }
}

impl Domain {
    /// The domain of `2^k` rows, `1 <= k <= 24`: cosets of it need roots of higher order.
    ///
    /// Cost: `n` multiplications; 40 bytes an element are kept.
    #[must_use]
    pub fn new(k: u32) -> Self {
        assert!((1..=24).contains(&k), "a domain of 2^{k} rows");
        Self { k, omega: root(k), transform: Transform::new(k, root(k)) }
    }

    /// A domain whose transforms do not use the special instructions of a processor.
    #[must_use]
    pub fn without_ifma(k: u32) -> Self {
        Self { k, omega: root(k), transform: Transform::Scalar(ScalarTransform::new(k, root(k))) }
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
    /// Cost: `n k / 2` multiplications less those by 1; 40 bytes an element are borrowed meanwhile.
    ///
    /// # Panics
    /// If `a` has not `n` elements. So do the functions below.
    pub fn evaluate(&self, a: &mut [Fr]) {
        match &self.transform {
            Transform::Scalar(scalar) => scalar.evaluate(a),
            #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
            Transform::Wide(wide) => wide.evaluate(a),
        }
    }

    /// Coefficients from values, in place. Cost: that of [`Self::evaluate`].
    pub fn interpolate(&self, a: &mut [Fr]) {
        match &self.transform {
            Transform::Scalar(scalar) => scalar.interpolate(a),
            #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
            Transform::Wide(wide) => wide.interpolate(a),
        }
    }

    /// The coset of `shift`, for many polynomials. Cost: `n` multiplications.
    #[must_use]
    pub fn coset(&self, shift: Fr) -> Coset {
        Coset(match &self.transform {
            Transform::Scalar(scalar) => Tables::Scalar(scalar.coset(shift)),
            #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
            Transform::Wide(wide) => Tables::Wide(wide.coset(shift)),
        })
    }

    /// Values at `shift omega^i`. Cost: that of [`Self::evaluate`] and up to `n` multiplications.
    ///
    /// # Panics
    /// If the coset is of another domain.
    pub fn evaluate_on_coset(&self, coefficients: &[Fr], coset: &Coset, values: &mut [Fr]) {
        match (&self.transform, &coset.0) {
            (Transform::Scalar(scalar), Tables::Scalar(tables)) => {
                scalar.evaluate_on_coset(coefficients, tables, values);
            }
            #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
            (Transform::Wide(wide), Tables::Wide(tables)) => wide.evaluate_on_coset(coefficients, tables, values),
            #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
            _ => panic!("a coset of another domain"),
        }
    }

    /// Shifts of the cosets that make up one coset of the domain of `count n` elements, which shares no element with
    /// this domain.
    #[must_use]
    pub fn cosets(&self, count: usize) -> Vec<Fr> {
        let step = root(self.k + count.ilog2());
        let shift = |index| step.pow_vartime([index as u64]) * Fr::MULTIPLICATIVE_GENERATOR;
        (0..count).map(shift).collect()
    }
}
