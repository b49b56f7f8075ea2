//! Arithmetic on columns row by row, eight rows at a time where the processor can: one source for both.

#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
mod limbs;
#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
mod sixteen;
#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
pub(in crate::engine) mod wide;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use std::ops::{Add, Mul, Sub};

/// Arithmetic on `LANES` elements at a time.
///
/// Sums are not reduced: a factor, or a value to store, may be a sum or difference of values that come, in units of
/// `p`, to less than 42. A constant is 1, a loaded value 4, a product 3, a [`Arithmetic::scale`]d value 6, a
/// [`Arithmetic::reduce`]d one 13.
/// [`Budget`] is an implementation that checks it.
pub trait Arithmetic: Copy {
    /// Elements in a value.
    const LANES: usize;
    /// A few elements.
    type Value: Copy + Add<Output = Self::Value> + Sub<Output = Self::Value> + Mul<Output = Self::Value>;
    /// A constant prepared for [`Arithmetic::scale`].
    type Factor;

    /// The first `LANES` elements, of at least as many.
    fn load(self, elements: &[Fr]) -> Self::Value;
    /// Writes the first `LANES` elements, of at least as many.
    fn store(self, value: Self::Value, elements: &mut [Fr]);
    /// The same element in all lanes.
    fn splat(self, element: Fr) -> Self::Value;
    /// Prepares a constant. Cost: up to five multiplications.
    fn factor(self, element: Fr) -> Self::Factor;
    /// Value times constant: a little more than half the cost of a product of values.
    fn scale(self, value: Self::Value, factor: &Self::Factor) -> Self::Value;
    /// The same elements, not as a long sum. Cost: about an eighth of a product.
    fn reduce(self, value: Self::Value) -> Self::Value;
}

/// What is to be done with some [`Arithmetic`].
pub trait Kernel {
    /// What comes out.
    type Output;
    /// Must be `#[inline(always)]`, as everything that it calls with values: elsewhere the compiler does not know that
    /// the processor has the instructions. So loops rather than closures.
    fn run<A: Arithmetic>(self, arithmetic: A) -> Self::Output;
}

/// Runs on the widest lanes that the processor has.
pub fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
    if let Some(ifma) = super::ifma::Ifma::try_new() {
        return ifma.vectorize(sixteen::Vectorized { ifma, kernel });
    }
    kernel.run(One)
}

/// One element at a time, by `halo2curves`.
#[derive(Clone, Copy, Debug)]
pub struct One;

impl Arithmetic for One {
    const LANES: usize = 1;
    type Value = Fr;
    type Factor = Fr;

    #[inline(always)]
    fn load(self, elements: &[Fr]) -> Fr {
        elements[0]
    }

    #[inline(always)]
    fn store(self, value: Fr, elements: &mut [Fr]) {
        elements[0] = value;
    }

    #[inline(always)]
    fn splat(self, element: Fr) -> Fr {
        element
    }

    #[inline(always)]
    fn factor(self, element: Fr) -> Fr {
        element
    }

    #[inline(always)]
    fn scale(self, value: Fr, factor: &Fr) -> Fr {
        value * factor
    }

    #[inline(always)]
    fn reduce(self, value: Fr) -> Fr {
        value
    }
}

/// `1, base, base^2, ..`. Cost: a product each.
pub fn powers(base: Fr, count: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |power| Some(*power * base)).take(count).collect()
}

#[cfg(test)]
mod budget;
#[cfg(test)]
pub(in crate::engine) use budget::Budget;
