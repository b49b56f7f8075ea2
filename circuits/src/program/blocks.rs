//! Quotients in two parts: blocks of a power of two, and where in its block a quotient lies.
//!
//! Spec: `docs/spec/machine.md#limbs`. Outside a window an activation is constant, so a table needs the blocks
//! of the window and one to each side; a quotient further out is moved into the outermost block on its side.

use crate::integer::{Activation, Interval};

/// Which blocks the table of an activation holds, and which blocks quotients reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Blocks {
    /// A block is `2^limb` quotients.
    pub limb: u32,
    /// Number of the first block in the table: it starts at quotient `first 2^limb`.
    pub first: i64,
    /// Blocks in the table.
    pub count: u64,
    /// Least block that is reached, counted from `first`; it is stored as 0.
    pub least: i64,
}

impl Blocks {
    /// The blocks of `activation`'s table; those reached are not known yet.
    #[must_use]
    pub fn of(activation: &Activation, limb: u32) -> Self {
        let window = activation.window();
        let first = ((window.lo + 1) >> limb) - 1;
        let last = -(-window.hi >> limb);
        Self { limb, first, count: (last - first + 1) as u64, least: 0 }
    }

    /// The quotients in the table.
    #[must_use]
    pub const fn arguments(&self) -> Interval {
        let lo = self.first << self.limb;
        Interval::new(lo, lo + ((self.count as i64) << self.limb) - 1)
    }

    /// The blocks that quotients in `interval` lie in, counted from `first`.
    #[must_use]
    pub const fn reached(&self, interval: Interval) -> Interval {
        Interval::new((interval.lo >> self.limb) - self.first, (interval.hi >> self.limb) - self.first)
    }

    /// Block of a quotient, as stored, and where in the block it lies.
    #[must_use]
    pub const fn split(&self, quotient: i64) -> (i64, i64) {
        ((quotient >> self.limb) - self.first - self.least, quotient & ((1 << self.limb) - 1))
    }

    /// The least quotient of the least block that is reached.
    #[must_use]
    pub const fn origin(&self) -> i64 {
        (self.first + self.least) << self.limb
    }

    /// Stored block less the block of the table that stands for it.
    #[must_use]
    pub fn excess(&self, stored: i64) -> i64 {
        excess(stored, self.least, self.count)
    }
}

/// `stored - clamp(stored + least, 0, count - 1)`.
pub(super) fn excess(stored: i64, least: i64, count: u64) -> i64 {
    stored - (stored + least).clamp(0, count as i64 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::Function;
    use proptest::prelude::*;

    proptest! {
        /// Every quotient has a representative in the table at which the activation is the same.
        #[test]
        fn a_representative_has_the_same_value(
            quotient in -5000i64..5000,
            lo in -300i64..200,
            len in 0i64..400,
            limb in 1u32..9,
            relu in any::<bool>(),
        ) {
            let function = if relu { Function::Relu } else { Function::Identity };
            let activation = Activation { function, range: Interval::new(lo, lo + len) };
            let mut blocks = Blocks::of(&activation, limb);
            blocks.least = blocks.reached(Interval::new(-5000, 5000)).lo;
            let (stored, low) = blocks.split(quotient);
            prop_assert!(stored >= 0 && (0..1 << limb).contains(&low));
            prop_assert_eq!(blocks.origin() + (stored << limb) + low, quotient);
            let inside = (stored << limb) + low - (blocks.excess(stored) << limb);
            let arguments = blocks.arguments();
            prop_assert!((0..arguments.len() as i64).contains(&inside));
            prop_assert_eq!(activation.apply(arguments.lo + inside), activation.apply(quotient));
            prop_assert!(arguments.covers(&activation.window()));
        }
    }
}
