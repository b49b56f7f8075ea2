//! An arithmetic that checks bounds.

use super::Arithmetic;
use halo2_proofs::halo2curves::bn256::Fr;
use std::ops::{Add, Mul, Sub};

/// One element with what bounds it, in units of `p`: panics where eight lanes might overflow. For tests: the bounds of
/// a kernel without branches on values do not depend on the values.
#[derive(Clone, Copy, Debug)]
pub struct Budget;

/// See [`Budget`].
#[derive(Clone, Copy, Debug)]
pub struct Bounded(Fr, u64);

impl Bounded {
    fn spend(self) -> Fr {
        assert!(self.1 < 42, "a factor that may come to {} p", self.1);
        self.0
    }
}

impl Add for Bounded {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl Sub for Bounded {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 + other.1)
    }
}

impl Mul for Bounded {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.spend() * other.spend(), 3)
    }
}

impl Arithmetic for Budget {
    const LANES: usize = 1;
    type Value = Bounded;
    type Factor = Fr;

    fn load(self, elements: &[Fr]) -> Bounded {
        Bounded(elements[0], 4)
    }

    fn store(self, value: Bounded, elements: &mut [Fr]) {
        elements[0] = value.spend();
    }

    fn splat(self, element: Fr) -> Bounded {
        Bounded(element, 1)
    }

    fn factor(self, element: Fr) -> Fr {
        element
    }

    fn scale(self, value: Bounded, factor: &Fr) -> Bounded {
        Bounded(value.spend() * factor, 6)
    }

    fn reduce(self, value: Bounded) -> Bounded {
        Bounded(value.spend(), 13)
    }
}
